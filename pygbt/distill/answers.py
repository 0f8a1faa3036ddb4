# SPDX-License-Identifier: Apache-2.0
"""What teachers answered for some rows, and the soft targets made of it at a temperature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .probabilities import log_of, softmax, tempered

__all__ = ["Answer", "Answers"]

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

TINY = 1e-30  # of a mean of softmaxes, before its logarithm


@dataclass(frozen=True)
class Answer:
    """One teacher's answers.

    Attributes
    ----------
    form : {"probabilities", "logits", "values"}
    values : ndarray of float64, shape (n, K)
        A row of NaN: the teacher says nothing there.
    """

    form: str
    values: Floats

    def logits(self) -> Floats:
        """Logits; of probabilities their logarithms, of at least 1e-7."""
        return self.values if self.form == "logits" else log_of(self.values)

    def probabilities(self, T: float) -> Floats:
        """Softmax at temperature T."""
        return softmax(self.values, T) if self.form == "logits" else tempered(self.values, T)


class Answers:
    """Answers of one or several teachers for the same rows, and how they are averaged.

    Attributes
    ----------
    members : tuple of Answer
    weight : ndarray of float64, shape (M,)
        Weight of each teacher; renormalised, row by row, over those that answer.
    average : {"probabilities", "logits"}
        Mean of the softmax at temperature T, or softmax of the mean logits.
    classes : ndarray or None
        Labels of the columns.
    """

    def __init__(
        self, members: Sequence[Answer], weight: Floats, average: str, classes: npt.NDArray[Any] | None = None
    ) -> None:
        self.members = tuple(members)
        self.weight = weight
        self.average = average
        self.classes = classes

    @property
    def classifies(self) -> bool:
        """Whether these are classes rather than numbers."""
        return self.members[0].form != "values"

    @property
    def shape(self) -> tuple[int, int]:
        """(n rows, K columns)."""
        return self.members[0].values.shape

    @property
    def absent(self) -> npt.NDArray[np.bool_]:
        """Rows for which no teacher answers, shape (n,)."""
        none = np.ones(self.shape[0], dtype=bool)
        for member in self.members:
            none &= np.isnan(member.values).any(axis=1)
        return none

    def _mean(self, parts: Sequence[Floats]) -> Floats:
        """Weighted mean over the teachers that answer, NaN where none does; teachers in order."""
        if len(parts) == 1:
            return parts[0]
        total, mass = np.zeros(self.shape), np.zeros((self.shape[0], 1))
        for w, part in zip(self.weight, parts, strict=True):
            here = ~np.isnan(part).any(axis=1, keepdims=True)
            total += np.where(here, w * part, 0.0)
            mass += np.where(here, w, 0.0)
        mean: Floats = np.divide(total, mass, out=np.full(self.shape, np.nan), where=mass > 0)
        return mean

    def probabilities(self, T: float = 1.0) -> Floats:
        """Soft targets at a temperature, shape (n, K); NaN rows where no teacher answers."""
        if not self.classifies:
            raise ValueError("a teacher of values has no class probabilities")
        if self.average == "logits":
            return softmax(self._mean([m.logits() for m in self.members]), T)
        return self._mean([m.probabilities(T) for m in self.members])

    def logits(self, T: float = 1.0) -> Floats:
        """Logits v with ``softmax(v / T)`` the soft targets at T, shape (n, K): those of one teacher as they are."""
        if not self.classifies:
            raise ValueError("a teacher of values has no logits")
        if self.average == "logits" or len(self.members) == 1:
            return self._mean([m.logits() for m in self.members])
        return T * log_of(self.probabilities(T), TINY)

    def values(self) -> Floats:
        """Values, shape (n, K)."""
        if self.classifies:
            raise ValueError("a teacher of classes has no values")
        return self._mean([m.values for m in self.members])

    def for_engine(self, T: float, n_outputs: int) -> tuple[Floats, str]:
        """What `pygbt.Dataset` takes as `teacher`, and its form: one column for one output (of two classes)."""
        if not self.classifies:
            return self.values(), "values"
        if len(self.members) == 1:
            v, form = self.members[0].values, self.members[0].form
        elif self.average == "probabilities" and T == 1.0:
            v, form = self.probabilities(), "probabilities"
        else:
            v, form = self.logits(T), "logits"
        if n_outputs != 1:
            return v, form
        return (v[:, 1:2] if form == "probabilities" else v[:, 1:2] - v[:, 0:1]), form

    def take(self, rows: Index) -> Answers:
        """Some of the rows."""
        members = [Answer(m.form, m.values[rows]) for m in self.members]
        return Answers(members, self.weight, self.average, self.classes)

    def followed_by(self, others: Answers) -> Answers:
        """The rows of both, these first."""
        members = [
            Answer(a.form, np.concatenate([a.values, b.values]))
            for a, b in zip(self.members, others.members, strict=True)
        ]
        return Answers(members, self.weight, self.average, self.classes)

    def arranged(self, classes: npt.NDArray[Any]) -> Answers:
        """The columns in the order of these classes; a class that the teacher does not know has probability 0."""
        if self.classes is None or np.array_equal(self.classes, classes):
            return Answers(self.members, self.weight, self.average, classes)
        place = {label: k for k, label in enumerate(self.classes.tolist())}
        columns = [place.get(label, -1) for label in classes.tolist()]
        members = []
        for m in self.members:
            missing = 0.0 if m.form == "probabilities" else m.values.min(axis=1, initial=0.0) - 50.0
            parts = [m.values[:, k] if k >= 0 else np.broadcast_to(missing, (len(m.values),)) for k in columns]
            members.append(Answer(m.form, np.column_stack(parts)))
        return Answers(members, self.weight, self.average, classes)
