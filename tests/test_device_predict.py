# SPDX-License-Identifier: Apache-2.0
"""Prediction on a device is prediction on the CPU, byte for byte: by every path, from the host and from arrays there.

The oracle is the plain walk down the thresholds, which test_predict.py holds against a walk written in Python.
"""

from __future__ import annotations

import functools
import gc
import math
import os
import threading
from typing import Any

import numpy as np
import pytest
from cuda_cases import CONFIGS, dataset, fit, signal
from emulator import EMULATED, as_cuda
from hypothesis import example, given, settings
from hypothesis import strategies as st
from random_models import RandomModel, random_columns, random_model
from test_device_arrays import Dlpack, Interface, strided
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


# --- the interface --------------------------------------------------------------------------------------------------


@functools.cache
def logistic_model() -> pygbt.Booster:
    return fit(CONFIGS["logistic"], dataset("dense", "logistic"), "cpu", rounds=8)


@pytest.fixture
def trained(cuda: str) -> tuple[pygbt.Booster, np.ndarray]:
    """A model that no other device holds, and a table."""
    return logistic_model()[:], signal(200, 11)[0]


def test_arrays_of_other_libraries(cuda: str, trained: tuple[pygbt.Booster, np.ndarray]) -> None:
    booster, X = trained
    there = device_arrays.put(X)
    expected = booster.predict(X).tobytes()
    for x in (there, Interface(there), Dlpack(there, True), Dlpack(there, False)):
        found = booster.predict(x)
        assert isinstance(found, pygbt.DeviceArray)
        assert found.shape == (200,) and found.numpy().tobytes() == expected
        assert booster.predict(x, device="cuda:0").numpy().tobytes() == expected
    assert booster.predictor().predict(there).numpy().tobytes() == expected


def test_margins_of_any_type_and_place(cuda: str) -> None:
    for name in ("logistic", "softmax"):
        booster = fit(CONFIGS[name], dataset("dense", name), "cpu", rounds=3)
        X, _ = signal(80, 1)
        k = booster.n_outputs
        whole = np.random.default_rng(0).normal(size=(80, k + 2)) * 3
        for dtype in (np.float32, np.float64, np.int8, np.int64, np.uint64):
            numbers = np.abs(whole).astype(dtype)
            if dtype in (np.int64, np.uint64):
                numbers[::3] = 2**60 + 3
            margin = numbers[:, 1 : k + 1]
            expected = booster.predict(X, base_margin=margin, output="margin").tobytes()
            there = strided(margin, device_arrays.put(numbers), numbers)
            for x in (device_arrays.put(X), X):
                for given_margin in (there, margin, Interface(there)):
                    found = booster.predict(x, base_margin=given_margin, output="margin", device="cuda")
                    found = found if isinstance(found, np.ndarray) else found.numpy()
                    assert found.tobytes() == expected, (name, dtype)
        if k == 1:
            flat = device_arrays.put(np.float32(whole[:, 0]))
            found = booster.predict(device_arrays.put(X), base_margin=flat)
            assert found.numpy().tobytes() == booster.predict(X, base_margin=np.float32(whole[:, 0])).tobytes()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_margins_must_be_finite(cuda: str, trained: tuple[pygbt.Booster, np.ndarray], bad: float) -> None:
    booster, X = trained
    margin = np.zeros(len(X))
    margin[-1] = bad
    there = device_arrays.put(X)
    for given_margin in (device_arrays.put(margin), margin):
        with pytest.raises(ValueError, match="base_margin must be finite"):
            booster.predict(there, base_margin=given_margin)
    assert booster.predict(there).numpy().tobytes() == booster.predict(X).tobytes()


