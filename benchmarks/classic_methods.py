# SPDX-License-Identifier: Apache-2.0
"""The classifiers of the published comparisons. A group is fitted once and answers for one or several methods."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from classic_sets import Cases

from pygbt.ensemble import AdaBoostClassifier, BaggingClassifier, RandomForestClassifier
from pygbt.tree import C45Classifier, CARTClassifier, cost_complexity_path

#: CART grown until nodes are pure.
FULL: dict[str, Any] = {"min_split": 2, "min_bucket": 1, "cp": 0.0}

#: Errors in per cent by method.
Errors = dict[str, float]


def error(model: Any, test: Cases) -> float:
    """Error rate in per cent."""
    return 100.0 * float(np.mean(model.predict(test.X) != test.y))


def c45(train: Cases, test: Cases, seed: int) -> Errors:
    """Pruned by CF 0.25: release 8, and with J48's constants."""
    trees = {"c45": C45Classifier(n_jobs=1), "j48": C45Classifier(ebp="exact", n_jobs=1)}
    return {name: error(tree.fit(train.X, train.y), test) for name, tree in trees.items()}


def cart(train: Cases, test: Cases, seed: int) -> Errors:
    """Grown in full, pruned by ten-fold cross-validation."""
    path = cost_complexity_path(CARTClassifier(**FULL, n_jobs=1), train.X, train.y, folds=10, random_state=seed)
    chosen = {"cart_best": path.best(), "cart_1se": path.one_se()}
    return {name: error(path.estimator_at(row), test) for name, row in chosen.items()}


def boosted_stumps(train: Cases, test: Cases, seed: int) -> Errors:
    """AdaBoost.M1 over trees of one question, which may stop at once with more than two classes, and SAMME."""
    m1 = AdaBoostClassifier(n_estimators=100, n_jobs=1)
    samme = AdaBoostClassifier(n_estimators=100, algorithm="SAMME", n_jobs=1)
    found = {"boosted_stumps_100": m1, "samme_stumps_100": samme}
    return {name: error(model.fit(train.X, train.y), test) for name, model in found.items()}


def bagged_c45(train: Cases, test: Cases, seed: int, n: int = 100) -> Errors:
    """Votes of pruned C4.5 trees; the first ten are the answer for ten, also with equal votes to the larger class."""
    model = BaggingClassifier(C45Classifier(), n_estimators=n, random_state=seed, n_jobs=1).fit(train.X, train.y)
    found = {f"bagged_c45_{size}": error(first_members(model, size), test) for size in sorted({10, n})}
    votes = first_members(model, 10).predict_proba(test.X)
    rows = np.array([np.sum(train.y == label) for label in model.classes_])
    larger = np.where(votes > votes.max(axis=1, keepdims=True) - 1e-9, rows, -1).argmax(axis=1)
    found["bagged_c45_10_larger"] = 100.0 * float(np.mean(model.classes_[larger] != test.y))
    return found


def few_bagged_c45(train: Cases, test: Cases, seed: int) -> Errors:
    """Ten only, for large tables."""
    return bagged_c45(train, test, seed, n=10)


def boosted_c45(train: Cases, test: Cases, seed: int) -> Errors:
    """AdaBoost.M1 by weights, ten rounds, as Quinlan."""
    model = AdaBoostClassifier(C45Classifier(), n_estimators=10, n_jobs=1).fit(train.X, train.y)
    return {"boosted_c45_10": error(model, test)}


def drawn_boosted_c45(train: Cases, test: Cases, seed: int) -> Errors:
    """AdaBoost.M1 by samples, 100 rounds, as Freund and Schapire."""
    model = AdaBoostClassifier(C45Classifier(), n_estimators=100, resample=True, random_state=seed, n_jobs=1)
    return {"boosted_c45_100": error(model.fit(train.X, train.y), test)}


def bagged_cart(train: Cases, test: Cases, seed: int) -> Errors:
    """Votes of 50 trees that are not pruned."""
    model = BaggingClassifier(CARTClassifier(**FULL), n_estimators=50, random_state=seed, n_jobs=1)
    return {"bagged_cart_50": error(model.fit(train.X, train.y), test)}


def boosted_cart(train: Cases, test: Cases, seed: int) -> Errors:
    """AdaBoost.M1 by samples over 50 trees that are not pruned, as Breiman."""
    model = AdaBoostClassifier(CARTClassifier(**FULL), n_estimators=50, resample=True, random_state=seed, n_jobs=1)
    return {"boosted_cart_50": error(model.fit(train.X, train.y), test)}


def forest(train: Cases, test: Cases, seed: int) -> Errors:
    """100 trees, mean of class shares, the square root of the columns a node."""
    model = RandomForestClassifier(random_state=seed, n_jobs=1).fit(train.X, train.y)
    return {"forest_sqrt": error(model, test)}


def breiman_forests(train: Cases, test: Cases, seed: int) -> Errors:
    """100 trees that vote: int(log2 M + 1) columns a node, one column, the better by out-of-bag error; and one tree."""
    found: Errors = {}
    out_of_bag = {}
    for name, size in (("forest_breiman", "breiman"), ("forest_one_input", 1)):
        model = RandomForestClassifier(max_features=size, voting="vote", oob_score=True, random_state=seed, n_jobs=1)
        model.fit(train.X, train.y)
        found[name], out_of_bag[name] = error(model, test), model.oob_score_
    found["forest_selected"] = found[max(out_of_bag, key=lambda name: out_of_bag[name])]
    single = RandomForestClassifier(n_estimators=1, max_features=1, voting="vote", random_state=seed, n_jobs=1)
    found["forest_single_tree"] = error(single.fit(train.X, train.y), test)
    return found


def first_members(model: Any, n: int) -> Any:
    """Bagging of the first n members."""
    part = copy.copy(model)
    part.estimators_, part.estimators_features_ = model.estimators_[:n], model.estimators_features_[:n]
    return part


GROUPS: dict[str, Callable[[Cases, Cases, int], Errors]] = {
    group.__name__: group
    for group in (
        c45,
        cart,
        boosted_stumps,
        bagged_c45,
        few_bagged_c45,
        boosted_c45,
        drawn_boosted_c45,
        bagged_cart,
        boosted_cart,
        forest,
        breiman_forests,
    )
}

#: What a method is called in tables.
TITLES = {
    "c45": "C4.5",
    "j48": "C4.5, J48's constants",
    "cart_best": "CART, best of the path",
    "cart_1se": "CART, 1-SE",
    "boosted_stumps_100": "stumps, 100 boosted (M1)",
    "samme_stumps_100": "stumps, 100 boosted (SAMME)",
    "bagged_c45_10": "C4.5, 10 bagged",
    "bagged_c45_10_larger": "C4.5, 10 bagged, ties to the larger class",
    "bagged_c45_100": "C4.5, 100 bagged",
    "boosted_c45_10": "C4.5, 10 boosted (weights)",
    "boosted_c45_100": "C4.5, 100 boosted (samples)",
    "bagged_cart_50": "CART, 50 bagged",
    "boosted_cart_50": "CART, 50 boosted (samples)",
    "forest_sqrt": "forest, sqrt M",
    "forest_breiman": "forest, log2 M + 1",
    "forest_one_input": "forest, one input",
    "forest_selected": "forest, selected",
    "forest_single_tree": "one tree of a forest",
}
