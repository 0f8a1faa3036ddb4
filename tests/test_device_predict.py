# SPDX-License-Identifier: Apache-2.0
"""Prediction on a device is prediction on the CPU, byte for byte: by every path, from the host and from arrays there.

The oracle is the plain walk down the thresholds, which test_predict.py holds against a walk written in Python.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import pytest
from cuda_cases import CONFIGS, dataset, fit, signal
from emulator import EMULATED, as_cuda
from hypothesis import example, given, settings
from hypothesis import strategies as st
from random_models import RandomModel, random_columns, random_model
from test_device_arrays import strided
from test_predict_fast import many_thresholds, symmetric_model

import pygbt
from pygbt import _core, device_arrays, devices

PATHS = ["auto", "perfect", "packed", "trees", "raw"]


def model_of(made: RandomModel) -> _core.Model:
    return _core.Model.from_arrays(made.arrays, made.meta)


def outputs(n: int, n_outputs: int) -> list[dict[str, Any]]:
    margin = np.linspace(-2, 2, n * n_outputs, dtype=np.float32).reshape(n, n_outputs)
    return [{"output": "value"}, {"output": "margin", "base_margin": margin}, {"output": "leaf"}]


def ranges(model: _core.Model) -> list[tuple[int, int]]:
    last = model.n_iterations
    return [(0, last), (last // 3, last), (0, last // 2), (last, last)]


def fits(model: _core.Model, columns: Any, path: str) -> bool:
    try:
        model.predict(columns, begin=0, end=0, output="leaf", device="cuda", path=path)
    except ValueError as error:
        if "does not fit" not in str(error):
            raise
        return False
    return True


def check_paths(model: _core.Model, columns: Any, n: int) -> set[str]:
    """Every output, range and path from the host; returns the paths that the model fits."""
    paths = [path for path in PATHS if fits(model, columns, path)]
    for begin, end in ranges(model):
        for options in outputs(n, model.n_outputs):
            expected = model.predict(columns, begin=begin, end=end, plain=True, **options)
            for path in paths:
                found = model.predict(columns, begin=begin, end=end, device="cuda", path=path, **options)
                assert found.dtype == expected.dtype
                assert found.tobytes() == expected.tobytes(), (path, begin, end, options["output"])
    return set(paths)


def predict_at(model: _core.Model, X: pygbt.DeviceArray, path: str, **options: Any) -> np.ndarray:
    leaf = options["output"] == "leaf"
    width = (options["end"] - options["begin"]) * model.trees_per_iteration if leaf else model.n_outputs
    out = device_arrays.empty((X.shape[0], width), np.int32 if leaf else np.float32)
    margin = None
    if options.get("base_margin") is not None:
        margin = device_arrays.put(options["base_margin"])
        options["base_margin"] = (margin.pointer, margin.shape, margin.strides, margin.dtype)
    model.predict_at((X.pointer, X.shape, X.strides, X.dtype), out.pointer, path=path, **options)
    return out.numpy()


def check_arrays(model: _core.Model, x: np.ndarray, X: pygbt.DeviceArray) -> None:
    """The same from an array on the device."""
    paths = [path for path in PATHS if fits(model, x, path)]
    for begin, end in ranges(model):
        for options in outputs(len(x), model.n_outputs):
            expected = model.predict(x, begin=begin, end=end, plain=True, **options)
            for path in paths:
                found = predict_at(model, X, path, begin=begin, end=end, **options)
                assert found.tobytes() == expected.tobytes(), (path, begin, end, options["output"], x.dtype)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
@example(seed=13971522)  # codes of a tile and a tree do not fit together: fewer rows a tile
def test_random_forests(seed: int) -> None:
    if EMULATED is None:
        pytest.skip("this build has no emulator")
    with as_cuda():
        devices.load_cuda()
        random_forests(seed)


@pytest.mark.gpu
@pytest.mark.parametrize("seed", range(40))
def test_random_forests_on_a_gpu(seed: int) -> None:
    devices.load_cuda()
    random_forests(seed)


def random_forests(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_outputs = int(rng.integers(1, 4))
    made = random_model(
        rng,
        n_features=int(rng.integers(1, 8)),
        n_outputs=n_outputs,
        n_iterations=int(rng.integers(0, 6)),
        vector_leaves=bool(rng.integers(2)),
        wide=bool(rng.integers(2)),
        categories=bool(rng.integers(2)),
        objective="softmax" if n_outputs > 1 else str(rng.choice(["logistic", "poisson", "squared_error"])),
        max_splits=int(rng.integers(0, 30)),
    )
    model = model_of(made)
    for n in (0, 1, int(rng.integers(2, 7)), int(rng.integers(7, 400))):
        taken = check_paths(model, random_columns(rng, made, n), n)
        assert {"auto", "packed", "trees", "raw"} <= taken


@pytest.mark.parametrize("wide", [False, True])
def test_values_beside_thresholds(cuda: str, wide: bool) -> None:
    """Edges, the floats beside them, zeros, infinities, denormals and NaN, as float32 and float64, in every path."""
    rng = np.random.default_rng(1)
    made = random_model(rng, n_features=5, n_iterations=12, wide=wide, categories=False, max_splits=40)
    model = model_of(made)
    columns = random_columns(rng, made, 500)
    check_paths(model, columns, 500)
    for dtype in (np.float32, np.float64):
        with np.errstate(over="ignore", under="ignore"):
            x = np.column_stack([np.asarray(c, dtype=dtype) for c in columns])
        check_arrays(model, x, device_arrays.put(x))
        check_arrays(model, x[:3], device_arrays.put(x[:3]))


@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_integers(cuda: str, dtype: str) -> None:
    rng = np.random.default_rng(2)
    for wide in (False, True):
        made = random_model(rng, n_features=3, n_iterations=5, wide=wide, categories=False, max_splits=9)
        x = rng.integers(0, 2, (90, 3)).astype(dtype)
        if np.dtype(dtype).kind in "iu":
            info = np.iinfo(dtype)
            pool = [info.min, info.max, info.max - 1, 0, 1, 3, 100, min(info.max, 2**53 + 1), min(info.max, 2**24 + 1)]
            x = rng.choice(np.array(pool, dtype=dtype), size=(90, 3))
        check_arrays(model_of(made), x, device_arrays.put(x))
        check_paths(model_of(made), x, len(x))


LAYOUTS = [
    "x",
    "np.asfortranarray(x)",
    "x[::-1]",
    "x[:, ::-1]",
    "x[::2]",
    "x[:, 1:5]",
    "x[5:6]",
    "x[:0]",
    "x[::-3, 1:4]",
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(cuda: str, layout: str) -> None:
    rng = np.random.default_rng(3)
    whole = rng.normal(size=(130, 6)).astype(np.float32)
    whole[rng.random(whole.shape) < 0.1] = np.nan
    base = np.asfortranarray(whole) if "fortran" in layout else whole
    x = eval(layout, {"x": whole, "np": np}) if "fortran" not in layout else base
    flat = base.ravel(order="K")
    X = strided(x, device_arrays.put(flat), flat)
    assert np.array_equal(X.numpy(), x, equal_nan=True)
    made = random_model(rng, n_features=x.shape[1], n_iterations=7, wide=False, categories=False)
    check_arrays(model_of(made), x, X)
    check_paths(model_of(made), x, len(x))


def test_rows_that_are_not_aligned(cuda: str) -> None:
    rng = np.random.default_rng(4)
    for dtype in (np.float32, np.float64, np.int16):
        records = np.zeros(60, dtype=[("a", np.int8), ("x", dtype, 3)])
        records["x"] = rng.normal(size=(60, 3)) * 50
        raw = records.view(np.uint8)
        base = device_arrays.put(raw)
        x = records["x"]
        assert not x.flags.aligned
        X = pygbt.DeviceArray(base.pointer + 1, x.shape, x.dtype, strides=x.strides, owner=base)
        made = random_model(rng, n_features=3, n_iterations=5, wide=True, categories=False)
        check_arrays(model_of(made), x, X)
        check_paths(model_of(made), x, len(x))


def test_depths(cuda: str) -> None:
    """Shallow, deeper than trees are filled up to, and deeper than they can be."""
    rng = np.random.default_rng(5)
    for depth in (1, 2, 6, 8, 9):
        made = symmetric_model(rng, depth, n_trees=3)
        for n in (1, 6, 90):
            taken = check_paths(model_of(made), random_columns(rng, made, n), n)
        assert {"packed", "trees", "raw"} <= taken
        assert "perfect" in taken or depth > 8 or cuda != "gpu"
    X = np.arange(5000, dtype=np.float32).reshape(-1, 1)
    params = {"max_depth": 20, "max_leaves": 21, "grow_policy": "lossguide", "reg_lambda": 0, "learning_rate": 1.0}
    deep = pygbt.train(params, pygbt.Dataset(X, 1.6 ** (X[:, 0] / 250)), 2)
    depths = [len(deep._model.tree(i)["left"]) for i in range(2)]
    assert max(depths) > 30
    assert check_paths(deep._model, X[::7].copy(), len(X[::7])) >= {"packed", "trees", "raw"}


def test_a_chain_of_depth_20(cuda: str) -> None:
    rng = np.random.default_rng(6)
    made = random_model(rng, n_features=2, n_iterations=1, categories=False, max_splits=0)
    made.features[0].edges = np.arange(20, dtype=np.float64)
    made.features[0].n_bins = 22
    arrays = dict(made.arrays)
    n = 41  # node 2i splits off the leaf 2i + 1
    left, n_leaves = [], 0
    for i in range(n):
        inner = i % 2 == 0 and i < 40
        left.append(i + 1 if inner else ~n_leaves)
        n_leaves += not inner
    inner = np.array(left) >= 0
    arrays |= {
        "tree_nodes": np.array([n], np.int32),
        "left": np.array(left, np.int32),
        "feature": np.where(inner, 0, -1).astype(np.int32),
        "threshold": np.where(inner, np.arange(n) // 2, 0).astype(arrays["threshold"].dtype),
        "default_left": (inner & (np.arange(n) % 4 == 0)).astype(np.uint8),
        "gain": np.zeros(n, np.float32),
        "cover": np.zeros(n),
        "count": np.zeros(n, np.int64),
        "leaf_value": rng.normal(size=21).astype(np.float32),
        "cuts_n_bins": np.array([f.n_bins for f in made.features], np.int32),
        "cuts_n_edges": np.array([len(f.edges) for f in made.features], np.int32),
        "cuts_edges": np.concatenate([f.edges for f in made.features]).astype(arrays["cuts_edges"].dtype),
    }
    model = model_of(RandomModel(arrays, made.meta, made.features))
    x = np.zeros((100, 2), np.float32)
    x[:, 0] = rng.integers(-1, 22, 100)
    x[::9, 0] = np.nan
    assert check_paths(model, x, 100) == {"auto", "packed", "trees", "raw"}
    assert len(np.unique(model.predict(x, begin=0, end=1, output="leaf", device="cuda"))) == 21


def test_many_thresholds(cuda: str) -> None:
    """Codes of two bytes, and thresholds that have no room in shared memory."""
    rng = np.random.default_rng(7)
    for n_edges in (200, 253, 254, 255, 256, 3000):
        made = many_thresholds(rng, n_edges, 60)
        check_paths(model_of(made), random_columns(rng, made, 200), 200)


@pytest.mark.parametrize("n_features", [40, 200, 3000])
def test_many_features(cuda: str, n_features: int) -> None:
    """Codes of 32 rows that have room in shared memory, or not: then raw values are walked."""
    rng = np.random.default_rng(8)
    made = random_model(rng, n_features=n_features, n_iterations=40, wide=False, max_splits=120)
    n = 70
    taken = check_paths(model_of(made), random_columns(rng, made, n), n)
    small = cuda != "gpu" or "PYGBT_CUDA_SMALL" in os.environ
    assert taken == {"auto", "raw"} if small and n_features > 100 else "packed" in taken
    numeric = random_model(rng, n_features=n_features, n_iterations=20, categories=False, max_splits=60)
    x = rng.normal(size=(n, n_features)).astype(np.float32)
    check_arrays(model_of(numeric), x, device_arrays.put(x))


@pytest.mark.parametrize(
    "name", ["logistic", "softmax", "one_vs_rest", "vector_leaf", "poisson", "symmetric", "quantile"]
)
def test_trained_models(cuda: str, name: str) -> None:
    for kind in ("dense", "categories", "two_byte"):
        booster = fit(CONFIGS[name], dataset(kind, name), "cpu", rounds=6)
        X, _ = signal(300, 5)
        if kind == "categories":
            X[:, 3] = np.random.default_rng(1).integers(-1, 5, len(X))
            X[:, 5] = np.random.default_rng(2).integers(0, 120, len(X))
        for n in (0, 1, 4, 300):
            x = X[:n]
            there = device_arrays.put(x)
            margin = np.linspace(-1, 1, n * booster.n_outputs, dtype=np.float32).reshape(n, booster.n_outputs)
            for arguments in (
                {},
                {"output": "margin"},
                {"output": "leaf"},
                {"iteration_range": (2, 5), "base_margin": margin},
                {"iteration_range": (3, 3)},
                {"iteration_range": (5, 6), "output": "leaf"},
            ):
                expected = booster.predict(x, **arguments)
                host = booster.predict(x, device="cuda", **arguments)
                assert (host.dtype, host.shape) == (expected.dtype, expected.shape)
                assert host.tobytes() == expected.tobytes(), (kind, n, arguments)
                found = booster.predict(there, **arguments)
                assert isinstance(found, pygbt.DeviceArray)
                assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
                assert found.numpy().tobytes() == expected.tobytes(), (kind, n, arguments)


def test_tables_of_columns(cuda: str) -> None:
    """Frames of mixed types, sparse matrices, arrays of which few columns are used: chunk by chunk."""
    pandas = pytest.importorskip("pandas")
    from scipy.sparse import csr_matrix

    X, z = signal(900, 3)
    X = np.nan_to_num(X)
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(X.astype(np.float32), columns=list("abcdef"))
    frame["b"] = frame["b"].astype(np.float64)
    frame["d"] = pandas.Categorical.from_codes(rng.integers(0, 4, 900), list("wxyz"))
    frame["e"] = (10 * X[:, 4]).astype(np.int64)
    booster = pygbt.train({"max_depth": 5}, pygbt.Dataset(frame, z), 8)
    frame.loc[::7, "d"] = None
    stored = csr_matrix(np.where(rng.random(X.shape) < 0.3, X, 0))
    for table, model in (
        (frame, booster),
        (frame.iloc[:3], booster),
        (stored, pygbt.train({"max_depth": 5}, pygbt.Dataset(stored, z), 8)),
        (stored.astype(np.float64), pygbt.train({}, pygbt.Dataset(stored.astype(np.float64), z), 8)),
    ):
        for output in ("value", "leaf"):
            expected = model.predict(table, output)
            assert model.predict(table, output, device="cuda").tobytes() == expected.tobytes()
    wide = np.zeros((700, 50), np.float32)
    wide[:, [7, 30]] = X[:700, :2]
    few = pygbt.train({"max_depth": 4}, pygbt.Dataset(wide, z[:700]), 5)
    assert few.predict(wide, device="cuda").tobytes() == few.predict(wide).tobytes()


def test_a_model_without_a_cut(cuda: str) -> None:
    booster = pygbt.train({}, pygbt.Dataset([[1.0], [1.0]], [0.0, 1.0]), 2)
    x = np.full((50, 1), 3.0, np.float32)
    check_paths(booster._model, x, 50)
    check_arrays(booster._model, x, device_arrays.put(x))


# --- categories of arrays on a device -------------------------------------------------------------------------------


def test_numbers_of_an_array_are_category_values(cuda: str) -> None:
    rng = np.random.default_rng(9)
    values = np.array([-3, 0, 1, 2, 40, 1000, 70000])
    for dtype in (np.float32, np.float64, np.int32, np.int64):
        X = np.column_stack([rng.choice(values, 600), rng.integers(0, 50, 600)]).astype(dtype)
        y = (X[:, 0] % 3) + 0.1 * X[:, 1] + rng.normal(size=600)
        booster = pygbt.train({"max_depth": 4}, pygbt.Dataset(X, y, categorical_features=[0]), 6)
        seen = np.column_stack([rng.choice(np.append(values, [5, -2, 999]), 300), rng.integers(0, 60, 300)])
        for other in (np.float32, np.float64, np.int32, np.int64):
            x = seen.astype(other)
            if np.dtype(other).kind == "f":
                x[::11, 0] = np.nan
                x[1::11, 0] += 0.5
            expected = booster.predict(x)
            assert booster.predict(device_arrays.put(x)).numpy().tobytes() == expected.tobytes(), (dtype, other)
            assert booster.predict(device_arrays.put(x[:4])).numpy().tobytes() == expected[:4].tobytes()
            assert len(np.unique(expected)) > 5


def test_text_and_true_are_what_they_are_on_the_host(cuda: str) -> None:
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(10)
    for categories in (["a", "b", "7"], [True, False], [0.5, 1.5, 7.0], [1, 0, 7]):
        codes = rng.integers(0, len(categories), 400)
        frame = pandas.DataFrame({"c": pandas.Categorical.from_codes(codes, categories), "x": rng.normal(size=400)})
        booster = pygbt.train({"max_depth": 3}, pygbt.Dataset(frame, codes + 0.0), 4)
        x = np.column_stack([rng.choice([0, 0.5, 1, 1.5, 7, np.nan], 200), rng.normal(size=200)])
        assert booster.predict(device_arrays.put(x)).numpy().tobytes() == booster.predict(x).tobytes()


def test_categories_that_float64_cannot_tell_apart(cuda: str) -> None:
    X = np.array([[2**53], [2**53 + 1], [3]] * 40, dtype=np.int64)
    booster = pygbt.train({}, pygbt.Dataset(X, [0.0, 1.0, 2.0] * 40, categorical_features=[0]), 2)
    assert len(np.unique(booster.predict(X, device="cuda"))) == 3
    with pytest.raises(ValueError, match="2\\*\\*53"):
        booster.predict(device_arrays.put(X))


@pytest.mark.gpu
def test_large_tables_on_a_gpu() -> None:
    """Rows enough for several rows a thread, and forests as they are trained."""
    devices.load_cuda()
    X, z = signal(600_000, 16)
    for params in ({"max_depth": 6}, {"max_depth": 12, "max_leaves": 900}, {"objective": "softmax", "max_depth": 6}):
        y = np.digitize(z, [-1, 0, 1]) if "objective" in params else z
        booster = pygbt.train(params, pygbt.Dataset(X[:100_000], y[:100_000]), 40)
        expected = booster.predict(X).tobytes()
        assert booster.predict(X, device="cuda").tobytes() == expected
        assert booster.predict(device_arrays.put(X)).numpy().tobytes() == expected
        wide = device_arrays.put(np.asfortranarray(X).T.astype(np.float64))
        turned = pygbt.DeviceArray(wide.pointer, X.shape, wide.dtype, strides=(8, 8 * len(X)), owner=wide)
        assert booster.predict(turned).numpy().tobytes() == expected
    assert math.isfinite(float(np.sum(booster.predict(X[:10], device="cuda"))))
