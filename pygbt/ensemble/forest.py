# SPDX-License-Identifier: Apache-2.0
"""Random forests (Breiman 2001) and extremely randomised trees (Geurts, Ernst and Wehenkel 2006)."""

from __future__ import annotations

from typing import Any

from .forest_kinds import ForestClassifier, ForestRegressor

__all__ = ["ExtraTreesClassifier", "ExtraTreesRegressor", "RandomForestClassifier", "RandomForestRegressor"]

_SIZE = """\
max_depth : int, optional
        Questions on the way to a leaf; None: until leaves are pure.
    min_split : float, default=2
        Cases that a node needs to be split. A case is a row as often as it was drawn; without bootstrap a unit of
        weight, or a row where weights are not whole.
    min_bucket : float, default=1
        Cases that a child must have.
    min_weight_fraction_leaf : float, default=0
        Above 0, in place of `min_split` and `min_bucket`: share of the weight of a tree's rows that a child must have,
        class weights included."""

_FEATURES = """\
Columns that a node draws and asks about: a root or a logarithm of their number M, "breiman" is int(log2 M + 1),
        a number of them, or a share; None: all. More are drawn until one has a question to ask."""

_LEAVES = """\
max_leaves : int, optional
        The leaf whose question improves most is split first, until a tree has so many."""

_BOOTSTRAP = """\
Whether a tree sees rows drawn with replacement, in proportion to their weights, or all of them.
    max_samples : int or float, optional
        Rows that a tree draws, or their share of the number of rows (of the weight, where weights are whole); None: as
        many as there are."""

_VOTING = """\
voting : {"proba", "vote"}, default="proba"
        Trees answer with the shares of the classes in the leaf, or with a vote for its largest class (as Breiman has
        it)."""

_OOB = """\
oob_score : bool or callable, default=False
        Whether to predict every training row by the trees that did not draw it; a callable gets true and predicted
        values and returns the score."""

_CLASS_WEIGHT = """\
class_weight : dict, "balanced", "balanced_subsample" or None, default=None
        Factors of the classes in impurity and in shares. "balanced": n / (classes x rows of the class);
        "balanced_subsample": the same of the rows that each tree drew."""

_RUN = """\
random_state : int, generator or None, default=None
        Seed of all draws. They depend on what rows hold, not on their order.
    n_jobs : int, optional
        Threads; None: all. The forest is the same, bit for bit, for any number.
    verbose : int, default=0
        Above 0: a progress bar on whatever takes longer than two seconds.
    warm_start : bool, default=False
        `fit` keeps the trees that there are and adds those that are missing, as one longer fit would have grown them.
    max_bin : int, optional
        Search over so many bins a column, the one for missing values included, instead of all values: faster on large
        tables. None: exact.
    categorical_features : "auto" or list of int or str, default="auto"
        Categorical columns; "auto" takes the columns of a categorical type of a data frame."""

_ATTRIBUTES = """\
forest_ : ForestModel
        The trees.
    estimators_ : sequence of pygbt.Tree
    feature_importances_ : ndarray of float64, shape (n_features,)
        Mean decrease in impurity. It favours columns of many values; `sklearn.inspection.permutation_importance` does
        not.
    n_features_in_ : int
    feature_names_in_ : ndarray of str, where `X` has column names
    oob_score_ : float
        With `oob_score`: accuracy or R2 (or what the callable says) over rows that some tree left out."""


class RandomForestClassifier(ForestClassifier):
    __doc__ = f"""A random forest: classification trees on bootstrap samples, features drawn in every node.

    Parameters
    ----------
    n_estimators : int, default=100
        Trees.
    criterion : {{"gini", "entropy", "twoing"}}, default="gini"
        Impurity whose decrease decides: sum p (1 - p), - sum p ln p, or the twoing rule.
    {_SIZE}
    max_features : {{"sqrt", "log2", "breiman"}}, int, float or None, default="sqrt"
        {_FEATURES}
    {_LEAVES}
    bootstrap : bool, default=True
        {_BOOTSTRAP}
    {_VOTING}
    {_OOB}
    {_CLASS_WEIGHT}
    {_RUN}

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_classes_ : int
    {_ATTRIBUTES}
    oob_decision_function_ : ndarray of float64, shape (n, n_classes)
        Out-of-bag `predict_proba` of the training rows; NaN where every tree drew a row.
    """

    def __init__(
        self,
        *,
        n_estimators: int = 100,
        criterion: str = "gini",
        max_depth: int | None = None,
        min_split: float = 2,
        min_bucket: float = 1,
        min_weight_fraction_leaf: float = 0.0,
        max_features: Any = "sqrt",
        max_leaves: int | None = None,
        bootstrap: bool = True,
        max_samples: float | None = None,
        voting: str = "proba",
        oob_score: Any = False,
        class_weight: Any = None,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        max_bin: int | None = None,
        categorical_features: Any = "auto",
    ) -> None:
        self.n_estimators = n_estimators
        self.criterion = criterion
        self.max_depth = max_depth
        self.min_split = min_split
        self.min_bucket = min_bucket
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_features = max_features
        self.max_leaves = max_leaves
        self.bootstrap = bootstrap
        self.max_samples = max_samples
        self.voting = voting
        self.oob_score = oob_score
        self.class_weight = class_weight
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.warm_start = warm_start
        self.max_bin = max_bin
        self.categorical_features = categorical_features


