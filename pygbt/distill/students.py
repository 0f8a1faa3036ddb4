# SPDX-License-Identifier: Apache-2.0
"""What a student can be, and how targets reach it. One adapter a kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import parameters
from ..booster import Booster
from ..data import Dataset
from ..training import train
from .answers import Answers
from .probabilities import blended, one_hot, simplex
from .soft_rows import fit_soft
from .tables import take_rows

__all__ = ["BoosterStudent", "EstimatorStudent", "GBTStudent", "Lesson", "Student", "as_student"]

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


@dataclass
class Lesson:
    """Rows to learn from.

    Attributes
    ----------
    X : table
    label : ndarray of float64, shape (n,) or (n, K), or None
        Class numbers or values; NaN where a row has none.
    teacher : Answers or None
        None: labels alone.
    classes : ndarray or None
        Labels of the classes; None for values.
    weight : ndarray or None
    """

    X: Any
    label: Floats | None
    teacher: Answers | None
    classes: npt.NDArray[Any] | None
    weight: Floats | None = None

    @property
    def classifies(self) -> bool:
        """Whether labels are classes."""
        return self.classes is not None

    @property
    def n_outputs(self) -> int:
        """Classes, or columns of values."""
        if self.classes is not None:
            return len(self.classes)
        if self.teacher is not None:
            return self.teacher.shape[1]
        assert self.label is not None
        return 1 if self.label.ndim == 1 else self.label.shape[1]

    def take(self, rows: Index) -> Lesson:
        """Some of the rows."""
        return Lesson(
            take_rows(self.X, rows),
            None if self.label is None else self.label[rows],
            None if self.teacher is None else self.teacher.take(rows),
            self.classes,
            None if self.weight is None else self.weight[rows],
        )

    def hard(self) -> Floats | None:
        """Labels as targets, shape (n, K): unit rows for classes; NaN rows where there is none."""
        if self.label is None:
            return None
        if self.classes is None:
            return self.label.reshape(len(self.label), -1)
        known = ~np.isnan(self.label)
        rows = np.full((len(self.label), len(self.classes)), np.nan)
        rows[known] = one_hot(self.label[known], len(self.classes))
        return rows

    def target(self, T: float, alpha: float) -> Floats:
        """One target a row: ``alpha soft + (1 - alpha) hard``, whichever there is where one is missing."""
        hard = self.hard()
        if self.teacher is None:
            assert hard is not None
            return hard
        soft = self.teacher.probabilities(T) if self.classifies else self.teacher.values()
        return blended(soft, hard, alpha)


class Student:
    """A kind of model that can learn from soft targets.

    Attributes
    ----------
    has_temperature : bool
        Whether T plays a part: the model has logits to be divided by it.
    title : str
    """

    has_temperature = False
    title = ""

    def fit(self, lesson: Lesson, T: float, alpha: float, limits: Any = None) -> Any:
        """A fitted model; `limits` is a Budget that is met by construction."""
        raise NotImplementedError

    def answer(self, model: Any, X: Any, lesson: Lesson) -> Floats:
        """Class probabilities, or values, of a fitted model; shape (n, K)."""
        raise NotImplementedError

    def public(self, model: Any) -> Any:
        """The model that the user gets."""
        return model

    def how(self, lesson: Lesson, alpha: float, T: float, match: str) -> str:
        """How targets reach it, in one sentence."""
        raise NotImplementedError


def weighting_text(alpha: float) -> str:
    """Which part alpha weights."""
    return f"alpha={alpha:g} is the weight of the SOFT part (the teacher's), {1 - alpha:g} that of the labels"


class BoosterStudent(Student):
    """`pygbt.train` with a dictionary of parameters: the engine's own loss."""

    has_temperature = True
    title = "booster"

    def __init__(self, params: Mapping[str, Any], match: str, scale_T2: bool, options: dict[str, Any]) -> None:
        self.params = parameters.canonical(params)
        self.match = match
        self.scale_T2 = scale_T2
        self.options = options  # of Dataset

    def _objective(self, lesson: Lesson) -> dict[str, Any]:
        params = dict(self.params)
        if lesson.classes is None:
            return params
        n = len(lesson.classes)
        params.setdefault("objective", "logistic" if n == 2 else "softmax")
        if params["objective"] in ("softmax", "one_vs_rest"):
            params["n_classes"] = n
        elif params["objective"] != "logistic" or n > 2:
            raise ValueError(
                f"student: objective={params['objective']!r} does not fit a teacher of {n} classes; leave it out, or "
                f"use {'logistic' if n == 2 else 'softmax'}"
            )
        return params

    def fit(self, lesson: Lesson, T: float, alpha: float, limits: Any = None) -> Booster:
        params = self._objective(lesson)
        n_outputs = 1 if params.get("objective") == "logistic" else 2
        soft: dict[str, Any] = {}
        label = lesson.label
        if lesson.teacher is not None:
            values, form = lesson.teacher.for_engine(T, n_outputs)
            soft = {"teacher": values.astype(np.float32), "teacher_form": form}
            params |= {"teacher_alpha": alpha, "teacher_scale_t2": self.scale_T2}
            if lesson.classifies:
                params |= {"teacher_temperature": T, "teacher_match": self.match}
        if limits is not None:
            params = limits.bounded_params(params, 1 if params.get("objective") == "logistic" else lesson.n_outputs)
        options = {"weight": lesson.weight, **self.options, **soft}
        if "max_bin" in params:
            options["max_bin"] = params["max_bin"]
        return train(params, Dataset(lesson.X, label, **options))

    def answer(self, model: Any, X: Any, lesson: Lesson) -> Floats:
        values = np.asarray(model.predict(X), dtype=np.float64)
        if lesson.classes is None:
            return values.reshape(len(values), -1)
        return np.column_stack([1.0 - values, values]) if values.ndim == 1 else simplex(values)

    def how(self, lesson: Lesson, alpha: float, T: float, match: str) -> str:
        if lesson.teacher is None:
            return "trained on the labels alone"
        if not lesson.classifies:
            return f"loss against the teacher's values and the labels; {weighting_text(alpha)}"
        factor = "T^2 " if self.scale_T2 else ""
        losses = {
            "softmax": f"alpha {factor}CE(teacher at T={T:g}, student at T={T:g}) + (1 - alpha) CE(labels, student)",
            "logits": "alpha |centred logits - teacher's|^2 / 2 + (1 - alpha) CE(labels, student)",
            "probabilities": "alpha |p - teacher's|^2 / 2 + (1 - alpha) CE(labels, student)",
        }
        return f"{losses[match]}; {weighting_text(alpha)}"


