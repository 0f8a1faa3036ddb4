# SPDX-License-Identifier: Apache-2.0
"""The packed forest and the row predictor against the plain walk down the thresholds, bit for bit.

The plain walk itself is tested against a walk written in Python (`test_predict.py`).
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_models import RandomModel, random_columns, random_model

import pygbt
from pygbt import _core

MANY = 512  # rows from which a model is packed


def rows_of(rng: np.random.Generator, made: RandomModel, n_rows: int, missing: bool = True) -> list[Any]:
    columns = random_columns(rng, made, n_rows)
    return columns if missing else [c if isinstance(c, tuple) else np.nan_to_num(c, nan=0.25) for c in columns]


def check(made: RandomModel, columns: list[Any]) -> None:
    """Every output of the packed forest, on ranges and margins too, equals that of the plain walk."""
    model = _core.Model.from_arrays(made.arrays, made.meta)
    n = len(columns[0][1]) if isinstance(columns[0], tuple) else len(columns[0])
    assert n >= MANY
    last = model.n_iterations
    margin = np.random.default_rng(0).normal(size=(n, model.n_outputs)).astype(np.float32)
    for begin, end in ((0, last), (last // 3, last), (0, last // 2), (last, last)):
        for options in ({"output": "value"}, {"output": "margin", "base_margin": margin}, {"output": "leaf"}):
            packed = model.predict(columns, begin=begin, end=end, n_threads=2, **options)
            plain = model.predict(columns, begin=begin, end=end, plain=True, **options)
            assert packed.dtype == plain.dtype
            assert packed.tobytes() == plain.tobytes(), (begin, end, options["output"])


def symmetric_model(rng: np.random.Generator, depth: int, n_trees: int = 6) -> RandomModel:
    """Perfect trees with one test a level, as `grow_policy="symmetric"` makes them."""
    made = random_model(rng, n_features=4, n_iterations=n_trees, categories=False, max_splits=0)
    n_inner, n_nodes = 2**depth - 1, 2 ** (depth + 1) - 1
    arrays = dict(made.arrays)
    left = [2 * i + 1 if i < n_inner else ~(i - n_inner) for i in range(n_nodes)]
    columns: dict[str, list[Any]] = {"feature": [], "threshold": [], "default_left": []}
    for _ in range(n_trees):
        f = rng.integers(4, size=depth)
        cut = [float(rng.choice(np.append(made.features[i].edges, np.inf))) for i in f]
        side = rng.integers(2, size=depth)
        level = [int(np.log2(i + 1)) for i in range(n_inner)]
        columns["feature"] += [int(f[d]) for d in level] + [-1] * (n_inner + 1)
        columns["threshold"] += [cut[d] for d in level] + [0.0] * (n_inner + 1)
        columns["default_left"] += [int(side[d]) for d in level] + [0] * (n_inner + 1)
    for name, values in columns.items():
        arrays[name] = np.array(values, dtype=arrays[name].dtype)
    arrays["left"] = np.array(left * n_trees, dtype=np.int32)
    arrays["tree_nodes"] = np.full(n_trees, n_nodes, dtype=np.int32)
    for name in ("gain", "cover", "count"):
        arrays[name] = np.zeros(n_nodes * n_trees, dtype=arrays[name].dtype)
    arrays["leaf_value"] = rng.normal(size=(n_inner + 1) * n_trees).astype(np.float32)
    return RandomModel(arrays, made.meta, made.features)


def many_thresholds(rng: np.random.Generator, n_edges: int, max_splits: int) -> RandomModel:
    """A model whose first feature has more thresholds than fit in a byte (or nearly as many)."""
    made = random_model(rng, n_features=3, n_iterations=60, categories=False, max_splits=0)
    made.features[0].edges = np.unique(rng.normal(size=n_edges).astype(np.float32)).astype(np.float64)
    made.features[0].n_bins = 2 + len(made.features[0].edges)
    from random_models import add_tree  # trees over the edges just made

    node_arrays = ["left", "feature", "threshold", "default_left", "cat_words", "gain", "cover", "count"]
    columns: dict[str, list[Any]] = {name: [] for name in [*node_arrays, "cat_bits", "leaf_value"]}
    sizes = [add_tree(rng, columns, made.features, int(rng.integers(1, max_splits + 1)), 1) for _ in range(60)]
    arrays = {**made.arrays, "tree_nodes": np.array(sizes, dtype=np.int32)}
    for name in columns:
        if name not in ("cat_words", "cat_bits"):
            arrays[name] = np.array(columns[name], dtype=arrays[name].dtype)
    real = arrays["threshold"].dtype
    arrays["cuts_n_bins"] = np.array([f.n_bins for f in made.features], dtype=np.int32)
    arrays["cuts_n_edges"] = np.array([len(f.edges) for f in made.features], dtype=np.int32)
    arrays["cuts_edges"] = np.concatenate([f.edges for f in made.features]).astype(real)
    return RandomModel(arrays, made.meta, made.features)


SHAPES: dict[str, dict[str, Any]] = {
    "stumps and lone leaves": {"max_splits": 1, "n_iterations": 20},
    "small": {"max_splits": 12, "n_iterations": 20},
    "up to 64 leaves": {"max_splits": 63, "n_iterations": 12},
    "more than 64 leaves": {"max_splits": 250, "n_iterations": 8},
    "more than 256 leaves": {"max_splits": 1500, "n_iterations": 5},
    "vector leaves": {"max_splits": 80, "n_iterations": 6, "n_outputs": 5, "vector_leaves": True},
    "a tree a class": {"max_splits": 40, "n_iterations": 4, "n_outputs": 7, "objective": "softmax"},
    "sigmoid": {"max_splits": 40, "n_iterations": 6, "objective": "logistic"},
    "exp": {"max_splits": 40, "n_iterations": 6, "objective": "poisson"},
}


def models() -> list[tuple[str, RandomModel]]:
    made: list[tuple[str, RandomModel]] = []
    for name, shape in SHAPES.items():
        for categories in (False, True):
            for wide in (False, True):
                rng = np.random.default_rng(len(made))
                model = random_model(rng, n_features=6, categories=categories, wide=wide, **shape)
                made.append((f"{name}, categories={categories}, wide={wide}", model))
    rng = np.random.default_rng(99)
    made += [(f"symmetric, depth {depth}", symmetric_model(rng, depth)) for depth in (1, 2, 6, 8, 9)]
    made += [(f"{n} thresholds", many_thresholds(rng, n, 200)) for n in (9, 255, 256, 257, 3000)]
    return made


def check_all() -> None:
    for name, made in models():
        rng = np.random.default_rng(len(name))
        for n_rows, missing in ((MANY, True), (1500 + 37, True), (1024, False)):
            try:
                check(made, rows_of(rng, made, n_rows, missing))
            except AssertionError as error:
                raise AssertionError(f"{name}: {error}") from None


@pytest.mark.parametrize("level", _core.build_info()["isa_levels"])
def test_packed_forest_is_the_plain_walk(level: str) -> None:
    """Thresholds hit exactly and by a hair, missing, infinite, -0.0, unseen categories, on every instruction set."""
    here = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {here!r}); import test_predict_fast; test_predict_fast.check_all()"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYGBT_ISA": level}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.int64])
def test_packed_forest_reads_every_layout(order: Any, dtype: Any) -> None:
    rng = np.random.default_rng(5)
    made = random_model(rng, n_features=9, categories=False, n_iterations=10, max_splits=60)
    model = _core.Model.from_arrays(made.arrays, made.meta)
    X = np.array(np.round(rng.normal(size=(1337, 9)) * 3, 0 if np.dtype(dtype).kind == "i" else 2), dtype, order=order)
    options: dict[str, Any] = {"output": "margin", "begin": 0, "end": model.n_iterations}
    plain = model.predict(X, plain=True, **options)
    for table in (X, X[::-1][::-1], list(X.T)):
        assert model.predict(table, **options).tobytes() == plain.tobytes()
    unaligned = np.frombuffer(b"\0" + np.ascontiguousarray(X).tobytes(), np.uint8)[1:].view(dtype).reshape(X.shape)
    assert model.predict(unaligned, **options).tobytes() == plain.tobytes()
    nothing = np.zeros((1337, 0))
    rows = [np.flatnonzero(X[:, f]) for f in range(9)]
    sparse = [("sparse", np.ascontiguousarray(X[rows[f], f]), rows[f], 0.0, len(nothing)) for f in range(9)]
    assert model.predict(sparse, **options).tobytes() == plain.tobytes()


# --- single rows ----------------------------------------------------------------------------------------------------


def booster(rng: np.random.Generator, dtype: Any = np.float32, **params: Any) -> tuple[pygbt.Booster, np.ndarray]:
    X = rng.normal(size=(3000, 7)).astype(dtype)
    X[rng.random(X.shape) < 0.1] = np.nan
    X[:, 6] = rng.integers(0, 2, size=3000)
    y = np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, 1]) ** 2 + X[:, 6] > 0.8
    labels = y + (np.nan_to_num(X[:, 2]) > 0) if params.get("objective") == "softmax" else y
    return pygbt.train(params, pygbt.Dataset(X, labels.astype(np.float32)), num_boost_round=21), X


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "params",
    [
        {"objective": "logistic"},
        {"objective": "poisson", "max_depth": 0, "max_leaves": 90, "grow_policy": "lossguide"},
        {"objective": "softmax", "max_depth": 4},
        {"objective": "softmax", "max_depth": 4, "multi_strategy": "vector_leaf"},
        {"objective": "squared_error", "grow_policy": "symmetric"},
    ],
)
def test_rows_one_by_one_are_the_rows_of_the_table(params: dict[str, Any], dtype: Any) -> None:
    model, X = booster(np.random.default_rng(1), dtype, **params)
    X = X[:300].copy()
    X[0, 0], X[1, 1], X[2, 2] = np.inf, -np.inf, -0.0
    for output in ("value", "margin"):
        for rounds in (None, (0, 0), (3, 11)):
            wanted = model.predict(X, output=output, iteration_range=rounds)
            predict = model.predictor(output=output, iteration_range=rounds)
            for i, row in enumerate(X):
                for given in (row, X.T[:, i], row.tolist(), row.astype(np.float64)):
                    got = predict(given)
                    assert isinstance(got, float) == (model.n_outputs == 1)
                    assert np.asarray(got, np.float32).tobytes() == wanted[i].tobytes()
            for n in (0, 1, 5, 64, 65, 300):
                assert predict(X[:n]).tobytes() == wanted[:n].tobytes()
            assert predict(np.asfortranarray(X[:9])).tobytes() == wanted[:9].tobytes()
            assert (
                predict.predict(X[7:9].tolist()).tobytes()
                == model.predict(X[7:9].tolist(), output=output, iteration_range=rounds).tobytes()
            )


def test_a_predictor_of_a_model_with_categories() -> None:
    rng = np.random.default_rng(2)
    X = np.column_stack([rng.integers(0, 9, size=2000), rng.normal(size=2000)])
    y = (X[:, 0] % 3 + X[:, 1]).astype(np.float32)
    model = pygbt.train({}, pygbt.Dataset(X, y, categorical_features=[0]), num_boost_round=5)
    predict = model.predictor()
    wanted = model.predict(X[:50])
    assert predict(X[:50]).tobytes() == wanted.tobytes()
    assert [predict(row) for row in X[:50]] == wanted.tolist()
    assert [predict(row.tolist()) for row in X[:50]] == wanted.tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_with_a_dtype_object_of_their_own_stay_on_the_short_way(dtype: Any) -> None:
    X = np.random.default_rng(8).standard_normal((200, 4)).astype(dtype)
    model = pygbt.train({"max_depth": 3}, pygbt.Dataset(X, X[:, 0]), 5)
    seen: list[Any] = []
    long_way = seen.append
    row = pickle.loads(pickle.dumps(X, protocol=5))[7]
    function = _core.row_predictor(model._model, begin=0, end=5, value=True, otherwise=long_way)
    assert function(row) == model.predict(X[7:8])[0] and not seen
    function(row.astype(row.dtype.newbyteorder()))
    assert len(seen) == 1


def test_wrong_rows_are_clear_errors() -> None:
    model, X = booster(np.random.default_rng(3))
    predict = model.predictor()
    with pytest.raises(ValueError, match="X has 6 values, but a row of this model has n_features=7"):
        predict(X[0, :6])
    with pytest.raises(ValueError, match="X has 3 values, but a row of this model has n_features=7"):
        predict([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="X has 6 features, but Booster is expecting 7"):
        predict(X[:4, :6])
    with pytest.raises(ValueError, match="not numeric"):
        predict(["a"] * 7)
    with pytest.raises(ValueError, match='output must be "value" or "margin"'):
        model.predictor(output="leaf")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="iteration_range"):
        model.predictor(iteration_range=(0, 99))
    assert predict(X[0]) == float(model.predict(X[:1])[0])  # still usable
    assert repr(predict) == "Predictor(n_features=7, n_outputs=1, output='value')"
