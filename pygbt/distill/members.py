# SPDX-License-Identifier: Apache-2.0
"""One teacher of an ensemble: an array of answers, a function, a fitted model, or one that must be fitted."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..booster import Booster
from .answer_store import model_key
from .answers import Answer
from .asking import FORMS, as_answer, classes_of, form_of, function_of, numbers_from
from .batches import Asking, Portion
from .folds import CrossFitted, fold_rows, is_fitted, must_be_fitted
from .tables import fingerprint

__all__ = ["ArrayMember", "FunctionMember", "Member", "ModelMember"]


class Member:
    """What `pygbt.distill.Teacher` is made of.

    Attributes
    ----------
    form : {"probabilities", "logits", "values"}
    classes : ndarray or None
        Labels of the columns, where known.
    """

    form: str
    classes: npt.NDArray[Any] | None = None
    cross_fits = False

    def live(self) -> tuple[Any, Callable[[Any], Any]] | None:
        """The model and its function, to be sized and timed; None for an array."""
        return None

    def fresh(self) -> Member:
        """The same without copies that were fitted."""
        return self

    def answer(self, X: Any, n_rows: int, asking: Asking) -> Answer:
        """Answers to any rows."""
        raise NotImplementedError

    def answer_training(self, X: Any, y: Any, n_rows: int, asking: Asking) -> Answer:
        """Answers to rows that a student is to learn from."""
        return self.answer(X, n_rows, asking)


class ArrayMember(Member):
    """Answers that are there already: row i of the array is row i of the table."""

    def __init__(self, values: Any, form: str) -> None:
        self.form = form
        self._values = numbers_from(values, FORMS[form])

    def answer(self, X: Any, n_rows: int, asking: Asking) -> Answer:
        """The array, if it has a row for each of the table."""
        n = len(self._values)
        if n != n_rows:
            raise ValueError(
                f"{asking.name} is an array of {n} rows, but was asked about {n_rows}; an array cannot be asked about "
                "other rows: pass a model or a function"
            )
        options: dict[str, Any] = {
            "name": asking.name,
            "n_rows": n,
            "n_columns": asking.n_columns,
            "missing": asking.missing,
        }
        return as_answer(self._values, self.form, **options)


class FunctionMember(Member):
    """A function of a table."""

    def __init__(self, function: Callable[[Any], Any], form: str, key: str | None) -> None:
        self.form = form
        self._function = function
        self._key = key

    def live(self) -> tuple[Any, Callable[[Any], Any]]:
        """The function alone."""
        return None, self._function

    def answer(self, X: Any, n_rows: int, asking: Asking) -> Answer:
        """What it returns."""
        return asking.all(X, n_rows, [Portion(self._function, self.form, self._key)])


class ModelMember(Member):
    """A model. It is asked as it is, or copies of it are fitted and asked about the rows they have not seen."""

    def __init__(self, model: Any, *, out_of_fold: bool | str, folds: int, seed: int, vouched: bool) -> None:
        self.model = model
        self.form = form_of(model)
        self.fitted = is_fitted(model)
        self.classes = classes_of(model) if self.fitted else None
        self._folds, self._seed = folds, seed
        self.cross_fits = out_of_fold is True or (out_of_fold == "auto" and not self.fitted)
        if self.cross_fits:
            must_be_fitted(model)
        self._vouched = vouched or out_of_fold is False
        self._crossed: CrossFitted | None = None
        self._key = model_key(model)

    def live(self) -> tuple[Any, Callable[[Any], Any]] | None:
        """The fitted model, or the copies that answer for it."""
        if self._crossed is not None:
            return [m.model for m in self._crossed.models], self._crossed
        return (self.model, function_of(self.model)) if self.fitted else None

    def fresh(self) -> Member:
        """The same without copies that were fitted."""
        member = copy.copy(self)
        member._crossed = None
        return member

    def _unready(self) -> ValueError:
        return ValueError(
            f"the teacher {type(self.model).__name__} is not fitted: fit it on other rows, or ask it first about the "
            "training rows with their labels, Teacher.answers_for_training(X, y) (distill does so)"
        )

    def answer(self, X: Any, n_rows: int, asking: Asking) -> Answer:
        """Answers to rows that it has not been fitted on."""
        if self._crossed is not None:
            return asking.all(X, n_rows, [Portion(self._crossed, self.form, self._fold_key("mean"))])
        if not self.fitted:
            raise self._unready()
        return asking.all(X, n_rows, [Portion(function_of(self.model), self.form, self._key)])

    def answer_training(self, X: Any, y: Any, n_rows: int, asking: Asking) -> Answer:
        """Out-of-fold answers where copies are fitted."""
        if not self.cross_fits:
            if not self.fitted:
                raise self._unready()
            if not self._vouched:
                warnings.warn(
                    f"the teacher {type(self.model).__name__} is fitted already. If it has seen these rows it is "
                    "over-confident about them, and its student learns that: pass Teacher(..., trained_on=its training "
                    "table) to have that checked, out_of_fold=True to have copies fitted and asked out of fold, or "
                    "out_of_fold=False if it has not seen them",
                    UserWarning,
                    stacklevel=4,
                )
            return self.answer(X, n_rows, asking)
        if y is None:
            raise ValueError(
                f"the teacher {type(self.model).__name__} must be fitted, which needs labels: pass y, or a fitted model"
            )
        labels = np.asarray(y)
        if len(labels) != n_rows:
            raise ValueError(f"y has {len(labels)} rows, but X has {n_rows}")
        classify = self.form != "values"
        if classify:
            self.classes = np.unique(labels)
        folds = fold_rows(labels, self._folds, self._seed, classify=classify)
        self._crossed = CrossFitted(self.model, X, labels, folds)
        self._training = fingerprint(X) + fingerprint(np.unique(labels, return_inverse=True)[1].reshape(-1, 1))
        portions = [
            Portion(model, self.form, self._fold_key(str(i)), rows)
            for i, (model, rows) in enumerate(zip(self._crossed.models, self._crossed.rows, strict=True))
        ]
        return asking.all(X, n_rows, portions)

    def _fold_key(self, fold: str) -> str | None:
        if self._key is None:
            return None
        return f"{self._key}|{self._training}|{self._folds} folds, seed {self._seed}|{fold}"


def as_members(given: Any, form: str | None, model_options: dict[str, Any], cache_key: str | None) -> list[Member]:
    """Members from an argument of `Teacher`; `form` None: models."""
    many = isinstance(given, list | tuple) and any(
        hasattr(g, "__array__") or callable(g) or _is_model(g) for g in given
    )
    items: Sequence[Any] = given if many else [given]
    members: list[Member] = []
    for i, item in enumerate(items):
        if form is None:
            members.append(ModelMember(item, **model_options))
        elif callable(item) and not hasattr(item, "__array__"):
            members.append(FunctionMember(item, form, None if cache_key is None else f"{cache_key}|{i}"))
        elif _is_model(item):
            raise ValueError(f"{type(item).__name__} is a model: pass it as Teacher(model)")
        else:
            members.append(ArrayMember(item, form))
    return members


def _is_model(item: Any) -> bool:
    return isinstance(item, Booster) or hasattr(item, "predict_proba") or hasattr(item, "predict")
