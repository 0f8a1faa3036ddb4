# SPDX-License-Identifier: Apache-2.0
"""The sets of the classical comparisons: real ones from ../shared/data, and Breiman's waveforms by their formula."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import tables  # noqa: F401  (puts ../shared/data on the path)
from sklearn.model_selection import StratifiedKFold

#: Not in the published sets: vowel's column of the speaker's sex is ours alone.
LEFT_OUT = {"vowel": ["Sex"]}


@dataclass
class Cases:
    """A classification table: a frame, labels, and whether each fit draws its own sample of `n` rows instead."""

    X: Any
    y: np.ndarray

    def take(self, rows: np.ndarray) -> Cases:
        X = self.X.iloc[rows].reset_index(drop=True)
        return Cases(X, self.y[rows])


def load(name: str, share: float = 1.0) -> Cases:
    """A set by name, its labels as text; `share` of its rows, drawn."""
    import datasets  # of ../shared/data

    table = datasets.load(name)
    X = table.X.drop(columns=LEFT_OUT.get(name, []))
    cases = Cases(X, np.asarray(table.y.astype(str)))
    if share < 1:
        n = max(60, int(share * len(X)))
        cases = cases.take(np.sort(np.random.default_rng(0).permutation(len(X))[:n]))
    return cases


def stratified_folds(cases: Cases, seed: int) -> list[tuple[Cases, Cases]]:
    """Training and test cases of ten folds."""
    folds = StratifiedKFold(10, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes with fewer rows than folds
        return [(cases.take(train), cases.take(test)) for train, test in folds.split(cases.X, cases.y)]


def waveforms(n: int, seed: int | list[int]) -> Cases:
    """Breiman's three classes: mixtures of two of three triangles of height 6, plus noise; 21 attributes."""
    rng = np.random.default_rng(seed)
    at = np.arange(1, 22)
    triangles = np.maximum(6 - np.abs(at - np.array([[7], [15], [11]])), 0.0)
    pairs = np.array([[0, 1], [0, 2], [1, 2]])
    y = rng.integers(0, 3, n)
    u = rng.random((n, 1))
    X = u * triangles[pairs[y, 0]] + (1 - u) * triangles[pairs[y, 1]] + rng.standard_normal((n, 21))
    return Cases(pd.DataFrame(X, columns=[f"x{i}" for i in at]), y.astype(str))
