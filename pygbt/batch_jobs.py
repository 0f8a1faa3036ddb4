# SPDX-License-Identifier: Apache-2.0
"""What a batch trains: parts of a table (folds, replicas, segments, targets) times dictionaries of parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .data import Dataset
from .row_columns import row_numbers

__all__ = ["Folds", "Job", "Part", "given_folds", "make_jobs", "make_parts"]

Rows = npt.NDArray[np.int64]
Folds = Iterable[tuple[npt.ArrayLike, npt.ArrayLike]]
Evals = list[tuple[Dataset, str]]
Bins = Literal["shared", "own"]


@dataclass(frozen=True)
class Part:
    """The rows, weights and labels that one model of every dictionary of parameters is trained on.

    Attributes
    ----------
    kind : str
        "all", "fold", "replica", "segment" or "target".
    key : object
        Number of the fold, replica or target; id of the segment.
    n_rows : int
        Rows trained on.
    """

    kind: str
    key: Any
    n_rows: int

    def __str__(self) -> str:
        return "the table" if self.kind == "all" else f"{self.kind} {self.key!r}"


@dataclass(frozen=True)
class PartTables:
    """How the tables of a part are made, and what they take.

    Attributes
    ----------
    part : Part
    build : callable
        ``build(ds, n_threads)`` -> the table to train on and the evaluation sets, of a table `ds` of all rows.
    own_bins : bool
        The table has bins of its own, not those of `ds`.
    keeps_values : bool
        It has a copy of its rows' values, to find edges from.
    n_scored : int
        Rows of the evaluation sets.
    """

    part: Part
    build: Callable[[Dataset, int], tuple[Dataset, Evals]]
    own_bins: bool
    keeps_values: bool
    n_scored: int


@dataclass(frozen=True)
class Job:
    """One model of a batch.

    Attributes
    ----------
    index : int
        Its place in the batch: ``params_index * number of parts + part_index``.
    params : dict
        As given.
    params_index, part_index : int
    part : Part
    """

    index: int
    params: Mapping[str, Any]
    params_index: int
    part_index: int
    part: Part

    def __str__(self) -> str:
        return f"model {self.index} (params[{self.params_index}], {self.part})"


def make_jobs(params: Sequence[Mapping[str, Any]], parts: Sequence[PartTables]) -> list[Job]:
    """Every dictionary with every part; the parts of one dictionary lie side by side."""
    pairs = [(i, k) for i in range(len(params)) for k in range(len(parts))]
    return [Job(at, params[i], i, k, parts[k].part) for at, (i, k) in enumerate(pairs)]


_ROLES = ("train", "test")


def given_folds(folds: Folds, n_rows: int) -> list[tuple[Rows, Rows]]:
    """(train rows, test rows) pairs as arrays of row numbers."""
    if not isinstance(folds, Iterable):
        raise TypeError(f"folds must hold (train rows, test rows) pairs, e.g. KFold(5).split(X), got {folds!r}")
    result = []
    for i, pair in enumerate(folds):
        if not isinstance(pair, Iterable):
            raise TypeError(f"folds must be a list of (train rows, test rows) pairs, got {pair!r} in it")
        both = list(pair)
        if len(both) != 2:
            raise ValueError("folds must hold (train rows, test rows) pairs")
        fit, test = (
            row_numbers(rows, n_rows, f"folds[{i}] {name} rows") for rows, name in zip(both, _ROLES, strict=True)
        )
        for rows, name in zip((fit, test), _ROLES, strict=True):
            if len(rows) == 0:
                raise ValueError(f"folds[{i}] has no {name} rows")
        result.append((fit, test))
    if not result:
        raise ValueError("folds is empty")
    return result


def make_parts(
    ds: Dataset,
    *,
    folds: Folds | None,
    weights: Any,
    segments: Any,
    targets: Any,
    bins: Bins,
    evals: Callable[[Any], Any] | Evals,
) -> list[PartTables]:
    """The parts that the arguments of `train_batch` ask for; the whole table where none does."""
    given = {"folds": folds, "weights": weights, "segments": segments}
    named = [name for name, value in given.items() if value is not None]
    if targets is not None and targets is not False:
        named.append("targets")
    if len(named) > 1:
        raise ValueError(f"{' and '.join(named)} divide the table in different ways; give one of them")
    if bins not in ("shared", "own"):
        raise ValueError(f'bins must be "shared" or "own", got {bins!r}')
    own = bins == "own"
    if folds is not None:
        if callable(evals) or evals:
            raise ValueError("evals: with folds the test rows are the evaluation set; leave evals out")
        return [_fold(i, fit, test, own) for i, (fit, test) in enumerate(given_folds(folds, ds.n_rows))]
    if weights is not None:
        return [_replica(i, w, own, evals, ds) for i, w in enumerate(_weight_rows(weights, ds.n_rows))]
    if segments is not None:
        return [_rows_part("segment", key, rows, own, evals) for key, rows in _segment_rows(segments, ds.n_rows)]
    if named:
        return _targets(ds, targets, own, evals)
    if own:
        raise ValueError('bins="own" belongs to folds, weights, segments or targets; all rows have the edges of ds')
    return [
        PartTables(
            Part("all", None, ds.n_rows), lambda ds, n: (ds, _evals_of(evals, None)), False, False, _n_scored(evals)
        )
    ]


def _evals_of(evals: Callable[[Any], Any] | Evals, key: Any) -> Evals:
    if not callable(evals):
        return evals
    given = evals(key)
    if not isinstance(given, Iterable):
        raise TypeError(f"evals({key!r}) must return a list of (Dataset, name) pairs, got {type(given).__name__}")
    return list(given)


def _n_scored(evals: Callable[[Any], Any] | Evals) -> int:
    return 0 if callable(evals) else sum(data.n_rows for data, _ in evals)


def _fold(key: int, fit: Rows, test: Rows, own: bool) -> PartTables:
    def build(ds: Dataset, n_threads: int) -> tuple[Dataset, Evals]:
        table = ds.subset(fit, new_edges=own, n_threads=n_threads)
        held_out = ds.subset(test, n_threads=n_threads)
        return table, [(held_out.rebin(table), "test")]

    return PartTables(Part("fold", key, len(fit)), build, True, own, len(test))


def _replica(key: int, weight: npt.NDArray[np.float64], own: bool, evals: Any, ds: Dataset) -> PartTables:
    def build(ds: Dataset, n_threads: int) -> tuple[Dataset, Evals]:
        table = ds.replace(weight=weight)
        return table.new_edges(n_threads=n_threads) if own else table, _evals_of(evals, key)

    return PartTables(Part("replica", key, ds.n_rows), build, own, False, _n_scored(evals))


def _rows_part(kind: str, key: Any, rows: Rows, own: bool, evals: Any) -> PartTables:
    def build(ds: Dataset, n_threads: int) -> tuple[Dataset, Evals]:
        return ds.subset(rows, new_edges=own, n_threads=n_threads), _evals_of(evals, key)

    return PartTables(Part(kind, key, len(rows)), build, True, own, _n_scored(evals))


def _targets(ds: Dataset, targets: Any, own: bool, evals: Any) -> list[PartTables]:
    if ds.teacher is not None:
        raise ValueError("targets: the Dataset has a teacher, which is of all label columns; train one model a target")
    matrix = ds.label if targets is True else np.asarray(targets, dtype=np.float32)
    if matrix is None or matrix.ndim != 2 or len(matrix) != ds.n_rows:
        raise ValueError(f"targets must be True (the columns of the Dataset's y) or have shape ({ds.n_rows}, K)")
    if matrix.shape[1] == 0:
        raise ValueError("targets has no columns")
    for data, name in [] if callable(evals) else evals:
        known = 0 if data.label is None else _columns(data.label).shape[1]
        if known < matrix.shape[1]:
            raise ValueError(f"evals: {name!r} has no label column {known}; give evals as a function of the target")
    return [_target(k, matrix[:, k], own, evals) for k in range(matrix.shape[1])]


def _columns(label: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return label[:, None] if label.ndim == 1 else label


def _target(key: int, column: npt.NDArray[np.float32], own: bool, evals: Any) -> PartTables:
    """One label column; rows without a label in it are left out."""
    labelled = np.flatnonzero(~np.isnan(column))
    if len(labelled) == 0:
        raise ValueError(f"targets: column {key} has no label in any row; leave it out")
    whole = len(labelled) == len(column)

    def build(ds: Dataset, n_threads: int) -> tuple[Dataset, Evals]:
        if whole:
            table = ds.replace(y=column)
            return table.new_edges(n_threads=n_threads) if own else table, scored()
        table = ds.subset(labelled, new_edges=own, n_threads=n_threads)
        return table.replace(y=column[labelled]), scored()

    def scored() -> Evals:
        if callable(evals):
            return _evals_of(evals, key)
        result = []
        for data, name in evals:
            assert data.label is not None
            label = _columns(data.label)
            known = np.flatnonzero(~np.isnan(label[:, key]))
            table = data if len(known) == data.n_rows else data.subset(known)
            result.append((table.replace(y=label[known, key]), name))
        return result

    return PartTables(Part("target", key, len(labelled)), build, own or not whole, own and not whole, _n_scored(evals))


def _weight_rows(weights: Any, n_rows: int) -> list[npt.NDArray[np.float64]]:
    if not isinstance(weights, Iterable):
        raise TypeError(f"weights must be a list of arrays, one a model, got {weights!r}")
    rows = [np.array(w, dtype=np.float64) for w in weights]  # copies: a generator may fill one array again and again
    if not rows or any(w.shape != (n_rows,) for w in rows):
        raise ValueError(f"weights must hold one array of shape ({n_rows},) a model")
    return rows


def _segment_rows(segments: Any, n_rows: int) -> list[tuple[Any, Rows]]:
    ids = np.asarray(segments)
    if ids.shape != (n_rows,):
        raise ValueError(f"segments must hold one id a row, shape ({n_rows},), got {ids.shape}")
    if bool(np.any(_missing(ids))):
        raise ValueError("segments: some ids are missing; give the rows of no segment an id of their own")
    try:
        keys, codes = np.unique(ids, return_inverse=True)
    except TypeError:
        raise TypeError("segments: ids of several types have no order; make all of them text, or numbers") from None
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(keys) + 1))
    plain = list(keys) if ids.dtype.kind in "mM" else keys.tolist()  # dates keep their unit
    return [
        (key, row_numbers(order[begin:end], n_rows)) for key, begin, end in zip(plain, ends[:-1], ends[1:], strict=True)
    ]


def _missing(ids: npt.NDArray[Any]) -> Any:
    """NaN, NaT, None and what does not say whether it equals itself."""
    if ids.dtype.kind == "f":
        return np.isnan(ids)
    if ids.dtype.kind in "mM":
        return np.isnat(ids)
    if ids.dtype.kind != "O":
        return False
    return [value is None or type(value).__name__ == "NAType" or bool(value != value) for value in ids]
