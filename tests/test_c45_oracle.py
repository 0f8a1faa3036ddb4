# SPDX-License-Identifier: Apache-2.0
"""Trees of C4.5 and ID3 against an oracle that does it all from the definitions, on small random tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from c45_oracle import Oracle

from pygbt.tree import C45Classifier, ID3Classifier


def random_table(rng: np.random.Generator, *, numeric: bool = True) -> dict[str, Any]:
    """Up to 12 rows (sometimes 30), up to 4 columns, ties everywhere, weights, missing values."""
    n = int(rng.integers(2, 13)) if rng.random() < 0.7 else int(rng.integers(13, 31))
    columns: list[list[Any]] = []
    nominal = []
    for _ in range(rng.integers(1, 5)):
        is_nominal = not numeric or rng.random() < 0.5
        values = rng.integers(0, rng.integers(2, 6), n) if is_nominal else rng.integers(0, 8, n) * 0.75
        missing = rng.random(n) < (0.2 if rng.random() < 0.6 else 0.0)
        columns.append([None if m else v for v, m in zip(values.tolist(), missing, strict=True)])
        nominal.append(is_nominal)
    y = rng.integers(0, rng.integers(2, 4), n).tolist()
    weights = (rng.integers(0, 4, n) if rng.random() < 0.4 else np.ones(n, dtype=int)).tolist()
    if sum(weights) == 0:
        weights[0] = 1
    return {"columns": columns, "nominal": nominal, "y": y, "weights": weights}


def as_frame(table: dict[str, Any]) -> pd.DataFrame:
    frame = {}
    for f, (column, nominal) in enumerate(zip(table["columns"], table["nominal"], strict=True)):
        if nominal:
            frame[f"x{f}"] = pd.Categorical(column, categories=list(range(6)))
        else:
            frame[f"x{f}"] = pd.Series(column, dtype=float)
    return pd.DataFrame(frame)


def same_tree(tree: Any, node: int, expected: dict[str, Any], unit: float, classes: Any) -> None:
    counts = np.array(expected["counts"])[classes] * unit
    np.testing.assert_array_equal(tree.value[node], counts)
    assert classes[tree.label[node]] == expected["label"]
    assert tree.n_children[node] == len(expected.get("children", []))
    if "children" not in expected:
        return
    q = tree.question_begin[node]
    assert tree.question_feature[q] == expected["feature"]
    assert tree.question_improvement[q] == pytest.approx(expected["gain"], abs=1e-12)
    if "threshold" in expected:
        assert tree.question_threshold[q] == expected["threshold"]
    else:
        begin = tree.question_branch_begin[q]
        branches = tree.question_branches[begin : begin + tree.question_n_branches[q]]
        assert {v: b for v, b in enumerate(branches) if b >= 0} == expected["branches"]
    for child, below in zip(tree.children(node), expected["children"], strict=True):
        same_tree(tree, child, below, unit, classes)


SETTINGS: list[dict[str, Any]] = [
    {},
    {"prune": False},
    {"prune": False, "collapse": False},
    {"penalty": False, "min_obj": 1},
    {"penalty": False, "min_obj": 1, "collapse": False, "exact": True, "confidence": 0.1},
    {"penalty": False, "raising": False, "confidence": 0.5},
    {"kind": "grouped", "min_obj": 1, "prune": False, "collapse": False},
    {"kind": "one_vs_rest", "min_obj": 1, "prune": False, "collapse": False},
    {"kind": "grouped", "penalty": False, "exact": True, "confidence": 0.4},
]


@pytest.mark.parametrize("seed", range(9))
def test_c45_grows_the_oracles_tree(seed: int) -> None:
    rng = np.random.default_rng(seed)
    settings = SETTINGS[seed]
    rename = {"kind": "nominal", "raising": "subtree_raising"}
    given = {rename.get(k, k): v for k, v in settings.items() if k != "exact"}
    if settings.get("exact"):
        given["ebp"] = "exact"
    n_inner = 0
    for _ in range(120):
        table = random_table(rng)
        oracle = Oracle(**table, **settings)
        model = C45Classifier(**given, n_jobs=1)
        model.fit(as_frame(table), table["y"], sample_weight=np.array(table["weights"], dtype=float))
        expected = oracle.tree()
        same_tree(model.tree_, 0, expected, oracle.unit, model.classes_)
        n_inner += "children" in expected
    assert n_inner > 20


@pytest.mark.parametrize("exact", [False, True])
def test_pruned_trees_with_raised_branches(exact: bool) -> None:
    """Noisy tables of 90 rows, on which raising changes some trees."""
    rng = np.random.default_rng(3)
    n, n_raised = 90, 0
    for _ in range(60):
        x = rng.integers(0, 10, (n, 3))
        y = ((x[:, 0] > 4) ^ (rng.random(n) < 0.25)).astype(int) + (x[:, 1] > 7)
        first = [None if m else float(v) for v, m in zip(x[:, 0], rng.random(n) < 0.1, strict=True)]
        columns = [first, x[:, 1].astype(float).tolist(), (x[:, 2] % 3).tolist()]
        table = {"columns": columns, "nominal": [False, False, True], "y": y.tolist(), "weights": [1] * n}
        oracle = Oracle(**table, penalty=False, exact=exact)
        expected = oracle.tree()
        model = C45Classifier(penalty=False, ebp="exact" if exact else "c45").fit(as_frame(table), y)
        same_tree(model.tree_, 0, expected, oracle.unit, model.classes_)
        n_raised += expected != Oracle(**table, penalty=False, exact=exact, raising=False).tree()
    assert n_raised >= 3


@pytest.mark.parametrize("min_gain", [0.0, 0.15])
def test_id3_grows_the_oracles_tree(min_gain: float) -> None:
    rng = np.random.default_rng(99)
    for _ in range(150):
        table = random_table(rng, numeric=False)
        oracle = Oracle(**table, id3=True, min_gain=min_gain)
        model = ID3Classifier(min_gain=min_gain, n_jobs=1)
        model.fit(as_frame(table), table["y"], sample_weight=np.array(table["weights"], dtype=float))
        same_tree(model.tree_, 0, oracle.tree(), oracle.unit, model.classes_)


def test_split_report_judges_every_attribute_as_the_oracle() -> None:
    rng = np.random.default_rng(5)
    for _ in range(100):
        table = random_table(rng)
        oracle = Oracle(**table)
        weights = np.array(table["weights"], dtype=float)
        X = as_frame(table)
        model = C45Classifier(n_jobs=1).fit(X, table["y"], sample_weight=weights)
        report = model.split_report(X, table["y"], sample_weight=weights)
        chosen = oracle.choose(oracle.start)
        assert [row.feature for row in report if row.chosen] == ([] if chosen is None else [chosen[0]])
        for row in report:
            expected = oracle.candidate(oracle.start, row.feature)
            assert row.usable == expected["usable"]
            if not row.usable:
                continue
            assert row.gain == pytest.approx(expected["gain"], abs=1e-12)
            assert row.split_info == pytest.approx(expected["info"], abs=1e-12)
            assert row.ratio == pytest.approx(oracle.ratio(expected), abs=1e-12)
            assert row.threshold == expected.get("threshold")
