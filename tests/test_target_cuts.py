# SPDX-License-Identifier: Apache-2.0
"""Numeric cuts of several targets, which the CPU backend scans in float32: the split is the naive backend's, bit for
bit, on every instruction set, also where cuts tie, where children must be large, where the bounds of the scan fail.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from backend_trio import Column, Trio, codes, make_dataset, numeric

from pygbt import _core

RULES: dict[str, dict[str, Any]] = {
    "default": {},
    "heavy children": {"min_child_weight": 40.0, "reg_lambda": 3.0},
    "too heavy for any": {"min_child_weight": 1e9},
    "many rows": {"min_child_samples": 25},
    "gain": {"min_split_gain": 3.0},
    "no ridge": {"reg_lambda": 0.0, "min_child_weight": 0.0},
    "large ridge": {"reg_lambda": 1e25},
    "alpha": {"reg_alpha": 0.5},
}
WIDTHS = (2, 3, 7, 8, 15, 16, 17, 33, 100)


def columns_of(n: int, seed: int) -> list[Column]:
    """Few and many values, ties between features and between cuts, missing values, a constant, categories."""
    rng = np.random.default_rng(seed)
    plain = rng.integers(0, 30, n)
    missing = np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n))
    few = np.where(rng.random(n) < 0.03, rng.integers(1, 5, n), 0)
    values = [plain, plain, -plain, rng.random(n) < 0.5, missing, missing, np.zeros(n), few, rng.normal(size=n)]
    return [*map(numeric, values), numeric(np.where(rng.random(n) < 0.5, np.nan, 1.0)), codes(plain % 7, 7)]


def gradients_of(kind: str, n: int, width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    g = rng.normal(size=(n, width)) + rng.normal(size=width)
    h = rng.random((n, width)) + 1e-3
    if kind == "squared error":
        h[:] = 1
    if kind == "units apart":  # by less, and by more than the scan bears
        g *= 10.0 ** rng.integers(-4, 4, width)
        h *= 10.0 ** rng.integers(-4, 4, width)
    if kind == "masked":
        live = rng.random((n, width)) < 0.5
        live[:, 0] = False
        g, h = g * live, h * live
    if kind == "still":
        g[:] = 0
    if kind == "ties":  # few sums occur
        g, h = np.sign(g), np.ones_like(h)
    return g.astype(np.float32), h.astype(np.float32)


def check(width: int, name: str, kind: str, n: int) -> None:
    """The root and its children, by the best cuts."""
    columns = columns_of(n, width)
    trio = Trio(make_dataset(columns, 64), width)
    trio.set_gradients(*gradients_of(kind, n, width, n))
    rules = RULES[name]
    request = {"width": width, "count_rows": rules.get("min_child_samples", 1) > 1, "subsample": 0.9, "seed": 1}
    root = trio.begin_tree(request)
    trio.histograms([0])
    features = [f for f in range(len(columns)) if f != 2]
    query = {"node": 0, "sums": root["sums"], "count": root["count"], "features": features}
    split = trio.best_splits(rules, [query])[0]
    if split is None:
        return
    n_left = trio.partition([(0, 1, split)])[0]
    trio.histograms([1, 2])
    children = [(1, split["left"], n_left), (2, root["sums"] - split["left"], root["count"] - n_left)]
    trio.best_splits(rules, [{**query, "node": node, "sums": s, "count": count} for node, s, count in children])


CASES = [
    (width, name, kind, n)
    for i, name in enumerate(RULES)
    for j, kind in enumerate(("random", "squared error", "units apart", "masked", "still", "ties"))
    for width, n in [(WIDTHS[(i + 2 * j) % len(WIDTHS)], 400), (WIDTHS[(i + 3 * j + 4) % len(WIDTHS)], 60)]
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_split_is_that_of_the_naive_backend(case: tuple[int, str, str, int]) -> None:
    check(*case)


@pytest.mark.parametrize("isa", _core.build_info()["isa_levels"])
def test_every_instruction_set_finds_the_same_split(isa: str) -> None:
    code = "import test_target_cuts as t\nfor case in t.CASES[::2]: t.check(*case)"
    env = {**os.environ, "PYGBT_ISA": isa, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
