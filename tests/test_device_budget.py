# SPDX-License-Identifier: Apache-2.0
"""A Dataset on a GPU within a budget of bytes: the edges, bins and models of the host, however little memory makes
them, and never more of it than allowed.

Columns that have room whole are sorted, others are read part by part; which it is shows in the stages.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda_cases import CONFIGS, dataset
from device_columns import KINDS, TYPES, Interface, cast, same, values
from scipy import sparse

import pygbt
from pygbt import _core, devices

PLENTY = 1 << 40


@pytest.fixture
def module(cuda: str) -> Any:
    return devices.load_cuda()


def enough_for(build: Callable[[int], Any]) -> int:
    """The bytes that the refusal of one byte asks for."""
    with pytest.raises(MemoryError, match=r"max_device_bytes=1 is too little") as caught:
        build(1)
    found = re.search(r"take (\d+) bytes", str(caught.value))
    assert found is not None
    return int(found[1])


def budgets(build: Callable[[int], Any]) -> list[int]:
    """Just enough, one byte less of which is refused, and more."""
    least = enough_for(build)
    with pytest.raises(MemoryError, match=rf"max_device_bytes={least - 1} .* {least} bytes"):
        build(least - 1)
    return [least, least + least // 8, 2 * least, 5 * least, PLENTY]


def within(module: Any, build: Callable[[int], Any], budget: int) -> tuple[Any, list[str]]:
    """What is built, and the stages that built it; the device never held more than the budget."""
    gc.collect()
    before = module.allocated_bytes()
    module.take_peak_bytes()
    module.time_stages(True)
    made = build(budget)
    stages = sorted(module.time_stages(False))
    peak = module.take_peak_bytes() - before
    assert module.allocated_bytes() - before <= peak <= budget
    return made, stages


def check(module: Any, columns: Any, n_categories: Any = None, **arguments: Any) -> set[str]:
    """All budgets; the stages that there were."""
    host = _core.Dataset(columns, n_categories, **arguments)

    def build(budget: int) -> _core.Dataset:
        return _core.Dataset(columns, n_categories, **arguments, device="cuda", max_device_bytes=budget)

    seen: set[str] = set()
    for budget in budgets(build):
        there, stages = within(module, build, budget)
        same(host, there)
        seen.update(stages)
    return seen


# --- columns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TYPES)
def test_columns_of_every_type(module: Any, dtype: str) -> None:
    rng = np.random.default_rng(0)
    X = cast(np.column_stack([values(kind, 700, rng) for kind in KINDS]), dtype)
    for weights in (None, rng.integers(0, 4, 700).astype(float)):
        seen = check(module, X, max_bin=16, weights=weights)
        assert {"sort", "passes"} <= seen
        check(module, np.asfortranarray(X), max_bin=300, weights=weights)
    check(module, X[::-2, ::-1], max_bin=5)


@pytest.mark.parametrize("max_bin", [2, 64, 256, 3000])
def test_long_columns(module: Any, max_bin: int) -> None:
    """Many passes, many parts, values that most rows have, more ranks than cells."""
    rng = np.random.default_rng(1)
    n = 6000
    X = np.column_stack([
        rng.standard_normal(n), rng.integers(0, 900, n), rng.random(n) < 0.1, np.exp(20 * rng.standard_normal(n)),
        np.where(rng.random(n) < 0.7, rng.integers(0, 3, n), rng.standard_normal(n)),
    ])  # fmt: skip
    for weights in (None, rng.random(n)):
        assert "passes" in check(module, X, max_bin=max_bin, weights=weights)
        check(module, X[:, :2].astype(np.float32), max_bin=max_bin, weights=weights)


def test_budgets_in_small_steps(module: Any) -> None:
    """From columns in parts to sorted ones, the narrow one first; in between a budget is nearly what a turn takes."""
    rng = np.random.default_rng(11)
    x = [rng.standard_normal(5000), rng.standard_normal(5000).astype(np.float32)]
    for weights in (None, rng.random(5000)):
        host = _core.Dataset(x, weights=weights, max_bin=40)

        def build(budget: int, weights: Any = weights) -> _core.Dataset:
            return _core.Dataset(x, weights=weights, max_bin=40, device="cuda", max_device_bytes=budget)

        least = enough_for(build)
        seen = []
        for budget in range(least, least + 400_000, 8_191):
            there, stages = within(module, build, budget)
            same(host, there)
            seen.append("sort" in stages)
        assert seen == sorted(seen) and seen[-1]


def test_sparse_columns_codes_and_gaps(module: Any) -> None:
    rng = np.random.default_rng(2)
    n = 900
    columns: list[Any] = []
    for fill in (0.0, np.nan, 2.5):
        for share in (0.0, 0.3, 1.0):
            rows = np.flatnonzero(rng.random(n) < share).astype(np.int64)
            columns.append(("sparse", cast(values("gaps", len(rows), rng), "f4"), rows, fill, n))
            columns.append(("sparse", values("few", len(rows), rng), rows, fill, n))
    columns += [("codes", rng.integers(-1, 400, n).astype(np.int32)), values("gaps", n, rng), np.full(n, np.nan)]
    n_categories = [0] * (len(columns) - 3) + [398, 0, 0]
    for weights in (None, rng.integers(0, 3, n).astype(float)):
        check(module, columns, n_categories, weights=weights, max_bin=32)
    there = _core.Dataset(columns, n_categories, max_bin=32)
    check(module, columns, reference=there)


def test_more_columns_than_have_room_together(module: Any) -> None:
    rng = np.random.default_rng(3)
    check(module, rng.standard_normal((300, 40)).astype(np.float32), max_bin=20)
    check(module, rng.standard_normal((2, 300)), max_bin=20)


def test_arrays_on_the_device_do_not_count(cuda: str, module: Any) -> None:
    rng = np.random.default_rng(4)
    X = rng.standard_normal((2000, 3)).astype(np.float32)
    placed = Interface(X)
    weight = rng.integers(0, 3, 2000).astype(float)

    def build(budget: int) -> pygbt.Dataset:
        return pygbt.Dataset(placed, weight=weight, max_bin=40, max_device_bytes=budget)

    host = pygbt.Dataset(X, weight=weight, max_bin=40)
    for budget in budgets(build):
        same(host.core, within(module, build, budget)[0].core)


def test_a_file_that_is_mapped(module: Any, tmp_path: Path) -> None:
    X = np.random.default_rng(5).standard_normal((4000, 4)).astype(np.float32)
    X.tofile(tmp_path / "table")
    mapped = np.memmap(tmp_path / "table", np.float32, "r", shape=X.shape)
    assert "passes" in check(module, mapped)


# --- tables ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["logistic", "vector_leaf"])
def test_models(module: Any, name: str) -> None:
    for kind in ("dense", "categories", "weighted", "sparse", "two_byte"):
        host = dataset(kind, name)

        def build(budget: int, kind: str = kind) -> pygbt.Dataset:
            return dataset(kind, name, device="cuda", max_device_bytes=budget)

        least = enough_for(build)
        params = {"max_depth": 3, **CONFIGS[name]}
        expected = pygbt.train(params, host, 3).digest()
        for budget in (least, PLENTY):
            there, _ = within(module, build, budget)
            same(host.core, there.core)
            assert pygbt.train({**params, "device": "cuda"}, there, 3).digest() == expected, kind


def test_datasets_made_of_it_keep_the_budget(module: Any) -> None:
    rng = np.random.default_rng(6)
    X = rng.standard_normal((800, 5))

    def build(budget: int) -> pygbt.Dataset:
        return pygbt.Dataset(X, device="cuda", max_device_bytes=budget)

    least = enough_for(build)
    there, host = build(least), pygbt.Dataset(X)
    few, many = rng.integers(0, 800, 300), rng.integers(0, 800, 100_000)
    for new_edges in (False, True):
        made, _ = within(module, lambda _, new_edges=new_edges: there.subset(few, new_edges=new_edges), least)
        same(host.subset(few, new_edges=new_edges).core, made.core)
        with pytest.raises(MemoryError, match=f"max_device_bytes={least}"):
            there.subset(many, new_edges=new_edges)
    other = pygbt.Dataset(X[:50], max_bin=9)
    same(host.rebin(other).core, within(module, lambda _: there.rebin(other), least)[0].core)
    again = there.replace(y=X[:, 0]).subset(few, new_edges=True)
    same(host.replace(y=X[:, 0]).subset(few, new_edges=True).core, again.core)
    shared = pygbt.Dataset(X, reference=there, max_device_bytes=least)
    assert shared.device == "cuda:0" and np.array_equal(shared.core.bins(), there.core.bins())


def test_sparse_matrices(module: Any) -> None:
    rng = np.random.default_rng(7)
    X = sparse.random(600, 30, 0.1, "csr", np.float64, rng)
    for missing in (False, True):
        host = pygbt.Dataset(X, sparse_missing=missing)

        def build(budget: int, missing: bool = missing) -> pygbt.Dataset:
            return pygbt.Dataset(X, sparse_missing=missing, device="cuda", max_device_bytes=budget)

        for budget in budgets(build):
            same(host.core, within(module, build, budget)[0].core)


# --- what is refused ------------------------------------------------------------------------------------------------


def test_bad_budgets(cuda: str) -> None:
    X = np.zeros((10, 2))
    for wrong in (0, -1, 1 << 63):
        with pytest.raises(ValueError, match="max_device_bytes must lie between"):
            pygbt.Dataset(X, device="cuda", max_device_bytes=wrong)
    for wrong in (True, 1e9, "1", np.float64(4)):
        with pytest.raises(TypeError, match="max_device_bytes must be an integer"):
            pygbt.Dataset(X, device="cuda", max_device_bytes=wrong)  # type: ignore[arg-type]
    for arguments in ({}, {"device": "cpu"}, {"reference": pygbt.Dataset(X)}):
        with pytest.raises(ValueError, match=r'limits the memory of a GPU.*device="cuda"'):
            pygbt.Dataset(X, max_device_bytes=1 << 30, **arguments)
    assert pygbt.Dataset(X, device="cuda", max_device_bytes=np.int64(1 << 30)).n_rows == 10


def test_a_refusal_leaves_nothing(module: Any) -> None:
    X = np.random.default_rng(8).standard_normal((500, 3))
    gc.collect()
    before = module.allocated_bytes()
    module.take_peak_bytes()
    with pytest.raises(MemoryError, match=r"max_device_bytes=1000 .* bytes of the device; allow as many"):
        pygbt.Dataset(X, weight=np.ones(500), device="cuda", max_device_bytes=1000)
    assert module.take_peak_bytes() == before == module.allocated_bytes()
    same(pygbt.Dataset(X).core, pygbt.Dataset(X, device="cuda").core)


def test_little_free_memory(cuda: str, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a budget the free memory is the limit, and a column that has no room whole is no error."""
    if cuda != "emulated":
        pytest.skip("takes a whole GPU")
    rng = np.random.default_rng(9)
    X = rng.standard_normal((50_000, 6)).astype(np.float32)
    X[:, 1] = np.round(X[:, 1])
    host = pygbt.Dataset(X)
    gc.collect()
    monkeypatch.setenv("PYGBT_EMULATED_MIB", "1")
    free = module.free_bytes()
    there, stages = within(module, lambda _: pygbt.Dataset(X, device="cuda"), free)
    monkeypatch.undo()
    assert "passes" in stages
    same(host.core, there.core)


@pytest.mark.gpu
def test_large_tables_on_a_gpu() -> None:
    rng = np.random.default_rng(10)
    X = rng.standard_normal((1_000_000, 12)).astype(np.float32)
    X[:, 3] = np.round(X[:, 3])
    X[rng.random(len(X)) < 0.9, 4] = 0.0
    X[rng.random(len(X)) < 0.2, 5] = np.nan
    module = devices.load_cuda()
    for weights in (None, rng.integers(0, 4, len(X)).astype(float)):
        for source in (X, X.astype(np.float64), np.asfortranarray(X)):
            check(module, source, weights=weights)
