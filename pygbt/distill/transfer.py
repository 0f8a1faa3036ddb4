# SPDX-License-Identifier: Apache-2.0
"""The transfer set: labeled, unlabeled and synthetic rows, with what the teacher says about each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..columns import is_missing, numbers_of
from .answers import Answers
from .munge import munge
from .students import Lesson
from .tables import check_same_columns, row_number, stacked, take_rows
from .teacher import Teacher

__all__ = ["Transfer", "codes_of", "make_transfer"]

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


class Transfer:
    """All rows to learn from.

    Attributes
    ----------
    lesson : Lesson
        Rows of X, then unlabeled ones, then synthetic ones.
    n_rows : dict of int
        labeled, unlabeled, synthetic.
    teacher : Teacher
    y : array or None
        Labels of the rows of X as they were given.
    """

    def __init__(self, lesson: Lesson, n_rows: dict[str, int], teacher: Teacher, y: Any) -> None:
        self.lesson = lesson
        self.n_rows = n_rows
        self.teacher = teacher
        self.y = y

    @property
    def own_label(self) -> Floats | None:
        """Labels of the rows of X."""
        label = self.lesson.label
        return None if label is None else label[: self.n_rows["labeled"]]

    def split(self, held: Index) -> tuple[Lesson, Lesson]:
        """Rows to learn from without some rows of X, and these; synthetic rows made from them are left out, too.

        A teacher that is fitted by folds is fitted again without these rows. Its answers to the other rows, out of fold
        as they are, else come from copies that have seen the labels of these, and would pass them on to the student.
        """
        n, total = self.n_rows["labeled"], sum(self.n_rows.values())
        kept = np.ones(total, dtype=bool)
        kept[held] = False
        made = np.arange(n + self.n_rows["unlabeled"], total)
        kept[made] = kept[(made - made[:1]) % n] if len(made) else True
        rows = np.flatnonzero(kept)
        learn, judge = self.lesson.take(rows), self.lesson.take(held)
        if self.teacher.cross_fits:
            teacher, own = self.teacher.fresh(), int((rows < n).sum())
            table = take_rows(learn.X, np.arange(own))
            answers = teacher.answers_for_training(table, np.asarray(self.y)[rows[:own]])
            if own < len(rows):
                answers = answers.followed_by(teacher.answers(take_rows(learn.X, np.arange(own, len(rows)))))
            learn.teacher, judge.teacher = (
                part if learn.classes is None else part.arranged(learn.classes)
                for part in (answers, teacher.answers(judge.X))
            )
        return learn, judge

    def labeled_only(self) -> Lesson:
        """The rows of X as a student without a teacher has them: those with a label."""
        return without_teacher(self.lesson.take(np.arange(self.n_rows["labeled"])))


def without_teacher(lesson: Lesson) -> Lesson:
    """The rows that have a label, and no teacher."""
    assert lesson.label is not None
    known = ~np.isnan(lesson.label.reshape(len(lesson.label), -1)).any(axis=1)
    part = lesson if known.all() else lesson.take(np.flatnonzero(known))
    return Lesson(part.X, part.label, None, part.classes, part.weight)


def make_transfer(
    teacher: Teacher, X: Any, y: Any, unlabeled: Any, augment: Any, weight: Any, classes: Any, seed: int
) -> Transfer:
    """All rows to learn from, with labels and the teacher's answers."""
    n = row_number(X)
    if unlabeled is not None:
        check_same_columns(X, unlabeled, "unlabeled")
    synthetic = None
    if augment is not None:
        if teacher.is_array:
            raise ValueError("augment: the teacher is an array, which cannot be asked about new rows; pass a model")
        options = dict(augment) if isinstance(augment, Mapping) else {"size_factor": augment}
        synthetic = munge(X, **{"random_state": seed, **options})
    missing = None if y is None else _missing_labels(y, n)
    if missing is not None and missing.any() and teacher.cross_fits:
        raise ValueError(
            "y lacks labels for some rows, on which the teacher cannot be fitted: pass these rows as unlabeled=..."
        )
    if unlabeled is not None and teacher.is_array:
        parts = [teacher.answers_for_training(stacked(X, unlabeled))]
    else:
        parts = [teacher.answers_for_training(X, y)]
        if unlabeled is not None:
            parts.append(teacher.answers(unlabeled))
    if synthetic is not None:
        parts.append(teacher.answers(synthetic))
    label, known = _labels(parts[0], y, missing, classes, n)
    n_rows = {
        "labeled": n,
        "unlabeled": 0 if unlabeled is None else row_number(unlabeled),
        "synthetic": 0 if synthetic is None else row_number(synthetic),
    }
    table = X
    for more in (unlabeled, synthetic):
        table = table if more is None else stacked(table, more)
    answers = parts[0] if known is None else parts[0].arranged(known)
    for part in parts[1:]:
        answers = answers.followed_by(part if known is None else part.arranged(known))
    extra = sum(n_rows.values()) - n
    if extra and label is not None:
        label = np.concatenate([label, np.full((extra, *label.shape[1:]), np.nan)])
    weights = None if weight is None else _weights(weight, n, extra)
    silent = answers.absent
    if label is not None:
        silent = silent & np.isnan(label.reshape(n + extra, -1)).any(axis=1)
    if silent.any():
        raise ValueError(
            f"row {int(np.flatnonzero(silent)[0])} has neither a label nor a teacher ({int(silent.sum())} rows); leave "
            "such rows out"
        )
    return Transfer(Lesson(table, label, answers, known, weights), n_rows, teacher, y)


