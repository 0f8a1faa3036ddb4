# SPDX-License-Identifier: Apache-2.0
"""A Dataset on a GPU is the Dataset on the host: the same edges, the same bins, the same models, bit for bit, whatever
its table is made of and wherever that lies.

The emulator's chunks, units and groups of columns are small, so that tables of a few hundred rows have several.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import itertools
import os
import signal as signals
import threading
from typing import Any

import numpy as np
import pytest
from cuda_cases import CONFIGS, labels, signal
from device_columns import KINDS, MAX_BINS, TYPES, Array, Interface, cast, check, same, values
from scipy import sparse

import pygbt
from pygbt import device_arrays, devices


@pytest.fixture
def module(cuda: str) -> Any:
    return devices.load_cuda()


# --- columns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_and_order(module: Any, dtype: str) -> None:
    rng = np.random.default_rng(0)
    X = cast(np.column_stack([values(kind, 500, rng) for kind in KINDS]), dtype)
    fortran = np.asfortranarray(X)
    for weights in (None, rng.integers(0, 4, 500).astype(float)):
        for max_bin in MAX_BINS:
            for source in (X, fortran):
                check(source, max_bin=max_bin, weights=weights)
    repeated = np.broadcast_to(X[:1], X.shape)
    overlapping = np.lib.stride_tricks.sliding_window_view(X[:, 0].copy(), 5)
    for part in (X[::-1], X[:, ::-1], X[::3], X[:, ::2], X[5:6], X[:, 2:3], fortran[::-2, ::-1], repeated, overlapping):
        check(part, max_bin=16)


@pytest.mark.parametrize("dtype", TYPES)
def test_arrays_on_the_device(cuda: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    X = cast(np.column_stack([values(kind, 400, rng) for kind in KINDS]), dtype)
    weight = rng.integers(0, 3, 400).astype(float)
    turned = np.ascontiguousarray(X.T)
    for part, whole in (
        (X, X), (turned.T, turned), (X[::-1], X), (X[:, ::-1], X), (X[::3, 1:4], X), (turned.T[::2, ::-2], turned),
        (X[7:8], X), (X[:, 3:4], X),
    ):  # fmt: skip
        for max_bin in (2, 64, 1000):
            w = weight[: len(part)].copy()
            w[0] = 1.0
            host = pygbt.Dataset(np.ascontiguousarray(part), weight=w, max_bin=max_bin)
            there = pygbt.Dataset(Interface(part, whole), weight=w, max_bin=max_bin)
            assert there.device == "cuda:0"
            same(host.core, there.core)
            same(host.rebin(host).core, there.core)


def test_rows_and_columns_beyond_a_chunk(module: Any) -> None:
    """More columns than a row of a chunk holds, many short columns, many pieces."""
    rng = np.random.default_rng(2)
    check(rng.standard_normal((3, 3000)))
    check(np.asfortranarray(rng.standard_normal((3, 900)).astype(np.float32)))
    matrix = sparse.random(300, 400, 0.02, "csc", np.float32, rng)
    ends = matrix.indptr
    columns = [
        ("sparse", matrix.data[a:b], matrix.indices[a:b].astype(np.int64), 0.0, 300)
        for a, b in itertools.pairwise(ends)
    ]
    check(columns)


def test_long_columns(module: Any) -> None:
    """Columns that a block does not sort, of as many values as rows, and more bins than shared memory has room for."""
    rng = np.random.default_rng(3)
    X = np.column_stack([rng.standard_normal(20_000), rng.integers(0, 5000, 20_000), rng.random(20_000) < 0.1])
    for weights in (None, rng.random(20_000)):
        for source in (X, X.astype(np.float32)):
            for max_bin in (256, 20_000):
                check(source, max_bin=max_bin, weights=weights)


# --- tables ---------------------------------------------------------------------------------------------------------


def homes(X: Any, y: Array, **arguments: Any) -> list[pygbt.Dataset]:
    return [pygbt.Dataset(X, y, device=device, **arguments) for device in ("cpu", "cuda")]


def test_tables_of_every_library(cuda: str) -> None:
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(4)
    y = rng.random(300)
    frame = pd.DataFrame({
        "a": rng.standard_normal(300), "b": rng.integers(0, 9, 300).astype(np.int16),
        "c": pd.Categorical(rng.choice(["x", "y", "z"], 300)), "d": rng.random(300).astype(np.float32),
        "e": rng.random(300) < 0.5,
    })  # fmt: skip
    numbers = frame[["a", "b"]].to_numpy()
    tables = [frame, frame[["a", "d"]].to_numpy().tolist(), sparse.csr_matrix(numbers), sparse.csc_matrix(numbers)]
    if importlib.util.find_spec("polars"):
        tables.append(importlib.import_module("polars").from_pandas(frame))
    for X in tables:
        host, there = homes(X, y)
        same(host.core, there.core)
        assert there.schema == host.schema and there.feature_names == host.feature_names
    for missing in (False, True):
        X = sparse.random(200, 30, 0.1, "csr", np.float64, rng)
        host, there = homes(X, y[:200], sparse_missing=missing, weight=rng.integers(1, 3, 200))
        same(host.core, there.core)
    host, there = homes(rng.integers(0, 40, (300, 3)), y, categorical_features=[0, 2])
    same(host.core, there.core)


def table(kind: str, n: int = 700) -> tuple[Any, dict[str, Any]]:
    X, _ = signal(n, 0)
    rng = np.random.default_rng(1)
    if kind == "weighted":
        return X, {"weight": rng.integers(0, 4, n).astype(float)}
    if kind == "sparse":
        return sparse.csr_matrix(np.nan_to_num(X) * (rng.random(X.shape) < 0.2)), {}
    if kind == "categories":
        X[:, 5] = rng.zipf(1.6, n) % 90
        return X, {"categorical_features": [3, 5]}
    if kind == "fine":
        return X.astype(np.float64), {"max_bin": 600}
    return X, {}


@pytest.mark.parametrize("name", ["logistic", "vector_leaf", "quantile", "sampled"])
def test_models(cuda: str, name: str) -> None:
    _, z = signal(700, 0)
    y = labels(name, z)
    params = {"max_depth": 4, **CONFIGS[name]}
    for kind in ("dense", "weighted", "sparse", "categories", "fine"):
        X, arguments = table(kind)
        host, there = homes(X, y, **arguments)
        sources = [there]
        if kind in ("dense", "weighted", "fine"):
            sources += [
                pygbt.Dataset(np.asfortranarray(X), y, device="cuda", **arguments),
                pygbt.Dataset(Interface(X), device_arrays.put(y), **arguments),
            ]
        expected = pygbt.train(params, host, 3).digest()
        for source in [host, *sources]:
            assert pygbt.train({**params, "device": "cuda"}, source, 3).digest() == expected, kind


def test_labels_weights_and_margins_on_the_device(cuda: str) -> None:
    X, z = signal(300, 2)
    weight = np.random.default_rng(0).random(300)
    host = pygbt.Dataset(X, z, weight=weight, base_margin=z * 0.1)
    there = pygbt.Dataset(
        Interface(X), Interface(z), weight=Interface(weight), base_margin=Interface(z * 0.1), device="cuda"
    )
    same(host.core, there.core)
    assert there.label is not None and host.label is not None and there.label.tobytes() == host.label.tobytes()
    models = [pygbt.train({"device": d.device}, d, 3).digest() for d in (host, there)]
    assert models[0] == models[1]


def test_a_table_shares_the_edges_of_another(cuda: str) -> None:
    X, z = signal(600, 3)
    host, there = homes(X, z)
    later = X[::2] * 1.5
    expected = pygbt.Dataset(later, z[::2], reference=host)
    model = pygbt.train({}, host, 2)
    for found in (
        pygbt.Dataset(later, z[::2], reference=there),
        pygbt.Dataset(later, z[::2], reference=host, device="cuda"),
        pygbt.Dataset(Interface(np.ascontiguousarray(later)), z[::2], reference=there),
        pygbt.Dataset(later, z[::2], reference=model, device="cuda"),
        pygbt.Dataset(later, z[::2], device="cuda").rebin(there),
        pygbt.Dataset(Interface(np.ascontiguousarray(later)), z[::2]).rebin(there),
    ):
        same(expected.core, found.core)
    assert pygbt.Dataset(later, z[::2], reference=there).core.cuts is there.core.cuts
    back = pygbt.Dataset(later, z[::2], reference=there, device="cpu")
    assert back.device == "cpu" and np.array_equal(back.core.bins(True), expected.core.bins(True))


def test_rows_of_a_table(cuda: str) -> None:
    X, z = signal(500, 4)
    weight = np.random.default_rng(5).integers(1, 4, 500).astype(float)
    host, there = homes(X, z, weight=weight, base_margin=z * 0.1)
    placed = pygbt.Dataset(Interface(X), z, weight=weight, base_margin=z * 0.1)
    rng = np.random.default_rng(6)
    for rows in (rng.integers(0, 500, 333), np.arange(500)[::-1], np.array([7]), rng.random(500) < 0.5):
        expected = host.subset(rows)
        for source in (there, placed):
            found = source.subset(rows)
            same(expected.core, found.core)
            assert found.core.cuts is source.core.cuts
            assert np.array_equal(found.weight, expected.weight)
        again = expected.subset(np.arange(0, expected.n_rows, 2))
        same(again.core, there.subset(rows).subset(np.arange(0, expected.n_rows, 2)).core)
        for source in (there, placed):
            same(host.subset(rows, new_edges=True).core, source.subset(rows, new_edges=True).core)
    other = pygbt.Dataset(X[:100], z[:100], max_bin=9)
    for source in (there, placed):
        same(host.subset([5, 1, 5]).rebin(other).core, source.subset([5, 1, 5]).rebin(other).core)
    for dtype in TYPES:
        whole = cast(values("normal", 60, rng), dtype).reshape(12, 5)
        for part in (whole, whole[::-1, 1:], whole.T):
            view = device_arrays.view(Interface(part, whole))
            rows = rng.integers(0, len(part), 9)
            assert view is not None and np.array_equal(device_arrays.take_rows(view, rows).numpy(), part[rows])


def test_rows_of_arrays_that_are_not_aligned(cuda: str) -> None:
    """On a GPU reading one is an error that nothing in the process recovers from."""
    memory = device_arrays.put(np.zeros(100, np.uint8))
    for dtype, shift, strides in (("f4", 1, (8, 4)), ("f4", 0, (10, 4)), ("i8", 0, (32, 4)), ("c16", 0, (32, 16))):
        array = pygbt.DeviceArray(memory.pointer + shift, (3, 2), dtype, strides=strides, owner=memory)
        with pytest.raises(ValueError, match="aligned to their size"):
            device_arrays.take_rows(array, np.array([1, 0]))


def test_evaluation_continuation_and_folds(cuda: str) -> None:
    X, z = signal(500, 7)
    host, there = homes(X, z)
    placed = pygbt.Dataset(Interface(X), z)
    results = []
    for data, device in ((host, "cpu"), (there, "cuda"), (placed, "cuda"), (host, "cuda")):
        params = {"device": device, "max_depth": 3}
        valid = [pygbt.Dataset(X[:99], z[:99], reference=data), pygbt.Dataset(X[50:], z[50:], device=device)]
        first = pygbt.train(params, data, 3, evals=[(v, f"v{i}") for i, v in enumerate(valid)])
        more = pygbt.train(params, data, 2, init_model=first)
        folds = pygbt.cv(params, data, 2, nfold=3)
        results.append((first.digest(), first.evals_result, more.digest(), folds))
    assert all(result == results[0] for result in results)
    homes_of = (("cpu", host), ("cuda", there), ("cuda", placed))
    per_fold = [pygbt.cv({"device": d}, t, 2, nfold=2, bins="per_fold") for d, t in homes_of]
    assert per_fold[0] == per_fold[1] == per_fold[2]


def test_estimators(cuda: str) -> None:
    X, z = signal(400, 8)
    y = (z > 0).astype(int)
    for arguments in ({}, {"early_stopping_rounds": 2}):
        expected = pygbt.GBTClassifier(n_estimators=4, max_depth=3, **arguments).fit(X, y)
        for table in (X, Interface(X)):
            found = pygbt.GBTClassifier(n_estimators=4, max_depth=3, device="cuda", **arguments).fit(table, y)
            assert found.booster_.digest() == expected.booster_.digest()
    model = pygbt.GBTRegressor(n_estimators=4, max_depth=3, device="cuda")
    model.fit(Interface(X), Interface(z), eval_set=[(Interface(X[:50].copy()), Interface(z[:50].copy()))])
    expected = pygbt.GBTRegressor(n_estimators=4, max_depth=3).fit(X, z, eval_set=[(X[:50], z[:50])])
    assert model.booster_.digest() == expected.booster_.digest() and model.evals_result_ == expected.evals_result_
    assert model.n_features_in_ == 6


# --- what is refused ------------------------------------------------------------------------------------------------


def test_errors_name_the_remedy(cuda: str) -> None:
    X, z = signal(50, 9)
    there = pygbt.Dataset(X, z, device="cuda")
    with pytest.raises(ValueError, match=r'lives on device="cuda:0".*device="cpu"\)'):
        pygbt.train({}, there, 1)
    placed = Interface(X)
    for arguments, kind, match in (
        ({"device": "cpu"}, ValueError, "leave device alone"),
        ({"device": "naive"}, ValueError, 'device must be "cpu", "cuda"'),
        ({"device": 0}, TypeError, "device must be"),
        ({"categorical_features": [3]}, ValueError, "from the host"),
        ({"feature_names": ["a"]}, ValueError, "feature_names has 1 names"),
        ({"y": z[:-1]}, ValueError, "label has 49 rows"),
        ({"weight": -np.ones(50)}, ValueError, "weight"),
    ):
        with pytest.raises(kind, match=match):
            pygbt.Dataset(placed, **arguments)
    for wrong, match in ((X[:, 0].copy(), "1D"), (X.astype(np.float16), "float16"), (X[:0], "0 sample")):
        with pytest.raises(ValueError, match=match):
            pygbt.Dataset(Interface(wrong))
    categories = pygbt.Dataset(np.round(X[:, :3]), z, categorical_features=[0])
    with pytest.raises(ValueError, match="from the host"):
        pygbt.Dataset(Interface(X[:, :3].copy()), z, reference=categories)
    with pytest.raises(ValueError, match="cuda:99"):
        pygbt.Dataset(X, z, device="cuda:99")
    with pytest.raises(ValueError, match="expecting 6 features"):
        pygbt.Dataset(Interface(X[:, :3].copy()), z, reference=there)
    assert pygbt.train({"device": "cuda"}, there, 1).n_trees == 1


def test_a_build_without_cuda_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "MODULE", "pygbt._no_such_module")
    with pytest.raises(NotImplementedError, match="no CUDA backend"):
        pygbt.Dataset([[1.0]], device="cuda")


def test_nothing_is_left_behind(cuda: str, module: Any) -> None:
    X, z = signal(300, 10)
    gc.collect()
    before = module.allocated_bytes()
    for _ in range(3):
        data = pygbt.Dataset(X, z, device="cuda")
        assert before < module.allocated_bytes() <= before + 6 * 512  # columns of 300 bytes, each on a place of its own
        del data
        gc.collect()
        assert module.allocated_bytes() == before


def test_memory_that_runs_out(cuda: str, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[Any] = []
    n = 60_000
    if cuda == "emulated":
        monkeypatch.setenv("PYGBT_EMULATED_MIB", "1")
    else:
        n = 8_000_000
        for n_bytes in (1 << 30, 1 << 26):  # all but less than 64 MiB
            with contextlib.suppress(MemoryError):
                while True:
                    held.append(module.Memory(0, n_bytes))
    X = np.random.default_rng(0).random((n, 30)).astype(np.float32)
    gc.collect()
    before = module.allocated_bytes()
    with pytest.raises(MemoryError, match=r"out of memory: \d+ MiB wanted, \d+ of \d+ MiB free"):
        pygbt.Dataset(X, device="cuda")
    gc.collect()
    assert module.allocated_bytes() == before
    held.clear()
    monkeypatch.undo()
    small = X[:100]
    there = pygbt.Dataset(small, device="cuda")
    same(pygbt.Dataset(small).core, there.core)
    if cuda == "emulated":
        monkeypatch.setenv("PYGBT_EMULATED_MIB", "0")
        for fails in (lambda: there.subset([1, 2]), lambda: there.subset([1, 2], new_edges=True)):
            with pytest.raises(MemoryError, match="out of memory"):
                fails()
        monkeypatch.undo()
    same(pygbt.Dataset(small).subset([1, 2]).core, there.subset([1, 2]).core)


def test_an_interrupted_load(cuda: str, module: Any) -> None:
    if cuda != "emulated":
        pytest.skip("loads too fast to be interrupted")
    X = np.random.default_rng(0).random((400_000, 10)).astype(np.float32)
    gc.collect()
    before = module.allocated_bytes()
    usual = signals.signal(signals.SIGINT, signals.default_int_handler)  # a background job ignores it
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signals.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            pygbt.Dataset(X, device="cuda")
    finally:
        timer.join()
        signals.signal(signals.SIGINT, usual)
    gc.collect()
    assert module.allocated_bytes() == before
    same(pygbt.Dataset(X[:200]).core, pygbt.Dataset(X[:200], device="cuda").core)


def on_device(x: Array) -> Any:
    """A copy on the GPU: cupy's where it is installed."""
    if importlib.util.find_spec("cupy"):
        return importlib.import_module("cupy").asarray(x)
    return device_arrays.put(x)


@pytest.mark.gpu
def test_large_tables_on_a_gpu() -> None:
    rng = np.random.default_rng(11)
    X = rng.standard_normal((1_000_000, 12)).astype(np.float32)
    X[:, 3] = np.round(X[:, 3])
    X[rng.random(len(X)) < 0.9, 4] = 0.0
    X[rng.random(len(X)) < 0.2, 5] = np.nan
    weight = rng.integers(0, 4, len(X)).astype(float)
    devices.load_cuda()
    for w in (None, weight):
        for source in (X, X.astype(np.float64), np.asfortranarray(X)):
            host = pygbt.Dataset(source, weight=w)
            same(host.core, pygbt.Dataset(source, weight=w, device="cuda").core)
            same(host.core, pygbt.Dataset(on_device(source), weight=w).core)
