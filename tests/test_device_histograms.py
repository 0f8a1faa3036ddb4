# SPDX-License-Identifier: Apache-2.0
"""Histograms on a device where their words are full to the last value, where bins are anything but even, and where
features share a code.

The sums are integers: NumPy's, to the last bit. The emulator cuts a node into pieces for five blocks, so that the rows
of a piece, which decide whether a cell may be one word, are known here; a GPU cuts otherwise and must find the same.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from backend_trio import make_dataset, numeric, offsets_of, quantised
from emulator import EMULATED, as_cuda

import pygbt
from pygbt import _core, devices

KIND = "cuda" if os.environ.get("PYGBT_TEST_CUDA") else "emulated"
if KIND == "cuda":
    devices.load_cuda()

pytestmark = pytest.mark.skipif(KIND == "emulated" and EMULATED is None, reason="built without the emulator")

ALMOST_ONE = np.float32(0.99999994)  # the largest integer of its bits
WORD_ROWS = 255  # of a cell of one word, at most (src/cuda/shared_cells.h)
PIECES = 4  # of a root, of five blocks: one is left for the last piece of a node


def check(dataset: _core.Dataset, g: np.ndarray, h: np.ndarray, n_trees: int = 1, **request: Any) -> None:
    """Histograms of the roots of `n_trees` trees, against NumPy's sums."""
    g, h = np.asarray(g, np.float32), np.asarray(h, np.float32)
    backend = _core.probe.Backend(KIND, dataset, g.shape[1])
    backend.set_gradients(g, h)
    every_row = np.ones(len(g), bool)
    offsets, bins = offsets_of(dataset), dataset.bins().astype(np.int64)
    for tree in range(n_trees):
        backend.begin_tree({"width": g.shape[1], "iteration": tree, **request})
        backend.histograms([0])
        cells, rows = backend.histogram_of(0), backend.rows_of(0)
        for k in range(g.shape[1]):
            for side, (values, bits) in enumerate(((g[:, k], 15), (h[:, k], 16))):
                q, _ = quantised(values, every_row, bits, floor=side == 1)
                for f in range(dataset.n_features):
                    expected = np.zeros(offsets[f + 1] - offsets[f], np.int64)
                    np.add.at(expected, bins[rows, f], q[rows])
                    assert np.array_equal(cells[offsets[f] : offsets[f + 1], k, side], expected), (tree, f, k, side)


@pytest.mark.parametrize("count_rows", [False, True])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("n_bins", [1, 2, 3])
@pytest.mark.parametrize("rows", [WORD_ROWS - 1, WORD_ROWS, WORD_ROWS + 1, 2 * WORD_ROWS, 2 * (WORD_ROWS + 1), 65_536])
def test_cells_of_one_word_at_their_bound(rows: int, n_bins: int, sign: int, count_rows: bool) -> None:
    """A cell gets as many rows of the largest gradient as its word has room for, one fewer, one more, and many more."""
    n = PIECES * rows
    dataset = make_dataset([numeric(np.arange(n) % n_bins), numeric(np.arange(n) % 7)])
    g, h = np.full((n, 1), sign * ALMOST_ONE), np.full((n, 1), ALMOST_ONE)
    check(dataset, g, h, n_trees=3, count_rows=count_rows)


@pytest.mark.parametrize("rows", [1, 95, WORD_ROWS, WORD_ROWS + 1, 300])
def test_small_leaves_of_one_bin(rows: int) -> None:
    dataset = make_dataset([numeric(np.zeros(rows))])
    check(dataset, np.full((rows, 1), -ALMOST_ONE), np.full((rows, 1), 0.25))


