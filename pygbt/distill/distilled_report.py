# SPDX-License-Identifier: Apache-2.0
"""Making the `Report` of a distillation: who is judged, on which rows, and what each costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .answers import Answers
from .footprint import footprint
from .report import Report
from .selection import Search, Trial, fitted_within
from .students import Lesson, Student
from .tables import row_number
from .teacher import Teacher
from .transfer import Transfer, codes_of, without_teacher

__all__ = ["make_report", "teacher_footprint"]

Floats = npt.NDArray[np.float64]


def make_report(
    teacher: Teacher,
    student: Student,
    transfer: Transfer,
    trial: Trial,
    limits: Any,
    search: Search,
    final: Any,
    eval_set: Any,
    how: str,
) -> Report:
    """The report: on `eval_set` of the final model, else on the last held-out part of a model that has not seen it."""
    lesson = transfer.lesson
    if eval_set is not None:
        X, label, answers = _evaluation(teacher, lesson, eval_set)
        rows = f"the {row_number(X):,} rows of eval_set"
        model, alone_lesson = final, transfer.labeled_only() if lesson.label is not None else None
    else:
        learn, judge = search.parts[-1]
        X, label, answers = judge.X, judge.label, judge.teacher
        rows = f"{row_number(X):,} rows held out (models here are trained on the others)"
        model = search.model(trial.T, trial.alpha) if search.trials else None
        if model is None:
            model = fitted_within(student, learn, trial.T, trial.alpha, limits)
        has_labels = learn.label is not None and not np.isnan(learn.label).all()
        alone_lesson = without_teacher(_labeled(transfer, learn)) if has_labels else None
    classify = lesson.classifies
    target = None
    if answers is not None:
        target = answers.probabilities() if classify else answers.values()
    report = Report(trial.T, trial.alpha, how, rows)

    def add(name: str, fitted: Any) -> None:
        def answer(table: Any) -> Floats:
            return student.answer(fitted, table, lesson)

        report.add(name, answer(X), label, target, footprint(fitted, answer, X), classify=classify)

    if alone_lesson is not None:
        add("alone", fitted_within(student, alone_lesson, 1.0, 0.0, limits))
    add("distilled", model)
    if target is not None:
        here = ~np.isnan(target).any(axis=1)
        known = None if label is None else np.where(here.reshape(-1, *[1] * (label.ndim - 1)), label, np.nan)
        size = teacher_footprint(teacher, X)
        report.add("teacher", np.nan_to_num(target), known, None, size, classify=classify)
    return report


def _labeled(transfer: Transfer, learn: Lesson) -> Lesson:
    """Of the rows that were learnt from, those of X."""
    if transfer.n_rows["unlabeled"] == transfer.n_rows["synthetic"] == 0:
        return learn
    assert learn.label is not None
    return learn.take(np.flatnonzero(~np.isnan(learn.label.reshape(len(learn.label), -1)).any(axis=1)))


def _evaluation(teacher: Teacher, lesson: Lesson, given: Any) -> tuple[Any, Floats | None, Answers | None]:
    """Table, labels as numbers, and the teacher's answers; None where it is an array."""
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise ValueError("eval_set must be a pair: (table, labels or None)")
    X, y = given
    label = None
    if y is not None:
        label = np.asarray(y, dtype=np.float64) if lesson.classes is None else codes_of(y, lesson.classes, "eval_set")
        if len(label) != row_number(X, "eval_set"):
            raise ValueError(f"eval_set: {len(label)} labels for {row_number(X)} rows")
    if teacher.is_array:
        if label is None:
            raise ValueError("eval_set needs labels where the teacher is an array")
        return X, label, None
    answers = teacher.answers(X)
    return X, label, answers if lesson.classes is None else answers.arranged(lesson.classes)


def teacher_footprint(teacher: Teacher, X: Any) -> dict[str, float]:
    """Sums over the teachers that can be counted and timed; a measure that one of them lacks is left out."""
    sizes = []
    for member in teacher.members:
        live = member.live()
        if live is None:
            return {}
        model, function = live
        models = model if isinstance(model, list) else [model]
        sizes.append(footprint(None, function, X))
        sizes[-1] |= _summed([footprint(m, None, X) for m in models])
    return _summed(sizes)


def _summed(sizes: list[dict[str, float]]) -> dict[str, float]:
    shared = set.intersection(*(set(size) for size in sizes))
    return {name: sum(size[name] for size in sizes) for name in sizes[0] if name in shared}
