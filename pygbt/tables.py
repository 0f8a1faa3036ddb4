# SPDX-License-Identifier: Apache-2.0
"""Tables from CSV and Parquet files for the command line: reading, the target column, the kind of task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .queries import group_sizes, rows_of_groups

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Problem", "read_table", "split_rows", "write_table"]

TASKS = ("binary", "multiclass", "regression")
OBJECTIVE_OF_TASK = {
    "binary": "logistic", "multiclass": "softmax", "regression": "squared_error", "ranking": "lambdarank",
}  # fmt: skip


def _pandas() -> Any:
    try:
        import pandas
    except ImportError:
        raise ImportError("the command line reads tables with pandas: pip install 'pygbt[cli]'") from None
    return pandas


def _kind(path: str) -> str:
    suffixes = [s.lower() for s in Path(path).suffixes]
    if suffixes and suffixes[-1] in (".parquet", ".pq"):
        return "parquet"
    if suffixes and (suffixes[-1] in (".csv", ".tsv") or suffixes[-2:-1] in ([".csv"], [".tsv"])):
        return "tsv" if ".tsv" in suffixes else "csv"
    raise ValueError(f"{path}: the name must end in .csv, .tsv (also compressed, .csv.gz) or .parquet")


def read_table(path: str) -> pd.DataFrame:
    """Read a CSV, TSV or Parquet file."""
    pandas = _pandas()
    kind = _kind(path)
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        if kind == "parquet":
            frame = pandas.read_parquet(path)
        else:
            frame = pandas.read_csv(path, sep="\t" if kind == "tsv" else ",")
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    if len(frame) == 0:
        raise ValueError(f"{path}: the table has no rows")
    frame.columns = [str(name) for name in frame.columns]
    return frame


def write_table(frame: pd.DataFrame, path: str) -> None:
    """Write a CSV, TSV or Parquet file."""
    kind = _kind(path)
    if kind == "parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False, sep="\t" if kind == "tsv" else ",")


def is_text(column: pd.Series[Any]) -> bool:
    """Whether a column holds text, categories or mixed objects rather than numbers or truth values."""
    pandas = _pandas()
    return not (pandas.api.types.is_numeric_dtype(column.dtype) or pandas.api.types.is_bool_dtype(column.dtype))


def as_features(frame: pd.DataFrame, categorical: Sequence[str] = ()) -> pd.DataFrame:
    """Features as numbers and categories: text columns, and those named in `categorical`, become categories of text."""
    missing = [name for name in categorical if name not in frame.columns]
    if missing:
        raise ValueError(f"--categorical: no column named {missing[0]!r}")
    pandas = _pandas()
    result = frame.copy(deep=False)
    for name in frame.columns:
        column = frame[name]
        if pandas.api.types.is_datetime64_any_dtype(column.dtype):
            raise ValueError(f"column {name!r} holds dates; turn it into numbers or leave it out with --drop {name}")
        if name in categorical or is_text(column):
            codes, texts = _text_codes(column)
            result[name] = pandas.Categorical.from_codes(codes, texts)
    return result


def _text_codes(column: pd.Series[Any]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """The column as codes (-1 = missing) of its distinct values as text, sorted."""
    places, values = _pandas().factorize(column)
    if len(values) == 0:
        return np.full(len(column), -1, dtype=np.int64), []
    texts, codes = np.unique([_category_text(value) for value in values.tolist()], return_inverse=True)
    return np.where(places < 0, -1, codes.reshape(-1)[places]), [str(text) for text in texts]


def _category_text(value: Any) -> str:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))  # a column of whole numbers with a missing one is read as floats
    return str(value)


@dataclass
class Problem:
    """Features, encoded target and the kind of task.

    Attributes
    ----------
    X : DataFrame of numbers and categories
    y : ndarray of float64, shape (n,)
        Class numbers for binary and multiclass.
    task : {"binary", "multiclass", "regression", "ranking"}
    classes : list of str or None
        Names of the classes, in the order of their numbers.
    weight : ndarray of float64, shape (n,), or None
    query : ndarray of int64, shape (n,), or None
        Query of every row, for ranking.
    """

    X: pd.DataFrame
    y: npt.NDArray[np.float64]
    task: str
    classes: list[str] | None
    weight: npt.NDArray[np.float64] | None
    query: npt.NDArray[np.int64] | None = None

    @property
    def objective(self) -> str:
        """Objective that fits the task."""
        return OBJECTIVE_OF_TASK[self.task]

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        target: str,
        *,
        task: str = "auto",
        weight: str | None = None,
        query: str | None = None,
        categorical: Sequence[str] = (),
        drop: Sequence[str] = (),
        classes: list[str] | None = None,
    ) -> Problem:
        """Split a table into features and target; with a column of queries the task is ranking.

        `classes` are the names found in an earlier table: a validation file is encoded like the training file.
        """
        others = [name for name in (weight, query) if name]
        for option, names in (("--target", [target]), ("--weight, --query", others), ("--drop", drop)):
            for name in names:
                if name not in frame.columns:
                    raise ValueError(f"{option}: no column named {name!r}; have {', '.join(map(str, frame.columns))}")
        column = frame[target]
        if column.isna().any():
            raise ValueError(f"--target: column {target!r} has {int(column.isna().sum())} missing values")
        if query is not None:
            if task not in ("auto", "ranking"):
                raise ValueError(f"--query: a column of queries is for ranking, not for --task {task}")
            task = "ranking"
        elif task == "ranking":
            raise ValueError("--task ranking needs --query: the column that names the query of a row")
        if task == "auto":
            task = _guess_task(column)
        encoded, classes = _encode_target(column, target, task, classes)
        weights = None
        if weight is not None:
            if is_text(frame[weight]):
                raise ValueError(f"--weight: column {weight!r} holds text")
            weights = frame[weight].to_numpy(dtype=np.float64, na_value=np.nan)
        queries = None if query is None else _pandas().factorize(frame[query], use_na_sentinel=False)[0]
        features = frame.drop(columns=[target, *drop, *others])
        return cls(as_features(features, categorical), encoded, task, classes, weights, queries)

    def rows(self, rows: npt.NDArray[np.int64]) -> Problem:
        """Some of the rows."""
        weight = None if self.weight is None else self.weight[rows]
        query = None if self.query is None else self.query[rows]
        return Problem(self.X.iloc[rows], self.y[rows], self.task, self.classes, weight, query)

    def split(self, fraction: float, seed: int) -> tuple[Problem, Problem]:
        """Rows to train on and rows held out, drawn with `seed`; whole queries where there are any."""
        if self.query is None:
            kept, held_out = split_rows(len(self.y), fraction, seed)
        else:
            sizes = group_sizes(self.query, len(self.y))
            kept, held_out = (rows_of_groups(sizes, part) for part in split_rows(len(sizes), fraction, seed))
        return self.rows(kept), self.rows(held_out)


def _guess_task(column: pd.Series[Any]) -> str:
    """Text and truth values are classes, two distinct numbers are two classes, other numbers are measured."""
    n_values = column.nunique()
    if n_values == 2:
        return "binary"
    return "multiclass" if is_text(column) else "regression"


def _encode_target(
    column: pd.Series[Any], name: str, task: str, classes: list[str] | None
) -> tuple[npt.NDArray[np.float64], list[str] | None]:
    if task in ("regression", "ranking"):
        if is_text(column):
            raise ValueError(f"--target: column {name!r} holds text, which is no target for --task {task}")
        return column.to_numpy(dtype=np.float64), None
    if classes is None:
        distinct = sorted(column.unique().tolist(), key=lambda v: (isinstance(v, str), v))
        classes = [_category_text(value) for value in distinct]
        if len(classes) < 2:
            raise ValueError(f"--target: column {name!r} holds one class only, {classes[0]!r}")
        if task == "binary" and len(classes) != 2:
            raise ValueError(f"--target: column {name!r} holds {len(classes)} classes; --task binary needs two")
    number = {text: float(i) for i, text in enumerate(classes)}
    codes, texts = _text_codes(column)
    for text in texts:
        if text not in number:
            raise ValueError(f"--target: {text!r} in column {name!r} is not one of the classes of training")
    return np.array([number[text] for text in texts])[codes], classes


def split_rows(n: int, fraction: float, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows to train on and rows held out, drawn with `seed`; both ascending."""
    if not 0.0 < fraction < 1.0:
        raise ValueError(f"the held-out fraction must lie between 0 and 1, got {fraction}")
    n_held = round(n * fraction)
    if not 0 < n_held < n:
        raise ValueError(f"a fraction of {fraction} of {n} rows leaves none to train on or none held out")
    order = np.random.RandomState(seed % 2**32).permutation(n)
    return np.sort(order[n_held:]), np.sort(order[:n_held])
