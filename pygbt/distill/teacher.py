# SPDX-License-Identifier: Apache-2.0
"""`Teacher`: whatever a student learns from, behind one interface."""

from __future__ import annotations

import copy
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from .answer_store import AnswerStore
from .answers import Answers
from .batches import Asking, TeacherError
from .members import ArrayMember, Member, as_members
from .tables import check_same_columns, row_keys, row_number

__all__ = ["Teacher", "TeacherError"]

Floats = npt.NDArray[np.float64]


class Teacher:
    """A model, an ensemble, a function or an array that a student learns from.

    Give one of the first four arguments. A list is an ensemble.

    Parameters
    ----------
    model : object or list of objects
        With ``predict_proba`` (classes) or ``predict`` (values): `pygbt.Booster`, an estimator of pygbt or
        scikit-learn, or anything with such a method. Boosters are asked for their float logits.
    proba : array, callable, or list of them
        Class probabilities, shape (n, K), or (n,) for the second of two classes. Rows must sum to 1. A callable gets a
        table and returns them.
    logits : array, callable, or list of them
        The same before the softmax, shape (n, K), or (n,) for two classes.
    scores : array, callable, or list of them
        Values in units of the label (regression), shape (n,) or (n, K).
    classes : array-like, shape (K,), optional
        Labels of the columns. By default those of the model (``classes_``), else the sorted labels that `distill` is
        given, else 0 .. K - 1.
    average : {"probabilities", "logits"}, default "probabilities"
        Ensembles: mean of the probabilities (of their softmax at the temperature in use), or softmax of the mean
        logits.
    weights : array-like, shape (M,), optional
        Weight of each teacher of an ensemble; equal by default. They are divided by the sum over those present.
    missing : {"error", "absent"}, default "error"
        A row of NaN in an answer is an error, or says that this teacher has nothing to say about that row: the others
        are averaged. Where all are absent the row has no teacher, and its student learns from the label.
    out_of_fold : {"auto", True, False}, default "auto"
        A teacher that has seen a row is over-confident about it. "auto": a model that is not fitted is copied, and the
        copies are fitted on all but one of `folds` parts and asked about that part; a fitted model is asked as it is,
        with a warning unless `trained_on` shows that it has not seen the rows. True: copies, also of a fitted model.
        False: asked as it is; you vouch for it.
    folds : int, default 5
        Parts, stratified by class.
    trained_on : table, optional
        Rows that the fitted model was trained on. A row of the training table that is among them is refused.
    batch_size : int, default 10000
        Rows a call of the teacher.
    cache : path, optional
        Folder for finished batches. They are found again by the content of rows and model; after an exception or an
        interruption the same call asks only for the rest. Without it they are kept in memory, with this object.
    cache_key : str, optional
        Name of a callable, without which its answers are not kept: change it when the function changes.
    random_state : int, default 0
        Seed of the parts.
    progress : bool, default True
        Show a bar on standard error where asking takes longer than two seconds.

    Raises
    ------
    ValueError, TypeError
        The message names the argument.

    Examples
    --------
    >>> Teacher(RandomForestClassifier())  # fitted by distill, out of fold
    >>> Teacher([old_booster, network], weights=[1, 2], out_of_fold=False)
    >>> Teacher(logits=lambda X: net(torch.tensor(X)).detach(), cache="answers", cache_key="net-7")
    >>> Teacher(proba=array_of_n_by_K)
    """

    def __init__(
        self,
        model: Any = None,
        *,
        proba: Any = None,
        logits: Any = None,
        scores: Any = None,
        classes: Any = None,
        average: str = "probabilities",
        weights: Any = None,
        missing: str = "error",
        out_of_fold: bool | str = "auto",
        folds: int = 5,
        trained_on: Any = None,
        batch_size: int = 10_000,
        cache: str | os.PathLike[str] | None = None,
        cache_key: str | None = None,
        random_state: int = 0,
        progress: bool = True,
    ) -> None:
        given = {"model": model, "proba": proba, "logits": logits, "scores": scores}
        named = [name for name, value in given.items() if value is not None]
        if len(named) != 1:
            raise ValueError(f"give one of model, proba, logits and scores, got {', '.join(named) or 'none of them'}")
        _require_choice("average", average, ("probabilities", "logits"))
        _require_choice("missing", missing, ("error", "absent"))
        if out_of_fold != "auto" and not isinstance(out_of_fold, bool):
            raise ValueError(f'out_of_fold must be "auto", True or False, got {out_of_fold!r}')
        for name, number, least in (("folds", folds, 2), ("batch_size", batch_size, 1)):
            if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < least:
                raise ValueError(f"{name} must be an integer of at least {least}, got {number!r}")
        self.average = average
        self.missing = missing
        self.batch_size = int(batch_size)
        self.progress = progress
        self._store = AnswerStore(cache)
        self._trained_on = trained_on
        form = {"proba": "probabilities", "logits": "logits", "scores": "values"}.get(named[0])
        options = {
            "out_of_fold": out_of_fold,
            "folds": int(folds),
            "seed": int(random_state),
            "vouched": trained_on is not None,
        }
        self.members: list[Member] = as_members(given[named[0]], form, options, cache_key)
        if len({member.form == "values" for member in self.members}) > 1:
            raise ValueError("model: the teachers of an ensemble must all answer classes, or all answer values")
        self.weights = _weights(weights, len(self.members))
        self._classes = None if classes is None else np.asarray(classes)
        if self._classes is not None and (self._classes.ndim != 1 or len(np.unique(self._classes)) < 2):
            raise ValueError("classes must be a list of at least two different labels")

    @property
    def classifies(self) -> bool:
        """Whether it answers classes rather than values."""
        return self.members[0].form != "values"

    @property
    def classes(self) -> npt.NDArray[Any] | None:
        """Labels of the columns, where they are known."""
        if self._classes is not None:
            return self._classes
        known = [member.classes for member in self.members if member.classes is not None]
        if any(not np.array_equal(known[0], other) for other in known[1:]):
            raise ValueError(
                f"the teachers of the ensemble know different classes: {known[0][:10]} and "
                f"{next(k for k in known if not np.array_equal(known[0], k))[:10]}"
            )
        return known[0] if known else None

    @property
    def is_array(self) -> bool:
        """Whether some of it are answers that are there already, so that it cannot be asked about other rows."""
        return any(isinstance(member, ArrayMember) for member in self.members)

    @property
    def cross_fits(self) -> bool:
        """Whether copies of some of it are fitted and asked out of fold."""
        return any(member.cross_fits for member in self.members)

    def fresh(self) -> Teacher:
        """The same without copies that were fitted; answers that are kept are shared."""
        teacher = copy.copy(self)
        teacher.members = [member.fresh() for member in self.members]
        return teacher

    def __repr__(self) -> str:
        kinds = ", ".join(type(m).__name__.removesuffix("Member").lower() for m in self.members)
        return f"Teacher({kinds}; {self.members[0].form})"

    # --- asking -----------------------------------------------------------------------------------------------------

    def answers(self, X: Any) -> Answers:
        """Ask about rows that the teacher has not seen.

        Parameters
        ----------
        X : table, shape (n, n_features)

        Returns
        -------
        Answers
            ``probabilities(T)``, ``logits(T)`` or ``values()`` of it are arrays of shape (n, K).

        Raises
        ------
        TeacherError
            The teacher raised an exception; finished batches are kept.
        ValueError
            Probabilities do not sum to 1, rows are NaN, or the number of rows or columns is wrong.
        """
        n = row_number(X)
        return self._gathered([m.answer(X, n, self._asking(i)) for i, m in enumerate(self.members)])

    def answers_for_training(self, X: Any, y: Any = None) -> Answers:
        """Ask about the rows that a student is to learn from: out of fold where the teacher is fitted by that.

        Parameters
        ----------
        X : table, shape (n, n_features)
        y : array-like, shape (n,), optional
            Labels, for a teacher that must be fitted.

        Returns
        -------
        Answers

        Raises
        ------
        TeacherError, ValueError
            As `answers`; and where rows are among `trained_on`.
        """
        n = row_number(X)
        self._refuse_seen(X)
        return self._gathered([m.answer_training(X, y, n, self._asking(i)) for i, m in enumerate(self.members)])

    def predict_proba(self, X: Any, T: float = 1.0) -> Floats:
        """Class probabilities at a temperature, shape (n, K)."""
        return self.answers(X).probabilities(T)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The most probable class, or the values, of every row."""
        answers = self.answers(X)
        if not answers.classifies:
            values = answers.values()
            return values[:, 0] if values.shape[1] == 1 else values
        codes = answers.probabilities().argmax(axis=1)
        labels: npt.NDArray[Any] = codes if answers.classes is None else answers.classes[codes]
        return labels

    def forget(self) -> None:
        """Drop answers kept in memory; files stay."""
        self._store.forget()

    def _asking(self, i: int) -> Asking:
        return Asking(
            self._store,
            batch_size=self.batch_size,
            progress=self.progress,
            name="the teacher" if len(self.members) == 1 else f"teacher {i}",
            n_columns=None if self._classes is None else len(self._classes),
            missing=self.missing,
        )

    def _gathered(self, parts: list[Any]) -> Answers:
        widths = [part.values.shape[1] for part in parts]
        if len(set(widths)) > 1:
            raise ValueError(f"the teachers of the ensemble answer with different numbers of columns: {widths}")
        return Answers(parts, self.weights, self.average, self.classes if self.classifies else None)

    def _refuse_seen(self, X: Any) -> None:
        if self._trained_on is None or self.cross_fits:
            return
        check_same_columns(X, self._trained_on, "trained_on")
        seen = np.isin(row_keys(X), row_keys(self._trained_on))
        if seen.any():
            raise ValueError(
                f"the teacher was trained on {int(seen.sum())} of these {len(seen)} rows (the first is row "
                f"{int(np.flatnonzero(seen)[0])}) and is over-confident about them: pass out_of_fold=True to have "
                "copies of it fitted and asked out of fold, or other rows"
            )


def _require_choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def _weights(given: Any, n: int) -> Floats:
    weights = np.ones(n) if given is None else np.asarray(given, dtype=np.float64)
    if weights.shape != (n,) or not np.isfinite(weights).all() or (weights < 0).any() or not (weights > 0).any():
        raise ValueError(f"weights must hold {n} numbers >= 0, one for each teacher, not all of them 0")
    shares: Floats = weights / weights.sum()
    return shares
