# SPDX-License-Identifier: Apache-2.0
"""A single tree, or a list of rules, that says what a teacher does, and how far it is to be believed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .fidelity import class_measures, value_measures
from .probabilities import one_hot
from .selection import held_out_parts
from .soft_rows import soft_rows
from .students import EstimatorStudent, Lesson
from .tables import take_rows
from .teacher import Teacher
from .transfer import make_transfer

__all__ = ["Readable", "readable"]

#: Of the measures of a student, those that are fidelity.
KEPT = ("agreement", "kl", "accuracy", "r2")

Floats = npt.NDArray[np.float64]


class Readable:
    """A tree or a list of rules in place of a teacher. ``print`` shows it with its fidelity.

    Attributes
    ----------
    model : CARTClassifier, CARTRegressor or C45Classifier
        The tree; `to_text`, `draw`, `to_rules` and so on are its own.
    rules : pygbt.tree.rules.RuleList or None
        With ``kind="rules"``: what `predict` answers by.
    fidelity_ : dict of float
        On rows held out: "agreement" with the teacher (share of rows of the same class; R2 against its values), "kl" of
        a tree of classes, "accuracy" or "r2" against labels and "teacher_accuracy" or "teacher_r2", where there are
        labels; "n_leaves" and "depth", or "n_rules" and "n_conditions".
    classes_ : ndarray or None
    """

    def __init__(
        self,
        model: Any,
        rules: Any,
        adapter: EstimatorStudent,
        classes: npt.NDArray[Any] | None,
        fidelity: dict[str, float],
    ) -> None:
        self.model = model
        self.classes_ = classes
        self.rules = rules
        self.fidelity_ = fidelity
        self._adapter = adapter

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The class, or value, of every row."""
        predicted: npt.NDArray[Any] = (self.model if self.rules is None else self.rules).predict(X)
        return predicted

    def predict_proba(self, X: Any) -> Floats:
        """Class shares of the leaves, shape (n, K)."""
        if self.rules is not None:
            raise AttributeError("predict_proba: rules name a class; use predict, or kind='tree'")
        if self.classes_ is None:
            raise AttributeError("predict_proba: the teacher answers values; use predict")
        return self._adapter.answer(self.model, X, Lesson(None, None, None, self.classes_))

    def __str__(self) -> str:
        found = self.fidelity_
        body = self.model.to_text() if self.rules is None else str(self.rules)
        what = (
            "of the rows as the teacher"
            if self.classes_ is not None
            else "of the variance of the teacher's values (R2)"
        )
        lines = [f"{found['agreement']:.1%} {what}, on rows held out"]
        for own, teachers, title in (("accuracy", "teacher_accuracy", "accuracy"), ("r2", "teacher_r2", "R2")):
            if own in found:
                lines.append(f"{title} {found[own]:.4f}, the teacher's {found[teachers]:.4f}")
        return "\n".join([body.rstrip(), *lines])

    def __repr__(self) -> str:
        size = {k: int(v) for k, v in self.fidelity_.items() if k.startswith("n_")}
        return f"Readable({size}, agreement={self.fidelity_['agreement']:.3f})"


