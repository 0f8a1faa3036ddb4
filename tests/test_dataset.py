# SPDX-License-Identifier: Apache-2.0
"""`Dataset`: labels, weights, margins and groups arrive as given; wrong ones are refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import pygbt
from pygbt import _core

RNG = np.random.default_rng(3)
N = 50
X = RNG.normal(size=(N, 4)).astype(np.float32)
Y = RNG.random(N)
Array = npt.NDArray[Any]


def bins_by_hand(X: Array, max_bin: int) -> Array:
    """For columns of few distinct values: place among the sorted distinct values, 0 for NaN."""
    out = np.zeros(X.shape, dtype=np.uint16)
    for f in range(X.shape[1]):
        seen = ~np.isnan(X[:, f])
        values = np.unique(X[seen, f] + 0.0)
        assert len(values) < max_bin
        out[seen, f] = 1 + np.searchsorted(values, X[seen, f])
    return out


# --- bins -----------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 30), st.integers(1, 40)),
        elements=st.sampled_from([0.0, -0.0, 1.0, -2.5, np.nan, np.inf, -np.inf, 1e-310]),
    ),
    st.sampled_from(["C", "F"]),
    st.integers(1, 3),
)
def test_bins_of_few_values(table: Array, order: Any, n_threads: int) -> None:
    core = pygbt.Dataset(np.asarray(table, order=order), n_threads=n_threads).core
    np.testing.assert_array_equal(core.bins(), bins_by_hand(table, 256))
    np.testing.assert_array_equal(core.bins(by_column=True), core.bins())


@pytest.mark.parametrize("n_features", [1, 3, 4, 15, 16, 17, 28, 33, 50])
def test_blocks_of_one_and_two_bytes_side_by_side(n_features: int) -> None:
    n = 700
    n_values = RNG.choice([2, 200, 600], size=n_features)
    table = np.column_stack([RNG.permutation(np.arange(n) % k) for k in n_values]).astype(np.float32)
    core = pygbt.Dataset(table, max_bin=1000).core
    np.testing.assert_array_equal(core.bins(), bins_by_hand(table, 1000))
    np.testing.assert_array_equal(core.bins(by_column=True), core.bins())


def test_ten_thousand_columns() -> None:
    table = RNG.integers(0, 5, size=(20, 10_000)).astype(np.float32)
    np.testing.assert_array_equal(pygbt.Dataset(table).core.bins(), bins_by_hand(table, 256))


@pytest.mark.parametrize(
    "dtype", ["f2", "f4", "f8", "g", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", ">f4", ">f8", ">i4"]
)
def test_every_type_of_number(dtype: str) -> None:
    table = RNG.integers(0, 2 if dtype == "?" else 100, size=(200, 3))
    np.testing.assert_array_equal(pygbt.Dataset(table.astype(dtype)).core.bins(), bins_by_hand(table, 256))


def test_lists_masked_arrays_and_tensors() -> None:
    values = [[1, 2.5], [3, np.nan], [1, 2.5]]
    expected = bins_by_hand(np.array(values, dtype=float), 256)
    np.testing.assert_array_equal(pygbt.Dataset(values).core.bins(), expected)
    masked = np.ma.MaskedArray([[1.0, 2.5], [3.0, 9.9], [1.0, 2.5]], mask=[[0, 0], [0, 1], [0, 0]])
    np.testing.assert_array_equal(pygbt.Dataset(masked).core.bins(), expected)

    class Tensor:  # what other libraries show of themselves
        def __dlpack__(self, **kwargs: Any) -> Any:
            return np.array(values, dtype=np.float64).__dlpack__(**kwargs)

        def __dlpack_device__(self) -> Any:
            return np.zeros(1).__dlpack_device__()

    np.testing.assert_array_equal(pygbt.Dataset(Tensor()).core.bins(), expected)


def test_a_numpy_array_is_read_where_it_lies() -> None:
    table = np.zeros((1_000_000, 8), dtype=np.float32)
    table.setflags(write=False)
    assert pygbt.Dataset(table).schema.encode(table) is table


# --- labels, weights, margins, groups -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.uint8, bool, object])
def test_labels_are_kept_as_float32(dtype: type) -> None:
    y = RNG.integers(0, 2, size=N).astype(dtype)
    for given_y in (y, y.reshape(-1, 1), y.tolist()):
        ds = pygbt.Dataset(X, given_y)
        assert ds.label is not None
        assert ds.label.dtype == np.float32
        np.testing.assert_array_equal(ds.label, y.astype(np.float32))
        np.testing.assert_array_equal(ds.core.labels(), y.astype(np.float32).reshape(-1, 1))


def test_label_of_several_columns() -> None:
    y = RNG.random((N, 3))
    for given_y in (y, np.asfortranarray(y), y.tolist()):
        ds = pygbt.Dataset(X, given_y)
        np.testing.assert_array_equal(ds.label, y.astype(np.float32))
        np.testing.assert_array_equal(ds.core.labels(), y.astype(np.float32))


def test_what_is_not_given_is_none() -> None:
    ds = pygbt.Dataset(X)
    assert (ds.label, ds.weight, ds.group, ds.base_margin) == (None, None, None, None)
    assert ds.shape == (N, 4)
    assert ds.feature_names == ["f0", "f1", "f2", "f3"]
    assert not ds.core.has_weights


def test_margins_and_groups() -> None:
    ds = pygbt.Dataset(X, Y, base_margin=Y * 2, group=[20, 30])
    np.testing.assert_array_equal(ds.base_margin, (Y * 2).astype(np.float32))
    assert ds.group is not None
    assert ds.group.tolist() == [20, 30]
    assert pygbt.Dataset(X, Y, base_margin=np.ones((N, 2))).base_margin.shape == (N, 2)  # type: ignore[union-attr]


def test_integer_weights_are_exact() -> None:
    weights = np.array([0, 1, 2, 3, 100_000, (1 << 24) - 1] + [1] * (N - 6))
    core = pygbt.Dataset(X, Y, weights).core
    assert core.weight_unit == 1.0
    np.testing.assert_array_equal(core.fixed_weights(), weights)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 1e30), min_size=1, max_size=30).filter(lambda w: max(w) >= 1e-30))
def test_weights_as_fixed_point(weights: list[float]) -> None:
    w = np.array(weights)
    core = pygbt.Dataset(np.zeros((len(w), 1)), weight=w).core
    fixed, unit = core.fixed_weights(), core.weight_unit
    assert np.frexp(unit)[0] == 0.5, "a power of two"
    assert fixed.max() <= 1 << 24
    np.testing.assert_array_equal(fixed > 0, w > 0)
    # the relative error of a weight that matters is at most 2^-24 of the largest
    assert np.all(np.abs(fixed * unit - w) <= max(unit, w.max() * 2.0**-23))


@pytest.mark.parametrize("scale", [1.0, 0.25, 2.0**-40, 2.0**30, 2.0**-105])
def test_the_unit_of_weights_does_not_matter(scale: float) -> None:
    weights = RNG.integers(1, 1000, size=N).astype(float)
    core = pygbt.Dataset(X, Y, weights * scale).core
    np.testing.assert_array_equal(core.fixed_weights() * core.weight_unit, weights * scale)


def with_bad(values: Array, bad: float, row: int = 7) -> Array:
    out = np.array(values, dtype=np.float64)
    out[row] = bad
    return out


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"y": with_bad(Y, np.nan)}, r"label: 1 value.* row 7"),
        ({"y": with_bad(Y, np.inf)}, r"label: 1 value.* row 7"),
        ({"y": with_bad(Y, 1e300)}, r"label: 1 value.* row 7"),
        ({"y": with_bad(np.ones((N, 2)), np.inf)}, r"label: 2 value.* row 7"),
        ({"y": Y, "teacher": with_bad(Y, np.inf)}, r"teacher: 1 value.* row 7"),
        ({"y": Y, "teacher": np.full(N, np.nan)}, "teacher: every value is NaN"),
        ({"y": Y, "teacher": Y[:-1]}, "teacher has 49 rows, but X has 50"),
        ({"y": Y, "teacher_form": "logits"}, "teacher_form belongs to a teacher"),
        ({"y": Y, "teacher": Y, "teacher_form": "odds"}, "teacher_form must be one of"),
        ({"y": Y, "teacher": Y, "teacher_temperature": np.zeros(N)}, "teacher_temperature must hold positive"),
        ({"y": Y, "teacher": Y, "teacher_weight": np.full(N, 1.5)}, "teacher_weight must lie between 0 and 1"),
        ({"y": Y[:-1]}, "label has 49 rows, but X has 50"),
        ({"y": np.ones((N, 2, 2))}, "label must have shape"),
        ({"y": 1.0}, "label must have shape"),
        ({"y": np.ones((N, 0))}, "label must have shape"),
        ({"y": ["a", "b"] * 25}, "label must hold numbers.*encode classes"),
        ({"y": np.array(["1"] * N, dtype=object)}, "label must hold numbers"),
        ({"y": Y + 1j}, "label"),
        ({"weight": with_bad(Y, -1.0)}, r"weight: 1 value.* row 7"),
        ({"weight": with_bad(Y, np.nan)}, r"weight: 1 value.* row 7"),
        ({"weight": with_bad(Y, np.inf)}, r"weight: 1 value.* row 7"),
        ({"weight": np.zeros(N)}, "weight: all weights are zero"),
        ({"weight": np.ones((N, 2))}, "weight must have shape"),
        ({"weight": np.ones(N + 1)}, "weight has 51 rows"),
        ({"weight": ["a"] * N}, "weight must hold numbers"),
        ({"base_margin": with_bad(Y, np.nan)}, r"base_margin: 1 value.* row 7"),
        ({"base_margin": np.ones(3)}, "base_margin has 3 rows"),
        ({"group": [20, 29]}, "group: .* 49, but X has 50"),
        ({"group": [20, 31]}, "group: .* more than the 50"),
        ({"group": [50, 0]}, "group: .* positive"),
        ({"group": [-1, 51]}, "group: .* positive"),
        ({"group": [25.0, 25.0]}, "group must be a list of integers"),
        ({"group": []}, "group must be a list of integers"),
        ({"max_bin": 1}, "max_bin must lie between 2 and 65536"),
        ({"max_bin": 65_537}, "max_bin must lie between 2 and 65536"),
        ({"n_threads": -1}, "n_threads"),
        ({"feature_names": ["a", "b"]}, "feature_names has 2 names, but X has 4"),
        ({"feature_names": ["a", "b", "c", "a"]}, "feature_names holds 'a' twice"),
        ({"categorical_features": ["a"]}, "categorical_features: there is no column 'a'"),
        ({"categorical_features": [4]}, "categorical_features: there is no column 4"),
        ({"categorical_features": [-1]}, "categorical_features: there is no column -1"),
        ({"categorical_features": "all"}, "categorical_features must be"),
        ({"feature_groups": {"g": ["f9"]}}, r"feature_groups\['g'\]: there is no column 'f9'"),
        ({"feature_groups": {"g": []}}, r"feature_groups\['g'\] is empty"),
        ({"feature_groups": {"g": [0, 1], "h": ["f1"]}}, "feature_groups: column 'f1' is in 'g' and in 'h'"),
    ],
)
def test_bad_values_are_refused_by_name(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pygbt.Dataset(X, **arguments)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"max_bin": 2.5}, "max_bin"),
        ({"max_bin": True}, "max_bin"),
        ({"n_threads": "all"}, "n_threads"),
        ({"feature_names": [1, 2, 3, 4]}, "feature_names"),
        ({"categorical_features": 3}, "categorical_features"),
        ({"categorical_features": [True, False, False, True]}, "categorical_features"),
        ({"feature_groups": ["f1"]}, "feature_groups"),
        ({"reference": X}, "reference"),
    ],
)
def test_bad_types_are_refused_by_name(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        pygbt.Dataset(X, **arguments)


@pytest.mark.parametrize(
    "table, message",
    [
        (np.zeros((0, 3)), r"0 sample\(s\) \(shape=\(0, 3\)\) while a minimum of 1 is required"),
        (np.zeros((3, 0)), r"0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 1 is required"),
        (np.zeros(3), r"1D array instead(.|\n)*array.reshape\(-1, 1\)"),
        (np.zeros((2, 2, 2)), "3D array"),
        (3.0, "scalar"),
        (None, "X"),
        ([[1.0], [1.0, 2.0]], "X cannot be read"),
        (np.zeros((3, 2)) + 1j, "Complex data not supported"),
        (np.array([["a", "b"]]), "X, column 'f0': dtype <U1 is not numeric"),
        (np.array([[1, "b"]], dtype=object), "X, column 'f0': dtype object is not numeric"),
        (np.zeros((3, 2), dtype="M8[s]"), "dtype datetime64"),
        (np.zeros(3, dtype=[("a", "f4"), ("b", "f4")]), "2D array"),
    ],
)
def test_tables_that_cannot_be_read(table: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pygbt.Dataset(table)


# --- reference, rebin, subset ---------------------------------------------------------------------------------------


def test_a_reference_shares_edges() -> None:
    ds = pygbt.Dataset(X, Y, max_bin=8, feature_names=list("abcd"))
    other = RNG.normal(size=(30, 4))
    valid = pygbt.Dataset(other, reference=ds)
    assert valid.core.cuts is ds.core.cuts
    assert valid.feature_names == list("abcd")
    for f in range(4):
        edges = ds.core.cuts.edges(f)
        expected = 1 + np.searchsorted(edges, other[:, f].astype(np.float32), side="left")
        np.testing.assert_array_equal(valid.core.bins()[:, f], expected)
    with pytest.raises(ValueError, match="X has 3 features, but the reference is expecting 4 features"):
        pygbt.Dataset(other[:, :3], reference=ds)
    with pytest.raises(ValueError, match="reference brings its columns"):
        pygbt.Dataset(other, reference=ds, categorical_features=[0])


def test_rebinning_is_building_with_a_reference() -> None:
    ds = pygbt.Dataset(X, Y, max_bin=8)
    other = pygbt.Dataset(X * 2, Y, weight=Y, base_margin=Y, max_bin=16)
    again = other.rebin(ds)
    assert again is not other
    assert again.rebin(ds) is again
    assert ds.rebin(ds) is ds
    np.testing.assert_array_equal(again.core.bins(), pygbt.Dataset(X * 2, reference=ds).core.bins())
    for name in ("label", "weight", "base_margin"):
        np.testing.assert_array_equal(getattr(again, name), getattr(other, name))


@pytest.mark.parametrize("rows", [[3, 1, 1, 49], np.arange(N) % 3 == 0])
def test_subset_takes_rows(rows: Any) -> None:
    ds = pygbt.Dataset(X, Y, weight=Y, base_margin=np.column_stack([Y, Y]), max_bin=8)
    part = ds.subset(rows)
    assert part.core.cuts is ds.core.cuts
    np.testing.assert_array_equal(part.core.bins(), ds.core.bins()[rows])
    np.testing.assert_array_equal(part.label, ds.label[rows])  # type: ignore[index]
    np.testing.assert_array_equal(part.weight, Y[rows])
    np.testing.assert_array_equal(part.base_margin, ds.base_margin[rows])  # type: ignore[index]
    fresh = ds.subset(rows, new_edges=True)
    np.testing.assert_array_equal(fresh.core.bins(), pygbt.Dataset(X[rows], weight=Y[rows], max_bin=8).core.bins())


@pytest.mark.parametrize("rows", [[N], [-1], [0.5], [[1]], np.ones(3, dtype=bool), []])
def test_bad_rows_of_a_subset(rows: Any) -> None:
    with pytest.raises(ValueError, match="rows|0 sample"):
        pygbt.Dataset(X, Y).subset(rows)


def test_groups_of_rows_are_not_torn_apart() -> None:
    with pytest.raises(ValueError, match="groups"):
        pygbt.Dataset(X, Y, group=[N]).subset([1])


def test_feature_groups() -> None:
    ds = pygbt.Dataset(X, feature_names=list("abcd"), feature_groups={"g": ["d", 0], "h": [1]})
    assert ds.groups == {"g": [0, 3], "h": [1]}


# --- the core on its own --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "columns, kwargs, message",
    [
        ([np.zeros(3), np.zeros(4)], {}, "column 1 has 4 rows"),
        ([np.zeros((3, 1))], {}, "column 0 must be one-dimensional"),
        ([np.zeros(3, dtype=np.float16)], {}, "column 0: dtype float16"),
        ([np.zeros(3, dtype=object)], {}, "column 0: dtype object"),
        ([np.zeros(3, dtype=">f4")], {}, "column 0: dtype >f4"),
        ([("codes", np.zeros(3))], {}, "codes must be int32"),
        ([("what", np.zeros(3))], {}, "column 0: expected"),
        ([("codes", np.zeros(3, np.int32))], {}, "n_categories is needed"),
        (np.zeros(3), {}, "X must be two-dimensional"),
        (np.zeros((3, 1)), {"labels": np.zeros((3, 1))}, "label must be a C-contiguous array of dtype float32"),
        (np.zeros((3, 1)), {"labels": np.zeros((2, 1), np.float32)}, "label has 2 values, expected 3 rows of 1"),
        (np.zeros((3, 1)), {"weights": np.ones(2)}, "weight has 2 values, but X has 3 rows"),
        (np.zeros((3, 1)), {"max_bin": 70_000}, "max_bin"),
    ],
)
def test_the_core_checks_for_itself(columns: Any, kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _core.Dataset(columns, None, **kwargs)


def test_category_codes_out_of_range_are_missing() -> None:
    codes = np.array([0, 1, 2, 3, -1, -(2**31), 2**31 - 1], dtype=np.int32)
    ds = _core.Dataset([("codes", codes)], [3])
    assert ds.bins()[:, 0].tolist() == [1, 2, 3, 0, 0, 0, 0]
    with pytest.raises(ValueError, match="65536 categories; at most 65535"):
        _core.Dataset([("codes", codes)], [65_536])
    with pytest.raises(ValueError, match="column 0 is numeric, but categorical in the reference"):
        _core.Dataset([codes.astype(float)], None, reference=ds)
