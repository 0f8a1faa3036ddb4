# SPDX-License-Identifier: Apache-2.0
"""Categories, missing values and thresholds: which side a row takes, by its bin and by its value."""

from __future__ import annotations

import numpy as np
import pytest
from law_tables import Array, trees

import pygbt


def test_categories_separate_what_codes_cannot() -> None:
    """Alternating categories: one partition split against many numeric ones."""
    rng = np.random.default_rng(8)
    codes = rng.integers(0, 40, 4000)
    y = (codes % 2).astype(np.float64)
    X = codes[:, None].astype(np.int64)
    params = {"max_depth": 1, "learning_rate": 1.0, "reg_lambda": 0.0, "cat_l2": 0.0}
    as_category = pygbt.train(params, pygbt.Dataset(X, y, categorical_features=[0]), 1)
    as_number = pygbt.train(params, pygbt.Dataset(X, y), 1)
    assert np.abs(as_category.predict(X) - y).max() < 1e-5
    assert np.abs(as_number.predict(X) - y).max() > 0.3


def test_few_categories_are_split_one_against_the_rest() -> None:
    rng = np.random.default_rng(9)
    X = rng.integers(0, 4, (1000, 1))
    y = (X[:, 0] == 2).astype(np.float64)
    model = pygbt.train({"max_depth": 1, "learning_rate": 1.0}, pygbt.Dataset(X, y, categorical_features=[0]), 1)
    tree = model._model.tree(0)
    bits = int(tree["cat_bits"][0]) & 0b1111
    assert bits in (0b0100, 0b1011)


def test_rare_categories_move_together_and_unseen_ones_with_the_missing() -> None:
    rng = np.random.default_rng(10)
    common = rng.integers(0, 6, 3000)
    rare = np.arange(6, 206)  # one row each: an identifier to overfit on
    X = np.concatenate([common, rare]).astype(np.int64)[:, None]
    y = np.concatenate([common % 2, rng.integers(0, 2, 200)]).astype(np.float64)
    data = pygbt.Dataset(X, y, categorical_features=[0])
    model = pygbt.train({"max_depth": 3, "learning_rate": 1.0}, data, 5)
    assert np.unique(model.predict(rare[:, None])).size == 1
    free = pygbt.train({"max_depth": 3, "learning_rate": 1.0, "min_cat_weight": 0.0}, data, 5)
    assert np.unique(free.predict(rare[:, None])).size > 1
    unseen, missing = model.predict(np.array([[999]])), model.predict(np.array([[np.nan]]))
    assert unseen.tobytes() == missing.tobytes()


def test_missing_values_go_where_the_loss_says() -> None:
    rng = np.random.default_rng(11)
    x = rng.standard_normal(2000).astype(np.float32)
    missing = rng.random(2000) < 0.3
    for low_side in (True, False):
        y = np.where(missing, 0.0 if low_side else 1.0, x > 0).astype(np.float32)
        X = np.where(missing, np.nan, x)[:, None].astype(np.float32)
        model = pygbt.train({"max_depth": 1, "learning_rate": 1.0, "reg_lambda": 0.0}, pygbt.Dataset(X, y), 1)
        assert bool(model._model.tree(0)["default_left"][0]) == low_side
        assert np.abs(model.predict(X) - y).mean() < 0.01  # but for the bin that holds 0


def test_missing_alone_can_be_the_split() -> None:
    X = np.where(np.arange(400) % 4 == 0, np.nan, np.arange(400) % 7)[:, None].astype(np.float32)
    y = np.isnan(X[:, 0]).astype(np.float32)
    model = pygbt.train({"max_depth": 1, "learning_rate": 1.0, "reg_lambda": 0.0}, pygbt.Dataset(X, y), 1)
    assert np.abs(model.predict(X) - y).max() < 1e-6
    assert model.predict(np.array([[np.inf]], np.float32))[0] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binned_and_raw_routes_agree_at_every_threshold(dtype: type) -> None:
    """Rows on each threshold, its neighbours, and the extremes: leaf by bins (reference Dataset) = leaf by values."""
    rng = np.random.default_rng(12)
    X = rng.standard_normal((500, 2)).astype(dtype)
    X[:20, 0] = [np.inf, -np.inf, np.nan, -0.0, 0.0, *np.full(15, np.finfo(dtype).tiny / 4)]
    y = rng.standard_normal(500)
    train = pygbt.Dataset(X, y, max_bin=40)
    model = pygbt.train({"max_depth": 6}, train, 4)
    cuts = np.concatenate([model._model.tree(i)["threshold"][model._model.tree(i)["feature"] == 0] for i in range(4)])
    cuts = np.unique(cuts).astype(dtype)
    with np.errstate(over="ignore"):
        around = np.concatenate([cuts, np.nextafter(cuts, dtype(-np.inf)), np.nextafter(cuts, dtype(np.inf))])
    extremes = np.array(
        [np.nan, np.inf, -np.inf, 0.0, -0.0, np.finfo(dtype).tiny / 2, -np.finfo(dtype).tiny / 2], dtype
    )
    probe = np.concatenate([around, extremes])
    P = np.stack([probe, np.resize(X[:, 1], len(probe))], axis=1)
    binned = pygbt.Dataset(P, np.zeros(len(P)), reference=train)
    seen: dict[str, Array] = {}

    def keep(values: Array, data: pygbt.Dataset) -> tuple[str, float]:
        if data.n_rows == len(P):
            seen["values"] = values.copy()
        return "kept", 0.0

    again = pygbt.train({"max_depth": 6}, train, 4, evals=[(binned, "probe")], metric=keep)
    assert trees(again) == trees(model)
    assert seen["values"].tobytes() == model.predict(P).tobytes()