def test_what_is_refused(cuda: str, trained: tuple[pygbt.Booster, np.ndarray]) -> None:
    booster, X = trained
    there = device_arrays.put(X)
    for x, match in (
        (device_arrays.put(X[:, :3]), "X has 3 features, but Booster is expecting 6"),
        (device_arrays.put(X[0]), "2D"),
        (device_arrays.put(X.astype(np.float16)), "float16"),
        (device_arrays.put(X.astype(np.complex64)), "complex64"),
        (pygbt.DeviceArray(there.pointer, there.shape, ">f4", owner=there), ">f4"),
    ):
        with pytest.raises(ValueError, match=match):
            booster.predict(x)
    for arguments, error, match in (
        ({"output": "contrib"}, NotImplementedError, "contrib"),
        ({"output": "shap"}, ValueError, "output must be"),
        ({"device": "cuda:99"}, ValueError, "cuda:99"),
        ({"device": "naive"}, ValueError, "to predict"),
        ({"iteration_range": (0, 99)}, ValueError, "iteration_range"),
        ({"base_margin": np.zeros((200, 2))}, ValueError, "base_margin must have shape"),
        ({"base_margin": device_arrays.put(np.zeros((200, 2)))}, ValueError, "base_margin must have shape"),
        ({"base_margin": device_arrays.put(np.zeros(7))}, ValueError, "base_margin must have 1 values for each of"),
        ({"base_margin": np.zeros(7)}, ValueError, "base_margin must have 1 values for each of"),
        ({"base_margin": device_arrays.put(np.zeros(200, np.float16))}, ValueError, "base_margin has dtype float16"),
    ):
        with pytest.raises(error, match=match):
            booster.predict(there, **arguments)
    assert booster.predict(there).numpy().tobytes() == booster.predict(X).tobytes()


def test_a_model_without_a_cut(cuda: str) -> None:
    booster = pygbt.train({}, pygbt.Dataset([[1.0], [1.0]], [0.0, 1.0]), 2)
    x = np.full((50, 1), 3.0, np.float32)
    check_paths(booster._model, x, 50)
    check_arrays(booster._model, x, device_arrays.put(x))


def test_estimators(cuda: str) -> None:
    pytest.importorskip("sklearn")
    X, z = signal(300, 12)
    there = device_arrays.put(X)
    y3 = np.digitize(z, [-0.5, 0.8])
    margin = np.linspace(-1, 1, 300, dtype=np.float32)

    def same(found: Any, expected: np.ndarray) -> None:
        assert isinstance(found, pygbt.DeviceArray)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.numpy().tobytes() == expected.tobytes()

    regressor = pygbt.GBTRegressor(n_estimators=5).fit(X, z)
    same(regressor.predict(there), regressor.predict(X))
    same(regressor.predict(there, base_margin=margin), regressor.predict(X, base_margin=margin))
    same(regressor.apply(there), regressor.apply(X))
    two = pygbt.GBTRegressor(n_estimators=5).fit(X, np.column_stack([z, -z]))
    same(two.predict(there, iteration_range=(1, 3)), two.predict(X, iteration_range=(1, 3)))
    many = np.digitize(z, np.quantile(z, np.arange(1, 12) / 12))
    for y in (z > 0, (z > 0) * 2.0, y3.astype(np.int64) * 10, y3.astype(np.uint8), many):
        classifier = pygbt.GBTClassifier(n_estimators=4, max_depth=3).fit(X, y)
        for method in ("predict", "predict_proba", "decision_function", "apply"):
            same(getattr(classifier, method)(there), getattr(classifier, method)(X))
    shares = pygbt.GBTClassifier(n_estimators=4, objective="one_vs_rest").fit(X, y3)
    same(shares.predict_proba(there), shares.predict_proba(X))
    text = pygbt.GBTClassifier(n_estimators=4).fit(X, np.array(["a", "b", "c"])[y3])
    same(text.predict_proba(there), text.predict_proba(X))
    with pytest.raises(TypeError, match="classes_"):
        text.predict(there)
    with pytest.raises(ValueError, match="X has 2 features, but GBTClassifier is expecting 6"):
        text.predict_proba(device_arrays.put(X[:, :2]))


# --- what stays on the device ---------------------------------------------------------------------------------------


