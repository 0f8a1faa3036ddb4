# SPDX-License-Identifier: Apache-2.0
"""Leaf sums and scores by marks in the order of the rows, where a mark or a block's memory is just enough, or not.

Leaves of known rows are handed to the operations of the seam, against the naive backend; whole trees are the CPU's. The
emulator has room for 383 leaves and one more in a block's shared memory.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from backend_trio import make_dataset, numeric
from emulator import EMULATED, as_cuda

import pygbt
from pygbt import _core, devices

KIND = "cuda" if os.environ.get("PYGBT_TEST_CUDA") else "emulated"
if KIND == "cuda":
    devices.load_cuda()

pytestmark = pytest.mark.skipif(KIND == "emulated" and EMULATED is None, reason="built without the emulator")


def one_bin_cut(bin_: int) -> dict[str, Any]:
    return {
        "feature": 0, "bin": bin_, "missing_left": False, "categorical": False, "left_bins": np.zeros(0, np.uint32),
        "gain": 1.0, "left": np.zeros((1, 2), np.int64),
    }  # fmt: skip


def cut_into(backends: list[Any], n_leaves: int, n_bins: int) -> tuple[list[Any], list[int]]:
    """Cuts the root into leaves of neighbouring bins, level by level: the tree and its leaves in order."""
    nodes: list[Any] = [None]
    spans = {0: (1, n_bins, n_leaves)}  # first and last bin, leaves below
    while any(n > 1 for _, _, n in spans.values()):
        cuts = []
        for node, (first, last, n) in list(spans.items()):
            if n == 1:
                continue
            n_left = (n + 1) // 2
            middle = first + (last - first + 1) * n_left // n - 1
            left = len(nodes)
            nodes[node] = (left, one_bin_cut(middle))
            nodes += [None, None]
            cuts.append((node, left, nodes[node][1]))
            spans[left], spans[left + 1] = (first, middle, n_left), (middle + 1, last, n - n_left)
            del spans[node]
        counts = [np.asarray(backend.partition(cuts)) for backend in backends]
        assert all(np.array_equal(counts[0], other) for other in counts[1:])
    return nodes, sorted(spans)


def check(
    n_leaves: int, n_rows: int, width: int = 1, n_bins: int = 300, weighted: bool = False, **request: Any
) -> None:
    """Sums of the leaves and scores of all rows, drawn or not: the naive backend's."""
    rng = np.random.default_rng(n_leaves + width)
    column = numeric(rng.permutation(np.arange(n_rows) % (n_bins - 1)))
    weights = rng.integers(0, 3, n_rows).astype(float) if weighted else None
    dataset = make_dataset([column], 65_536, weights=weights)
    n_targets = width + 1
    g, h = rng.normal(size=(2, n_rows, n_targets)).astype(np.float32)
    h = np.abs(h)
    h[0] = g[0] = np.float32(0.99999994)  # the largest integer of its bits
    backends = [_core.probe.Backend(kind, dataset, n_targets) for kind in ("naive", KIND)]
    for backend in backends:
        backend.set_scores(g)
        backend.set_gradients(g, h)
        backend.begin_tree({"first_target": 1, "width": width, **request})
    nodes, leaves = cut_into(backends, n_leaves, n_bins)
    assert len(leaves) == n_leaves
    values = rng.normal(size=(n_leaves, width)).astype(np.float32)
    found = []
    for backend in backends:
        sums = backend.leaf_sums(leaves)
        backend.add_scores(1, nodes, values, leaves)
        found.append((sums, backend.scores()))
    assert np.array_equal(found[0][0], found[1][0])
    assert found[0][1].tobytes() == found[1][1].tobytes()
    assert found[0][1][:, 0].tobytes() == np.ascontiguousarray(g[:, 0]).tobytes()


@pytest.mark.parametrize("n_leaves", [1, 2, 3, 254, 255, 256, 257, 383, 384, 385, 900])
def test_marks_at_their_bounds(n_leaves: int) -> None:
    check(n_leaves, 2_000, n_bins=1_000)


@pytest.mark.parametrize("n_leaves", [65_535, 65_536])
def test_marks_of_two_and_four_bytes(n_leaves: int) -> None:
    """Most leaves have no row."""
    check(n_leaves, 700)


