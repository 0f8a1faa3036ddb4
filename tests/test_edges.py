# SPDX-License-Identifier: Apache-2.0
"""Edges are exact weighted quantiles of the multiset of values, and bins follow from them: against a sort in numpy."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pygbt import _core

SORTED_ROWS = 131_072  # tables up to this size are sorted, larger ones counted
Array = npt.NDArray[Any]


# --- the oracle -----------------------------------------------------------------------------------------------------


def expected_edges(values: Array, weights: Array | None, bins: int) -> Array:
    """Upper ends of all bins but the last: the rule of `QuantilePlan`, over the sorted distinct values."""
    values = np.asarray(values, dtype=np.float64) + 0.0
    weights = np.ones(len(values), dtype=np.int64) if weights is None else weights.astype(np.int64)
    counted = ~np.isnan(values) & (weights > 0)
    distinct, place = np.unique(values[counted], return_inverse=True)
    mass = np.zeros(len(distinct), dtype=np.int64)
    np.add.at(mass, place, weights[counted])
    if len(distinct) <= bins:
        return distinct[:-1]
    heavy = np.zeros(len(distinct), dtype=bool)
    ends: set[int] = set()
    for _ in range(8):
        ends, new = ends_of_bins(mass, heavy, bins)
        heavy[new] = True
        if not new or heavy.all():
            break
    ends = (ends | set(np.flatnonzero(heavy).tolist())) - {len(distinct) - 1}
    return distinct[sorted(ends)]


def ends_of_bins(mass: Array, heavy: Array, bins: int) -> tuple[set[int], list[int]]:
    """Values at equal ranks of each stretch of light values, and the values that took two or more ranks."""
    light = np.flatnonzero(~heavy)
    stretches = np.split(light, np.flatnonzero(np.diff(light) > 1) + 1)
    spare = bins - int(heavy.sum()) - len(stretches)
    total = int(mass[light].sum())
    shares = [Fraction(spare * int(mass[s].sum()), total) for s in stretches]
    n_bins = [1 + share.numerator // share.denominator for share in shares]
    by_remainder = sorted(range(len(stretches)), key=lambda i: (-(shares[i] % 1), i))
    for i in by_remainder[: bins - int(heavy.sum()) - sum(n_bins)]:
        n_bins[i] += 1
    ends: set[int] = set()
    new: list[int] = []
    for stretch, n in zip(stretches, n_bins, strict=True):
        upto = np.cumsum(mass[stretch])
        places = np.searchsorted(upto * n, np.arange(1, n + 1) * upto[-1], side="left")
        for k, count in zip(*np.unique(places, return_counts=True), strict=True):
            (new.append if count > 1 else ends.add)(int(stretch[k]))
    return ends, new


def expected_bins(values: Array, edges: Array, weights: Array | None = None) -> Array:
    """1 + number of edges below the value, 0 for missing and where no value has a weight."""
    missing = np.isnan(values.astype(np.float64))
    if weights is not None and not weights[~missing].any():
        return np.zeros(len(values), dtype=np.int64)
    return np.where(missing, 0, 1 + np.searchsorted(edges, values.astype(np.float64), side="left"))


def binned(columns: Any, max_bin: int = 256, weights: Array | None = None, n_threads: int = 2) -> _core.Dataset:
    w = None if weights is None else np.asarray(weights, dtype=np.float64)
    return _core.Dataset(columns, None, max_bin=max_bin, weights=w, n_threads=n_threads)


def check(values: Array, max_bin: int, weights: Array | None = None, n_threads: int = 2) -> Array:
    """Compare edges and both layouts of the bins of one column with the oracle."""
    ds = binned([values], max_bin, weights, n_threads)
    edges = ds.cuts.edges(0)
    np.testing.assert_array_equal(edges, expected_edges(values, weights, max_bin - 1))
    assert np.all(np.diff(edges) > 0)
    assert not np.signbit(edges[edges == 0]).any()
    bins = ds.bins()[:, 0]
    np.testing.assert_array_equal(bins, expected_bins(values, edges, weights))
    np.testing.assert_array_equal(ds.bins(by_column=True)[:, 0], bins)
    assert bins.max(initial=0) < ds.cuts.n_bins(0) <= max_bin
    return edges


def repeated(values: Array, at_least: int = SORTED_ROWS + 1) -> Array:
    return np.tile(values, -(-at_least // len(values)))


# --- against the oracle ---------------------------------------------------------------------------------------------

SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1e-40, 3.4e38, -3.4e38, 1.0, 1.0000001, -1.0]
numbers32 = st.one_of(st.sampled_from(SPECIAL), st.floats(width=32), st.integers(-3, 3).map(float))
numbers64 = st.one_of(st.sampled_from([*SPECIAL, 5e-324, 1e300]), st.floats(), st.integers(-3, 3).map(float))


@settings(max_examples=150, deadline=None)
@given(st.data(), st.booleans(), st.integers(2, 12), st.booleans())
def test_edges_and_bins_of_any_column(data: st.DataObject, wide: bool, max_bin: int, counted: bool) -> None:
    values = np.array(
        data.draw(st.lists(numbers64 if wide else numbers32, min_size=1, max_size=40)),
        dtype=np.float64 if wide else np.float32,
    )
    weights = data.draw(
        st.none() | st.lists(st.integers(0, 9), min_size=len(values), max_size=len(values)).map(np.array)
    )
    if weights is not None and not weights.any():
        weights = None
    if counted:
        values = repeated(values)
        weights = None if weights is None else np.resize(weights, len(values))
    check(values, max_bin, weights)


RNG = np.random.default_rng(7)
N = 20_000


def any_bits(kind: type, floats: type, quiet: int) -> Array:
    """Every kind of float, NaN of any payload among them (quiet ones: numpy warns of the others)."""
    bits = RNG.integers(0, np.iinfo(kind).max, size=N, dtype=kind, endpoint=True)
    return np.where(np.isnan(bits.view(floats)), bits | kind(quiet), bits).view(floats)


def shapes() -> dict[str, Array]:
    normal = RNG.normal(size=N)
    return {
        "normal": normal.astype(np.float32),
        "any bits": any_bits(np.uint32, np.float32, 1 << 22),
        "any bits, float64": any_bits(np.uint64, np.float64, 1 << 51),
        "float64": normal,
        "near a large number": 1e9 + normal,
        "time stamps": 1_700_000_000_000_000_000 + RNG.integers(0, 10**15, size=N),
        "two clusters": np.where(RNG.random(N) < 0.5, 1e-30 * normal, 1e30 * normal).astype(np.float32),
        "mostly zero": np.where(RNG.random(N) < 0.9, 0.0, normal).astype(np.float32),
        "negatives, mostly zero": np.where(RNG.random(N) < 0.9, 0.0, -np.abs(normal)),
        "geometric": RNG.geometric(0.01, size=N).astype(np.float32),
        "zipf": np.minimum(RNG.zipf(1.3, size=N), 10**6),
        "many heavy values": np.where(RNG.random(N) < 0.7, RNG.integers(0, 60, size=N), 60 * RNG.random(N)),
        "int8": RNG.integers(-128, 128, size=N).astype(np.int8),
        "uint8": RNG.integers(0, 256, size=N).astype(np.uint8),
        "int16": RNG.integers(-(2**15), 2**15, size=N).astype(np.int16),
        "uint16": RNG.integers(0, 2**16, size=N).astype(np.uint16),
        "int32": RNG.integers(-(2**31), 2**31, size=N).astype(np.int32),
        "uint32": RNG.integers(0, 2**32, size=N).astype(np.uint32),
        "uint64": RNG.integers(0, 2**64, size=N, dtype=np.uint64),
        "bool": RNG.random(N) < 0.3,
        "decimals": RNG.integers(-50, 50, size=N) / 10,
        "holes": np.where(RNG.random(N) < 0.5, np.nan, normal),
        "infinities": np.where(RNG.random(N) < 0.4, np.copysign(np.inf, normal), normal).astype(np.float32),
        "denormals": (normal * 1e-40).astype(np.float32),
    }


SHAPES = shapes()


@pytest.mark.parametrize("max_bin", [2, 3, 16, 256, 700])
@pytest.mark.parametrize("shape", SHAPES)
def test_edges_of_many_shapes_of_columns(shape: str, max_bin: int) -> None:
    check(SHAPES[shape], max_bin)


@pytest.mark.parametrize("shape", ["normal", "mostly zero", "float64", "zipf", "time stamps", "holes"])
def test_weighted_edges(shape: str) -> None:
    check(SHAPES[shape], 64, RNG.integers(0, 50, size=N))
    check(SHAPES[shape], 64, (RNG.random(N) < 0.2).astype(np.int64))


def test_sixteen_bit_bins() -> None:
    values = RNG.normal(size=200_000).astype(np.float32)
    assert len(check(values, 65_536)) == 65_534
    small = check(RNG.permutation(40_000).astype(np.float32), 65_536)
    np.testing.assert_array_equal(small, np.arange(39_999))


def test_sorted_and_counted_tables_agree() -> None:
    for name, column in SHAPES.items():
        few = column[:500]
        many = repeated(few)
        np.testing.assert_array_equal(binned([few], 20).cuts.edges(0), binned([many], 20).cuts.edges(0), err_msg=name)


# --- the laws themselves, without the rule --------------------------------------------------------------------------


def test_without_ties_edges_are_the_plain_quantiles() -> None:
    values = RNG.permutation(N).astype(np.float32) / 7
    ranks = [-(-j * N // 255) for j in range(1, 255)]
    np.testing.assert_array_equal(binned([values]).cuts.edges(0), np.sort(values)[np.array(ranks) - 1])


@pytest.mark.parametrize("n", [300, N])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_few_values_are_kept_exactly(n: int, dtype: type) -> None:
    distinct = np.unique(RNG.integers(-1000, 1000, size=255)).astype(dtype) * (1 if dtype == np.int32 else 0.37)
    skewed = RNG.exponential(1, size=n)  # some values are rare, some heavy
    values = distinct[np.minimum((skewed * 40).astype(int), len(distinct) - 1)]
    values[: len(distinct)] = distinct[:n]
    np.testing.assert_array_equal(check(values, 256), np.unique(values)[:-1].astype(np.float64))


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_heavy_value_has_its_own_bin_and_costs_no_other(share: float) -> None:
    n = 300_000
    values = np.where(RNG.random(n) < share, 0.25, RNG.random(n)).astype(np.float32)
    ds = binned([values])
    assert len(ds.cuts.edges(0)) == 254
    bins = ds.bins()[:, 0]
    (heavy,) = np.unique(bins[values == 0.25])
    assert np.all(values[bins == heavy] == 0.25)
    others = np.bincount(bins[bins != heavy])
    light = np.count_nonzero(values != 0.25)
    assert others.max() <= 2 * light / 254 + 2


def test_zero_is_one_value_and_missing_is_none() -> None:
    ds = binned([np.array([0.0, -0.0, np.nan, -1.0, 1.0] * 1000, dtype=np.float32)])
    np.testing.assert_array_equal(ds.cuts.edges(0), [-1.0, 0.0])
    np.testing.assert_array_equal(ds.bins()[:5, 0], [2, 2, 0, 1, 3])


@pytest.mark.parametrize("n", [1, 2, 5, 5000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_and_empty_columns(n: int, dtype: type) -> None:
    ds = binned([np.full(n, np.nan, dtype), np.full(n, 3.5, dtype), np.full(n, -np.inf, dtype)])
    assert [ds.cuts.n_bins(f) for f in range(3)] == [1, 2, 2]
    assert [len(ds.cuts.edges(f)) for f in range(3)] == [0, 0, 0]
    assert ds.bins().tolist() == [[0, 1, 1]] * n


def test_bins_of_other_rows_follow_the_edges() -> None:
    train = SHAPES["normal"]
    ds = binned([train, train.astype(np.float64)])
    edges = ds.cuts.edges(0)
    float_edges = edges.astype(np.float32)
    near = np.concatenate(
        [edges, np.nextafter(float_edges, np.float32(np.inf)), np.nextafter(float_edges, np.float32(-np.inf))]
    ).astype(np.float64)
    other = np.concatenate([near, [np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-300, 1e300]])
    bins = _core.Dataset([other, other], None, reference=ds).bins()
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(bins[:, 0], expected_bins(other.astype(np.float32), edges))
    np.testing.assert_array_equal(bins[:, 1], expected_bins(other, ds.cuts.edges(1)))


def test_a_value_where_training_had_none_is_missing() -> None:
    ds = binned([np.full(10, np.nan), np.arange(10.0)])
    assert _core.Dataset([np.arange(10.0), np.arange(10.0)], None, reference=ds).bins()[:, 0].tolist() == [0] * 10


# --- what must not matter -------------------------------------------------------------------------------------------


def table(n: int = 9000) -> Array:
    columns = [SHAPES[name][:n].astype(np.float32) for name in ("normal", "mostly zero", "geometric", "holes", "int8")]
    return np.column_stack([*columns, *(c * 2 for c in columns), *(np.abs(c) for c in columns)])


def all_edges(ds: _core.Dataset) -> list[list[float]]:
    return [ds.cuts.edges(f).tolist() for f in range(ds.n_features)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_order_and_memory_layout_do_not_matter(n_threads: int, dtype: type) -> None:
    X = table().astype(dtype)
    ds = binned(X, 64, n_threads=1)
    edges, bins = all_edges(ds), ds.bins()
    order = RNG.permutation(len(X))
    layouts = {
        "C": X,
        "F": np.asfortranarray(X),
        "reversed": X[::-1][::-1],
        "negative strides": np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1],
        "every second": np.repeat(np.repeat(X, 2, axis=0), 2, axis=1)[::2, ::2],
        "columns": [np.ascontiguousarray(X[:, f]) for f in range(X.shape[1])],
        "unaligned": np.frombuffer(b"\0" + X.tobytes(), dtype=np.uint8)[1:].view(dtype).reshape(X.shape),
    }
    for name, layout in layouts.items():
        again = binned(layout, 64, n_threads=n_threads)
        assert all_edges(again) == edges, name
        np.testing.assert_array_equal(again.bins(), bins, err_msg=name)
    shuffled = binned(X[order], 64, n_threads=n_threads)
    assert all_edges(shuffled) == edges
    np.testing.assert_array_equal(shuffled.bins(), bins[order])


def test_one_column_on_many_threads() -> None:
    values = RNG.normal(size=300_000)
    for column in (values, values.astype(np.float32), np.where(values > 0, 0.0, values)):
        one = binned([column], n_threads=1).cuts.edges(0)
        for n_threads in (2, 3, 8):
            np.testing.assert_array_equal(binned([column], n_threads=n_threads).cuts.edges(0), one)


@pytest.mark.parametrize("n", [400, 9000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weight_two_is_the_row_twice(n: int, dtype: type) -> None:
    X = table(n).astype(dtype)
    weights = RNG.integers(0, 4, size=n)
    weighted = binned(X, 32, weights)
    assert all_edges(weighted) == all_edges(binned(np.repeat(X, weights, axis=0), 32))
    assert all_edges(weighted) == all_edges(binned(X, 32, weights * 0.125))


def test_columns_do_not_see_each_other() -> None:
    X = table()
    together = all_edges(binned(X, 32))
    assert together == [binned(X[:, [f]], 32).cuts.edges(0).tolist() for f in range(X.shape[1])]


# --- sparse ---------------------------------------------------------------------------------------------------------


def sparse_column(values: Array, fill: float) -> tuple[str, Array, Array, float, int]:
    stored = ~np.isnan(values) if np.isnan(fill) else values != fill
    return ("sparse", values[stored], np.flatnonzero(stored), fill, len(values))


@pytest.mark.parametrize("n", [1, 100, 3000, 9000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_columns_are_the_dense_ones(n: int, dtype: type) -> None:
    weights = RNG.integers(0, 5, size=n) + (np.arange(n) == 0)
    for density in (0.0, 0.01, 0.5, 1.0):
        values = RNG.normal(size=n).astype(dtype)
        empty = RNG.random(n) >= density
        for fill in (0.0, np.nan):
            dense = np.where(empty, dtype(fill), values)
            for w in (None, weights):
                a, b = binned([dense], 20, w), binned([sparse_column(dense, fill)], 20, w)
                assert all_edges(a) == all_edges(b)
                np.testing.assert_array_equal(a.bins(), b.bins())


@pytest.mark.parametrize("rows", [[1, 1], [3, 2], [-1, 2], [0, 5]])
def test_bad_sparse_rows_are_refused(rows: list[int]) -> None:
    with pytest.raises(ValueError, match="column 0"):
        binned([("sparse", np.ones(2), np.array(rows), 0.0, 5)])


def test_values_cuts_can_be_written_and_read() -> None:
    ds = _core.Dataset([*table(500).T, ("codes", np.zeros(500, np.int32))], [0] * 15 + [3])
    arrays = ds.cuts.to_arrays()
    again = _core.Cuts.from_arrays(arrays)
    for f in range(16):
        np.testing.assert_array_equal(again.edges(f), ds.cuts.edges(f))
        assert (again.n_bins(f), again.is_wide(f)) == (ds.cuts.n_bins(f), ds.cuts.is_wide(f))
    assert [again.is_categorical(f) for f in range(16)] == [False] * 15 + [True]
    for name, array in arrays.items():
        with pytest.raises(ValueError):
            _core.Cuts.from_arrays({**arrays, name: array[:-1]})
    with pytest.raises(ValueError):
        _core.Cuts.from_arrays({**arrays, "edges": arrays["edges"][::-1].copy()})
