# SPDX-License-Identifier: Apache-2.0
"""Features that are mostly one bin: listing the other bins and subtracting for the usual one changes no sum.

The naive backend reads columns and knows nothing of blocks: it is the oracle. Every test asserts that the features it
is about are held in sparse blocks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backend_trio import Column, Trio, codes, make_dataset, numeric

import pygbt
from pygbt import _core

sparse = pytest.importorskip("scipy.sparse")


def rare(rng: np.random.Generator, n: int, usual: float, others: Any, share: float = 0.03) -> np.ndarray:
    """A column of `usual` with a share of other values."""
    return np.where(rng.random(n) < share, rng.choice(np.asarray(others, float), n), usual)


def every_kind(n: int, seed: int = 0) -> list[Column]:
    """Sparse columns of every kind, among dense ones."""
    rng = np.random.default_rng(seed)
    columns = []
    for i in range(3):
        columns += [
            numeric(rare(rng, n, 0, range(1, 9))),
            numeric(rare(rng, n, 5, range(10))),  # the usual bin lies amid the others
            numeric(rare(rng, n, 9, range(10))),  # and at the end
            numeric(rng.normal(size=n)),  # dense
            numeric(rare(rng, n, np.nan, [-1.5, 0.0, 2.0])),  # mostly missing
            numeric(rare(rng, n, 0, [np.nan, 1.0])),  # missing values stored
            numeric(rare(rng, n, 0, rng.normal(size=900), 0.3)),  # two bytes a bin
            numeric(np.zeros(n)),
            numeric(np.full(n, np.nan)),
            codes(rare(rng, n, 7, range(12)).astype(int), 12),
            codes(rare(rng, n, -1, range(3)).astype(int), 3),  # mostly missing
            codes(rng.integers(0, 3, n), 3),  # dense
            numeric(np.where(np.arange(n) == i, 1.0, 0.0)),  # one row
            numeric(np.arange(n) >= n - n // 40),  # sorted
        ]
    return columns + many_values(n, 14)


def many_values(n: int, n_columns: int, share: float = 0.03) -> list[Column]:
    """Columns that would take a byte each: enough of them are worth a sparse block."""
    rng = np.random.default_rng(8)
    return [numeric(rare(rng, n, 0, rng.normal(size=200), share)) for _ in range(n_columns)]


DENSE = {3, 11}  # of 14


def grow(columns: list[Column], n_kinds: int, n: int, width: int = 1, weighted: bool = False, **request: Any) -> None:
    """Histograms of a root, its children and a grandchild, built and subtracted: naive = cpu on 1, 2, 3 threads."""
    rng = np.random.default_rng(1)
    weights = rng.integers(0, 4, n).astype(float) if weighted else None
    data = make_dataset(columns, 1000, weights=weights)
    held = {f for block in data.sparse_blocks() for f in block}
    assert held == {f for f in range(len(columns)) if f % 14 not in DENSE or f >= n_kinds}
    assert np.array_equal(data.bins(), data.bins(by_column=True))
    trio = Trio(data, width)
    trio.set_gradients(rng.normal(size=(n, width)).astype(np.float32), rng.random((n, width)).astype(np.float32))
    request = {"first_target": 0, "width": width, "seed": 3, "iteration": 1, "subsample": 1.0, "wide": False} | request
    trio.begin_tree({"count_rows": False, **request})
    trio.histograms([0])
    trio.histogram_of(0)
    cut = {"feature": 3, "bin": 300, "missing_left": False, "categorical": False, "left_bins": [], "gain": 1.0}
    cut["left"] = np.zeros((width, 2), np.int64)
    for node, left, feature, at in ((0, 1, 3, 300), (1, 3, 1, 5)):
        trio.partition([(node, left, {**cut, "feature": feature, "bin": at})])
        trio.histograms([left])
        trio.histogram_of(left)
        trio.subtract([(node, left, left + 1)])
        trio.histogram_of(left + 1)


@pytest.mark.parametrize(
    "request_of",
    [
        {},
        {"wide": True},
        {"weighted": True},
        {"weighted": True, "wide": True, "count_rows": True},
        {"count_rows": True},
        {"subsample": 0.4},
        {"width": 3},
        {"width": 3, "wide": True, "count_rows": True},
        {"width": 3, "weighted": True},
        {"width": 300, "n": 700},
        {"width": 300, "weighted": True, "n": 700},
    ],
    ids=str,
)
def test_histograms_are_those_of_the_columns(request_of: dict[str, Any]) -> None:
    n = request_of.get("n", 5000)
    columns = every_kind(n)
    grow(columns, len(columns) - 14, **{"n": n, **request_of})


def test_more_rows_than_a_packed_cell_takes() -> None:
    n = 150_000
    grow(every_kind(n)[:14] + many_values(n, 14)[:3] * 5, 14, n)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1, 0.2, 0.3])
def test_any_number_of_codes_a_row(share: float) -> None:
    """One group and several, rows without any."""
    n = 3000
    rng = np.random.default_rng(2)
    columns = many_values(n, 45, share)
    data = make_dataset(columns, 1000)
    assert sum(map(len, data.sparse_blocks())) == len(columns)
    assert np.array_equal(data.bins(), data.bins(by_column=True))
    trio = Trio(data)
    trio.set_gradients(rng.normal(size=(n, 1)).astype(np.float32), np.ones((n, 1), np.float32))
    trio.begin_tree(
        {
            "first_target": 0,
            "width": 1,
            "seed": 0,
            "iteration": 0,
            "subsample": 0.9,
            "wide": False,
            "count_rows": False,
        }
    )
    trio.histograms([0])
    trio.histogram_of(0)


def test_several_blocks() -> None:
    """More codes than 16 bits number."""
    n = 4000
    rng = np.random.default_rng(4)
    columns = [numeric(rare(rng, n, 0, rng.normal(size=800), 0.35)) for _ in range(120)]
    data = make_dataset(columns, 1000)
    assert len(data.sparse_blocks()) == 2
    assert sum(map(len, data.sparse_blocks())) == 120
    assert np.array_equal(data.bins(), data.bins(by_column=True))
    trio = Trio(data)
    trio.set_gradients(rng.normal(size=(n, 1)).astype(np.float32), np.ones((n, 1), np.float32))
    request = {"first_target": 0, "width": 1, "seed": 0, "iteration": 0, "subsample": 1.0}
    for wide in (False, True):
        trio.begin_tree({**request, "wide": wide, "count_rows": wide})
        trio.histograms([0])
        trio.histogram_of(0)


def test_one_hot_bin_does_not_overflow() -> None:
    """The largest gradients there are, all rows of one sign: the usual bin and the listed ones at the packed bounds."""
    n = 65_536
    rng = np.random.default_rng(5)
    data = make_dataset([numeric(rare(rng, n, 0, [1.0])), *many_values(n, 14)])
    assert len(data.sparse_blocks()[0]) == 15
    for sign in (1, -1):
        trio = Trio(data)
        most = np.float32(65535 / 32768)  # quantises to 65535, and to 32767 as a gradient
        trio.set_gradients(np.full((n, 1), sign * 32767 / 16384, np.float32), np.full((n, 1), most))
        request = {"first_target": 0, "width": 1, "seed": 0, "iteration": 0, "subsample": 1.0, "wide": False}
        trio.begin_tree({**request, "count_rows": False})
        trio.histograms([0])
        cells = trio.histogram_of(0)
        assert cells[:3, 0].sum(axis=0).tolist() == [sign * n * 32767, n * 65535]


def test_few_or_dense_features_stay_in_slots() -> None:
    rng = np.random.default_rng(6)
    few = [numeric(rare(rng, 2000, 0, [1.0])) for _ in range(5)]
    assert make_dataset(few).sparse_blocks() == []
    dense = [numeric(rng.integers(0, 3, 2000)) for _ in range(40)]
    assert make_dataset(dense).sparse_blocks() == []


# --- whole models -----------------------------------------------------------------------------------------------------

CONFIGS: dict[str, dict[str, Any]] = {
    "plain": {"objective": "logistic"},
    "counted": {"objective": "logistic", "min_child_samples": 5, "subsample": 0.7},
    "symmetric": {"objective": "logistic", "grow_policy": "symmetric", "max_depth": 3},
    "leafwise": {"objective": "squared_error", "grow_policy": "lossguide", "max_leaves": 12},
    "heavy": {"objective": "poisson"},
    "classes": {"objective": "softmax", "n_classes": 3},
    "vector": {"objective": "softmax", "n_classes": 3, "multi_strategy": "vector_leaf"},
}


def matrix(n: int = 3000, stored_zeros: bool = True) -> Any:
    rng = np.random.default_rng(7)
    dense = np.where(rng.random((n, 60)) < 0.07, rng.integers(1, 7, (n, 60)), 0).astype(np.float32)
    dense[:, 1] = 0
    dense[rng.random(n) < 0.02, 2] = np.nan
    dense[:, 3] = rng.normal(size=n)
    out = sparse.csr_matrix(dense)
    if stored_zeros:
        out.data[::50] = 0.0
    return out


def response(X: Any, objective: str) -> np.ndarray:
    dense = np.nan_to_num(X.toarray())
    z = dense[:, 3] + dense[:, 4] - dense[:, 5] + (dense[:, 6] > 2) * (dense[:, 3] > 0)
    if objective in ("logistic", "softmax"):
        return (z > 0.3).astype(np.float32) + (z > 1.5) * (objective == "softmax")
    return np.exp(np.clip(z, -3, 5)).astype(np.float32)


def digest(X: Any, y: np.ndarray, params: dict[str, Any], **more: Any) -> str:
    data = pygbt.Dataset(X, y)
    assert data.core.sparse_blocks()
    return pygbt.train({"n_threads": 2, **params, **more}, data, 6).digest()


@pytest.mark.parametrize("name", CONFIGS)
def test_every_layout_of_a_table_gives_one_model(name: str) -> None:
    X, params = matrix(), CONFIGS[name]
    y = response(X, params["objective"])
    expected = digest(X, y, params)
    assert digest(X.tocsc(), y, params) == expected
    assert digest(X.toarray(), y, params, n_threads=1) == expected
    assert digest(np.asfortranarray(X.toarray()), y, params, n_threads=3) == expected


@pytest.mark.parametrize("name", CONFIGS)
def test_naive_backend_trains_the_same_model(name: str) -> None:
    X, params = matrix(700), {**CONFIGS[name], "max_depth": 3}
    data = pygbt.Dataset(X, response(X, params["objective"]))
    found = []
    for device in ("naive", "cpu"):
        model = pygbt.train({**params, "device": device, "n_threads": 2}, data, 3)
        trees = [model._model.tree(i) for i in range(model.n_trees)]
        found.append([{k: v.tobytes() for k, v in tree.items() if hasattr(v, "tobytes")} for tree in trees])
    assert found[0] == found[1]


def all_digests() -> dict[str, str]:
    X = matrix()
    return {name: digest(X, response(X, params["objective"]), params) for name, params in CONFIGS.items()}


@pytest.mark.parametrize("isa", _core.build_info()["isa_levels"])
def test_every_instruction_set_trains_the_same_model(isa: str) -> None:
    script = "import json, sys; sys.path.insert(0, sys.argv[1]); import test_sparse_blocks as t; "
    run = subprocess.run(
        [sys.executable, "-c", script + "print(json.dumps(t.all_digests()))", str(Path(__file__).parent)],
        env={**os.environ, "PYGBT_ISA": isa},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(run.stdout) == all_digests()
