# SPDX-License-Identifier: Apache-2.0
"""`distill`: a student from a teacher, with temperature and weight chosen, a budget met and a report."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .budget import Budget
from .distilled_report import make_report
from .report import Report, trials_frame
from .selection import (
    ALPHAS,
    TEMPERATURES,
    Search,
    Trial,
    fitted_within,
    grid_of,
    held_out_parts,
)
from .students import Lesson, Student, as_student
from .teacher import Teacher
from .transfer import make_transfer

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Distilled", "distill"]

Floats = npt.NDArray[np.float64]

log = logging.getLogger("pygbt.distill")

MATCHES = ("softmax", "logits", "probabilities", "bounded")


class Distilled:
    """A student that has learnt, with what led to it.

    Attributes
    ----------
    model : Booster or estimator
        Of the kind that was given: a `Booster` for a dictionary of parameters, else the fitted estimator.
    T_, alpha_ : float
        Temperature and weight of the soft part that were used.
    trials_ : list of Trial
        What was tried: T, alpha, held-out loss (smaller is better), seconds; in the order of trying.
    report_ : Report or None
        Student alone, student distilled and teacher on rows that they have not seen.
    classes_ : ndarray or None
        Labels of the columns of `predict_proba`.
    n_rows_ : dict of int
        Rows of the transfer set: labeled, unlabeled, synthetic.
    """

    def __init__(self, student: Student, model: Any, lesson: Lesson, trial: Trial) -> None:
        self.model = model
        self.T_ = trial.T
        self.alpha_ = trial.alpha
        self.trials_: list[Trial] = []
        self.report_: Report | None = None
        self.classes_ = lesson.classes
        self.n_rows_: dict[str, int] = {}
        self._student = student
        self._lesson = Lesson(None, None, None, lesson.classes)

    def predict_proba(self, X: Any) -> Floats:
        """Class probabilities at T = 1, shape (n, K); columns in the order of ``classes_``."""
        if self.classes_ is None:
            raise AttributeError("predict_proba: this student answers values; use predict")
        return self._student.answer(self.model, X, self._lesson)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The most probable class of every row, or its value."""
        answer = self._student.answer(self.model, X, self._lesson)
        if self.classes_ is not None:
            labels: npt.NDArray[Any] = self.classes_[answer.argmax(axis=1)]
            return labels
        return answer[:, 0] if answer.shape[1] == 1 else answer

    def trials_frame(self) -> pd.DataFrame:
        """`trials_` as a pandas frame, best first."""
        return trials_frame(self.trials_)

    def __repr__(self) -> str:
        return f"Distilled({type(self.model).__name__}, T={self.T_:g}, alpha={self.alpha_:g})"


