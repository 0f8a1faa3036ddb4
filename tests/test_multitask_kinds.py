# SPDX-License-Identifier: Apache-2.0
"""Conversion on the entire space, and classes of several levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import pygbt
from pygbt.multitask import EntireSpace, Hierarchy


def impressions(n: int = 4000, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Features, click, conversion, and the two true rates."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5)).astype(np.float32)
    ctr = 1 / (1 + np.exp(-(X[:, 0] + X[:, 1] - 0.5)))
    cvr = 1 / (1 + np.exp(-(X[:, 2] - X[:, 1] - 0.5)))
    click = (rng.random(n) < ctr).astype(float)
    conversion = np.where(click == 1, rng.random(n) < cvr, np.nan)
    return X, click, conversion, ctr, cvr


@pytest.mark.parametrize("share", ["tree", "none"])
def test_rates_of_all_impressions_are_found(share: str) -> None:
    X, click, conversion, ctr, cvr = impressions()
    model = EntireSpace(share=share, n_estimators=60, max_depth=3, n_jobs=1).fit(X, click, conversion)
    Xt, _, _, ctr, cvr = impressions(seed=1)
    rates = model.predict(Xt)
    np.testing.assert_array_equal(rates["ctcvr"], rates["ctr"] * rates["cvr"])
    assert np.corrcoef(rates["ctr"], ctr)[0, 1] > 0.95 and np.corrcoef(rates["ctcvr"], ctr * cvr)[0, 1] > 0.85
    seen = ctr > 0.4  # elsewhere few clicks say little, and rates stay near the mean
    assert np.corrcoef(rates["cvr"][seen], cvr[seen])[0, 1] > 0.8
    assert abs((rates["cvr"] - cvr)[seen].mean()) < 0.03
    assert model.booster_.n_trees == (60 if share == "tree" else 120)


def test_conversions_without_click_are_never_read() -> None:
    X, click, conversion, _, _ = impressions(600)
    params = {"n_estimators": 5, "n_jobs": 1}
    expected = EntireSpace(**params).fit(X, click, conversion).digest()
    for other in (0.0, 1.0, np.nan):
        filled = np.where(click == 0, other, conversion)
        assert EntireSpace(**params).fit(X, click, filled).digest() == expected
    assert EntireSpace(**params, device="naive").fit(X, click, conversion).digest() == expected
    assert EntireSpace(**{**params, "n_jobs": 3}).fit(X, click, conversion).digest() == expected
    assert EntireSpace(share="none", **params).fit(X, click, conversion).digest() != expected


def test_entire_space_stops_early_and_goes_through_files(tmp_path: Any) -> None:
    X, click, conversion, _, _ = impressions(1500)
    model = EntireSpace(n_estimators=200, early_stopping_rounds=5, learning_rate=0.3, max_depth=3)
    assert clone(model).get_params() == model.get_params()
    model.fit(X, click, conversion)
    assert model.best_iteration_ is not None and model.best_iteration_ < 100
    model.save(tmp_path / "m")
    other = pygbt.load(tmp_path / "m")
    assert isinstance(other, EntireSpace) and other.digest() == model.digest()
    np.testing.assert_array_equal(other.predict(X)["cvr"], model.predict(X)["cvr"])
    assert model.feature_importances_.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    "click, conversion, match",
    [
        (np.zeros(8), np.zeros(8), "clicks with a conversion"),
        (np.ones(8), np.ones(8), "clicks without one"),
        (np.ones(7), np.ones(8), "click has 7 rows"),
        (np.full(8, 0.5), np.ones(8), "click must hold 0 and 1"),
        (np.ones((8, 2)), np.ones(8), "click must have shape"),
    ],
)
def test_impressions_that_do_not_fit_are_named(click: np.ndarray, conversion: np.ndarray, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        EntireSpace(n_estimators=2).fit(np.zeros((8, 2)), click, conversion)
    with pytest.raises(ValueError, match="share must be"):
        EntireSpace(share="residual").fit(np.zeros((8, 2)), click, conversion)


# --- hierarchies ------------------------------------------------------------------------------------------------------


def goods(n: int = 1500, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three levels: 3 sections, 2 groups in each, 2 or 3 products in each group; noisy cells of a plane."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 8)).astype(np.float32)
    noisy = X[:, :4] + rng.normal(scale=0.5, size=(n, 4))
    section = np.digitize(noisy[:, 0], [-0.5, 0.5])
    group = (noisy[:, 1] + 0.5 * noisy[:, 0] > 0).astype(int)
    product = np.where(section == 1, np.digitize(noisy[:, 2], [-0.4, 0.4]), noisy[:, 2] + noisy[:, 1] > 0)
    names = [f"s{s}" for s in section], [f"g{g}" for g in group], [f"p{p}" for p in product]
    return X, np.column_stack([np.array(name, dtype=object) for name in names])


def test_answers_of_all_levels_fit_together() -> None:
    X, y = goods()
    model = Hierarchy(n_estimators=30, max_depth=4, n_jobs=1).fit(X, y)
    assert [len(level) for level in model.classes_] == [3, 6, 14] and model.n_levels_ == 3
    assert model.model_.boosters_[0].n_trees == 30
    Xt, _ = goods(500, seed=1)
    levels = model.predict_proba(Xt)
    np.testing.assert_allclose(levels[0].sum(axis=1), 1.0, atol=1e-9)
    for k in (1, 2):
        for i, parent in enumerate(model.classes_[k - 1]):
            own = [j for j, path in enumerate(model.classes_[k]) if path[:-1] == parent]
            np.testing.assert_allclose(levels[k][:, own].sum(axis=1), levels[k - 1][:, i], atol=1e-9)
    paths = model.predict(Xt)
    assert {tuple(path) for path in paths} <= set(model.classes_[2])
    best = [model.classes_[2][i] for i in levels[2].argmax(axis=1)]
    assert [tuple(path) for path in paths] == best


def test_levels_together_are_not_worse_than_a_model_a_level() -> None:
    X, y = goods(1000)
    Xt, yt = goods(3000, seed=1)
    params = {"n_estimators": 40, "max_depth": 4, "n_jobs": 2}
    model = Hierarchy(**params).fit(X, y)
    together = model.predict(Xt)
    right, consistent = [], []
    whole = [" ".join(row) for row in y], [" ".join(row) for row in yt]
    for k in range(3):
        single = pygbt.GBTClassifier(**params)
        labels = np.array([" ".join(row[: k + 1]) for row in y])
        answers = single.fit(X, labels).predict(Xt)
        truth = np.array([" ".join(row[: k + 1]) for row in yt])
        mine = np.array([" ".join(row[: k + 1]) for row in together])
        right.append(((mine == truth).mean(), (answers == truth).mean()))
        consistent.append(answers)
    assert all(mine > single - 0.01 for mine, single in right), right
    assert right[2][0] > right[2][1]  # products are few rows each
    breaks = np.mean([not c.startswith(b) for b, c in zip(consistent[1], consistent[2], strict=True)])
    assert breaks > 0.0  # single models contradict each other, the hierarchy cannot
    assert {" ".join(row) for row in together} <= set(whole[0])


def test_missing_levels_short_paths_and_files(tmp_path: Any) -> None:
    X, y = goods(600)
    y[::3, 2] = None
    y[::7, 1:] = np.nan
    y[y[:, 0] == "s2", 1:] = None  # a section without groups
    model = Hierarchy(n_estimators=5, n_jobs=1).fit(X, pd.DataFrame(y))
    assert ("s2",) in model.classes_[0] and all(path[0] != "s2" for path in model.classes_[1])
    answers = model.predict(X)
    short = answers[:, 0] == "s2"
    assert short.any() and all(value is None for value in answers[short, 1:].ravel())
    assert all(isinstance(value, str) for value in answers[~short].ravel())
    model.save(tmp_path / "m")
    other = pygbt.load(tmp_path / "m")
    assert other.classes_ == model.classes_ and other.digest() == model.digest()
    np.testing.assert_array_equal(other.predict(X), answers)
    assert clone(model).get_params() == model.get_params()
    stopped = Hierarchy(n_estimators=50, early_stopping_rounds=3).fit(X, y, eval_set=(X, y))
    assert stopped.model_.evals_result_["validation_0"].keys() == stopped.model_.classes_.keys()


def test_paths_that_do_not_fit_are_named() -> None:
    X, y = goods(50)
    with pytest.raises(ValueError, match="row 4 has a label below"):
        Hierarchy().fit(X, np.where((np.arange(50) == 4)[:, None] & (np.arange(3) == 1), None, y))
    with pytest.raises(ValueError, match="one class only"):
        Hierarchy().fit(X, np.full((50, 2), "a", dtype=object))
    with pytest.raises(ValueError, match="shape"):
        Hierarchy().fit(X, y[:, 0])
    with pytest.raises(ValueError, match="training had not"):
        Hierarchy(n_estimators=1).fit(X, y, eval_set=(X, np.full((50, 3), "zz", dtype=object)))