def _missing_labels(y: Any, n: int) -> npt.NDArray[np.bool_]:
    """Rows without a label, shape (n,)."""
    array = np.asarray(y)
    if len(array) != n:
        raise ValueError(f"y has {len(array)} rows, but X has {n}")
    if array.dtype.kind == "f":
        lacks: npt.NDArray[np.bool_] = np.isnan(array.reshape(n, -1)).any(axis=1)
        return lacks
    if array.dtype.kind == "O":
        return np.array([is_missing(value) for value in array.reshape(n, -1)[:, 0]])
    return np.zeros(n, dtype=bool)


def codes_of(y: Any, classes: npt.NDArray[Any], name: str = "y") -> Floats:
    """Class numbers as float64, NaN where there is no label."""
    array = np.asarray(y)
    missing = _missing_labels(array, len(array))
    place = {label: k for k, label in enumerate(classes.tolist())}
    values = array.tolist()
    codes = np.array([np.nan if lacks else place.get(v, -1) for v, lacks in zip(values, missing, strict=True)])
    if (codes < 0).any():
        label = values[int(np.flatnonzero(codes < 0)[0])]
        raise ValueError(
            f"{name} holds the label {label!r}, which is none of the teacher's classes {classes[:10].tolist()}; say "
            "with classes=... what its columns are"
        )
    return codes


def _labels(
    answers: Answers, y: Any, missing: npt.NDArray[np.bool_] | None, classes: Any, n: int
) -> tuple[Floats | None, npt.NDArray[Any] | None]:
    """Labels as numbers, and the classes; None for values."""
    if not answers.classifies:
        if y is None:
            return None, None
        values = np.asarray(numbers_of(y, "y"), dtype=np.float64)
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        width = 1 if values.ndim == 1 else values.shape[1]
        if width != answers.shape[1]:
            raise ValueError(f"y has {width} columns, but the teacher answers with {answers.shape[1]}")
        return values, None
    K = answers.shape[1]
    known = answers.classes if classes is None else np.asarray(classes)
    if known is None and y is not None:
        assert missing is not None
        labels = np.asarray(y)
        if labels.ndim != 1:
            raise ValueError(f"y must have shape (n,), the class of each row, got {labels.shape}")
        found = np.unique(labels[~missing].tolist()) if labels.dtype.kind == "O" else np.unique(labels[~missing])
        known = found if len(found) == K else np.arange(K) if found.dtype.kind in "biuf" else found
    if known is None:
        known = np.arange(K)
    if len(known) != K:
        raise ValueError(
            f"the teacher answers with {K} columns, but there are {len(known)} classes: {known[:10].tolist()}; say "
            "with classes=... what its columns are"
        )
    return None if y is None else codes_of(y, known), known


def _weights(given: Any, n: int, extra: int) -> Floats:
    weight = np.asarray(given, dtype=np.float64)
    if weight.shape != (n,) or not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError(f"sample_weight must hold {n} numbers >= 0, one for each row of X")
    return np.concatenate([weight, np.ones(extra)])
