# SPDX-License-Identifier: Apache-2.0
"""Histograms of several targets in one pass: naive = cpu for vector-leaf trees and for the roots of a round's trees."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from backend_trio import Column, Trio, codes, make_dataset, numeric

from pygbt import _core


def table(n: int, seed: int = 5) -> list[Column]:
    """Slots of one feature with few and with many bins, joint slots, features that are mostly one bin."""
    rng = np.random.default_rng(seed)
    columns = [numeric(rng.integers(0, levels, n)) for levels in (2, 3, 40, 300, 300, 300, 700)]
    columns.append(numeric(np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n))))
    columns.append(codes(rng.integers(-1, 50, n), 50))
    level = rng.integers(-1, 6, n)
    columns += [numeric(level == i) for i in range(6)]
    columns += [numeric(np.where(rng.random(n) < 0.04, rng.integers(1, 9, n), 0)) for _ in range(12)]
    return columns


def gradients(n: int, n_targets: int, seed: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of the ranges of g and h among them."""
    rng = np.random.default_rng(seed)
    g = np.clip(rng.normal(size=(n, n_targets)), -1, 1).astype(np.float32)
    h = rng.choice([0.0, 1e-9, 0.3, 0.99999994], (n, n_targets)).astype(np.float32)
    return g * np.float32(0.99999994), h


def grow(trio: Trio, request: dict[str, Any], n_features: int) -> None:
    """Two levels by the best cuts: every histogram on the way is compared."""
    root = trio.begin_tree(request)
    trio.histograms([0])
    trio.histogram_of(0)
    query = {"node": 0, "sums": root["sums"], "count": root["count"], "features": list(range(n_features))}
    split = trio.best_splits({}, [query])[0]
    if split is None:
        return
    n_left = trio.partition([(0, 1, split)])[0]
    built, derived = (1, 2) if 2 * n_left <= root["count"] else (2, 1)
    trio.histograms([built])
    trio.subtract([(0, built, derived)])
    trio.histogram_of(built)
    subtracted = trio.histogram_of(derived)
    trio.histograms([derived, built])
    assert np.array_equal(subtracted, trio.histogram_of(derived))
    trio.histogram_of(built)


def check(n: int, n_targets: int, max_bin: int, subsample: float, count_rows: bool) -> None:
    columns = table(n)
    dataset = make_dataset(columns, max_bin)
    trio = Trio(dataset, n_targets)
    common = {"seed": 3, "subsample": subsample, "count_rows": count_rows}
    for iteration in range(2):  # the second finds memory and state of the first
        trio.set_gradients(*gradients(n, n_targets, iteration))
        for target in range(n_targets):
            after = {"trees_after": n_targets - 1 - target}
            grow(trio, {**common, "first_target": target, "iteration": iteration, **after}, len(columns))
        grow(trio, {**common, "width": n_targets, "iteration": iteration}, len(columns))


CASES = [
    (n, n_targets, 256 if n_targets % 2 else 1000, 0.6 if n_targets % 3 == 0 else 1.0, n_targets % 4 == 1)
    for n, n_targets in zip(
        [1, 7, 4099, 2048, 301, 6001, 9001, 33, 1003, 17, 5000, 4097, 259, 2049, 63, 1, 3001], range(1, 18), strict=True
    )
]


@pytest.mark.parametrize("case", CASES, ids=[f"{case[1]}-targets" for case in CASES])
def test_naive_is_cpu_on_several_targets(case: tuple[int, int, int, float, bool]) -> None:
    check(*case)


@pytest.mark.parametrize(("n_targets", "subsample"), [(3, 1.0), (6, 0.9)])
def test_naive_is_cpu_on_more_rows_than_a_packed_cell_takes(n_targets: int, subsample: float) -> None:
    check(80001, n_targets, 256, subsample, count_rows=True)


@pytest.mark.parametrize("isa", _core.build_info()["isa_levels"])
def test_every_instruction_set_adds_several_targets_alike(isa: str) -> None:
    code = "import test_backend_lanes as t\nfor case in t.CASES[1:13:2] + t.CASES[8:17:4]: t.check(*case)"
    env = {**os.environ, "PYGBT_ISA": isa, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("sign", [1, -1])
def test_packed_cells_of_several_targets_hold_the_largest_sums(sign: int, n_threads: int) -> None:
    """65,536 equal rows of the largest g and h fill a cell to the last value that fits, also next to others."""
    n, n_targets = 2**16, 11
    almost_one = np.float32(0.99999994)
    dataset = make_dataset([numeric(np.zeros(n)), numeric(np.arange(n) % 4)])
    backend = _core.probe.Backend("cpu", dataset, n_targets, n_threads)
    signs = sign * np.where(np.arange(n_targets) % 2, -1, 1)
    backend.set_gradients(np.tile(signs * almost_one, (n, 1)), np.full((n, n_targets), almost_one))
    whole = np.stack([signs * (2**15 - 1), np.full(n_targets, 2**16 - 1)], axis=1) * n
    expected = np.stack([0 * whole, whole, 0 * whole, *[whole // 4] * 4])
    for target in range(n_targets):
        backend.begin_tree({"first_target": target, "trees_after": n_targets - 1 - target})
        backend.histograms([0])
        assert np.array_equal(backend.histogram_of(0)[:, 0], expected[:, target])
    backend.begin_tree({"width": n_targets})
    backend.histograms([0])
    assert np.array_equal(backend.histogram_of(0), expected)


def test_trees_that_do_not_follow_as_announced() -> None:
    """Another draw, another precision, a tree skipped, gradients anew, the root asked for twice or after its cut."""
    n, n_targets = 3001, 9
    columns = table(n)
    trio = Trio(make_dataset(columns), n_targets)
    trio.set_gradients(*gradients(n, n_targets))
    for request in (
        {"first_target": 0, "trees_after": 8},
        {"first_target": 2, "trees_after": 6},
        {"first_target": 1, "trees_after": 7, "wide": True},
        {"first_target": 1, "trees_after": 7},
        {"first_target": 1, "trees_after": 7},
        {"first_target": 3, "iteration": 1},
        {"first_target": 0, "trees_after": 8, "subsample": 0.5},
        {"first_target": 1, "trees_after": 7, "subsample": 0.4},
        {"first_target": 2, "trees_after": 6, "subsample": 0.4, "count_rows": True},
        {"first_target": 3, "subsample": 0.4},
        {"first_target": 3, "width": 1, "subsample": 0.4},
    ):
        grow(trio, request, len(columns))
        trio.histograms([0])
    trio.set_gradients(*gradients(n, n_targets, 9))
    trio.totals(2)
    grow(trio, {"first_target": 1, "trees_after": 7}, len(columns))
    trio.set_gradients(*gradients(n, n_targets, 10))
    grow(trio, {"first_target": 2, "trees_after": 6}, len(columns))