def test_the_model_stays_and_goes_with_its_owner(cuda: str) -> None:
    X, _ = signal(300, 13)
    booster = fit(CONFIGS["softmax"], dataset("categories", "softmax"), "cpu", rounds=4)
    module = devices.load_cuda()
    there = device_arrays.put(X)
    gc.collect()
    before = module.allocated_bytes()
    for n in (1, 300):  # both paths
        booster.predict(X[:n], device="cuda")
    held = module.allocated_bytes()
    assert held > before
    for _ in range(3):
        booster.predict(X, device="cuda")
        booster.predict(X[:1], device="cuda")
        booster.predict(there)
        gc.collect()
        assert module.allocated_bytes() == held
    half = booster[:2]
    half.predict(X, device="cuda")
    assert held < module.allocated_bytes() < 2 * held
    del half, booster
    gc.collect()
    assert module.allocated_bytes() == before


def test_a_call_waits_once(cuda: str, trained: tuple[pygbt.Booster, np.ndarray]) -> None:
    booster, X = trained
    module = devices.load_cuda()
    for n in (1, 100):
        there = device_arrays.put(X[:n])
        booster.predict(there)
        before = module.waits()
        booster.predict(there)
        assert module.waits() - before == 1
        booster.predict(X[:5], device="cuda")
        assert module.waits() - before == 2


def test_many_threads(cuda: str, trained: tuple[pygbt.Booster, np.ndarray]) -> None:
    booster, X = trained
    fresh = booster[:]
    expected = fresh.predict(X).tobytes()
    leaves = fresh.predict(X[:5], "leaf").tobytes()
    wrong: list[str] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        for _ in range(3):
            if fresh.predict(X, device="cuda").tobytes() != expected:
                wrong.append("scores")
            if fresh.predict(device_arrays.put(X[:5]), "leaf").numpy().tobytes() != leaves:
                wrong.append("leaves")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_memory_that_runs_out(cuda: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if cuda != "emulated":
        pytest.skip("the emulator's memory is what a test can set")
    X, z = signal(3000, 14)
    booster = pygbt.train({"max_depth": 8}, pygbt.Dataset(X, z), 60)
    module = devices.load_cuda()
    gc.collect()
    before = module.allocated_bytes()
    monkeypatch.setenv("PYGBT_EMULATED_MIB", "0")
    with pytest.raises(MemoryError, match="out of memory"):
        booster.predict(X, device="cuda")
    assert module.allocated_bytes() == before
    monkeypatch.undo()
    with as_cuda():
        assert booster.predict(X, device="cuda").tobytes() == booster.predict(X).tobytes()


# --- on a GPU -------------------------------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.parametrize("library", ["cupy", "torch", "jax"])
def test_arrays_of_libraries(library: str) -> None:
    pytest.importorskip(library)
    devices.load_cuda()
    X, z = signal(5000, 15)
    booster = pygbt.train({"objective": "logistic"}, pygbt.Dataset(X, z > 0), 30)
    there = to_library(library, X)
    for output in ("value", "margin", "leaf"):
        found = booster.predict(there, output)
        assert type(found).__module__.partition(".")[0] in (library, library + "lib")
        assert to_host(found).tobytes() == booster.predict(X, output).tobytes()
    margin = np.linspace(-1, 1, len(X), dtype=np.float32)
    found = booster.predict(there, base_margin=to_library(library, margin))
    assert to_host(found).tobytes() == booster.predict(X, base_margin=margin).tobytes()
    assert to_host(booster.predict(there.T.T[:100])).tobytes() == booster.predict(X[:100]).tobytes()
    if library != "jax":  # float64 only where it is switched on
        classifier = pygbt.GBTClassifier(n_estimators=5).fit(X, z > 0)
        assert to_host(classifier.predict_proba(there)).tobytes() == classifier.predict_proba(X).tobytes()


def to_library(library: str, x: np.ndarray) -> Any:
    if library == "cupy":
        import cupy

        return cupy.asarray(x)
    if library == "torch":
        import torch

        return torch.from_numpy(x.copy()).to("cuda")
    import jax

    return jax.device_put(x, jax.devices("gpu")[0])


def to_host(x: Any) -> np.ndarray:
    if hasattr(x, "get"):
        return np.asarray(x.get())
    return np.asarray(x.cpu().numpy()) if hasattr(x, "cpu") else np.asarray(x)


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