def distill(
    teacher: Any,
    student: Any,
    X: Any,
    y: Any = None,
    *,
    unlabeled: Any = None,
    T: Any = "auto",
    alpha: Any = "auto",
    match: str = "softmax",
    scale_T2: bool = True,
    augment: Any = None,
    budget: Any = None,
    validation: Any = 0.2,
    eval_set: tuple[Any, Any] | None = None,
    sample_weight: Any = None,
    classes: Any = None,
    report: bool = True,
    random_state: int = 0,
    **dataset_options: Any,
) -> Distilled:
    """Train a small model on what a large one says.

    Parameters
    ----------
    teacher : Teacher, or what `Teacher` takes as ``model``
        Asked out of fold where it must be fitted; see `Teacher`.
    student : dict or estimator
        - A dictionary of parameters of `pygbt.train` (with num_boost_round, 100 by default), a `GBTClassifier` or a
          `GBTRegressor`: trained on ``alpha T^2 CE(softmax(v / T), softmax(z / T)) + (1 - alpha) CE(y, softmax(z))``, v
          the teacher's logits and z the student's. For two classes the objective is logistic, for more softmax;
          ``multi_strategy="vector_leaf"`` grows one tree a round for all classes.
        - Another classifier that takes sample weights (`CARTClassifier`, `C45Classifier`, `RandomForestClassifier`, one
          of scikit-learn): each row becomes K rows, one a class, weighted by ``alpha q_k + (1 - alpha) y_k``.
        - A regressor (`CARTRegressor`, `RandomForestRegressor`, `GBTRegressor`): these probabilities are K targets;
          answers are clipped at 0 and divided by their sum. For a teacher of values, ``alpha t + (1 - alpha) y``.

        It is cloned, never changed.
    X : table, shape (n, n_features)
    y : array-like, shape (n,), or (n, K) values, optional
        Labels; NaN or None where a row has none. Without, the student learns from the teacher alone.
    unlabeled : table, optional
        More rows, of the same columns, for which the teacher alone speaks. Where the teacher is an array, its rows are
        those of `X` and then these.
    T : "auto", float or list of float, default "auto"
        Temperature of both softmaxes in training; prediction is at 1. "auto" tries 1, 2, 4 and 8. Trees and forests,
        whose leaves are means, always have 1.
    alpha : "auto", float or list of float, default "auto"
        Weight of the soft part, the teacher's, in [0, 1]; ``1 - alpha`` is that of the labels. Rows that have only one
        of the two learn from that. "auto" tries 0 (labels alone), 0.3, 0.5, 0.7, 0.9 and 1; without labels it is 1.
        Where both are "auto", the temperatures are tried at 0.7 first, then the weights at the best of them; lists are
        tried in full.
    match : {"softmax", "logits", "probabilities", "bounded"}, default "softmax"
        What of the teacher a booster matches: the softmax at temperature T by cross entropy, the centred logits or the
        probabilities by squared error; "bounded", for values: see the parameter ``teacher_match``. Only "softmax" has a
        temperature; of values it is the objective's own loss.
    scale_T2 : bool, default True
        Whether the soft part has the factor T^2, without which it fades as T grows.
    augment : float or dict, optional
        Rows made by `munge`: so many for each row of `X`, or its arguments. The teacher is asked about each.
    budget : Budget or dict, optional
        Most trees, leaves, bytes, microseconds a row; never exceeded. See `Budget`.
    validation : float or int, default 0.2
        Share of the rows held out to choose T and alpha, or a number of folds; drawn by `random_state`, in equal shares
        of every class. A teacher that must be fitted is fitted again without them, or their labels would reach the
        student through its answers, and the choice would favour the teacher; answers given as an array that were made
        with these labels, even out of fold, do that: give T and alpha with them. Afterwards the student is trained on
        all rows. Loss: log loss (RMSE) against labels, without labels KL (RMSE) against the teacher.
    eval_set : (table, array-like or None), optional
        Rows that neither has seen, and their labels, for the report. By default the report is of the held-out rows and
        of a student trained on the others.
    sample_weight : array-like, shape (n,), optional
        Weights of the rows of `X`; others have 1.
    classes : array-like, shape (K,), optional
        Labels of the classes, in the order of the teacher's columns, where neither teacher nor `y` says it.
    report : bool, default True
        Make `report_`: trains the student once more on the labels alone, to compare with.
    random_state : int, default 0
        Seed of the held-out rows and of `augment`.
    **dataset_options
        Of `pygbt.Dataset`, for a dictionary as student: categorical_features, max_bin, feature_groups and so on.

    Returns
    -------
    Distilled
        ``model``, ``predict``, ``predict_proba``, ``T_``, ``alpha_``, ``trials_``, ``report_``.

    Raises
    ------
    ValueError, TypeError
        The message names the argument.
    TeacherError
        The teacher raised an exception; the answers so far are kept.

    Notes
    -----
    What is done is told to the logger ``pygbt.distill`` at level INFO: ``logging.basicConfig(level="INFO")`` shows it.

    Examples
    --------
    >>> result = distill(Teacher(forest, trained_on=X_old), {"max_leaves": 16, "multi_strategy": "vector_leaf"}, X, y)
    >>> print(result.report_)
    >>> result.model.save("student.pygbt")
    """
    if match not in MATCHES:
        raise ValueError(f"match must be one of {', '.join(map(repr, MATCHES))}, got {match!r}")
    asked = teacher if isinstance(teacher, Teacher) else Teacher(teacher)
    limits = Budget.of(budget)
    the_student = as_student(student, match, scale_T2, dataset_options, classifies=asked.classifies)
    transfer = make_transfer(asked, X, y, unlabeled, augment, sample_weight, classes, int(random_state))
    temperatures, alphas = _grids(the_student, transfer.lesson, T, alpha, match)
    log.info("transfer set: %s", ", ".join(f"{n} {kind}" for kind, n in transfer.n_rows.items() if n))

    single = len(temperatures) == len(alphas) == 1
    parts: list[tuple[Lesson, Lesson]] = []
    if not single or (report and eval_set is None):
        label, n = transfer.own_label, transfer.n_rows["labeled"]
        held = held_out_parts(label, n, validation, int(random_state), classify=asked.classifies)
        parts = [transfer.split(rows) for rows in held]
    search = Search(the_student, parts, limits, log.info)
    if single:
        trial = Trial(temperatures[0], alphas[0], float("nan"), 0.0)
    else:
        trial = search.run(temperatures, alphas, whole_grid=T != "auto" or alpha != "auto")
    log.info("%s", the_student.how(transfer.lesson, trial.alpha, trial.T, match))
    model = fitted_within(the_student, transfer.lesson, trial.T, trial.alpha, limits)
    result = Distilled(the_student, model, transfer.lesson, trial)
    result.n_rows_ = transfer.n_rows
    if report:
        how = the_student.how(transfer.lesson, trial.alpha, trial.T, match)
        result.report_ = make_report(asked, the_student, transfer, trial, limits, search, model, eval_set, how)
    result.trials_ = search.trials
    return result


def _grids(student: Student, lesson: Lesson, T: Any, alpha: Any, match: str) -> tuple[list[float], list[float]]:
    """Temperatures and weights to try."""
    temperatures = grid_of("T", T, TEMPERATURES, low=0.0, high=1e6, open_low=True)
    alphas = grid_of("alpha", alpha, ALPHAS, low=0.0, high=1.0, open_low=False)
    if not (student.has_temperature and lesson.classifies and match == "softmax"):
        if isinstance(T, str):
            temperatures = [1.0]
        elif temperatures != [1.0]:
            why = "values have no temperature" if not lesson.classifies else f"match={match!r} has no temperature"
            if not student.has_temperature:
                why = f"leaves of {student.title} are means of targets"
            raise ValueError(f"T: {why}; leave it 'auto' or 1")
    if lesson.label is None or np.isnan(lesson.label).all():
        if not isinstance(alpha, str) and alphas != [1.0]:
            raise ValueError("alpha: without labels the student learns from the teacher alone; leave it 'auto' or 1")
        alphas = [1.0]
    return temperatures, alphas
