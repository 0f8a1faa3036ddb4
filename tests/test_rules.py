# SPDX-License-Identifier: Apache-2.0
"""Rules of C4.5rules: what they say of the training data, how they are simplified, chosen and ordered."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from classic_tables import golf

from pygbt import _core
from pygbt.tree import C45Classifier, RuleList, RuleTest


def satisfied(condition: RuleTest, X: pd.DataFrame) -> np.ndarray:
    column = X[condition.name]
    if condition.operator == "in":
        return column.isin(condition.values).to_numpy()
    value = column.to_numpy()
    return value <= condition.threshold if condition.operator == "<=" else value > condition.threshold


def covered(rule: Any, X: pd.DataFrame) -> np.ndarray:
    result = np.ones(len(X), dtype=bool)
    for condition in rule.conditions:
        result &= satisfied(condition, X)
    return result


def rate(cases: float, errors: float) -> float:
    return (errors + _core.added_errors(np.array([float(cases)]), np.array([float(errors)]), 0.25, False)[0]) / cases


def noisy(n: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 3)).round(1), columns=list("abc"))
    X["kind"] = pd.Categorical(rng.choice(list("pqr"), n))
    score = X["a"] + (X["kind"] == "p") * X["b"] + 0.4 * rng.normal(size=n)
    X.loc[rng.random(n) < 0.05, "a"] = np.nan
    return X, np.array(["low", "mid", "high"])[np.digitize(score, [-0.5, 0.8])]


def test_golf_rules() -> None:
    X, y = golf()
    rules = C45Classifier().fit(X, y).to_rules(X, y)
    assert str(rules).split("\n") == [
        "1. outlook = sunny and humidity = high: no (3)",
        "2. outlook = rainy and windy = true: no (2)",
        "3. outlook = overcast: yes (4)",
        "4. humidity = normal: yes (7/1)",
        "5. outlook = rainy and windy = false: yes (3)",
        "default: yes",
    ]
    assert repr(rules) == "RuleList(n_rules=5, default='yes')"
    assert (rules.predict(X) == y).all()
    days = pd.DataFrame({"outlook": ["sunny", None], "temperature": "hot", "humidity": ["high", None], "windy": "true"})
    assert rules.fired(days).tolist() == [0, -1]  # a missing value satisfies nothing
    assert rules.predict(days).tolist() == ["no", "yes"]


def test_cases_errors_and_predictions_are_those_of_the_conditions() -> None:
    X, y = noisy(600)
    model = C45Classifier().fit(X, y)
    rules = model.to_rules(X, y)
    assert 3 <= len(rules) <= model.get_n_leaves()
    first = np.full(len(X), -1)
    for i, rule in enumerate(rules):
        here = covered(rule, X)
        assert rule.cases == here.sum() and rule.errors == (y[here] != rule.value).sum()
        first[here & (first < 0)] = i
    np.testing.assert_array_equal(rules.fired(X), first)
    labels = np.array([*(rule.value for rule in rules), model.classes_[rules.default]])
    np.testing.assert_array_equal(rules.predict(X), labels[first])
    assert (rules.predict(X) == y).mean() > model.score(X, y) - 0.05


def test_no_condition_can_go_without_a_higher_pessimistic_rate() -> None:
    X, y = noisy(600, 1)
    for rule in C45Classifier().fit(X, y).to_rules(X, y):
        assert rule.conditions
        here = rate(rule.cases, rule.errors)
        for condition in rule.conditions:
            others = [c for c in rule.conditions if c is not condition]
            mask = np.logical_and.reduce([satisfied(c, X) for c in others] or [np.ones(len(X), dtype=bool)])
            assert rate(mask.sum(), (y[mask] != rule.value).sum()) > here


def test_classes_come_by_their_false_positives() -> None:
    X, y = noisy(600, 2)
    rules = C45Classifier().fit(X, y).to_rules(X, y)
    order = list(dict.fromkeys(rule.value for rule in rules))
    assert [rule.value for rule in rules] == [v for v in order for rule in rules if rule.value == v]  # together
    false = {}
    for value in order:
        any_of_them = np.logical_or.reduce([covered(rule, X) for rule in rules if rule.value == value])
        false[value] = (any_of_them & (y != value)).sum()
    assert false[order[0]] == min(false.values())
    for value in order:
        rates = [rate(rule.cases, rule.errors) for rule in rules if rule.value == value]
        assert rates == sorted(rates)


def test_noise_needs_no_rules() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 3)), rng.integers(0, 2, 400)
    model = C45Classifier(prune=False, penalty=False).fit(X, y)
    assert model.get_n_leaves() > 40
    assert len(model.to_rules(X, y)) < 0.7 * model.get_n_leaves()


def test_weight_is_repetition() -> None:
    X, y = noisy(300, 3)
    X = X.assign(a=X["a"].fillna(0.0))  # parts of cases round
    weight = np.random.default_rng(4).integers(0, 3, 300)
    rows = np.repeat(np.arange(300), weight)
    weighted = C45Classifier().fit(X, y, sample_weight=weight).to_rules(X, y, sample_weight=weight)
    repeated = C45Classifier().fit(X.iloc[rows], y[rows]).to_rules(X.iloc[rows], y[rows])
    assert str(weighted) == str(repeated)


def test_lists_of_rules_are_sequences_that_can_be_pickled() -> None:
    X, y = noisy(200, 5)
    rules = C45Classifier().fit(X, y).to_rules(X, y)
    copy = pickle.loads(pickle.dumps(rules))
    assert isinstance(copy, RuleList) and list(copy) == [rules[i] for i in range(len(rules))]
    np.testing.assert_array_equal(copy.predict(X), rules.predict(X))


def test_a_tree_of_one_leaf_has_the_default_alone() -> None:
    X, y = np.zeros((6, 1)), np.array([0, 1, 1, 1, 0, 1])
    rules = C45Classifier().fit(X, y).to_rules(X, y)
    assert len(rules) == 0 and rules.predict(X).tolist() == [1] * 6


def test_bad_input() -> None:
    X, y = golf()
    model = C45Classifier().fit(X, y)
    with pytest.raises(ValueError, match="same number of rows"):
        model.to_rules(X, y[:5])
    with pytest.raises(ValueError, match="y holds labels that the tree was not trained on"):
        model.to_rules(X, np.array(["maybe"] * 14))
    with pytest.raises(ValueError, match="one class|same number|weight"):
        model.to_rules(X, y, sample_weight=np.zeros(14))
