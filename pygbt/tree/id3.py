# SPDX-License-Identifier: Apache-2.0
"""ID3: information gain over nominal attributes."""

from __future__ import annotations

import math
from typing import Any

from .base import TreeClassifier, threads  # first: says what is missing

# isort: split
from .. import _core
from .c45 import _number

__all__ = ["ID3Classifier"]


class ID3Classifier(TreeClassifier):
    """Decision tree of ID3 (Quinlan 1986): nominal attributes, a branch for each value, the largest information gain.

    Every column is nominal: a numeric one is taken by its distinct values, so a number that training did not have has
    no branch. Bin numeric columns first, or use `C45Classifier`. Nothing is pruned.

    A node is a leaf if its cases are of one class, if no attribute is left that takes two values among them, or if the
    largest gain is below `min_gain`. A branch that no training case takes is a leaf with the majority class of the
    node above. An attribute is asked at most once on a path.

    Parameters
    ----------
    min_gain : float, default 0.0
        Least information gain of a test, in bits a case; >= 0. With 0, an attribute that gains nothing is still asked
        (as exclusive or needs).
    n_jobs : int or None, default None
        Threads; None and -1 are all. The tree is the same for any number.
    verbose : int, default 0
        Above 0: a progress bar on whatever takes longer than two seconds.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels of the classes.
    n_classes_ : int
        Number of classes.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of str
        Names of the columns, where `X` had them.
    tree_ : DecisionTree
        The tree. ``question_improvement`` is the gain of a test in bits a case, ``risk`` the weight of misclassified
        cases, ``impurity`` the entropy in bits.

    Notes
    -----
    Quinlan 1986, section 6, weighs ways to treat unknown values; this is the one he ends with. In training a case whose
    value is missing is divided among the branches in proportion to the known cases, and counts nothing towards the
    gain; in prediction it goes down every branch and the class shares are added up. A value that training did not have
    is treated as missing: it says nothing that would prefer one branch.

    Gains closer than 1e-12 bits are equal: the first attribute wins. The largest number of distinct values of a column
    is 65,535. Weight 2 is the same as the case twice.

    References
    ----------
    J. R. Quinlan, Induction of decision trees, Machine Learning 1, 1986.
    """

    def __init__(self, *, min_gain: float = 0.0, n_jobs: int | None = None, verbose: int = 0) -> None:
        self.min_gain = min_gain
        self.n_jobs = n_jobs
        self.verbose = verbose

    @property
    def categorical_features(self) -> list[int]:
        """Every column."""
        return list(range(self.n_features_in_))

    def _grow(self, table: Any, response: Any) -> Any:
        settings = {
            "criterion": "gain",
            "min_gain": _number(self.min_gain, "min_gain", 0, math.inf),
            "min_obj": 0.0,
            "penalty": False,
            "prune": False,
            "raise": False,
            "collapse": False,
            "n_threads": threads(self.n_jobs),
        }
        return self._told(table.n_rows, lambda tell: _core.grow_c45(table, response, settings, tell))
