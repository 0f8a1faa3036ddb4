# SPDX-License-Identifier: Apache-2.0
"""One table, many libraries: data frames and sparse matrices give the bins of the same numbers in numpy; categories are
known by value and columns by name."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import pygbt
from pygbt.data import Schema

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")
sparse = pytest.importorskip("scipy.sparse")

RNG = np.random.default_rng(11)
N = 400
Array = npt.NDArray[Any]


def bins(X: Any, **kwargs: Any) -> Array:
    return pygbt.Dataset(X, **kwargs).core.bins()


# --- numbers --------------------------------------------------------------------------------------------------------

NUMBERS: dict[str, Array] = {
    "f4": RNG.normal(size=N).astype(np.float32),
    "f8": RNG.normal(size=N),
    "holes": np.where(RNG.random(N) < 0.3, np.nan, RNG.normal(size=N)),
    "i1": RNG.integers(-100, 100, size=N).astype(np.int8),
    "i8": RNG.integers(-(10**9), 10**9, size=N),
    "u4": RNG.integers(0, 2**32, size=N).astype(np.uint32),
    "flag": RNG.random(N) < 0.5,
}
EXPECTED = bins(np.column_stack([a.astype(np.float64) for a in NUMBERS.values()]), max_bin=32)
HOLES = RNG.random((N, 3)) < 0.2


def nullable() -> tuple[dict[str, list[Any]], Array]:
    """Integers, floats and booleans with nulls, and the same as numbers with NaN."""
    raw = {"int": RNG.integers(0, 50, size=N), "float": RNG.normal(size=N), "bool": RNG.random(N) < 0.5}
    lists = {
        name: [None if hole else value for value, hole in zip(values.tolist(), HOLES[:, i], strict=True)]
        for i, (name, values) in enumerate(raw.items())
    }
    numbers = np.column_stack([np.where(HOLES[:, i], np.nan, v.astype(float)) for i, v in enumerate(raw.values())])
    return lists, numbers


FRAMES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "pandas": pd.DataFrame,
    "pandas, arrow": lambda data: pa.table(data).to_pandas(types_mapper=pd.ArrowDtype),
    "pandas, nullable": lambda data: pd.DataFrame(data).convert_dtypes(),
    "polars": pl.DataFrame,
    "polars, chunks": lambda data: pl.concat([pl.DataFrame(data)[:100], pl.DataFrame(data)[100:]], rechunk=False),
    "pyarrow": pa.table,
    "pyarrow, chunks": lambda data: pa.concat_tables([pa.table(data)[:100], pa.table(data)[100:]]),
}


@pytest.mark.parametrize("library", FRAMES)
def test_frames_of_numbers(library: str) -> None:
    frame = FRAMES[library](NUMBERS)
    np.testing.assert_array_equal(bins(frame, max_bin=32), EXPECTED)
    assert pygbt.Dataset(frame).feature_names == list(NUMBERS)


@pytest.mark.parametrize("library", ["polars", "polars, chunks", "pyarrow", "pandas, arrow"])
def test_nulls_are_missing(library: str) -> None:
    lists, numbers = nullable()
    np.testing.assert_array_equal(bins(FRAMES[library](lists), max_bin=32), bins(numbers, max_bin=32))


def test_pandas_nullable_types_and_sparse_columns() -> None:
    lists, numbers = nullable()
    frame = pd.DataFrame(
        {
            "int": pd.array(lists["int"], "Int16"),
            "float": pd.array(lists["float"], "Float64"),
            "bool": pd.array(lists["bool"], "boolean"),
        }
    )
    np.testing.assert_array_equal(bins(frame, max_bin=32), bins(numbers, max_bin=32))
    zeros = np.where(RNG.random(N) < 0.8, 0.0, RNG.normal(size=N))
    np.testing.assert_array_equal(bins(pd.DataFrame({"s": pd.arrays.SparseArray(zeros)})), bins(zeros[:, None]))


def test_columns_of_nothing_are_missing() -> None:
    for frame in (
        pd.DataFrame({"a": [1.0, 2.0], "b": [None, None]}, dtype=object).astype({"a": float}),
        pl.DataFrame({"a": [1.0, 2.0], "b": [None, None]}),
        pa.table({"a": [1.0, 2.0], "b": [None, None]}),
    ):
        assert bins(frame).tolist() == [[1, 0], [2, 0]]


def test_decimals_and_half_floats() -> None:
    values = [1.5, None, 2.25]
    expected = [[1], [0], [2]]
    assert bins(pl.DataFrame({"a": values}).cast(pl.Decimal(6, 2))).tolist() == expected
    assert bins(pa.table({"a": pa.array(values).cast(pa.decimal128(20, 2))})).tolist() == expected
    assert bins(pa.table({"a": pa.array(np.array([1.5, 2.25], np.float16))})).tolist() == [[1], [2]]


def test_labels_and_weights_of_any_library() -> None:
    X = RNG.normal(size=(N, 2))
    y, w = RNG.integers(0, 3, size=N), RNG.integers(0, 3, size=N)
    for wrap in (pd.Series, lambda a: pd.Series(a, dtype="Int64"), pl.Series, lambda a: pa.chunked_array([a]), list):
        ds = pygbt.Dataset(X, wrap(y), weight=wrap(w))
        np.testing.assert_array_equal(ds.label, y)
        np.testing.assert_array_equal(ds.weight, w)
    two = np.column_stack([y, w])
    for frame in (pd.DataFrame(two), pl.DataFrame(two), pa.table({"a": y, "b": w})):
        np.testing.assert_array_equal(pygbt.Dataset(X, frame).label, two)
    with pytest.raises(ValueError, match=r"label: 1 value.* row 3"):
        pygbt.Dataset(X, pl.Series([None if i == 3 else 1.0 for i in range(N)]))
    with pytest.raises(ValueError, match="label must hold numbers"):
        pygbt.Dataset(X, pd.Series(["a"] * N))


# --- names ----------------------------------------------------------------------------------------------------------


def test_columns_are_found_by_name() -> None:
    frame = pd.DataFrame(RNG.normal(size=(N, 3)), columns=["a", "b", "c"])
    ds = pygbt.Dataset(frame)
    np.testing.assert_array_equal(bins(frame[["c", "a", "b"]], reference=ds), ds.core.bins())
    np.testing.assert_array_equal(
        bins(pl.from_pandas(frame.assign(z=1.0)[["z", "b", "c", "a"]]), reference=ds), ds.core.bins()
    )
    np.testing.assert_array_equal(bins(frame.to_numpy(), reference=ds), ds.core.bins())
    with pytest.raises(ValueError, match=r"now missing:\n- a\n- c"):
        pygbt.Dataset(frame[["b"]].assign(A=1.0, C=1.0), reference=ds)
    with pytest.raises(ValueError, match="X has 2 features, but the reference is expecting 3 features as input"):
        pygbt.Dataset(frame.to_numpy()[:, :2], reference=ds)


def test_an_array_has_no_names() -> None:
    table = RNG.normal(size=(N, 2))
    ds = pygbt.Dataset(table)
    np.testing.assert_array_equal(bins(pd.DataFrame(table, columns=["x", "y"]), reference=ds), ds.core.bins())
    assert pygbt.Dataset(pd.DataFrame(table)).feature_names == ["f0", "f1"]
    named = pygbt.Dataset(table, feature_names=["x", "y"])
    np.testing.assert_array_equal(
        bins(pd.DataFrame(table[:, ::-1], columns=["y", "x"]), reference=named), ds.core.bins()
    )


@pytest.mark.parametrize(
    "frame",
    [pd.DataFrame(np.zeros((3, 3)), columns=["a", "b", "a"]), pa.table([[1.0], [2.0], [3.0]], names=["a", "b", "a"])],
)
def test_double_names(frame: Any) -> None:
    with pytest.raises(ValueError, match="X has duplicate column names: 'a'"):
        pygbt.Dataset(frame)


def test_names_of_mixed_types() -> None:
    with pytest.raises(TypeError, match="only supported if all input features have string names"):
        pygbt.Dataset(pd.DataFrame(np.zeros((3, 2)), columns=["a", 1]))


@pytest.mark.parametrize(
    "values",
    [
        ["a", "b", "c"],
        [object(), None, None],
        [{}, {}, {}],
        [datetime.date(2020, 1, 1)] * 3,
        [datetime.datetime(2020, 1, 1)] * 3,
        [[1], [2], [3]],
    ],
)
def test_columns_that_are_no_numbers(values: list[Any]) -> None:
    frame = pd.DataFrame({"ok": [1.0, 2.0, 3.0], "odd": pd.Series(values)})
    with pytest.raises(ValueError, match="X, column 'odd': dtype .* is not numeric. Convert it"):
        pygbt.Dataset(frame)
    ds = pygbt.Dataset(frame.assign(odd=1.0))
    with pytest.raises(ValueError, match="X, column 'odd'"):
        pygbt.Dataset(frame, reference=ds)
    if not isinstance(values[0], str):
        with pytest.raises(ValueError, match="X, column 'odd'"):
            pygbt.Dataset(frame, categorical_features=["odd"])


def test_lazy_frames_are_refused() -> None:
    with pytest.raises(TypeError, match="collect"):
        pygbt.Dataset(pl.LazyFrame({"a": [1.0]}))


# --- categories -----------------------------------------------------------------------------------------------------

WORDS = ["red", None, "green", "blue", "red", "green", None, "red"]
CODES = [3, 0, 2, 1, 3, 2, 0, 3]  # bins: categories ascending, blue = 1

ARROW_DICTIONARY = pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
CATEGORY_FRAMES: dict[str, Callable[[list[Any]], Any]] = {
    "pandas": lambda words: pd.DataFrame({"c": pd.Categorical(words)}),
    "pandas, dictionary": lambda words: pd.DataFrame({"c": pd.array(words, ARROW_DICTIONARY)}),
    "polars": lambda words: pl.DataFrame({"c": pl.Series(words, dtype=pl.Categorical)}),
    "polars, enum": lambda words: pl.DataFrame({"c": pl.Series(words, dtype=pl.Enum(sorted({*words} - {None})))}),
    "pyarrow": lambda words: pa.table({"c": pa.array(words).dictionary_encode()}),
    "pyarrow, chunks": lambda words: pa.table(
        {"c": pa.chunked_array([pa.array(part, pa.string()).dictionary_encode() for part in (words[:3], words[3:])])}
    ),
}
TEXT_FRAMES: dict[str, Callable[[list[Any]], Any]] = {
    "pandas, text": lambda words: pd.DataFrame({"c": words}),
    "pandas, objects": lambda words: pd.DataFrame({"c": pd.Series(words, dtype=object)}),
    "pandas, string": lambda words: pd.DataFrame({"c": pd.array(words, "string")}),
    "polars, text": lambda words: pl.DataFrame({"c": words}),
    "pyarrow, text": lambda words: pa.table({"c": words}),
    "numpy": lambda words: np.array(words, dtype=object)[:, None],
}


@pytest.mark.parametrize("library", CATEGORY_FRAMES)
def test_category_types_are_found(library: str) -> None:
    ds = pygbt.Dataset(CATEGORY_FRAMES[library](WORDS))
    assert ds.categorical_features == ["c"]
    assert ds.schema.categories == (("blue", "green", "red"),)
    assert ds.core.bins()[:, 0].tolist() == CODES


@pytest.mark.parametrize("library", TEXT_FRAMES)
def test_text_can_be_listed(library: str) -> None:
    ds = pygbt.Dataset(TEXT_FRAMES[library](WORDS), categorical_features=[0])
    assert ds.schema.categories == (("blue", "green", "red"),)
    assert ds.core.bins()[:, 0].tolist() == CODES


@pytest.mark.parametrize("library", {**CATEGORY_FRAMES, **TEXT_FRAMES})
def test_later_tables_are_coded_by_value(library: str) -> None:
    make = {**CATEGORY_FRAMES, **TEXT_FRAMES}[library]
    ds = pygbt.Dataset(CATEGORY_FRAMES["pandas"](WORDS))
    later = ["violet", "red", None, "amber", "blue", "blu", "red"]  # other codes, unseen values
    assert bins(make(later), reference=ds)[:, 0].tolist() == [0, 3, 0, 0, 1, 0, 3]
    assert bins(make(["violet", "cyan"]), reference=ds)[:, 0].tolist() == [0, 0]


def test_declared_categories_keep_their_order() -> None:
    order = ["small", "large", "medium"]
    for frame in (
        pd.DataFrame({"c": pd.Categorical(["large", "small"], categories=order)}),
        pl.DataFrame({"c": pl.Series(["large", "small"], dtype=pl.Enum(order))}),
    ):
        ds = pygbt.Dataset(frame)
        assert ds.schema.categories == (tuple(order),)
        assert ds.core.bins()[:, 0].tolist() == [2, 1]
        assert ds.core.cuts.n_bins(0) == 4


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float32, np.float64, np.int16])
def test_categories_that_are_numbers(dtype: type) -> None:
    values = np.array([30, 7, 7, 200, 30], dtype=dtype)
    ds = pygbt.Dataset(values[:, None], categorical_features=[0])
    assert ds.schema.categories == ((7, 30, 200),)
    assert ds.core.bins()[:, 0].tolist() == [2, 1, 1, 3, 2]
    for other in (np.int64, np.int32, np.float64, object):
        later = np.array([[200], [8], [7]], dtype=other)
        assert bins(later, reference=ds)[:, 0].tolist() == [3, 0, 1]
    assert bins(np.array([[7.5], [np.nan], [np.inf], [30.0]]), reference=ds)[:, 0].tolist() == [0, 0, 0, 2]
    assert bins(pd.DataFrame({"c": pd.Categorical([7, 5, 200])}), reference=ds)[:, 0].tolist() == [1, 0, 3]
    assert bins(np.array([["7"], ["30"]]), reference=ds)[:, 0].tolist() == [0, 0], "text is no number"


def test_large_numbers_as_categories_are_not_rounded() -> None:
    values = np.array([2**53, 2**53 + 1, 2**63 - 1, -(2**63)])
    ds = pygbt.Dataset(values[:, None], categorical_features=[0])
    assert ds.core.bins()[:, 0].tolist() == [2, 3, 4, 1]
    assert bins(np.array([[2**53 + 1], [2**53 + 2]]), reference=ds)[:, 0].tolist() == [3, 0]
    unsigned = np.array([[2**53 + 1], [2**63 + 5], [2**63 - 1]], dtype=np.uint64)
    assert bins(unsigned, reference=ds)[:, 0].tolist() == [3, 0, 4]


def test_flags_as_categories() -> None:
    ds = pygbt.Dataset(pd.DataFrame({"c": [True, False, True]}), categorical_features=["c"])
    assert ds.schema.categories == ((False, True),)
    assert bins(np.array([[1.0], [0.0], [2.0]]), reference=ds)[:, 0].tolist() == [2, 1, 0]


def test_category_types_as_numbers_when_they_are_not_listed() -> None:
    frame = pd.DataFrame({"c": pd.Categorical([3, 10, None, 3]), "d": pd.Categorical(["x", "y", "x", None])})
    assert bins(frame[["c"]], categorical_features=None)[:, 0].tolist() == [1, 2, 0, 1]
    with pytest.raises(ValueError, match="X, column 'd'"):
        pygbt.Dataset(frame, categorical_features=["c"])


@pytest.mark.parametrize(
    "values, message",
    [
        (pd.Categorical([datetime.date(2020, 1, 1)] * 3), "categories of type date cannot be stored"),
        (pd.cut([1, 2, 3], 2), "categories of type Interval cannot be stored"),
        ([1.0, np.inf, 2.0], "infinite value cannot be a category"),
    ],
)
def test_values_that_cannot_be_categories(values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"X, column 'odd': .*{message}"):
        pygbt.Dataset(pd.DataFrame({"odd": values}), categorical_features=["odd"])


def test_too_many_categories() -> None:
    many = np.arange(65_536)[:, None]
    with pytest.raises(ValueError, match="X, column 'f0' has 65536 categories; at most 65535"):
        pygbt.Dataset(many, categorical_features=[0])
    ds = pygbt.Dataset(many[:-1], categorical_features=[0])
    np.testing.assert_array_equal(ds.core.bins()[:, 0], np.arange(1, 65_536))


def test_categories_beside_numbers() -> None:
    frame = pd.DataFrame({"a": RNG.normal(size=8), "c": pd.Categorical(WORDS), "b": RNG.normal(size=8)})
    ds = pygbt.Dataset(frame)
    np.testing.assert_array_equal(ds.core.bins()[:, 1], CODES)
    np.testing.assert_array_equal(ds.core.bins()[:, [0, 2]], bins(frame[["a", "b"]]))
    part = ds.subset([0, 3, 4])
    np.testing.assert_array_equal(part.core.bins(), ds.core.bins()[[0, 3, 4]])


# --- the schema in a file -------------------------------------------------------------------------------------------


def schema_of_everything() -> Schema:
    frame = pd.DataFrame(
        {
            "x": [1.0, 2.0],
            "text": pd.Categorical(["é", "b"]),
            "int": pd.Categorical([2**60, -3]),
            "float": pd.Categorical([0.1, 2.0]),
            "flag": pd.Categorical([True, False]),
            "mixed": pd.Categorical([1, "1"]),
        }
    )
    return pygbt.Dataset(frame, feature_groups={"g": ["x", "flag"]}).schema


def test_a_schema_survives_json() -> None:
    schema = schema_of_everything()
    again = Schema.from_json(json.loads(json.dumps(schema.to_json())))
    assert again == schema
    for old, new in zip(schema.categories, again.categories, strict=True):
        assert [type(v) for v in old or ()] == [type(v) for v in new or ()]


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.pop("columns"),
        lambda d: d.update(columns=[]),
        lambda d: d.update(columns=3),
        lambda d: d.update(named="yes"),
        lambda d: d["columns"][0].pop("name"),
        lambda d: d["columns"][0].update(name="text"),
        lambda d: d["columns"][0].update(name=1),
        lambda d: d["columns"][1].update(categories=["b", "b"]),
        lambda d: d["columns"][1].update(categories=["b", 1]),
        lambda d: d["columns"][1].update(categories="ab"),
        lambda d: d["columns"][1].update(type="date"),
        lambda d: d.update(groups={"g": [6]}),
        lambda d: d.update(groups={"g": [0], "h": [0]}),
        lambda d: d.update(groups=[0]),
    ],
)
def test_a_damaged_schema_is_refused(damage: Callable[[Any], Any]) -> None:
    data = schema_of_everything().to_json()
    damage(data)
    with pytest.raises(ValueError, match="schema"):
        Schema.from_json(data)


# --- sparse matrices ------------------------------------------------------------------------------------------------

FORMATS = ["csr_matrix", "csc_matrix", "coo_matrix", "csr_array", "csc_array", "coo_array", "lil_array"]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_sparse_tables(form: str, dtype: type) -> None:
    dense = np.where(RNG.random((N, 6)) < 0.7, 0, RNG.normal(size=(N, 6)) * 100).astype(dtype)
    dense[:, 0] = 0
    X = getattr(sparse, form)(dense)
    ds = pygbt.Dataset(X, max_bin=16)
    np.testing.assert_array_equal(ds.core.bins(), bins(dense, max_bin=16))
    missing = pygbt.Dataset(X, max_bin=16, sparse_missing=True)
    holes = np.where(dense == 0, np.nan, dense)
    np.testing.assert_array_equal(missing.core.bins(), bins(holes, max_bin=16))
    np.testing.assert_array_equal(bins(dense, reference=ds), ds.core.bins())
    np.testing.assert_array_equal(ds.subset([5, 2]).core.bins(), ds.core.bins()[[5, 2]])


def test_sparse_tables_with_repeats_and_without_order() -> None:
    rows, cols, values = [2, 0, 2, 1, 0], [0, 0, 0, 1, 1], [1.0, 5.0, 2.0, 7.0, np.nan]
    for make in (sparse.coo_array, sparse.csc_array, sparse.csr_array):
        X = make((values, (rows, cols)), shape=(4, 2))
        before = X.copy()
        np.testing.assert_array_equal(bins(X), bins(np.array([[5.0, np.nan], [0, 7], [3, 0], [0, 0]])))
        assert (X.data.tolist(), X.nnz) == (before.data.tolist(), before.nnz) or np.isnan(X.data).any()
    unsorted = sparse.csc_array((np.array([1.0, 2.0]), np.array([3, 1]), np.array([0, 2])), shape=(4, 1))
    assert bins(unsorted)[:, 0].tolist() == [1, 3, 1, 2]
    assert unsorted.indices.tolist() == [3, 1], "the caller's matrix is not touched"


def test_sparse_categories() -> None:
    dense = RNG.integers(0, 4, size=(N, 2)) * (RNG.random((N, 2)) < 0.5)
    ds = pygbt.Dataset(sparse.csc_array(dense), categorical_features=[1])
    np.testing.assert_array_equal(ds.core.bins(), bins(dense, categorical_features=[1]))


def test_sparse_of_no_numbers() -> None:
    with pytest.raises(ValueError, match="X is sparse of dtype complex128"):
        pygbt.Dataset(sparse.csr_array(np.eye(3) + 1j))
