# SPDX-License-Identifier: Apache-2.0
"""A table asked batch by batch, with a progress bar; batches that are finished stay finished."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..late_bar import LateBar
from .answer_store import AnswerStore
from .answers import Answer
from .asking import as_answer
from .tables import fingerprint, take_rows

__all__ = ["Asking", "Portion", "TeacherError"]

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


class TeacherError(RuntimeError):
    """A teacher raised an exception; it is the ``__cause__``.

    Attributes
    ----------
    n_finished, n_batches : int
        Batches that are kept, and all of them. The same call again asks only for the others.
    """

    def __init__(self, message: str, n_finished: int, n_batches: int) -> None:
        super().__init__(message)
        self.n_finished = n_finished
        self.n_batches = n_batches


@dataclass(frozen=True)
class Portion:
    """Rows of a table that one function answers for.

    Attributes
    ----------
    function : callable
        ``function(table)``: numbers for its rows.
    form : {"probabilities", "logits", "values"}
        What they are.
    key : str or None
        What tells the function from any other; None: answers are not kept.
    rows : ndarray of int64 or None
        None: all of them.
    """

    function: Callable[[Any], Any]
    form: str
    key: str | None
    rows: Index | None = None


class Asking:
    """How batches are asked.

    Parameters
    ----------
    store : AnswerStore
    batch_size : int
        Rows a batch.
    progress : bool
        Show a bar if it takes longer than two seconds.
    name : str
        Of the teacher, for messages.
    n_columns : int or None
        Columns that answers must have.
    missing : {"error", "absent"}
        What a row of NaN means.
    """

    def __init__(
        self, store: AnswerStore, *, batch_size: int, progress: bool, name: str, n_columns: int | None, missing: str
    ) -> None:
        self.store = store
        self.batch_size = batch_size
        self.progress = progress
        self.name = name
        self.n_columns = n_columns
        self.missing = missing

    def all(self, X: Any, n_rows: int, portions: Sequence[Portion]) -> Answer:
        """Answers to all rows of `X`, each from the portion that it is in.

        Raises
        ------
        TeacherError
            A portion raised an exception. Batches finished before are in the store.
        ValueError
            Its answers are not what they should be.
        """
        batches: list[tuple[Portion, Index]] = []
        for portion in portions:
            rows = np.arange(n_rows) if portion.rows is None else portion.rows
            batches += [(portion, rows[i : i + self.batch_size]) for i in range(0, len(rows), self.batch_size)]
        if not batches:
            raise ValueError("X has no rows")
        result: Floats | None = None
        bar = LateBar(len(batches), self.progress, f"asking {self.name}")
        try:
            for done, (portion, rows) in enumerate(batches):
                table = X if len(rows) == n_rows else take_rows(X, rows)
                values = self._batch(portion, table, rows, f"batch {done + 1} of {len(batches)}", done, len(batches))
                if result is None:
                    result = np.full((n_rows, values.shape[1]), np.nan)
                if values.shape[1] != result.shape[1]:
                    raise ValueError(
                        f"{self.name} has {values.shape[1]} columns in the rows from {rows[0]} on, but "
                        f"{result.shape[1]} before"
                    )
                result[rows] = values
                bar.advance()
        finally:
            bar.finish()
        assert result is not None
        return Answer(portions[0].form, result)

    def _batch(self, portion: Portion, table: Any, rows: Index, which: str, done: int, n_batches: int) -> Floats:
        key = None
        if portion.key is not None:
            key = self.store.key(f"{portion.key}|{portion.form}|{self.missing}", fingerprint(table))
            held = self.store.get(key)
            if held is not None:
                return held
        try:
            answered = portion.function(table)
        except Exception as error:
            kept = f"the {done} finished ones are kept {self.store.describe()}: the same call again goes on from there"
            if portion.key is None:
                kept = "nothing is kept, as the teacher has no name: pass cache_key=..."
            raise TeacherError(
                f"{self.name} raised {type(error).__name__} at rows {rows[0]} to {rows[-1]} ({which}): {error}; {kept}",
                done,
                n_batches,
            ) from error
        answer = as_answer(
            answered,
            portion.form,
            name=self.name,
            n_rows=len(rows),
            n_columns=self.n_columns,
            missing=self.missing,
            first_row=int(rows[0]),
        )
        if key is not None:
            self.store.put(key, answer.values)
        return answer.values