class RandomForestRegressor(ForestRegressor):
    __doc__ = f"""A random forest: regression trees on bootstrap samples, features drawn in every node.

    Parameters
    ----------
    n_estimators : int, default=100
        Trees.
    criterion : {{"squared_error", "absolute_error", "poisson"}}, default="squared_error"
        Risk that questions lower: squares about the mean (of one or several targets), absolute deviations from the
        median, or the deviance of counts about their mean.
    {_SIZE}
    max_features : {{"sqrt", "log2", "breiman"}}, int, float or None, default=1.0
        {_FEATURES}
    {_LEAVES}
    bootstrap : bool, default=True
        {_BOOTSTRAP}
    {_OOB}
    {_RUN}

    Attributes
    ----------
    {_ATTRIBUTES}
    oob_prediction_ : ndarray of float64, shape (n,) or (n, K)
        Out-of-bag predictions of the training rows; NaN where every tree drew a row.
    """

    def __init__(
        self,
        *,
        n_estimators: int = 100,
        criterion: str = "squared_error",
        max_depth: int | None = None,
        min_split: float = 2,
        min_bucket: float = 1,
        min_weight_fraction_leaf: float = 0.0,
        max_features: Any = 1.0,
        max_leaves: int | None = None,
        bootstrap: bool = True,
        max_samples: float | None = None,
        oob_score: Any = False,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        max_bin: int | None = None,
        categorical_features: Any = "auto",
    ) -> None:
        self.n_estimators = n_estimators
        self.criterion = criterion
        self.max_depth = max_depth
        self.min_split = min_split
        self.min_bucket = min_bucket
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_features = max_features
        self.max_leaves = max_leaves
        self.bootstrap = bootstrap
        self.max_samples = max_samples
        self.oob_score = oob_score
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.warm_start = warm_start
        self.max_bin = max_bin
        self.categorical_features = categorical_features


class ExtraTreesClassifier(ForestClassifier):
    __doc__ = f"""Extremely randomised classification trees: thresholds are drawn, too, one for each feature.

    Parameters
    ----------
    n_estimators : int, default=100
        Trees.
    criterion : {{"gini", "entropy", "twoing"}}, default="gini"
        Impurity whose decrease decides: sum p (1 - p), - sum p ln p, or the twoing rule.
    {_SIZE}
    max_features : {{"sqrt", "log2", "breiman"}}, int, float or None, default="sqrt"
        {_FEATURES}
    {_LEAVES}
    bootstrap : bool, default=False
        {_BOOTSTRAP}
    {_VOTING}
    {_OOB}
    {_CLASS_WEIGHT}
    {_RUN}

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_classes_ : int
    {_ATTRIBUTES}
    oob_decision_function_ : ndarray of float64, shape (n, n_classes)
        Out-of-bag `predict_proba` of the training rows; NaN where every tree drew a row.
    """

    _random_thresholds = True

    def __init__(
        self,
        *,
        n_estimators: int = 100,
        criterion: str = "gini",
        max_depth: int | None = None,
        min_split: float = 2,
        min_bucket: float = 1,
        min_weight_fraction_leaf: float = 0.0,
        max_features: Any = "sqrt",
        max_leaves: int | None = None,
        bootstrap: bool = False,
        max_samples: float | None = None,
        voting: str = "proba",
        oob_score: Any = False,
        class_weight: Any = None,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        max_bin: int | None = None,
        categorical_features: Any = "auto",
    ) -> None:
        self.n_estimators = n_estimators
        self.criterion = criterion
        self.max_depth = max_depth
        self.min_split = min_split
        self.min_bucket = min_bucket
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_features = max_features
        self.max_leaves = max_leaves
        self.bootstrap = bootstrap
        self.max_samples = max_samples
        self.voting = voting
        self.oob_score = oob_score
        self.class_weight = class_weight
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.warm_start = warm_start
        self.max_bin = max_bin
        self.categorical_features = categorical_features


class ExtraTreesRegressor(ForestRegressor):
    __doc__ = f"""Extremely randomised regression trees: thresholds are drawn, too, one for each feature.

    Parameters
    ----------
    n_estimators : int, default=100
        Trees.
    criterion : {{"squared_error", "absolute_error", "poisson"}}, default="squared_error"
        Risk that questions lower: squares about the mean (of one or several targets), absolute deviations from the
        median, or the deviance of counts about their mean.
    {_SIZE}
    max_features : {{"sqrt", "log2", "breiman"}}, int, float or None, default=1.0
        {_FEATURES}
    {_LEAVES}
    bootstrap : bool, default=False
        {_BOOTSTRAP}
    {_OOB}
    {_RUN}

    Attributes
    ----------
    {_ATTRIBUTES}
    oob_prediction_ : ndarray of float64, shape (n,) or (n, K)
        Out-of-bag predictions of the training rows; NaN where every tree drew a row.
    """

    _random_thresholds = True

    def __init__(
        self,
        *,
        n_estimators: int = 100,
        criterion: str = "squared_error",
        max_depth: int | None = None,
        min_split: float = 2,
        min_bucket: float = 1,
        min_weight_fraction_leaf: float = 0.0,
        max_features: Any = 1.0,
        max_leaves: int | None = None,
        bootstrap: bool = False,
        max_samples: float | None = None,
        oob_score: Any = False,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        max_bin: int | None = None,
        categorical_features: Any = "auto",
    ) -> None:
        self.n_estimators = n_estimators
        self.criterion = criterion
        self.max_depth = max_depth
        self.min_split = min_split
        self.min_bucket = min_bucket
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_features = max_features
        self.max_leaves = max_leaves
        self.bootstrap = bootstrap
        self.max_samples = max_samples
        self.oob_score = oob_score
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.warm_start = warm_start
        self.max_bin = max_bin
        self.categorical_features = categorical_features
