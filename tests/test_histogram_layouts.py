# SPDX-License-Identifier: Apache-2.0
"""Layouts of histograms: features that share a byte, packed and wide cells, runs of rows; the sums survive them all."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from backend_trio import Column, Trio, codes, make_dataset, numeric, offsets_of

import pygbt

N = 6000


def one_hot(values: np.ndarray, n_levels: int) -> list[Column]:
    return [numeric(values == level) for level in range(n_levels)]


def tables() -> dict[str, tuple[list[Column], list[list[int]]]]:
    """Columns and the groups expected to share a byte, by name."""
    rng = np.random.default_rng(5)
    smooth, level = rng.normal(size=N), rng.integers(0, 40, N)
    binary = [rng.random(N) < 0.5 for _ in range(10)]
    missing = np.where(rng.random(N) < 0.1, np.nan, binary[0])
    few = rng.integers(0, 4, (3, N))
    return {
        "one-hot group": ([numeric(smooth), *one_hot(level, 40)], [[0], list(range(1, 41))]),
        "two groups, interleaved": (
            [c for pair in zip(one_hot(level % 20, 20), one_hot(level // 2, 20), strict=True) for c in pair],
            [],
        ),
        "duplicates": ([numeric(level)] * 5, [[0, 1, 2, 3, 4]]),
        "product": ([numeric(b) for b in binary], [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9]]),
        "missing and constant": (
            [numeric(missing), numeric(np.zeros(N)), numeric(np.full(N, np.nan)), numeric(binary[1])],
            [[0, 1, 2, 3]],
        ),
        "categories": ([codes(few[0], 4), codes(few[1], 9), codes(few[2], 4)], [[0, 1, 2]]),
        "nothing to share": ([numeric(smooth), numeric(-smooth), numeric(np.roll(smooth, 1))], [[0], [1], [2]]),
        "with two bytes": ([numeric(binary[0]), codes(level * 10, 400), numeric(binary[1])], [[0, 2], [1]]),
        "not worth it": ([numeric(rng.integers(0, 16, N)), numeric(rng.integers(0, 16, N))], [[0], [1]]),
    }


@pytest.mark.parametrize("name", tables())
def test_groups(name: str) -> None:
    columns, groups = tables()[name]
    dataset = make_dataset(columns)
    slots = dataset.slots()
    assert sorted(f for slot in slots for f in slot) == list(range(len(columns)))
    assert len(slots) < len(columns) / 2 if not groups else slots == groups
    assert [slot for slot in slots if name != "with two bytes" or slot != [1]] == dataset.planned_slots(32)
    assert np.array_equal(dataset.bins(), dataset.bins(by_column=True))


def test_a_rare_combination_outside_the_sample_is_not_lost() -> None:
    """Of 8 binary columns 256 combinations occur, and in one row a missing value: the 257th."""
    n = 100_000
    bits = np.arange(n) % 256
    columns = [(bits >> k & 1).astype(np.float32) for k in range(8)]
    assert make_dataset([numeric(c) for c in columns]).slots() == [list(range(8))]
    columns[7][n - 2] = np.nan
    dataset = make_dataset([numeric(c) for c in columns])
    assert dataset.slots() == [list(range(7)), [7]]
    assert np.array_equal(dataset.bins(), dataset.bins(by_column=True))


def test_dearer_sums_are_shared_by_fewer() -> None:
    rng = np.random.default_rng(6)
    dataset = make_dataset([numeric(rng.integers(0, levels, N)) for levels in (2, 3, 5, 9, 2, 4)])
    n_slots = [len(dataset.planned_slots(price)) for price in (1, 32, 100, 1000, N)]
    assert n_slots == sorted(n_slots) and n_slots[0] < n_slots[2] < n_slots[-1] == 6
    with pytest.raises(ValueError, match="rows_per_sum must be positive"):
        dataset.planned_slots(0)


def test_threads_do_not_change_the_slots() -> None:
    rng = np.random.default_rng(0)
    X = (rng.random((200_000, 20)) < 0.2).astype(np.float32)
    slots = [pygbt.Dataset(X, n_threads=n).core.slots() for n in (1, 3)]
    assert slots[0] == slots[1] and len(slots[0]) < 10


def random_gradients(rng: np.random.Generator, n: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=(n, width)).astype(np.float32), rng.random((n, width)).astype(np.float32)


def cut_in_three(trio: Trio, offsets: np.ndarray, feature: int, bins: tuple[int, int, int], counted: bool) -> None:
    """Builds the left child of three cuts of `feature` and subtracts the right one, which is cut again."""

    def check(node: int) -> None:
        cells = trio.histogram_of(node)
        if counted:  # counts show in the cuts they allow
            query = {"node": node, "sums": cells[: offsets[1]].sum(axis=0), "count": len(trio.rows_of(node))}
            for least in (2, 400):
                rules = {"min_child_samples": least, "min_child_weight": 0.0}
                trio.best_splits(rules, [{**query, "features": list(range(len(offsets) - 1))}], False)
        for begin, end in itertools.pairwise(offsets):
            assert np.array_equal(cells[begin:end].sum(axis=0), cells[: offsets[1]].sum(axis=0))

    trio.histograms([0])
    check(0)
    node, left = 0, 1
    for bin_ in bins:
        split = {"feature": feature, "bin": bin_, "missing_left": False, "categorical": False, "left_bins": []}
        trio.partition([(node, left, split)])
        trio.histograms([left])
        trio.subtract([(node, left, left + 1)])
        check(left)
        check(left + 1)
        node, left = left + 1, left + 2


KINDS = ["narrow", "wide", "weighted", "counted", "targets"]


@pytest.mark.parametrize("name", tables())
@pytest.mark.parametrize("kind", KINDS)
def test_marginals_are_the_sums(name: str, kind: str) -> None:
    """Slots flushed from many rows, few and none."""
    rng = np.random.default_rng(1)
    columns, _ = tables()[name]
    width = 3 if kind == "targets" else 1
    by = numeric(rng.permutation(N) % 250)
    dataset = make_dataset([*columns, by], weights=rng.integers(0, 4, N).astype(float) if kind == "weighted" else None)
    trio = Trio(dataset, width)
    trio.set_gradients(*random_gradients(rng, N, width))
    trio.begin_tree({"width": width, "wide": kind == "wide", "count_rows": kind == "counted"})
    cut_in_three(trio, offsets_of(dataset), len(columns), (1, 125, 126), kind == "counted")


@pytest.mark.parametrize("kind", KINDS)
def test_large_nodes_have_small_children(kind: str) -> None:
    """210,000 rows do not fit packed cells; their children of up to 65,536 do, built, subtracted, or both."""
    rng = np.random.default_rng(2)
    n, width = 210_000, 2 if kind == "targets" else 1
    by = np.arange(n) % 210
    columns = [numeric(by), numeric(rng.integers(0, 250, n)), *(numeric(rng.random(n) < 0.3) for _ in range(5))]
    columns.append(codes(rng.integers(0, 999, n), 999))
    dataset = make_dataset(columns, weights=rng.integers(1, 3, n).astype(float) if kind == "weighted" else None)
    assert len(dataset.slots()) == 4
    for bins in ((60, 150, 180), (75, 145, 146), (140, 141, 200)):
        trio = Trio(dataset, width)
        trio.set_gradients(*random_gradients(rng, n, width))
        trio.begin_tree({"width": width, "wide": kind == "wide", "count_rows": kind == "counted"})
        cut_in_three(trio, offsets_of(dataset), 0, bins, kind == "counted")


@pytest.mark.parametrize("sign", [1, -1])
def test_a_node_fills_its_packed_cells(sign: int) -> None:
    """65,536 rows of the largest g and h in one bin: the last value that fits, in joint slots, two bytes and counts."""
    n, almost_one = 2**17, np.float32(0.99999994)
    half = np.arange(n) % 2
    constant = np.zeros(n)
    dataset = make_dataset([numeric(half), numeric(half), numeric(constant), codes(constant, 300)])
    assert dataset.slots() == [[0, 1, 2], [3]]
    trio = Trio(dataset)
    trio.set_gradients(np.full((n, 1), sign * almost_one), np.full((n, 1), almost_one))
    trio.begin_tree({"count_rows": True})
    trio.histograms([0])
    split = {"feature": 0, "bin": 1, "missing_left": False, "categorical": False, "left_bins": []}
    trio.partition([(0, 1, split)])
    trio.histograms([1])
    trio.subtract([(0, 1, 2)])
    whole = np.array([sign * (2**15 - 1), 2**16 - 1]) * 2**16
    for node in (1, 2):
        cells = trio.histogram_of(node)[:, 0]
        assert np.array_equal(cells[cells[:, 1] > 0], [whole] * 4)
