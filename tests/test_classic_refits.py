# SPDX-License-Identifier: Apache-2.0
"""Fitting a classical estimator again, on another table or in vain, leaves nothing of the fit before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError

import pygbt
from pygbt.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BoostingTree,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from pygbt.tree import C45Classifier, CARTClassifier, CARTRegressor

MODELS: list[Any] = [
    C45Classifier(),
    CARTClassifier(),
    CARTRegressor(),
    BaggingClassifier(n_estimators=2),
    AdaBoostClassifier(n_estimators=2),
    AdaBoostRegressor(n_estimators=2),
    BoostingTree(n_estimators=2),
    BoostingTree("exponential", n_estimators=2),
    GradientBoostingClassifier(n_estimators=2),
    GradientBoostingRegressor(n_estimators=2),
    RandomForestClassifier(n_estimators=2, random_state=0),
    RandomForestRegressor(n_estimators=2, random_state=0),
]
RNG = np.random.default_rng(6)
FRAME = pd.DataFrame(RNG.normal(size=(60, 2)), columns=["a", "b"])
NUMBER = FRAME["a"].to_numpy() + 0.1 * RNG.normal(size=60)
CODE = (NUMBER > 0).astype(int)


def target(model: Any) -> np.ndarray:
    return CODE if is_classifier(model) else NUMBER


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_a_fit_in_vain_leaves_no_model(model: Any) -> None:
    """Else trees would answer with the labels of another table."""
    fitted = clone(model).fit(FRAME, target(model))
    other = np.where(CODE == 0, "x", "y") if is_classifier(model) else NUMBER
    with pytest.raises(ValueError, match="sample_weight"):
        fitted.fit(FRAME, other, sample_weight=-np.ones(60))
    with pytest.raises(NotFittedError):
        fitted.predict(FRAME)
    again, fresh = fitted.fit(FRAME, target(model)), clone(model).fit(FRAME, target(model))
    np.testing.assert_array_equal(again.predict(FRAME), fresh.predict(FRAME))


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_names_are_those_of_the_last_table(model: Any) -> None:
    y = target(model)
    named = pygbt.Dataset(FRAME, y)
    fitted = clone(model).fit(named, y)
    assert fitted.feature_names_in_.tolist() == ["a", "b"]
    answers = fitted.predict(FRAME)  # without a warning about names
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(FRAME[["b", "a"]])
    with pytest.raises(TypeError, match="X must be the raw table .*, not a Dataset"):
        fitted.predict(named)
    numbers = pygbt.Dataset(FRAME.to_numpy(), y)
    fitted.fit(numbers, y)
    assert not hasattr(fitted, "feature_names_in_")
    np.testing.assert_array_equal(fitted.predict(FRAME.to_numpy()), answers)
