# SPDX-License-Identifier: Apache-2.0
"""Tables and estimators of the tests of forests."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

from pygbt.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor

IRIS = load_iris(return_X_y=True)
CANCER = load_breast_cancer(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)
CLASSIFIERS = (RandomForestClassifier, ExtraTreesClassifier)
REGRESSORS = (RandomForestRegressor, ExtraTreesRegressor)
ALL = CLASSIFIERS + REGRESSORS


def data_of(cls: type) -> tuple[np.ndarray, np.ndarray]:
    return IRIS if cls in CLASSIFIERS else DIABETES


def coarse(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A table full of ties, with missing values; class codes and numbers for it."""
    rng = np.random.default_rng(seed)
    X = np.round(rng.normal(size=(n, 5)), 1)
    X[rng.random(X.shape) < 0.05] = np.nan
    number = np.round(np.nan_to_num(X[:, 0]) * 3 + np.nan_to_num(X[:, 1]) ** 2 + rng.normal(size=n), 2)
    return X, np.digitize(number, [-1, 1]), number