@pytest.mark.parametrize("n_leaves", [1, 7, 400])
@pytest.mark.parametrize(
    "kind",
    [
        {"width": 3},
        {"weighted": True},
        {"subsample": 0.4},
        {"weighted": True, "subsample": 0.6, "width": 2},
        {"wide": True},
    ],
)
def test_marks_of_every_kind_of_rows(n_leaves: int, kind: dict[str, Any]) -> None:
    check(n_leaves, 1_500, n_bins=500, **kind)


@pytest.mark.parametrize("n_rows", [1, 2, 31, 33, 127, 128, 129, 383, 385])
def test_few_rows_and_odd_numbers_of_them(n_rows: int) -> None:
    check(2, n_rows, n_bins=3)
    check(2, n_rows, n_bins=3, width=5)


@pytest.mark.parametrize("sign", [1, -1])
def test_every_row_in_one_leaf(sign: int) -> None:
    """All lanes add the largest value to one sum, whose lower word runs over every other time."""
    n = 5_000
    dataset = make_dataset([numeric(np.arange(n) % 7)])
    largest = np.full((n, 1), np.float32(0.99999994))
    pair = [_core.probe.Backend(kind, dataset, 1) for kind in ("naive", KIND)]
    for backend in pair:
        backend.set_gradients(sign * largest, largest)
        backend.begin_tree({})
    assert np.array_equal(pair[0].leaf_sums([0]), pair[1].leaf_sums([0]))


#: Trees that grow by themselves, the bound on whose leaves decides about marks and memory.
TREES: dict[str, dict[str, Any]] = {
    "one leaf": {"min_split_gain": 1e30},
    "two": {"max_depth": 1},
    "depth 8": {"max_depth": 8},
    "depth 9": {"max_depth": 9},
    "255 of depth 9": {"max_depth": 9, "max_leaves": 255},
    "256 of depth 9": {"max_depth": 9, "max_leaves": 256},
    "257 of depth 9": {"max_depth": 9, "max_leaves": 257},
    "symmetric": {"grow_policy": "symmetric", "max_depth": 8},
    "symmetric, cut short": {"grow_policy": "symmetric", "max_depth": 8, "max_leaves": 40},
    "lossguide, 256": {"grow_policy": "lossguide", "max_depth": 0, "max_leaves": 256},
    "lossguide, 400": {"grow_policy": "lossguide", "max_depth": 0, "max_leaves": 400},
    "monotone": {"max_depth": 8, "monotone_constraints": {"f0": 1}},
    "wide": {"max_depth": 8, "histogram_precision": "wide"},
    "vector": {"max_depth": 6, "objective": "quantile", "quantile_alpha": [0.3, 0.7], "multi_strategy": "vector_leaf"},
    "vector by sums": {"max_depth": 9, "objective": "softmax", "multi_strategy": "vector_leaf"},
}  # fmt: skip


@pytest.mark.parametrize("rows", ["all", "drawn", "weighted"])
@pytest.mark.parametrize("name", TREES)
def test_whole_trees(name: str, rows: str) -> None:
    rng = np.random.default_rng(5)
    X = rng.integers(0, 14, (2_000, 3)).astype(np.float32)
    y = rng.normal(size=len(X)) + X[:, 0]
    params = {
        "objective": "squared_error", "min_child_weight": 0.0, "reg_lambda": 0.0, "learning_rate": 0.3, **TREES[name],
        "subsample": 0.6 if rows == "drawn" else 1.0,
    }  # fmt: skip
    if params["objective"] == "softmax":
        y = np.digitize(y, [3, 6, 9])
    weight = rng.integers(0, 3, len(X)).astype(float) if rows == "weighted" else None
    data = pygbt.Dataset(X, y, weight=weight, feature_names=["f0", "f1", "f2"])
    expected = pygbt.train({**params, "device": "cpu"}, data, 2)
    with as_cuda() if KIND == "emulated" else nullcontext():
        assert pygbt.train({**params, "device": "cuda"}, data, 2).digest() == expected.digest()
    n_leaves = (len(expected._model.tree(0)["feature"]) + 1) // 2
    if rows == "all" and "max_leaves" in params and params.get("grow_policy") != "symmetric":
        assert n_leaves == params["max_leaves"]
    if rows == "all" and name in ("depth 8", "depth 9", "vector by sums"):
        assert n_leaves > 200
