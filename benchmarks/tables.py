# SPDX-License-Identifier: Apache-2.0
"""The tables of the comparisons: real sets from ../shared/data, split by seed, and the table of the speed runs."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

#: PYGBT_SHARED names the folder where it does not lie beside the checkout.
DATA = Path(os.environ.get("PYGBT_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"
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
    X: Any
    y: np.ndarray
    X_test: Any
    y_test: np.ndarray
    n_classes: int


def load_split(name: str, seed: int, task: str | None = None) -> Split:
    """Set `name` split by `seed`, its task that of SETS by default.

    Category columns keep their dtype, integers become floats (some peers need it).
    """
    import datasets  # of ../shared/data

    table = datasets.load(name)
    X = table.X.copy()
    for column in X.columns:
        if not isinstance(X[column].dtype, pd.CategoricalDtype):
            X[column] = X[column].astype("float64")
        else:
            X[column] = X[column].cat.rename_categories(str)
    y = table.y
    task = task or SETS[name]
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
    X, z, noise = _dense(n, f, seed)
    return X, (z + noise > np.median(z)).astype(np.float32)


def dense_regression(n: int, f: int = 28, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The same with the noisy response itself (n,); float32."""
    X, z, noise = _dense(n, f, seed)
    return X, (z + noise).astype(np.float32)


def _dense(n: int, f: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, f), dtype=np.float32)
    w = rng.standard_normal(f).astype(np.float32)
    z = (X @ w) * np.float32(0.3 * (28 / f) ** 0.5) + np.sin(X[:, 0] * 2) * X[:, 1] + X[:, 2] * X[:, 3]
    z = z - np.abs(X[:, 4]) + (X[:, 5] > 0.5) * X[:, 6]
    return X, z, rng.logistic(size=n)


def sparse_counts(n: int, f: int, seed: int = 0) -> tuple[Any, np.ndarray]:
    """Compressed rows (n, f), 5 % of the entries 1 to 8, the others zero; a binary response (n,); float32."""
    from scipy import sparse

    rng = np.random.default_rng(seed)
    filled = np.concatenate([rng.random((len(b), f), dtype=np.float32) < 0.05 for b in np.array_split(range(n), 16)])
    X = sparse.csr_matrix(filled, dtype=np.float32)
    X.data = rng.integers(1, 9, X.nnz).astype(np.float32)
    z = X @ rng.standard_normal(f) + 8 * filled[:, 0] * filled[:, 1] + 8 * filled[:, 2] - 8 * filled[:, 3]
    return X, (z + 4 * rng.logistic(size=n) > np.median(z)).astype(np.float32)
