# SPDX-License-Identifier: Apache-2.0
"""A generalist and specialists for the classes that it confuses (Hinton, Vinyals and Dean 2015, section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..table_estimator import take_rows  # first: says what is missing

# isort: split
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ..booster import Booster
from ..data import Dataset
from ..training import train
from .class_sets import class_sets
from .folds import fold_rows
from .probabilities import softmax
from .specialist_inference import combine
from .tables import row_number

__all__ = ["Specialist", "Specialists"]

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


class Specialist:
    """A model of some classes and of all others as one, the dustbin.

    Attributes
    ----------
    classes : ndarray of int64
        Class numbers of its set.
    booster : Booster
        Starts from the generalist's margins; outputs are the classes and, last, the dustbin.
    bias : float
        Added to the dustbin's margin: logarithm of how much more often the classes of the set were in its training
        rows than the others, against their true frequencies.
    """

    def __init__(self, classes: Index, booster: Booster, bias: float) -> None:
        self.classes = classes
        self.booster = booster
        self.bias = bias

    def predict_proba(self, X: Any, general: Floats) -> Floats:
        """Probabilities, shape (n, |classes| + 1), the dustbin last; `general`: the generalist's margins."""
        margin = self.booster.predict(X, "margin", base_margin=reduced_margins(general, self.classes)).astype(
            np.float64
        )
        margin[:, -1] += self.bias
        return softmax(margin)


def reduced_margins(general: Floats, classes: Index) -> npt.NDArray[np.float32]:
    """Margins of a set and of its dustbin: log of the sum of the exponentials of the rest."""
    rest = np.delete(general, classes, axis=1)
    top = rest.max(axis=1, keepdims=True)
    dustbin = top + np.log(np.exp(rest - top).sum(axis=1, keepdims=True))
    return np.hstack([general[:, classes], dustbin]).astype(np.float32)