class GBTStudent(BoosterStudent):
    """`GBTClassifier` or `GBTRegressor`: trained as a booster with their parameters, given back as that estimator."""

    def __init__(self, estimator: Any, match: str, scale_T2: bool, options: dict[str, Any]) -> None:
        from sklearn.base import clone

        self.estimator = clone(estimator)
        if callable(self.estimator.objective):
            raise ValueError("student: a custom objective cannot learn from a teacher; leave objective='auto'")
        if self.estimator.early_stopping_rounds:
            raise ValueError("student: early_stopping_rounds needs a fixed loss; leave it None and set n_estimators")
        own = {
            "categorical_features": self.estimator.categorical_features,
            "feature_groups": self.estimator.feature_groups,
        }
        super().__init__({}, match, scale_T2, {**own, **options})
        self.title = type(estimator).__name__

    def fit(self, lesson: Lesson, T: float, alpha: float, limits: Any = None) -> Any:
        from sklearn.base import clone

        fitted = clone(self.estimator)
        X = fitted._check_X(lesson.X, reset=True)
        if lesson.classes is not None:
            fitted.classes_, fitted.n_classes_ = lesson.classes, len(lesson.classes)
        params = {k: v for k, v in fitted._training_params().items() if v is not None}
        params.setdefault("num_boost_round", 100)
        self.params = parameters.canonical(params)
        inner = Lesson(X, lesson.label, lesson.teacher, lesson.classes, lesson.weight)
        fitted.booster_ = BoosterStudent.fit(self, inner, T, alpha, limits)
        return fitted

    def answer(self, model: Any, X: Any, lesson: Lesson) -> Floats:
        if lesson.classes is not None:
            return np.asarray(model.predict_proba(X), dtype=np.float64)
        values = np.asarray(model.predict(X), dtype=np.float64)
        return values.reshape(len(values), -1)


