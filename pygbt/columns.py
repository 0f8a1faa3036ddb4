# SPDX-License-Identifier: Apache-2.0
"""Tables of any library as columns: numbers, stored values of a sparse column, or coded values. Nothing is copied where
the library can show its memory. Internal: `pygbt.schema` decides what a column means.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from . import device_arrays
from .device_arrays import DeviceArray

__all__ = ["Column", "Table", "device_table", "is_missing", "numbers_of", "read_table", "take_rows"]

Numbers = npt.NDArray[Any]

_RESHAPE = (
    "Reshape your data either using array.reshape(-1, 1) if it has a single feature "
    "or array.reshape(1, -1) if it contains a single sample."
)


@dataclass(frozen=True)
class Column:
    """One column; exactly one of `numbers`, `stored`, `codes` and `objects` is set.

    Attributes
    ----------
    dtype : str
        Its type as the library calls it, for messages.
    numbers : ndarray of a numeric type or bool, shape (n,)
    stored : tuple of values, shape (s,), and ascending int64 rows, shape (s,)
        All other rows hold zero (or are missing: the schema decides).
    codes, values : ndarray of int, shape (n,), and list
        Row i holds ``values[codes[i]]``, or is missing where the code is negative: a category type of the library.
    declared : bool
        `values` stand in an order that the user gave.
    objects : callable
        Makes the list of Python objects: text and anything else that is no number.
    """

    dtype: str
    n_rows: int
    numbers: Numbers | None = None
    stored: tuple[Numbers, npt.NDArray[np.int64]] | None = None
    codes: npt.NDArray[Any] | None = None
    values: Sequence[Any] = ()
    declared: bool = False
    objects: Callable[[], list[Any]] | None = None


@dataclass(frozen=True)
class Table:
    """A table: names where it has text names, and its columns; `matrix` if it is one array of numbers."""

    n_rows: int
    n_columns: int
    names: list[str] | None
    columns: Callable[[Sequence[int]], Iterator[Column]]
    matrix: Numbers | DeviceArray | None = None


def read_table(X: Any) -> Table:
    """View a numpy array, list of rows, scipy sparse matrix, or pandas, polars or pyarrow table.

    Raises
    ------
    ValueError, TypeError
        It is not two-dimensional, not of a kind that can be read, or has two columns of one name.
    """
    if hasattr(X, "tocsc") and hasattr(X, "nnz"):
        return _sparse_table(X)
    frame = _as_frame(X)
    if frame is not None:
        return _frame_table(frame)
    return _array_table(X)


def device_table(array: DeviceArray) -> Table:
    """View a matrix on a device, which stays there.

    Raises
    ------
    ValueError
        It is not two-dimensional, of a type that the engine does not read, or a column is asked for as categories.
    """
    if array.ndim != 2:
        raise ValueError(f"X: expected a 2D array, got a {array.ndim}D array on a device instead.\n{_RESHAPE}")
    if array.dtype.kind not in "biuf" or (array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8)):
        raise ValueError(
            f"X has dtype {array.dtype}, which is not read on a device; convert it to float32, float64 or integers"
        )

    def columns(wanted: Sequence[int]) -> Iterator[Column]:
        if len(wanted) > 0:
            raise ValueError(
                f"X is an array on cuda:{array.ordinal}, whose columns are numbers; pass it from the host for "
                "categorical columns: as numpy or a data frame, with device='cuda'"
            )
        return iter(())

    return Table(array.shape[0], array.shape[1], None, columns, array)


def take_rows(X: Any, rows: npt.NDArray[np.int64]) -> Any:
    """Return the rows of a table in the given order, as a table of the same library (an array for lists)."""
    if isinstance(X, DeviceArray):
        return device_arrays.take_rows(X, rows)
    if hasattr(X, "tocsc") and hasattr(X, "nnz"):
        return X.tocsr()[rows]
    frame = _as_frame(X)
    return np.asarray(X)[rows] if frame is None else frame[rows].to_native()


# --- data frames ----------------------------------------------------------------------------------------------------


def _as_frame(X: Any) -> nw.DataFrame[Any] | None:
    if isinstance(X, np.ndarray | list | tuple):
        return None
    try:
        frame = nw.from_native(X, eager_only=True, pass_through=True)
    except nw.exceptions.DuplicateError:
        raise ValueError(f"X has duplicate column names: {_repeated(_native_names(X))}") from None
    if isinstance(frame, nw.DataFrame):
        return frame
    if nw.dependencies.is_into_dataframe(X) or hasattr(X, "collect"):
        raise TypeError("X is a lazy frame: call collect() first")
    return None


def _native_names(X: Any) -> list[str]:
    return [str(name) for name in (X.column_names if hasattr(X, "column_names") else X.columns)]


def _repeated(names: Sequence[str]) -> str:
    seen: set[str] = set()
    return ", ".join(sorted({repr(name) for name in names if name in seen or seen.add(name)}))  # type: ignore[func-returns-value]


def _frame_table(frame: nw.DataFrame[Any]) -> Table:
    names = _text_names(list(frame.columns))
    series = list(frame.iter_columns())
    read: dict[int, Column] = {}  # a column that must be converted is converted once

    def columns(wanted: Sequence[int]) -> Iterator[Column]:
        for i in wanted:
            if i not in read:
                read[i] = _frame_column(series[i])
            yield read[i]

    return Table(len(frame), len(series), names, columns)


def _text_names(names: list[Any]) -> list[str] | None:
    """The rule of scikit-learn: all text are names, none is text are no names, a mixture is an error."""
    text = [isinstance(name, str) for name in names]
    if all(text):
        return names if names else None
    if any(text):
        kinds = sorted({type(name).__name__ for name in names})
        raise TypeError(
            "Feature names are only supported if all input features have string names, but your input has "
            f"{kinds} as feature name / column name types. Convert them all to str."
        )
    return None


def _frame_column(series: nw.Series[Any]) -> Column:
    kind = series.dtype
    n_rows = len(series)
    dtype = str(getattr(series.to_native(), "dtype", kind))
    if kind in (nw.Categorical, nw.Enum):
        return _category_column(series, dtype)
    if kind.is_numeric() or kind == nw.Boolean:
        return Column(dtype, n_rows, numbers=_series_numbers(series))
    if kind == nw.Unknown:  # among them pandas' sparse columns
        array = series.to_numpy()
        if array.dtype.kind in "biuf":
            return Column(dtype, n_rows, numbers=_machine_numbers(array))
    if series.null_count() == n_rows:
        return Column(dtype, n_rows, numbers=np.full(n_rows, np.nan, dtype=np.float32))
    return Column(dtype, n_rows, objects=series.to_list)


def _series_numbers(series: nw.Series[Any]) -> Numbers:
    array = series.to_numpy()
    if array.dtype.kind not in "biuf":  # booleans with missing values, decimals
        array = series.cast(nw.Float64).to_numpy()
    return _machine_numbers(array)


def _category_column(series: nw.Series[Any], dtype: str) -> Column:
    native = series.to_native()
    if nw.dependencies.is_pandas_series(native) and hasattr(native.dtype, "categories"):
        values = native.cat.categories.tolist()
        return Column(dtype, len(series), codes=native.cat.codes.to_numpy(), values=values, declared=True)
    if nw.dependencies.is_polars_series(native) and series.dtype == nw.Enum:
        codes = native.to_physical().cast(int).fill_null(-1).to_numpy()
        return Column(dtype, len(series), codes=codes, values=native.dtype.categories.to_list(), declared=True)
    if nw.dependencies.is_pyarrow_chunked_array(native):
        coded = native.unify_dictionaries().combine_chunks()
        codes = coded.indices.cast("int64").fill_null(-1).to_numpy(zero_copy_only=False)
        return Column(dtype, len(series), codes=codes, values=coded.dictionary.to_pylist())
    rows = series.to_list()
    place: dict[Any, int] = {}
    codes = np.array([-1 if is_missing(value) else place.setdefault(value, len(place)) for value in rows], np.int64)
    return Column(dtype, len(series), codes=codes, values=list(place))


def is_missing(value: Any) -> bool:
    """True for None, NaN, and pandas' NA and NaT."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    return type(value).__name__ in ("NAType", "NaTType")  # pandas.NA and NaT