class Specialists(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A generalist, specialists for sets of classes that it confuses, and their combined answer.

    `fit` trains the generalist, finds the sets by K-means over the correlations of its predictions, and trains a
    specialist for each: on all rows of its classes and as many drawn from the others, which are one class, the
    dustbin; from the generalist's margins. The dustbin's margin is then raised by the logarithm of the over-sampling.
    `predict_proba` asks the specialists that know one of the generalist's top classes and returns the distribution q of
    least KL(generalist || q) + sum KL(specialist || q).

    It is an estimator of scikit-learn, so ``Teacher(Specialists())`` is a teacher like any other, and `distill` makes
    one model of it again.

    Parameters
    ----------
    generalist : dict, optional
        Parameters of `pygbt.train` (with num_boost_round, 100 by default). The objective is softmax.
    specialist : dict, optional
        The same of the specialists; those of the generalist by default.
    n_specialists : int, default 4
        Sets of classes; those of a single class get no specialist, so there may be fewer.
    sets : list of lists of labels, optional
        The sets, in place of the clusters.
    n_top : int, default 1
        Top classes of the generalist that call their specialists.
    folds : int, default 3
        The margins that specialists start from are those of generalists that have not seen the rows, of so many folds;
        1: of the generalist itself, which is over-confident about its rows.
    categorical_features, max_bin
        As in `pygbt.Dataset`.
    random_state : int, default 0
        Seed of the folds and of the rows drawn for the dustbins.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
    generalist_ : Booster
    specialists_ : list of Specialist
    class_sets_ : list of list of labels
        Of each specialist.

    References
    ----------
    G. Hinton, O. Vinyals, J. Dean, Distilling the knowledge in a neural network, 2015.

    Examples
    --------
    >>> model = Specialists({"max_leaves": 16, "grow_policy": "lossguide"}, n_specialists=3).fit(X, y)
    >>> model.class_sets_
    >>> small = model.distill({"max_depth": 4, "num_boost_round": 50}, X, y)
    """

    def __init__(
        self,
        generalist: Mapping[str, Any] | None = None,
        specialist: Mapping[str, Any] | None = None,
        *,
        n_specialists: int = 4,
        sets: Any = None,
        n_top: int = 1,
        folds: int = 3,
        categorical_features: Any = "auto",
        max_bin: int = 256,
        random_state: int = 0,
    ) -> None:
        self.generalist = generalist
        self.specialist = specialist
        self.n_specialists = n_specialists
        self.sets = sets
        self.n_top = n_top
        self.folds = folds
        self.categorical_features = categorical_features
        self.max_bin = max_bin
        self.random_state = random_state

    # --- fitting ----------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any) -> Any:
        """Train the generalist and the specialists.

        Parameters
        ----------
        X : table, shape (n, n_features)
        y : array-like, shape (n,)
            Labels of at least three classes.

        Returns
        -------
        self
        """
        labels = np.asarray(y)
        n = row_number(X)
        if labels.shape != (n,):
            raise ValueError(f"y must have shape ({n},), got {labels.shape}")
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 3:
            raise ValueError(f"y holds {len(self.classes_)} classes; specialists need at least three")
        for name, value in (("n_specialists", self.n_specialists), ("n_top", self.n_top), ("folds", self.folds)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
        params = self._params(self.generalist, len(self.classes_))
        self.generalist_ = self._train(params, X, codes)
        margins = self._unseen_margins(params, X, codes)
        sets = self._sets(softmax(margins))
        self.specialists_ = [self._specialist(X, codes, margins, classes, m) for m, classes in enumerate(sets)]
        self.class_sets_ = [self.classes_[s.classes].tolist() for s in self.specialists_]
        return self

    def _params(self, given: Mapping[str, Any] | None, n_classes: int) -> dict[str, Any]:
        params = dict(given or {})
        if params.get("objective", "softmax") != "softmax":
            raise ValueError(f"generalist and specialist have objective='softmax', got {params['objective']!r}")
        return params | {"objective": "softmax", "n_classes": n_classes}

    def _train(self, params: dict[str, Any], X: Any, codes: Index, margins: Any = None) -> Booster:
        options = {"categorical_features": self.categorical_features, "max_bin": self.max_bin}
        return train(params, Dataset(X, codes, base_margin=margins, **options))

    def _unseen_margins(self, params: dict[str, Any], X: Any, codes: Index) -> Floats:
        """Margins of the training rows by generalists that have not seen them."""
        if self.folds == 1:
            own: Floats = self.generalist_.predict(X, "margin").astype(np.float64)
            return own
        margins = np.empty((len(codes), len(self.classes_)))
        for fit, ask in fold_rows(codes, int(self.folds), int(self.random_state), classify=True):
            booster = self._train(params, take_rows(X, fit), codes[fit])
            margins[ask] = booster.predict(take_rows(X, ask), "margin")
        return margins

    def _sets(self, p: Floats) -> list[Index]:
        if self.sets is None:
            return class_sets(p, min(int(self.n_specialists), len(self.classes_)))
        found = []
        for labels in self.sets:
            members = np.unique(np.asarray(list(labels)))
            unknown = np.setdiff1d(members, self.classes_)
            if len(unknown):
                raise ValueError(f"sets holds labels that y does not: {unknown[:5]}")
            if not 2 <= len(members) < len(self.classes_):
                raise ValueError(f"sets: {members} must be at least two of the classes, and not all")
            found.append(np.searchsorted(self.classes_, members))
        return found

    def _specialist(self, X: Any, codes: Index, margins: Floats, classes: Index, m: int) -> Specialist:
        inside = np.isin(codes, classes)
        own, rest = np.flatnonzero(inside), np.flatnonzero(~inside)
        n_drawn = min(len(own), len(rest))
        rng = np.random.default_rng([int(self.random_state), m])
        rows = np.sort(np.concatenate([own, rng.permutation(rest)[:n_drawn]]))
        place = np.full(len(self.classes_), len(classes))
        place[classes] = np.arange(len(classes))
        given = self.generalist if self.specialist is None else self.specialist
        params = self._params(given, len(classes) + 1)
        start = reduced_margins(margins[rows], classes)
        booster = self._train(params, take_rows(X, rows), place[codes[rows]], start)
        return Specialist(classes, booster, float(np.log(len(rest) / n_drawn)))

    # --- answers ----------------------------------------------------------------------------------------------------

    def predict_proba(self, X: Any) -> Floats:
        """The combined distribution, shape (n, K); columns in the order of ``classes_``."""
        check_is_fitted(self, "generalist_")
        margins = self.generalist_.predict(X, "margin").astype(np.float64)
        general = softmax(margins)
        active = self.active(general)
        special = []
        for m, specialist in enumerate(self.specialists_):
            p = np.zeros((len(general), len(specialist.classes) + 1))
            rows = np.flatnonzero(active[:, m])
            if len(rows):
                p[rows] = specialist.predict_proba(take_rows(X, rows), margins[rows])
            special.append(p)
        return combine(general, [s.classes for s in self.specialists_], special, active)

    def active(self, general: Floats) -> npt.NDArray[np.bool_]:
        """Specialists that know one of the `n_top` most probable classes, from the generalist's probabilities; shape
        (n, number of specialists).
        """
        top = np.argsort(-general, axis=1, kind="stable")[:, : int(self.n_top)]
        columns = [np.isin(top, s.classes).any(axis=1) for s in self.specialists_]
        return np.column_stack(columns) if columns else np.zeros((len(general), 0), dtype=bool)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The most probable class of every row, shape (n,)."""
        labels: npt.NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return labels

    def distill(self, student: Any, X: Any, y: Any = None, *, out_of_fold: bool = True, **options: Any) -> Any:
        """Make one model of all of them.

        Parameters
        ----------
        student, X, y, **options
            As in `pygbt.distill.distill`.
        out_of_fold : bool, default True
            Fit copies of these models by folds and ask them about rows that they have not seen; needs `y`. False: ask
            these models as they are, for rows that they have not seen.

        Returns
        -------
        Distilled
        """
        from .distilling import distill
        from .teacher import Teacher

        if not out_of_fold:
            check_is_fitted(self, "generalist_")
        return distill(Teacher(self, out_of_fold=out_of_fold, folds=3), student, X, y, **options)