class EstimatorStudent(Student):
    """Trees, forests and any estimator of scikit-learn. Leaves are means of targets, so T = 1.

    A classifier gets soft rows: each row once for each class, weighted by its probability; a bootstrap sample of these
    draws labels, too. A regressor gets the probabilities themselves as K targets, so rows stay whole; its answers are
    clipped at 0 and divided by their sum.
    """

    def __init__(self, estimator: Any) -> None:
        from sklearn.base import is_classifier

        self.estimator = estimator
        self.classifier = bool(is_classifier(estimator))
        self.title = type(estimator).__name__

    def fit(self, lesson: Lesson, T: float, alpha: float, limits: Any = None) -> Any:
        from sklearn.base import clone

        if T != 1.0:
            raise ValueError(f"student: leaves of {self.title} are means of targets and have no temperature; T is 1")
        model = clone(self.estimator)
        if limits is not None:
            model = limits.bounded_estimator(model)
        target = lesson.target(1.0, alpha)
        if lesson.classes is not None and self.classifier:
            return fit_soft(model, lesson.X, simplex(target), lesson.classes, lesson.weight)
        if self.classifier:
            raise ValueError(f"student: {self.title} does not fit a teacher of values; use a regressor")
        y = target[:, 0] if target.shape[1] == 1 else target
        return model.fit(lesson.X, y) if lesson.weight is None else model.fit(lesson.X, y, sample_weight=lesson.weight)

    def answer(self, model: Any, X: Any, lesson: Lesson) -> Floats:
        if lesson.classes is None:
            values = np.asarray(model.predict(X), dtype=np.float64)
            return values.reshape(len(values), -1)
        if not self.classifier:
            return simplex(np.asarray(model.predict(X), dtype=np.float64))
        p = np.asarray(model.predict_proba(X), dtype=np.float64)
        if len(model.classes_) == len(lesson.classes):
            return p
        full = np.zeros((len(p), len(lesson.classes)))
        full[:, [int(np.flatnonzero(lesson.classes == label)[0]) for label in model.classes_]] = p
        return full

    def how(self, lesson: Lesson, alpha: float, T: float, match: str) -> str:
        if lesson.teacher is None:
            return "trained on the labels alone"
        if not lesson.classifies:
            return f"target alpha teacher + (1 - alpha) label; {weighting_text(alpha)}"
        way = (
            "each row once a class, weighted by its target probability"
            if self.classifier
            else "probabilities as targets"
        )
        return f"{way}; target alpha teacher + (1 - alpha) label, T = 1 as leaves are means; {weighting_text(alpha)}"


def as_student(given: Any, match: str, scale_T2: bool, dataset_options: dict[str, Any], *, classifies: bool) -> Student:
    """The adapter of what the user gave."""
    if isinstance(given, Mapping):
        return BoosterStudent(given, match, scale_T2, dataset_options)
    from sklearn.base import is_classifier

    from ..estimator_base import EstimatorBase

    if isinstance(given, EstimatorBase) and is_classifier(given) == classifies:
        return GBTStudent(given, match, scale_T2, dataset_options)
    if isinstance(given, type) or not (hasattr(given, "fit") and hasattr(given, "get_params")):
        raise TypeError(
            "student must be a dictionary of parameters of pygbt.train, or an estimator of pygbt or scikit-learn (an "
            f"object, not a class), got {given!r}"
        )
    if dataset_options:
        raise ValueError(f"{', '.join(dataset_options)}: options of Dataset; set them on the estimator instead")
    return EstimatorStudent(given)
