# SPDX-License-Identifier: Apache-2.0
"""Temperature and weight of the soft part, chosen on rows that the student has not seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .fidelity import class_measures, value_measures
from .folds import fold_rows
from .students import Lesson, Student

__all__ = ["ALPHAS", "TEMPERATURES", "Search", "Trial", "fitted_within", "grid_of", "held_out_parts", "judged"]

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

#: What "auto" tries: first the temperatures at ALPHA_FIRST, then the other weights at the best of them.
TEMPERATURES = (1.0, 2.0, 4.0, 8.0)
ALPHAS = (0.0, 0.3, 0.5, 0.7, 0.9, 1.0)
ALPHA_FIRST = 0.7


@dataclass(frozen=True)
class Trial:
    """One setting that was tried.

    Attributes
    ----------
    T, alpha : float
    score : float
        Held-out loss, smaller is better; mean over the parts.
    seconds : float
    """

    T: float
    alpha: float
    score: float
    seconds: float


def grid_of(name: str, given: Any, auto: Sequence[float], *, low: float, high: float, open_low: bool) -> list[float]:
    """The values to try of "auto", a number or a list."""
    if isinstance(given, str):
        if given != "auto":
            raise ValueError(f'{name} must be "auto", a number or a list of numbers, got {given!r}')
        return list(auto)
    values = [float(v) for v in np.atleast_1d(np.asarray(given, dtype=np.float64))]
    if not values:
        raise ValueError(f"{name} must not be an empty list")
    for value in values:
        if not (low < value if open_low else low <= value) or not value <= high:
            bracket = "(" if open_low else "["
            raise ValueError(f"{name} must lie in {bracket}{low:g}, {high:g}], got {value!r}")
    return values


def held_out_parts(label: Floats | None, n: int, validation: Any, seed: int, *, classify: bool) -> list[Index]:
    """Rows held out in turn: one part of a share of the rows, or all parts of a number of folds; in equal shares of
    every class where there are labels.
    """
    y = np.zeros(n) if label is None or label.ndim != 1 or np.isnan(label).any() else label
    stratify = classify and len(np.unique(y)) > 1
    if isinstance(validation, int | np.integer) and not isinstance(validation, bool):
        if validation < 2:
            raise ValueError(f"validation must be a share of the rows, or at least 2 folds, got {validation!r}")
        return [ask for _, ask in fold_rows(y, int(validation), seed, classify=stratify)]
    if not isinstance(validation, float) or not 0.0 < validation < 1.0:
        raise ValueError(f"validation must be a share between 0 and 1, or a number of folds, got {validation!r}")
    held = np.zeros(n, dtype=bool)
    rng = np.random.default_rng([0x64697374, seed])
    for stratum in np.unique(y) if stratify else [y[0]]:
        rows = rng.permutation(np.flatnonzero(y == stratum) if stratify else np.arange(n))
        held[rows[: round(validation * len(rows))]] = True
    if not held.any() or held.all():
        raise ValueError(f"validation={validation} of {n} rows leaves no row to learn from or to judge by")
    return [np.flatnonzero(held)]


def judged(answer: Floats, lesson: Lesson) -> float:
    """Loss on held-out rows, smaller is better: log loss or RMSE against labels; without labels KL or RMSE against the
    teacher.
    """
    label = lesson.label
    known = None if label is None else ~np.isnan(label.reshape(len(label), -1)).any(axis=1)
    if label is not None and known is not None and known.any():
        if lesson.classifies:
            return class_measures(answer[known], label[known].astype(np.int64), None)["log_loss"]
        return value_measures(answer[known], label[known].reshape(int(known.sum()), -1), None)["rmse"]
    assert lesson.teacher is not None
    if lesson.classifies:
        return class_measures(answer, None, lesson.teacher.probabilities())["kl"]
    return value_measures(answer, None, lesson.teacher.values())["teacher_rmse"]


def fitted_within(student: Student, lesson: Lesson, T: float, alpha: float, limits: Any) -> Any:
    """A fitted model that exceeds no limit."""
    model = student.fit(lesson, T, alpha, limits)
    if limits is None:
        return model

    def answer(candidate: Any, X: Any) -> Floats:
        return student.answer(candidate, X, lesson)

    return limits.trimmed(model, answer, lesson.X, lambda within: student.fit(lesson, T, alpha, within))


class Search:
    """Tries settings on (rows to learn from, rows to judge by) and keeps what was tried.

    Parameters
    ----------
    student : Student
    parts : list of (Lesson, Lesson)
    limits : Budget or None
    tell : callable
        Called with one line of text after each trial.
    """

    def __init__(
        self, student: Student, parts: list[tuple[Lesson, Lesson]], limits: Any, tell: Callable[[str], object]
    ) -> None:
        self.student = student
        self.parts = parts
        self.limits = limits
        self.tell = tell
        self.trials: list[Trial] = []
        self._models: dict[tuple[float, float], Any] = {}

    def try_out(self, T: float, alpha: float) -> Trial:
        """Fit and judge one setting, once."""
        for trial in self.trials:
            if (trial.T, trial.alpha) == (T, alpha):
                return trial
        start = time.perf_counter()
        scores = []
        for learn, judge in self.parts:
            model = fitted_within(self.student, learn, T, alpha, self.limits)
            scores.append(judged(self.student.answer(model, judge.X, learn), judge))
            self._models[T, alpha] = model  # of the last part
        trial = Trial(T, alpha, float(np.mean(scores)), time.perf_counter() - start)
        self.trials.append(trial)
        self.tell(f"T={T:g}, alpha={alpha:g}: held-out loss {trial.score:.6g} ({trial.seconds:.1f} s)")
        return trial

    def model(self, T: float, alpha: float) -> Any:
        """The model of a setting that was tried, of the last part."""
        self.try_out(T, alpha)
        return self._models[T, alpha]

    def best(self) -> Trial:
        """The smallest loss; the first of equal ones."""
        return min(self.trials, key=lambda trial: trial.score)

    def run(self, temperatures: list[float], alphas: list[float], *, whole_grid: bool) -> Trial:
        """Every pair, or first the temperatures at one weight, then the weights at the best of them."""
        if whole_grid or len(temperatures) == 1 or len(alphas) == 1:
            for T in temperatures:
                for alpha in alphas:
                    self.try_out(T, alpha)
            return self.best()
        first = ALPHA_FIRST if ALPHA_FIRST in alphas else alphas[len(alphas) // 2]
        for T in temperatures:
            self.try_out(T, first)
        T = self.best().T
        for alpha in alphas:
            self.try_out(T, alpha)
        return self.best()
