# SPDX-License-Identifier: Apache-2.0
"""Wrong arguments of the classical trees and ensembles: the message names the argument, nothing is done by halves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone, is_regressor
from sklearn.exceptions import NotFittedError

import pygbt
from pygbt.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    BoostingTree,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from pygbt.tree import (
    C45Classifier,
    CARTClassifier,
    CARTRegressor,
    ID3Classifier,
    cost_complexity_path,
    draw,
    export_text,
    prune,
    to_graphviz,
    to_svg,
)

CLASSIFIERS: list[Any] = [
    ID3Classifier(),
    C45Classifier(),
    CARTClassifier(),
    BaggingClassifier(n_estimators=2),
    AdaBoostClassifier(n_estimators=2),
    BoostingTree("exponential", n_estimators=2),
    GradientBoostingClassifier(n_estimators=2),
    RandomForestClassifier(n_estimators=2),
    ExtraTreesClassifier(n_estimators=2),
]
REGRESSORS: list[Any] = [
    CARTRegressor(),
    BaggingRegressor(n_estimators=2),
    AdaBoostRegressor(n_estimators=2),
    BoostingTree(n_estimators=2),
    GradientBoostingRegressor(n_estimators=2),
    RandomForestRegressor(n_estimators=2),
]
RNG = np.random.default_rng(4)
X = np.round(RNG.normal(size=(80, 3)), 1)
Z = X[:, 0] + X[:, 1]
Y = (Z > 0).astype(int)
NAMES = np.array(["no", "yes"], dtype=object)[Y]


# --- what is fitted -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [*CLASSIFIERS, pygbt.GBTClassifier(n_estimators=2)], ids=str)
@pytest.mark.parametrize("lacking", [None, np.nan, pd.NA], ids=["None", "NaN", "NA"])
def test_rows_without_a_label_are_told(model: Any, lacking: Any) -> None:
    labels = NAMES.copy()
    labels[3:5] = lacking
    with pytest.raises(ValueError, match=r"y has no label in 2 rows \(None or NaN\); leave"):
        clone(model).fit(X, labels)


@pytest.mark.parametrize("model", CLASSIFIERS, ids=str)
def test_labels_of_several_types_have_no_order(model: Any) -> None:
    mixed = NAMES.copy()
    mixed[0] = 1
    with pytest.raises(ValueError, match="y holds labels of several types, int and str|Unknown label type"):
        clone(model).fit(X, mixed)


@pytest.mark.parametrize("model", REGRESSORS, ids=str)
def test_a_target_is_a_number(model: Any) -> None:
    with pytest.raises(ValueError, match="y must hold numbers"):
        clone(model).fit(X, NAMES)


@pytest.mark.parametrize("model", CLASSIFIERS + REGRESSORS, ids=str)
def test_weights_are_named_as_the_caller_does(model: Any) -> None:
    y = Y if model in CLASSIFIERS else Z
    with pytest.raises(ValueError, match="sample_weight: the largest must lie between 1e-30 and 1e\\+30, got 1e-40"):
        clone(model).fit(X, y, sample_weight=np.full(80, 1e-40))
    with pytest.raises(ValueError, match="sample_weight must hold numbers"):
        clone(model).fit(X, y, sample_weight=NAMES)


@pytest.mark.parametrize("model", CLASSIFIERS + REGRESSORS, ids=str)
def test_text_belongs_into_a_frame(model: Any) -> None:
    y = Y if model in CLASSIFIERS else Z
    for table in (np.column_stack([NAMES, NAMES]), np.column_stack([NAMES, NAMES]).astype(str)):
        with pytest.raises(ValueError, match="X is an array that holds text; pass a data frame"):
            clone(model).fit(table, y)
    frame = pd.DataFrame({"a": pd.Categorical(NAMES), "b": pd.Categorical(NAMES)})
    with_frame = clone(model).fit(frame, y)
    with (
        pytest.raises(ValueError, match="X is an array that holds text; pass a data frame"),
        pytest.warns(UserWarning, match="feature names"),
    ):
        with_frame.predict(frame.to_numpy())


@pytest.mark.parametrize("model", [CARTClassifier(), BaggingClassifier(), RandomForestClassifier()], ids=str)
def test_columns_are_called_by_their_names(model: Any) -> None:
    frame = pd.DataFrame({"a": X[:, 0], "b": np.where(Y == 1, np.inf, 0.0)})
    with pytest.raises(ValueError, match="column 'b' holds infinite values; replace them by NaN"):
        clone(model).fit(frame, Y)


def test_one_class_is_called_as_it_was_given() -> None:
    with pytest.raises(ValueError, match="y holds one class only, 7; a classifier"):
        GradientBoostingClassifier().fit(X, np.full(80, 7))


def test_a_first_learner_no_better_than_chance_is_told() -> None:
    many = np.arange(80) % 8
    with pytest.warns(UserWarning, match=r'estimator: the first learner has the weighted error .* algorithm="SAMME"'):
        alone = AdaBoostClassifier().fit(X, many)
    assert len(alone.estimators_) == 1
    assert len(AdaBoostClassifier(algorithm="SAMME", n_estimators=5).fit(X, many).estimators_) == 5
    with pytest.warns(UserWarning, match="estimator: the first learner .*; use a stronger one"):
        AdaBoostRegressor().fit(np.ones((80, 1)), np.where(Y == 1, 1.0, 3.0))


# --- parameters -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", CLASSIFIERS + REGRESSORS, ids=str)
@pytest.mark.parametrize("n_jobs", [0, True, "two", 1.5])
def test_n_jobs_means_the_same_everywhere(model: Any, n_jobs: Any) -> None:
    with pytest.raises(ValueError, match="n_jobs must be an integer other than 0, or None"):
        clone(model).set_params(n_jobs=n_jobs).fit(X, Y if model in CLASSIFIERS else Z)


@pytest.mark.parametrize(
    ("model", "name", "value"),
    [
        (RandomForestClassifier(), "bootstrap", "yes"),
        (RandomForestClassifier(), "warm_start", 1),
        (RandomForestRegressor(), "oob_score", "yes"),
        (RandomForestRegressor(), "verbose", "loud"),
        (CARTClassifier(), "verbose", None),
        (CARTClassifier(), "class_weight", "balance"),
        (RandomForestClassifier(), "class_weight", [1.0, 2.0]),
        (AdaBoostClassifier(), "learning_rate", np.inf),
        (AdaBoostRegressor(), "learning_rate", np.inf),
        (BoostingTree(), "learning_rate", np.inf),
        (GradientBoostingRegressor("quantile"), "alpha", 1.0),
    ],
    ids=str,
)
def test_bad_parameters_are_named(model: Any, name: str, value: Any) -> None:
    y = Z if is_regressor(model) else Y
    with pytest.raises(ValueError, match=name):
        clone(model).set_params(**{name: value}).fit(X, y)


COUNTS = CARTRegressor(criterion="poisson")


@pytest.mark.parametrize(
    ("model", "y", "message"),
    [
        (
            BaggingRegressor(COUNTS),
            np.stack([Z, Z], 1) ** 2,
            r'one column of counts for criterion="poisson", got .*80, 2',
        ),
        (BaggingRegressor(CARTRegressor(criterion="absolute_error")), np.stack([Z, Z], 1), "y must be one column for"),
        (AdaBoostRegressor(COUNTS), Z, 'y must not be negative for criterion="poisson"'),
        (BoostingTree(estimator=COUNTS), Z**2, 'estimator: criterion="poisson" is for counts'),
        (GradientBoostingRegressor("poisson", estimator=COUNTS), Z**2, 'estimator: criterion="poisson" is for counts'),
        (GradientBoostingClassifier(estimator=COUNTS), Y, 'estimator: criterion="poisson" is for counts'),
    ],
    ids=str,
)
def test_the_criterion_of_a_learner_suits_the_target(model: Any, y: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        clone(model).fit(X, y)


def test_huge_and_numpy_parameters_are_taken() -> None:
    assert CARTClassifier(min_split=np.inf).fit(X, Y).get_n_leaves() == 1
    huge = CARTClassifier(max_competitors=10**20, max_surrogates=10**20, max_depth=10**20, max_leaves=10**20)
    assert huge.fit(X, Y).get_n_leaves() == CARTClassifier().fit(X, Y).get_n_leaves()
    assert BaggingRegressor(max_samples=1000, n_estimators=1, n_jobs=10**20).fit(X, Z).predict(X).shape == (80,)
    forest = RandomForestClassifier(n_estimators=2, bootstrap=np.True_, oob_score=np.False_, random_state=np.int64(1))
    assert len(forest.fit(X, Y)) == 2
    assert CARTClassifier(use_surrogates=np.int64(0), criterion=np.str_("entropy")).fit(X, Y).get_n_leaves() > 1


# --- reading and pruning --------------------------------------------------------------------------------------------

TREE = CARTClassifier(cp=0, min_split=4).fit(X, Y)
NUMBERS = CARTRegressor(cp=0, min_split=4).fit(X, Z)
C45 = C45Classifier().fit(X, Y)


@pytest.mark.parametrize("writer", [export_text, to_svg, draw, to_graphviz])
@pytest.mark.parametrize(
    ("name", "value"),
    [("max_depth", 1.5), ("max_depth", "all"), ("max_depth", -1), ("decimals", -1), ("decimals", 2.5)],
)
def test_what_is_shown_is_checked(writer: Any, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be an integer"):
        writer(TREE, **{name: value})


@pytest.mark.parametrize(
    ("writer", "name", "value"),
    [
        (to_graphviz, "max_categories", 0),
        (to_svg, "max_categories", 2.5),
        (to_svg, "title", 5),
        (to_svg, "font_size", "large"),
        (to_svg, "font_size", np.nan),
    ],
)
def test_looks_are_checked(writer: Any, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        writer(TREE, **{name: value})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: prune(TREE, "thresholds", max_depth="a"), ValueError, "max_depth must be an integer >= 0"),
        (lambda: prune(TREE, "thresholds", min_count=-3), ValueError, "min_count must be an integer >= 0"),
        (lambda: prune(TREE, "thresholds", min_count=2.5), ValueError, "min_count must be an integer >= 0"),
        (lambda: prune(TREE, "thresholds", min_improvement="a"), ValueError, "min_improvement must be a finite number"),
        (lambda: prune(TREE, "entropy", alpha=True), ValueError, "alpha must be a finite number"),
        (lambda: prune(TREE, ["entropy"]), ValueError, "method must be one of"),
        (lambda: prune(CARTClassifier(), "pessimistic"), NotFittedError, "is not fitted yet"),
        (lambda: prune(TREE, "reduced_error", X, NAMES), ValueError, r"none of the classes of the tree, \[0, 1\]"),
        (lambda: prune(NUMBERS, "reduced_error", X, NAMES), ValueError, "y must hold numbers, as in training"),
        (lambda: prune(TREE, "reduced_error", X, Y, n_threads="2"), TypeError, "n_threads must be an integer"),
        (lambda: prune(TREE, "reduced_error", X, Y, n_threads=-3), ValueError, "n_threads must be in"),
        (lambda: C45.to_rules(X), ValueError, "requires y to be passed"),
        (lambda: C45.to_rules(X, NAMES), ValueError, "labels that the tree was not trained on: .'"),
        (lambda: C45.split_report(X, Y, node=1.5), ValueError, "node must be the number of a node"),
    ],
)
def test_requests_are_checked(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": "x"}, "folds must be a number, one whole number for each"),
        ({"folds": 1}, "folds must be a number from 2 to the number of rows, 80, got 1"),
        ({"folds": True}, "folds must be a number from 2"),
        ({"folds": 81}, "folds must be a number from 2"),
        ({"random_state": "x"}, "random_state must be an integer, a generator or None"),
        ({"random_state": 1.5}, "random_state must be an integer, a generator or None"),
        ({"y": np.full(80, np.nan)}, "y is missing in every row"),
    ],
)
def test_paths_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cost_complexity_path(CARTClassifier(), **{"X": X, "y": Y, "folds": 3, **options})


def test_folds_are_drawn_by_any_generator() -> None:
    drawn = [
        cost_complexity_path(CARTClassifier(), X, Y, folds=4, random_state=state).fold
        for state in (0, np.random.RandomState(0), np.random.default_rng(0), None)
    ]
    assert all(np.bincount(fold).tolist() == [20] * 4 for fold in drawn)
    one, other = (BaggingRegressor(random_state=np.random.default_rng(7)).fit(X, Z).predict(X) for _ in range(2))
    np.testing.assert_array_equal(one, other)