# --- arrays ---------------------------------------------------------------------------------------------------------


def _machine_numbers(array: Numbers) -> Numbers:
    """The array in a type the engine reads: float16 becomes float32, long double float64, foreign byte order native."""
    dtype = array.dtype
    if dtype.kind == "f" and dtype.itemsize not in (4, 8):
        return array.astype(np.float32 if dtype.itemsize < 4 else np.float64)
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def _array_table(X: Any) -> Table:
    array = _as_array(X, "X")
    if array.ndim != 2:
        kind = "scalar" if array.ndim == 0 else f"{array.ndim}D"
        raise ValueError(f"X: expected a 2D array or a data frame, got a {kind} array instead.\n{_RESHAPE}")
    n_rows, n_columns = array.shape
    if array.dtype.kind in "biuf":
        matrix = _machine_numbers(array)

        def number_columns(wanted: Sequence[int]) -> Iterator[Column]:
            return (Column(str(array.dtype), n_rows, numbers=matrix[:, i]) for i in wanted)

        return Table(n_rows, n_columns, None, number_columns, matrix)
    if array.dtype.kind not in "OUST":
        raise ValueError(f"X has dtype {array.dtype}, which is not a number; convert its columns to numbers")

    def object_columns(wanted: Sequence[int]) -> Iterator[Column]:
        return (Column(str(array.dtype), n_rows, objects=array[:, i].tolist) for i in wanted)

    return Table(n_rows, n_columns, None, object_columns)


