# SPDX-License-Identifier: Apache-2.0
"""What the core does for rules of C4.5, against NumPy: which cases they cover, which conditions they need, subsets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pygbt import _core

LAST = np.iinfo(np.uint32).max
Rule = list[tuple[int, int, int, bytes | None]]


def table(n: int, seed: int) -> tuple[Any, list[np.ndarray]]:
    """Codes of 1, 2 and, where there are enough rows, 4 bytes, missing ones among them; the last column is nominal."""
    rng = np.random.default_rng(seed)
    numeric = [rng.integers(0, k, n).astype(np.float64) for k in (3, 900, 90_000)]
    for column in numeric:
        column[rng.random(n) < 0.1] = np.nan
    levels = rng.integers(-1, 7, n).astype(np.int32)
    coded = _core.CodedTable([*numeric, ("codes", levels)], [0, 0, 0, 7])
    return coded, [coded.codes(f) for f in range(4)]


def random_rules(codes: list[np.ndarray], n_rules: int, rng: np.random.Generator) -> list[Rule]:
    rules: list[Rule] = []
    for _ in range(n_rules):
        rule: Rule = []
        for _ in range(rng.integers(0, 6)):
            feature = int(rng.integers(0, 4))
            cut = int(rng.integers(0, codes[feature].max() + 2))
            if feature == 3:
                rule.append((3, 0, 0, rng.integers(0, 2, rng.integers(1, 9)).astype(np.uint8).tobytes()))
            elif rng.random() < 0.5 and cut > 0:
                rule.append((feature, 1, cut, None))
            else:
                rule.append((feature, cut + 1, LAST, None))
        rules.append(rule)
    return rules


def holds(codes: list[np.ndarray], condition: tuple[int, int, int, bytes | None]) -> np.ndarray:
    feature, first, last, known = condition
    if known is None:
        return (codes[feature] >= first) & (codes[feature] <= last)
    flags = np.frombuffer(known, dtype=np.uint8)
    return np.array([code < len(flags) and flags[code] == 1 for code in codes[feature]], dtype=bool)


def covers(codes: list[np.ndarray], rule: Rule) -> np.ndarray:
    return np.logical_and.reduce([np.ones(len(codes[0]), dtype=bool), *(holds(codes, c) for c in rule)])


@pytest.mark.parametrize("n", [1, 63, 64, 65, 700, 70_000])
def test_cases_that_rules_cover(n: int) -> None:
    coded, codes = table(n, n)
    rules = random_rules(codes, 12, np.random.default_rng(n))
    expected = np.array([covers(codes, rule) for rule in rules])
    first = np.where(expected.any(axis=0), expected.argmax(axis=0), -1)
    for n_threads in (1, 3):
        covered = _core.covered_cases(coded, rules, n_threads)
        assert all(np.array_equal(rows, np.flatnonzero(mask)) for rows, mask in zip(covered, expected, strict=True))
        assert np.array_equal(_core.first_rules(coded, rules, n_threads), first)
    assert (_core.first_rules(coded, []) == -1).all() and _core.covered_cases(coded, []) == []


def needed(
    codes: list[np.ndarray], rule: Rule, wrong: np.ndarray, weight: np.ndarray, confidence: float, exact: bool
) -> tuple[list[int], float, float]:
    """One condition after the other, each time every subset counted anew."""
    kept = list(range(len(rule)))

    def count(places: list[int]) -> tuple[float, float]:
        mask = covers(codes, [rule[i] for i in places])
        return float(weight[mask].sum()), float(weight[mask & wrong].sum())

    def rate(places: list[int]) -> float:
        cases, errors = count(places)
        added = _core.added_errors(np.array([cases]), np.array([errors]), confidence, exact)[0]
        return (errors + added) / cases if cases > 0 else np.inf

    while kept:
        rates = [rate([i for i in kept if i != j]) for j in kept]
        best = next(i for i, r in enumerate(rates) if r <= min(rates) + 1e-9)
        if rates[best] > rate(kept) + 1e-9:
            break
        del kept[best]
    return kept, *count(kept)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("weighted", [False, True])
def test_conditions_that_rules_need(seed: int, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(50, 400))
    coded, codes = table(n, seed)
    target = rng.integers(0, 3, n).astype(np.int32)
    weight = rng.integers(0, 9, n) / 4 if weighted else np.ones(n)  # sums are exact in any order
    rules = random_rules(codes, 40, rng)
    labels = rng.integers(0, 3, 40).tolist()
    exact = seed % 2 == 1
    expected = [needed(codes, rule, target != k, weight, 0.25, exact) for rule, k in zip(rules, labels, strict=True)]
    for n_threads in (1, 2):
        found = _core.needed_conditions(
            coded, target, weight if weighted else None, rules, labels, 0.25, exact, n_threads
        )
        assert found == expected
    assert any(len(kept) < len(rule) for (kept, _, _), rule in zip(expected, rules, strict=True))
    assert any(kept for kept, _, _ in expected)


@pytest.mark.parametrize("seed", range(3))
def test_a_subset_of_rules(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 300
    coded, codes = table(n, seed)
    rules = random_rules(codes, 15, rng)
    masks = np.array([covers(codes, rule) for rule in rules])
    weight, right = rng.integers(0, 9, n) / 4, rng.integers(0, 2, n).astype(np.uint8)
    subset = _core.RuleSubset(coded, rules, weight, right)
    inside = np.ones(15, dtype=bool)
    for rule in [None, *rng.integers(0, 15, 60).tolist()]:
        if rule is not None:
            subset.toggle(rule)
            inside[rule] = not inside[rule]
        times = masks[inside].sum(axis=0)
        sides = np.array([weight * (right == 1), weight * (right == 0)])
        assert subset.covered == tuple(sides[:, times > 0].sum(axis=1))
        own = [(sides * masks[r] * (times == int(inside[r]))).sum(axis=1) for r in range(15)]
        np.testing.assert_array_equal(subset.own, own)


def test_refusals() -> None:
    coded, _ = table(10, 0)
    with pytest.raises(ValueError, match="column that is not there"):
        _core.first_rules(coded, [[(4, 1, 2, None)]])
    with pytest.raises(ValueError, match="labels must have a value for each rule"):
        _core.needed_conditions(coded, np.zeros(10, dtype=np.int32), None, [[]], [], 0.25, False)
    with pytest.raises(ValueError, match="a value for each row"):
        _core.needed_conditions(coded, np.zeros(9, dtype=np.int32), None, [[]], [0], 0.25, False)