@pytest.mark.parametrize("width", [2, 5])
def test_targets_of_one_word(width: int) -> None:
    rng = np.random.default_rng(3)
    n = 4_000
    dataset = make_dataset([numeric(rng.integers(0, levels, n)) for levels in (2, 30, 250)])
    g = rng.normal(size=(n, width))
    h = np.tile(np.arange(1, width + 1) / 4, (n, 1))  # one a target
    check(dataset, g, h, n_trees=3, count_rows=True)
    h[n // 2, width - 1] /= 2
    check(dataset, g, h, n_trees=3, count_rows=True)


@pytest.mark.parametrize("odd", [0.0, 0.5, 0.99998, 2.0, -1.0, np.nan, np.inf])
def test_one_row_has_another_hessian(odd: float) -> None:
    """Nearly even is not even: the naive backend says what is right."""
    rng = np.random.default_rng(4)
    n = 900
    dataset = make_dataset([numeric(rng.integers(0, 40, n)) for _ in range(5)])
    g, h = rng.normal(size=(n, 1)).astype(np.float32), np.ones((n, 1))
    for at in (0, 431, n - 1):
        h[:] = 1.0
        h[at] = odd
        pair = [_core.probe.Backend(kind, dataset, 1) for kind in ("naive", KIND)]
        for backend in pair:
            backend.set_gradients(g, h.astype(np.float32))
            backend.begin_tree({})
            backend.histograms([0])
        assert np.array_equal(pair[0].histogram_of(0), pair[1].histogram_of(0))


def test_trials_of_one_word_change_no_tree() -> None:
    """What does not fit is tried on fewer rows from tree to tree; drawn rows change what fits."""
    rng = np.random.default_rng(5)
    n = 20_000
    hot = np.where(rng.random(n) < 0.1, 1, rng.integers(2, 200, n))
    dataset = make_dataset([numeric(hot), numeric(rng.integers(0, 200, n)), numeric(np.sort(rng.integers(0, 9, n)))])
    check(dataset, rng.normal(size=(n, 1)), np.ones((n, 1)), n_trees=12, subsample=0.5)
    check(dataset, rng.normal(size=(n, 1)), np.ones((n, 1)), n_trees=6)


def skewed(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """[n][9] columns whose bins are anything but even; two of them are ordinary."""
    plain = rng.integers(0, 200, (n, 2)).astype(np.float32)
    level = rng.integers(0, 7, n)
    hot = np.where(rng.random((n, 7)) < 0.94, np.float32(3), rng.integers(0, 250, (n, 7)).astype(np.float32))
    rare = np.where(rng.random((n, 7)) < 0.97, 0, rng.integers(0, 3, (n, 7)).astype(np.float32))
    columns = {
        "hot": hot,
        "missing": np.where(hot == 3, np.nan, hot),
        "one_hot": (level[:, None] == np.arange(7)).astype(np.float32),
        "flags": (rng.random((n, 7)) < np.linspace(0.2, 0.8, 7)).astype(np.float32),
        "rare": rare,  # one code, that of nothing at all, is usual
        "sorted": np.sort(rng.normal(size=(n, 7)), axis=0),
        "constant": np.full((n, 7), 2.0),
        "many_bins": np.where(hot == 3, -1.0, np.arange(n)[:, None] + np.arange(7)),
    }[kind]
    return np.hstack([columns, plain]).astype(np.float32)


KINDS = ["hot", "missing", "one_hot", "flags", "rare", "sorted", "constant", "many_bins"]


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_skewed_bins(kind: str, even: bool, width: int) -> None:
    rng = np.random.default_rng(KINDS.index(kind))
    n = 3_000
    dataset = make_dataset([numeric(x) for x in skewed(kind, n, rng).T], 1000 if kind == "many_bins" else 256)
    g = rng.normal(size=(n, width)).astype(np.float32)
    h = np.full((n, width), 0.25) if even else rng.random((n, width))
    check(dataset, g, h, n_trees=3, count_rows=True)
    check(dataset, g, h, subsample=0.4)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_skewed_bins_of_long_words(kind: str, wide: bool) -> None:
    """Weights, or 31-bit gradients: two words of 64 bits a cell. The naive backend is the oracle."""
    rng = np.random.default_rng(11)
    n = 2_000
    weights = None if wide else rng.integers(0, 4, n).astype(float)
    dataset = make_dataset([numeric(x) for x in skewed(kind, n, rng).T], weights=weights)
    pair = [_core.probe.Backend(name, dataset, 1) for name in ("naive", KIND)]
    g, h = rng.normal(size=(n, 1)).astype(np.float32), np.ones((n, 1), np.float32)
    for backend in pair:
        backend.set_gradients(g, h)
        backend.begin_tree({"wide": wide, "count_rows": True})
        backend.histograms([0])
    assert np.array_equal(pair[0].histogram_of(0), pair[1].histogram_of(0))


def slots_of(dataset: _core.Dataset) -> list[list[int]]:
    return _core.probe.Backend(KIND, dataset, 1).histogram_slots()


#: Of a table, for a sum over codes: Policy::rows_per_sum for each of the emulator's 5 blocks, of 132 processors.
ROWS_PER_SUM = 5 if KIND == "emulated" or os.environ.get("PYGBT_CUDA_SMALL") else 8 * 132
N_SHARED = 20_000 if KIND == "emulated" else 700_000  # rows enough for what is shared below, by 132 blocks


def shared_tables() -> dict[str, tuple[np.ndarray, list[list[int]]]]:
    """Columns, and the features that share a code."""
    rng, n = np.random.default_rng(6), N_SHARED
    level, bits = rng.integers(0, 40, n), np.arange(n) % 256
    smooth = rng.normal(size=(n, 2))
    all_bits = np.stack([bits >> k & 1 for k in range(8)], axis=1).astype(float)
    one_more = all_bits.copy()
    one_more[n - 2, 7] = np.nan  # the 257th combination, in a row that no sample has
    three = np.stack([rng.integers(0, levels, n) for levels in (2, 3, 2)], axis=1)
    return {
        "one hot": (np.hstack([smooth, level[:, None] == np.arange(40)]), [[0], [1], list(range(2, 42))]),
        "equal": (np.stack([level, level % 20, level], axis=1), [[0, 1, 2]]),
        "all codes of a byte": (all_bits, [list(range(8))]),
        "a rare combination": (one_more, [list(range(7)), [7]]),
        "apart": (np.hstack([three[:, :2], smooth, three[:, 2:]]), [[0, 1, 4], [2], [3]]),
        "missing": (np.where(rng.random((n, 3)) < 0.1, np.nan, three), [[0, 1, 2]]),
        "nothing": (np.hstack([smooth, smooth[:, :1] ** 2]), [[0], [1], [2]]),
    }


@pytest.mark.parametrize("table", shared_tables())
def test_features_that_share_a_code(table: str) -> None:
    X, slots = shared_tables()[table]
    dataset = make_dataset([numeric(x) for x in X.T])
    assert slots_of(dataset) == slots == dataset.planned_slots(ROWS_PER_SUM)
    rng = np.random.default_rng(7)
    g = rng.normal(size=(len(X), 1))
    check(dataset, g, np.ones((len(X), 1)), n_trees=2, count_rows=True)
    check(dataset, g, rng.random((len(X), 1)), subsample=0.3)


@pytest.mark.parametrize("count_rows", [False, True])
def test_shared_codes_in_several_groups(count_rows: bool) -> None:
    """More codes than a group has room for, among features of one and of two bytes, and several targets."""
    rng = np.random.default_rng(8)
    flags = rng.random((N_SHARED, 30)) < 0.5
    wide = numeric(rng.integers(0, 600, N_SHARED))
    dataset = make_dataset([*(numeric(x) for x in flags.T[:15]), wide, *(numeric(x) for x in flags.T[15:])], 1000)
    joint = [slot for slot in slots_of(dataset) if len(slot) > 1]
    assert len(joint) >= 4 and min(map(len, joint)) >= 5
    check(dataset, rng.normal(size=(N_SHARED, 3)), rng.random((N_SHARED, 3)), count_rows=count_rows)


@pytest.mark.parametrize("n", [1, 5, 80])
def test_few_rows_share_no_code_that_costs_more(n: int) -> None:
    X = np.arange(n)[:, None] % np.array([2, 3, 5])
    dataset = make_dataset([numeric(x) for x in X.T])
    slots = slots_of(dataset)
    assert sorted(f for slot in slots for f in slot) == [0, 1, 2]
    assert n > 5 or len(slots) == 3
    check(dataset, np.ones((n, 1)), np.ones((n, 1)))


def test_bins_of_a_device_share_codes_as_those_of_the_host() -> None:
    X, slots = shared_tables()["one hot"]
    with as_cuda() if KIND == "emulated" else nullcontext():
        there = pygbt.Dataset(X, X[:, 0], device="cuda").core
    assert slots_of(there) == slots == slots_of(pygbt.Dataset(X, X[:, 0]).core)


#: What decides how a cell's words are used.
TRAININGS: dict[str, dict[str, Any]] = {
    "even": {"objective": "squared_error"},
    "even, counted": {"objective": "squared_error", "min_child_samples": 30},
    "uneven": {"objective": "logistic"},
    "uneven, counted": {"objective": "logistic", "min_child_samples": 30, "subsample": 0.7},
    "vector leaves": {"objective": "quantile", "quantile_alpha": [0.2, 0.8], "multi_strategy": "vector_leaf"},
}


@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.parametrize("kind", KINDS)
def test_models_of_skewed_tables(kind: str, training: str) -> None:
    """Byte for byte those of the CPU, which leaves usual bins out by rules of its own."""
    rng = np.random.default_rng(12)
    X = skewed(kind, 1_500, rng)
    y = (np.nan_to_num(X[:, 0]) + X[:, 7] / 50 + rng.normal(size=len(X)) > 4).astype(np.float32)
    params = {**TRAININGS[training], "max_depth": 4, "learning_rate": 0.3}
    on_cpu = pygbt.train(params, pygbt.Dataset(X, y), 4).digest()
    with as_cuda() if KIND == "emulated" else nullcontext():
        for data in (pygbt.Dataset(X, y), pygbt.Dataset(X, y, device="cuda")):
            assert pygbt.train({**params, "device": "cuda"}, data, 4).digest() == on_cpu