def _as_array(value: Any, name: str) -> Numbers:
    if isinstance(value, np.ma.MaskedArray):
        return np.asarray(np.ma.filled(value.astype(np.float64) if value.dtype.kind in "biu" else value, np.nan))
    foreign = hasattr(value, "__dlpack__") and not hasattr(value, "__array__")
    try:
        array = np.from_dlpack(value) if foreign else np.asarray(value)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name} cannot be read as an array: {error}") from None
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported\n{name} has dtype {array.dtype}")
    return array


def numbers_of(value: Any, name: str) -> Numbers:
    """Read labels, weights or margins: a numeric array of any shape from an array, list, series or frame; one that lies
    on a device is copied to the host.

    Raises
    ------
    ValueError
        Text or objects stand in it. Missing values become NaN, for the caller to refuse.
    """
    there = device_arrays.view(value)
    if there is not None:
        value = there.numpy()
    native = None if isinstance(value, np.ndarray | list | tuple) else value
    wrapped = None if native is None else nw.from_native(native, eager_only=True, allow_series=True, pass_through=True)
    if isinstance(wrapped, nw.Series | nw.DataFrame):
        columns = [wrapped] if isinstance(wrapped, nw.Series) else list(wrapped.iter_columns())
        arrays = [_label_numbers(_frame_column(series), name) for series in columns]
        return arrays[0] if isinstance(wrapped, nw.Series) else np.column_stack(arrays)
    array = _as_array(value, name)
    if array.dtype.kind in "biuf":
        return _machine_numbers(array)
    if array.dtype.kind == "O":
        flat = array.ravel().tolist()
        if all(is_missing(item) or isinstance(item, int | float | np.number | np.bool_) for item in flat):
            numbers = [math.nan if is_missing(item) else float(item) for item in flat]
            return np.array(numbers, dtype=np.float64).reshape(array.shape)
    raise ValueError(_not_numbers(name, str(array.dtype)))


def _label_numbers(column: Column, name: str) -> Numbers:
    if column.numbers is None:
        raise ValueError(_not_numbers(name, column.dtype))
    return column.numbers


def _not_numbers(name: str, dtype: str) -> str:
    hint = "; encode classes as 0, 1, .. (GBTClassifier does it for you)" if name == "label" else ""
    return f"{name} must hold numbers, got dtype {dtype}{hint}"


# --- sparse matrices ------------------------------------------------------------------------------------------------


def _sparse_table(X: Any) -> Table:
    if X.ndim != 2:
        raise ValueError(f"X: expected a 2D sparse array, got {X.ndim}D.\n{_RESHAPE}")
    if X.dtype.kind not in "biuf":
        raise ValueError(f"X is sparse of dtype {X.dtype}, which is not a number the engine reads")
    matrix = X.tocsc()
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()  # sorts the rows of a column too
    data = _machine_numbers(matrix.data)
    rows = matrix.indices.astype(np.int64, copy=False)
    ends = matrix.indptr

    def columns(wanted: Sequence[int]) -> Iterator[Column]:
        dtype = f"sparse {matrix.dtype}"
        for i in wanted:
            part = slice(int(ends[i]), int(ends[i + 1]))
            yield Column(dtype, matrix.shape[0], stored=(data[part], rows[part]))

    return Table(matrix.shape[0], matrix.shape[1], None, columns)
