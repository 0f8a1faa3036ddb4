# SPDX-License-Identifier: Apache-2.0
"""Gradient boosting with a loss that is given: the built-in losses, given again, are its oracle."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone

import pygbt
from pygbt.ensemble import GradientBoostingRegressor

RNG = np.random.default_rng(9)
X = RNG.normal(size=(300, 4))
Y = 3 * X[:, 0] + X[:, 1] ** 2 + RNG.normal(size=300)
COUNTS = 1.0 + RNG.poisson(np.exp(X[:, 0]))  # no leaf in which the loss falls for ever
WEIGHT = RNG.integers(0, 4, size=300).astype(float)


class Squares:
    def loss(self, y: np.ndarray, margins: np.ndarray) -> np.ndarray:
        return (y - margins) ** 2 / 2

    def negative_gradient(self, y: np.ndarray, margins: np.ndarray) -> np.ndarray:
        return y - margins


class Rates(Squares):
    def loss(self, y: np.ndarray, margins: np.ndarray) -> np.ndarray:
        return np.exp(margins) - y * margins

    def negative_gradient(self, y: np.ndarray, margins: np.ndarray) -> np.ndarray:
        return y - np.exp(margins)

    def values(self, margins: np.ndarray) -> np.ndarray:
        return np.exp(margins)


class Medians(Squares):
    def loss(self, y: np.ndarray, margins: np.ndarray) -> np.ndarray:
        return np.abs(y - margins)

    def negative_gradient(self, y: np.ndarray, margins: np.ndarray) -> np.ndarray:
        return np.sign(y - margins)


class LogCosh(Squares):
    def loss(self, y: np.ndarray, margins: np.ndarray) -> np.ndarray:
        return np.log(np.cosh(y - margins))

    def negative_gradient(self, y: np.ndarray, margins: np.ndarray) -> np.ndarray:
        return np.tanh(y - margins)


@pytest.mark.parametrize(("given", "name", "y"), [(Squares(), "squared_error", Y), (Rates(), "poisson", COUNTS)])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["alike", "weighted"])
def test_a_built_in_loss_given_again(given: Any, name: str, y: np.ndarray, weight: np.ndarray | None) -> None:
    ours, theirs = (GradientBoostingRegressor(loss, n_estimators=20).fit(X, y, weight) for loss in (given, name))
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-6)
    np.testing.assert_allclose(ours.init_, theirs.init_, rtol=1e-9)
    for mine, built_in in zip(ours.staged_predict(X), theirs.staged_predict(X), strict=True):
        np.testing.assert_allclose(mine, built_in, rtol=1e-6)
    assert ours.predict(X).std() > 0.5


def test_steps_are_medians_of_absolute_losses() -> None:
    """Between the two middle residuals of a leaf, wherever that is."""
    model = GradientBoostingRegressor(Medians(), n_estimators=1, learning_rate=1.0).fit(X, Y)
    for leaf in np.unique(codes := model.predict(X)):
        own = np.sort(Y[codes == leaf])
        n = len(own)
        assert own[(n - 1) // 2] - 1e-9 <= leaf <= own[n // 2] + 1e-9


def test_every_step_ends_where_the_slope_does() -> None:
    model = GradientBoostingRegressor(LogCosh(), n_estimators=15, learning_rate=1.0).fit(X, Y, WEIGHT)
    assert (np.diff(model.train_score_) < 0).all()
    margins = np.full(300, model.init_[0])
    for tree in model.estimators_:
        steps = tree.values(X)[:, 0]
        margins += steps
        for step in np.unique(steps):
            own = steps == step
            assert abs((WEIGHT * np.tanh(Y - margins))[own].sum()) < 1e-6
    np.testing.assert_allclose(model.predict(X), margins, rtol=1e-12)


def test_a_loss_that_falls_for_ever_ends() -> None:
    y = np.where(X[:, 0] > 0, 0.0, 3.0)  # a leaf of zeros: its rate wants to be 0
    rates = GradientBoostingRegressor(Rates(), n_estimators=2, learning_rate=1.0).fit(X, y).predict(X)
    assert (rates > 0).all() and rates[X[:, 0] > 0].max() < 1e-2
    np.testing.assert_allclose(rates[X[:, 0] <= 0], 3.0, rtol=1e-2)


def test_copies(tmp_path: Path) -> None:
    model = GradientBoostingRegressor(LogCosh(), n_estimators=3).fit(X, Y)
    assert pickle.loads(pickle.dumps(model)).predict(X).tobytes() == model.predict(X).tobytes()
    np.testing.assert_array_equal(clone(model).fit(X, Y).predict(X), model.predict(X))
    with pytest.raises(ValueError, match="a model file cannot hold a loss of your own, .*; use pickle or joblib"):
        model.save(tmp_path / "model.pygbt")
    assert not list(tmp_path.iterdir())


def test_what_is_no_loss_is_refused() -> None:
    class Short(Squares):
        def negative_gradient(self, y: np.ndarray, margins: np.ndarray) -> np.ndarray:
            return y[:-1]

    class Infinite(Squares):
        def loss(self, y: np.ndarray, margins: np.ndarray) -> np.ndarray:
            return np.full(len(y), np.nan)

    for loss in (None, 3, np.square, pygbt):
        with pytest.raises(ValueError, match="loss must be one of 'squared_error', .*, or an object with the methods"):
            GradientBoostingRegressor(loss).fit(X, Y)
    with pytest.raises(ValueError, match="loss.negative_gradient must return a finite number for each of the 300 rows"):
        GradientBoostingRegressor(Short()).fit(X, Y)
    with pytest.raises(ValueError, match="loss.loss must return .* with NaN or infinite ones"):
        GradientBoostingRegressor(Infinite()).fit(X, Y)
    with pytest.raises(ValueError, match="line_search=.newton. needs a second derivative"):
        GradientBoostingRegressor(Squares(), line_search="newton").fit(X, Y)
