# SPDX-License-Identifier: Apache-2.0
"""Prediction against a walk written in Python, on rows at and beside the thresholds; from many threads; after fork."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import RandomModel, predict_slowly, random_columns, random_model

import pygbt
from pygbt import _core


def build(model: RandomModel) -> _core.Model:
    return _core.Model.from_arrays(model.arrays, model.meta)


def predict(model: _core.Model, columns: Any, output: str = "margin", **options: Any) -> np.ndarray:
    return model.predict(columns, output=output, **{"begin": 0, "end": model.n_iterations, **options})


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_rows=st.integers(0, 150),
    n_features=st.integers(1, 6),
    n_outputs=st.integers(1, 3),
    vector_leaves=st.booleans(),
    categories=st.booleans(),
    n_threads=st.sampled_from([1, 2, 8]),
)
def test_prediction_is_the_walk(
    seed: int, n_rows: int, n_features: int, n_outputs: int, vector_leaves: bool, categories: bool, n_threads: int
) -> None:
    rng = np.random.default_rng(seed)
    made = random_model(
        rng, n_features=n_features, n_outputs=n_outputs, vector_leaves=vector_leaves, categories=categories
    )
    columns = random_columns(rng, made, n_rows)
    margin, leaves = predict_slowly(made, columns)
    model = build(made)
    assert same_bits(predict(model, columns, n_threads=n_threads), margin)
    assert same_bits(predict(model, columns, "leaf", n_threads=n_threads), leaves)
    assert same_bits(predict(model, columns, "value"), margin)  # squared error: the link is the identity

    given_margin = rng.normal(size=(n_rows, n_outputs)).astype(np.float32)
    expected, _ = predict_slowly(made, columns, given_margin)
    assert same_bits(predict(model, columns, base_margin=given_margin), expected)


def test_no_missing_values_and_deep_trees_take_the_same_way() -> None:
    rng = np.random.default_rng(0)
    made = random_model(rng, n_features=5, n_iterations=8, categories=False, max_splits=200)
    columns = [np.nan_to_num(column, nan=0.5) for column in random_columns(rng, made, 203)]
    margin, leaves = predict_slowly(made, columns)
    assert same_bits(predict(build(made), columns), margin)
    assert same_bits(predict(build(made), columns, "leaf"), leaves)


def test_float64_input_is_rounded_as_the_training_column_was() -> None:
    rng = np.random.default_rng(1)
    made = random_model(rng, n_features=4, wide=False, categories=False, n_iterations=6)
    narrow = random_columns(rng, made, 200)
    exact = np.column_stack(narrow).astype(np.float64)
    nudged = exact * (1 + 1e-12)  # rounds back to the same float32
    wanted, _ = predict_slowly(made, narrow)
    assert same_bits(predict(build(made), exact), wanted)
    assert same_bits(predict(build(made), nudged), wanted)
    huge = np.full((3, 4), [[1e300], [-1e300], [1e-60]])  # beyond float32: infinities and zero
    assert same_bits(predict(build(made), huge), predict_slowly(made, list(huge.T))[0])


def test_every_layout_gives_the_same_rows() -> None:
    rng = np.random.default_rng(2)
    made = random_model(rng, n_features=5, wide=False, categories=False)
    model = build(made)
    base = np.ascontiguousarray(np.round(rng.normal(size=(300, 5)) * 2), dtype=np.float32)
    wanted = predict(model, base)
    padded = np.zeros((600, 10), dtype=np.float32)
    padded[::2, ::2] = base
    layouts: list[Any] = [
        np.asfortranarray(base),
        padded[::2, ::2],
        np.ascontiguousarray(base[::-1, ::-1])[::-1, ::-1],
        list(base.T),
        base.astype(np.float64),
        base.astype(np.int8),
        base.astype(np.int64),
        [base[:, 0].astype(np.int16), base[:, 1].astype(np.float64), *base[:, 2:].T],
    ]
    for layout in layouts:
        assert same_bits(predict(model, layout), wanted)
    rows = [np.flatnonzero(base[:, f]) for f in range(5)]
    sparse = [("sparse", np.ascontiguousarray(base[rows[f], f]), rows[f], 0.0, 300) for f in range(5)]
    assert same_bits(predict(model, sparse), wanted)
    assert same_bits(np.concatenate([predict(model, base[i : i + 1]) for i in range(300)]), wanted)


def test_codes_that_training_did_not_have_are_missing() -> None:
    rng = np.random.default_rng(3)
    made = random_model(rng, n_features=3, n_iterations=10)
    model = build(made)
    columns = random_columns(rng, made, 5)
    for f, feature in enumerate(made.features):
        if not feature.categorical:
            continue
        results = []
        for code in (-1, -7, feature.n_bins - 1, feature.n_bins, feature.n_bins + 1000, 2**31 - 1):
            columns[f] = ("codes", np.full(5, code, dtype=np.int32))
            results.append(predict(model, columns))
        assert all(same_bits(result, results[0]) for result in results)
    assert any(feature.categorical for feature in made.features)


@pytest.mark.parametrize(
    "objective, n_outputs, link",
    [
        ("logistic", 1, lambda z: 1 / (1 + np.exp(-z))),
        ("one_vs_rest", 3, lambda z: 1 / (1 + np.exp(-z))),
        ("poisson", 1, np.exp),
        ("gamma", 1, np.exp),
        ("tweedie", 1, np.exp),
        ("softmax", 3, lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)),
        ("huber", 1, lambda z: z),
        ("custom", 2, lambda z: z),
    ],
)
def test_value_is_the_link_of_the_margin(objective: str, n_outputs: int, link: Any) -> None:
    rng = np.random.default_rng(4)
    made = random_model(rng, n_outputs=n_outputs, objective=objective)
    columns = random_columns(rng, made, 100)
    margin = predict(build(made), columns).astype(np.float64)
    np.testing.assert_allclose(predict(build(made), columns, "value"), link(margin), rtol=3e-6, atol=1e-7)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), begin=st.integers(0, 5), length=st.integers(0, 5), step=st.integers(1, 3))
def test_iteration_ranges_are_slices(seed: int, begin: int, length: int, step: int) -> None:
    rng = np.random.default_rng(seed)
    made = random_model(rng, n_outputs=2, n_iterations=5)
    model = build(made)
    begin = min(begin, 5)
    end = min(5, begin + length)
    columns = random_columns(rng, made, 40)
    part = model.slice(begin, end)
    assert part.n_iterations == end - begin
    assert part.n_trees == 2 * (end - begin)
    assert same_bits(predict(model, columns, begin=begin, end=end), predict(part, columns))
    leaves = predict(model, columns, "leaf")
    assert same_bits(predict(part, columns, "leaf"), np.ascontiguousarray(leaves[:, 2 * begin : 2 * end]))
    stepped = model.slice(begin, end, step)
    kept = [2 * i + k for i in range(begin, end, step) for k in range(2)]
    assert same_bits(predict(stepped, columns, "leaf"), np.ascontiguousarray(leaves[:, kept]))


def test_importance_sums_over_the_splits() -> None:
    made = random_model(np.random.default_rng(5), n_iterations=8)
    model, feature = build(made), made.arrays["feature"]
    for kind, values in (
        ("split_count", np.ones(len(feature))),
        ("total_gain", made.arrays["gain"]),
        ("total_cover", made.arrays["cover"]),
    ):
        wanted = [values[feature == f].sum(dtype=np.float64) for f in range(model.n_features)]
        np.testing.assert_allclose(model.feature_importance(kind), wanted, rtol=1e-12)
    splits = np.maximum(model.feature_importance("split_count"), 1)
    np.testing.assert_allclose(model.feature_importance("gain") * splits, model.feature_importance("total_gain"))
    np.testing.assert_allclose(model.feature_importance("cover") * splits, model.feature_importance("total_cover"))
    with pytest.raises(ValueError, match="kind must be"):
        model.feature_importance("weight")


def test_wrong_input_is_a_clear_error() -> None:
    made = random_model(np.random.default_rng(6), n_features=3, categories=False)
    model = build(made)
    X = np.zeros((4, 3), dtype=np.float32)
    for columns, options, message in [
        (X[:, :2], {}, "X has 2 columns, the model was trained on 3"),
        ([X[:, 0], X[:, 1], ("codes", np.zeros(4, dtype=np.int32))], {}, "column 2 of X is categorical"),
        (X, {"output": "contrib"}, "output must be value, margin or leaf"),
        (X, {"end": 4}, "iterations 0 to 4"),
        (X, {"begin": -1}, "iterations -1"),
        (X, {"begin": 2, "end": 1}, "iterations 2 to 1"),
        (X, {"end": 2**31 - 1, "output": "leaf"}, "iterations 0 to"),
        (X, {"base_margin": np.zeros((3, 1), dtype=np.float32)}, "base_margin must have 1 values"),
        (X, {"base_margin": np.zeros((4, 1))}, "base_margin must be"),
        (X[0], {}, "two-dimensional"),
    ]:
        with pytest.raises(ValueError, match=message):
            predict(model, columns, **options)


def test_eight_threads_on_one_model() -> None:
    rng = np.random.default_rng(7)
    made = random_model(rng, n_features=6, n_outputs=3, n_iterations=20)
    model = build(made)
    columns = random_columns(rng, made, 3000)
    wanted = predict(model, columns, n_threads=1)
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(10):
            if not same_bits(predict(model, columns, n_threads=1 + number % 4), wanted):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def trained(X: Any, y: Any, **params: Any) -> pygbt.Booster:
    return pygbt.train({"max_depth": 4, "learning_rate": 0.3, **params}, pygbt.Dataset(X, y), num_boost_round=8)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_train_and_predict_before_and_after_fork() -> None:
    rng = np.random.default_rng(8)
    X = rng.normal(size=(4000, 6)).astype(np.float32)
    y = X[:, 0] + X[:, 1] ** 2
    booster = trained(X, y, n_threads=3)
    wanted, digest = booster.predict(X, n_threads=3), booster.digest()
    for _ in range(3):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                predicted = same_bits(booster.predict(X, n_threads=3), wanted)
                status = 0 if predicted and trained(X, y, n_threads=3).digest() == digest else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert trained(X, y, n_threads=2).digest() == digest
        assert same_bits(booster.predict(X, n_threads=3), wanted)


@pytest.mark.parametrize("strategy", ["one_tree_per_target", "vector_leaf"])
def test_prediction_of_training_rows_is_the_score_training_kept(strategy: str) -> None:
    """Scores are added from bins while training and from raw values at predict: equal bits, also at the thresholds."""
    rng = np.random.default_rng(9)
    X = np.round(rng.normal(size=(2000, 5)), 1)
    X[rng.random(X.shape) < 0.1] = np.nan
    X[rng.random(X.shape) < 0.02] = np.inf
    X[rng.random(X.shape) < 0.02] = -np.inf
    y = (np.nan_to_num(X[:, 0], posinf=1, neginf=0) > 0) + (np.nan_to_num(X[:, 1], posinf=2, neginf=0) > 0.5)
    kept: list[np.ndarray] = []
    dataset = pygbt.Dataset(X, y.astype(np.float32))
    params = _core.Params({"objective": "softmax", "multi_strategy": strategy, "max_depth": 5, "subsample": 0.7})
    trainer = _core.Trainer(params, dataset.core)
    for _ in range(6):
        trainer.step(0.3)
        kept.append(trainer.scores(-1))
    model = trainer.model()
    for i, scores in enumerate(kept):
        assert same_bits(predict(model, X, end=i + 1), scores)
