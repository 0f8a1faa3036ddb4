# SPDX-License-Identifier: Apache-2.0
"""The tables of the comparisons: real sets from ../shared/data, split by seed, and the table of the speed runs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
sys.path.insert(0, str(DATA))

#: Sets by task. Binary, multiclass, regression, counts; categorical and missing values in all of them.
SETS = {
    "titanic": "binary",
    "churn_telco": "binary",
    "bank_additional": "binary",
    "adult": "binary",
    "credit_gmsc": "binary",
    "ames_housing_raw": "regression",
    "abalone": "regression",
    "california_housing": "regression",
    "diamonds": "regression",
    "cpu_act": "regression",
    "elevators": "regression",
    "bike_sharing": "count",
    "french_mtpl": "count",
    "soybean": "multiclass",
    "segment": "multiclass",
    "covertype_92k": "multiclass",
    "waveform_5000": "multiclass",
}


@dataclass
class Split:
    """One random split, 70 % for training: labels are float64, or class ids from 0."""

    task: str
    X: pd.DataFrame
    y: np.ndarray
    X_test: pd.DataFrame
    y_test: np.ndarray
    n_classes: int


def load_split(name: str, seed: int) -> Split:
    """Set `name` split by `seed`; category columns keep their dtype, integers become floats (some peers need it)."""
    import datasets  # of ../shared/data

    table = datasets.load(name)
    X = table.X.copy()
    for column in X.columns:
        if not isinstance(X[column].dtype, pd.CategoricalDtype):
            X[column] = X[column].astype("float64")
        else:
            X[column] = X[column].cat.rename_categories(str)
    y = table.y
    task = SETS[name]
    if task in ("binary", "multiclass"):
        classes, labels = np.unique(np.asarray(y.astype(str)), return_inverse=True)
        n_classes = len(classes)
    else:
        labels, n_classes = np.asarray(y, dtype=np.float64), 1
    order = np.random.default_rng(seed).permutation(len(X))
    cut = int(0.7 * len(X))
    train, test = order[:cut], order[cut:]
    X.columns = [f"f{i}" for i in range(X.shape[1])]
    return Split(
        task,
        X.iloc[train].reset_index(drop=True),
        labels[train].astype(np.float64),
        X.iloc[test].reset_index(drop=True),
        labels[test].astype(np.float64),
        n_classes,
    )


def dense(n: int, f: int = 28, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Standard normal features (n, f), a binary response (n,) with linear, product and threshold terms; float32."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, f), dtype=np.float32)
    w = rng.standard_normal(f).astype(np.float32)
    z = (X @ w) * np.float32(0.3 * (28 / f) ** 0.5) + np.sin(X[:, 0] * 2) * X[:, 1] + X[:, 2] * X[:, 3]
    z = z - np.abs(X[:, 4]) + (X[:, 5] > 0.5) * X[:, 6]
    return X, (z + rng.logistic(size=n) > np.median(z)).astype(np.float32)