def readable(
    teacher: Any,
    X: Any,
    y: Any = None,
    *,
    kind: str = "tree",
    max_leaves: int = 16,
    min_bucket: float = 7,
    alpha: Any = None,
    unlabeled: Any = None,
    augment: Any = None,
    validation: float = 0.2,
    random_state: int = 0,
    categorical_features: Any = "auto",
) -> Readable:
    """Say what a teacher does by one tree, or by rules.

    Parameters
    ----------
    teacher : Teacher, or what `Teacher` takes as ``model``
    X : table, shape (n, n_features)
    y : array-like, shape (n,), optional
        Labels: to fit a teacher that must be, and for the accuracies.
    kind : {"tree", "rules"}, default "tree"
        A `CARTClassifier` (`CARTRegressor` for values), or the rules of a `C45Classifier`: tried in order, the first
        that holds names the class.
    max_leaves : int, default 16
        Of a tree. Rules are as many as they are: `min_bucket` bounds them.
    min_bucket : float, default 7
        Weight of rows that a leaf must have (C4.5: at least two branches of a test).
    alpha : float, optional
        Weight of the teacher against the labels; 1, the teacher alone, by default: this is about what it does.
    unlabeled, augment, validation, random_state
        As in `pygbt.distill.distill`; `validation` is a share.
    categorical_features
        As in `CARTClassifier`.

    Returns
    -------
    Readable

    Raises
    ------
    ValueError, TypeError
        The message names the argument.

    Examples
    --------
    >>> print(readable(Teacher(booster, trained_on=X_old), X, max_leaves=8))
    """
    from ..tree import C45Classifier, CARTClassifier, CARTRegressor

    if kind not in ("tree", "rules"):
        raise ValueError(f'kind must be "tree" or "rules", got {kind!r}')
    asked = teacher if isinstance(teacher, Teacher) else Teacher(teacher)
    weight = 1.0 if alpha is None else alpha
    if kind == "rules":
        if not asked.classifies:
            raise ValueError('kind="rules" names classes, but the teacher answers values; use kind="tree"')
        student: Any = C45Classifier(min_obj=min_bucket, categorical_features=categorical_features)
    else:
        options: dict[str, Any] = {
            "min_split": 2 * min_bucket,
            "min_bucket": min_bucket,
            "cp": 0.0,
            "max_leaves": max_leaves,
        }
        cls = CARTClassifier if asked.classifies else CARTRegressor
        student = cls(categorical_features=categorical_features, **options)
    adapter = EstimatorStudent(student)
    transfer = make_transfer(asked, X, y, unlabeled, augment, None, None, int(random_state))
    label, n = transfer.own_label, transfer.n_rows["labeled"]
    held = held_out_parts(label, n, validation, int(random_state), classify=asked.classifies)[0]
    learn, judge = transfer.split(held)
    seen, unseen = (_Learnt(adapter, lesson, weight, kind) for lesson in (transfer.lesson, learn))
    return Readable(seen.model, seen.rules, adapter, transfer.lesson.classes, seen.size() | unseen.fidelity(judge))


class _Learnt:
    """A tree, and its rules where they are asked for, of the rows of a lesson."""

    def __init__(self, adapter: EstimatorStudent, lesson: Lesson, alpha: float, kind: str) -> None:
        self.adapter = adapter
        self.lesson = lesson
        self.model = adapter.fit(lesson, 1.0, alpha)
        self.rules = None
        if kind == "rules":
            assert lesson.classes is not None
            rows, codes, shares = soft_rows(lesson.target(1.0, alpha), lesson.weight)
            self.rules = self.model.to_rules(take_rows(lesson.X, rows), lesson.classes[codes], shares)

    def size(self) -> dict[str, float]:
        """Leaves and depth, or rules and conditions."""
        if self.rules is None:
            return {"n_leaves": float(self.model.get_n_leaves()), "depth": float(self.model.get_depth())}
        n_conditions = sum(len(rule.conditions) for rule in self.rules)
        return {"n_rules": float(len(self.rules)), "n_conditions": float(n_conditions)}

    def fidelity(self, judge: Lesson) -> dict[str, float]:
        """Measures on rows that it has not seen."""
        assert judge.teacher is not None
        label = None if judge.label is None or np.isnan(judge.label).any() else judge.label
        if judge.classes is None:
            values = judge.teacher.values()
            y = None if label is None else label.reshape(len(label), -1)
            found = value_measures(self.adapter.answer(self.model, judge.X, judge), y, values)
            teachers = value_measures(values, y, None)
        else:
            target = judge.teacher.probabilities()
            codes = None if label is None else label.astype(np.int64)
            found = class_measures(self._shares(judge), codes, target)
            teachers = class_measures(target, codes, None)
        kept = {name: found[name] for name in KEPT if name in found and not (name == "kl" and self.rules is not None)}
        return kept | {f"teacher_{name}": teachers[name] for name in ("accuracy", "r2") if name in teachers}

    def _shares(self, judge: Lesson) -> Floats:
        if self.rules is None:
            return self.adapter.answer(self.model, judge.X, judge)
        assert judge.classes is not None
        place = {label: k for k, label in enumerate(judge.classes.tolist())}
        return one_hot(np.array([place[label] for label in self.rules.predict(judge.X).tolist()]), len(judge.classes))
