# SPDX-License-Identifier: Apache-2.0
"""Trees read as text, rules, tables and explanations; golden texts of trees that everybody knows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hand_made_trees import (
    GOLF,
    MIXED,
    SHARED,
    Ask,
    Node,
    as_frame,
    below_midpoint,
    car_tree,
    golf_tree,
    iris_tree,
    make_tree,
    random_table,
    random_tree,
)

import pygbt
from pygbt.schema import Schema

pytest.importorskip("sklearn")

from pygbt.tree import (
    CARTClassifier,
    Condition,
    Cut,
    decision_rules,
    explain,
    export_text,
    importance_text,
    leaf_table,
    node_table,
    variable_importance,
)

# --- text -----------------------------------------------------------------------------------------------------------


def test_golf_as_j48_prints_it() -> None:
    assert export_text(golf_tree(), style="j48") == (
        "outlook = sunny\n"
        "|   humidity <= 75: yes (2)\n"
        "|   humidity > 75: no (3)\n"
        "outlook = overcast: yes (4)\n"
        "outlook = rainy\n"
        "|   windy = False: yes (3)\n"
        "|   windy = True: no (2)"
    )


def test_iris_as_rpart_prints_it() -> None:
    assert export_text(iris_tree(), style="rpart", decimals=8).splitlines()[2:] == [
        "node), split, n, loss, yval, (yprob)",
        "      * denotes terminal node",
        "",
        "1) root 150 100 setosa (0.33333333 0.33333333 0.33333333)",
        "  2) petal length< 2.45 50 0 setosa (1.00000000 0.00000000 0.00000000) *",
        "  3) petal length>=2.45 100 50 versicolor (0.00000000 0.50000000 0.50000000)",
        "    6) petal width< 1.75 54 5 versicolor (0.00000000 0.90740741 0.09259259) *",
        "    7) petal width>=1.75 46 1 virginica (0.00000000 0.02173913 0.97826087) *",
    ]


def test_iris_as_connected_lines() -> None:
    assert export_text(iris_tree(), decimals=2) == (
        "shares of: setosa, versicolor, virginica\n"
        "root: setosa  n = 150  [0.33 0.33 0.33]\n"
        "├─ petal length < 2.45: setosa  n = 50  [1.00 0.00 0.00] *\n"
        "└─ petal length >= 2.45: versicolor  n = 100  [0.00 0.50 0.50]\n"
        "   ├─ petal width < 1.75: versicolor  n = 54  [0.00 0.91 0.09] *\n"
        "   └─ petal width >= 1.75: virginica  n = 46  [0.00 0.02 0.98] *"
    )


def test_regression_as_rpart_prints_it() -> None:
    lines = export_text(car_tree(), style="rpart", decimals=5).splitlines()
    assert lines[2] == "node), split, n, deviance, yval"
    assert lines[5:] == [
        " 1) root 60 1354.583 24.58333",
        "   2) Weight< 2567.5 15 186.9333 30.93333 *",
        "   3) Weight>=2567.5 45 361.2 22.46667",
        "     6) Weight< 3087.5 23 117.6522 24.43478",
        "      12) Weight< 2747.5 8 39.875 25.62500 *",
        "      13) Weight>=2747.5 15 60.4 23.80000 *",
        "     7) Weight>=3087.5 22 61.31818 20.40909 *",
    ]


def test_surrogates_and_competitors_as_the_summary_of_rpart_lists_them() -> None:
    lines = export_text(iris_tree(), style="rpart", surrogates=True, competitors=True).splitlines()
    assert [line.split("  ", 1)[1].strip() for line in lines[6:13]] == [
        "Primary splits:",
        "petal length < 2.45 to the left,  improve=50",
        "petal width  < 0.8 to the left,   improve=50",
        "sepal length < 5.45 to the left,  improve=34.16399",
        "Surrogate splits:",
        "petal width  < 0.8 to the left,    agree=1.000, adj=1.000",
        "sepal length < 5.45 to the left,   agree=0.920, adj=0.760",
    ]
    assert "sepal width  < 3.25 to the right,  agree=0.833, adj=0.500" in lines[13]
    only = export_text(iris_tree(), surrogates=True)
    assert "Surrogate splits:" in only
    assert "Primary splits:" not in only
    assert export_text(iris_tree(), style="j48", competitors=True).startswith("Primary splits:\n  petal length < 2.45")


def test_numbers_of_nodes_in_trees_of_any_branching() -> None:
    assert node_table(iris_tree())["number"] == [1, 2, 3, 6, 7]
    assert node_table(golf_tree())["number"] == [1, 2, 3, 4, 5, 6, 11, 12]


@pytest.mark.parametrize("style", ["tree", "rpart", "j48"])
def test_deeper_levels_are_counted(style: Any) -> None:
    text = export_text(car_tree(), max_depth=1, style=style)
    assert "… 3 leaves below" in text
    assert "2747.5" not in text
    assert export_text(car_tree(), max_depth=9, style=style) == export_text(car_tree(), style=style)
    assert "… 4 leaves below" in export_text(car_tree(), max_depth=0, style=style)


def test_a_tree_without_questions() -> None:
    leaf = make_tree(Node([2, 5]), GOLF, ["no", "yes"])
    assert export_text(leaf, style="j48") == ": yes (7/2)"
    assert export_text(leaf).splitlines()[1] == "root: yes  n = 7  [0.286 0.714] *"
    assert str(decision_rules(leaf)) == "if always then yes  (7 rows, share 0.714)"
    assert variable_importance(leaf).tolist() == [0, 0, 0, 0]
    assert importance_text(leaf) == ""


def test_trees_of_a_booster_have_their_own_text() -> None:
    X = np.arange(40.0).reshape(20, 2)
    booster = pygbt.train({"num_boost_round": 1, "min_data_in_leaf": 2}, pygbt.Dataset(X, X[:, 0]))
    tree = booster.trees()[0]
    assert export_text(tree) == tree.to_text()


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="style must be"):
        export_text(iris_tree(), style="c")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_depth must be an integer of 0 or more"):
        export_text(iris_tree(), max_depth=-1)
    with pytest.raises(TypeError, match="fitted estimator of pygbt"):
        export_text(3)


def test_labels_and_categories_stay_on_their_line() -> None:
    frame = pd.DataFrame({"a": pd.Categorical(["x\ny", "z"] * 10)})
    tree = CARTClassifier(min_split=2).fit(frame, ["long\nname", "b"] * 10)
    for style in ("tree", "rpart", "j48"):
        text = export_text(tree, style=style)
        assert "x y" in text and "long name" in text and text.count("\n") <= 7
    assert str(tree.to_rules()).count("\n") == 1


# --- cuts and conditions --------------------------------------------------------------------------------------------


def test_midpoints_and_values_are_told_apart() -> None:
    assert Cut.between(np.nextafter(2.45, 0), 1.9, 3.0, True).below == "< 2.45"
    assert Cut.between(75.0, 70.0, 85.0, True).below == "<= 75"  # C4.5: a value of the whole training set
    assert Cut.between(1.9, 1.9, 3.0, True).above == "> 1.9"
    x, y = np.float32(0.1), np.float32(0.2)
    threshold = float(np.nextafter((x + y) / np.float32(2), np.float32(0)))
    assert Cut.between(threshold, float(x), float(y), False).below == "< 0.15"
    assert Cut.between(float(x), float(x), float(y), False).below == "<= 0.1"
    assert Cut.between(0.1, np.nan, np.nan, True).below == "<= 0.1"


@pytest.mark.parametrize("wide", [True, False])
def test_written_cuts_part_the_training_values(wide: bool) -> None:
    """What is printed, read back, sends the two values around the cut the way the tree does."""
    rng = np.random.default_rng(0)
    kind = np.float64 if wide else np.float32
    for _ in range(2000):
        lower = kind(rng.normal() * 10.0 ** rng.integers(-8, 9))
        upper = lower + abs(lower) * kind(10.0 ** rng.uniform(-15 if wide else -6, 1))
        if not lower < upper:
            continue
        low, high = float(lower), float(upper)
        middle = low + (high - low) / 2
        for threshold in (low, max(low, float(np.nextafter(kind(middle), kind(-np.inf))))):
            cut = Cut.between(threshold, low, high, wide)
            sign, number = cut.below.split()
            shown = float(kind(float(number)))
            assert (low < shown <= high) if sign == "<" else (low <= shown < high)


def test_conditions_of_one_feature_merge() -> None:
    three, five = Cut.at_value(3.0), Cut.at_value(5.0)
    merged = Condition(0, "x", below=five) & Condition(0, "x", above=three)
    assert str(merged) == "3 < x <= 5"
    assert merged.holds(np.array([3.0, 3.5, 5.0, 5.1, np.nan])).tolist() == [False, True, True, False, False]
    assert str(merged & Condition(0, "x", above=Cut.at_value(4.0))) == "4 < x <= 5"
    red, blue = (0, "red"), (2, "blue")
    both = Condition(1, "c", categories=(red, blue), missing=True) & Condition(1, "c", categories=(blue,), missing=True)
    assert both.to_text(missing=True) == "c = blue or missing"
    with pytest.raises(ValueError, match="two features"):
        merged & both


# --- rules ----------------------------------------------------------------------------------------------------------


def test_rules_of_known_trees() -> None:
    assert str(decision_rules(car_tree())).splitlines()[1:3] == [
        "if 2567.5 <= Weight < 2747.5 then 25.625  (8 rows)",
        "if 2747.5 <= Weight < 3087.5 then 23.800  (15 rows)",
    ]
    rules = decision_rules(golf_tree())
    assert str(rules[1]) == "if outlook = sunny and humidity > 75 then no  (3 rows, share 1.000)"
    assert [rule.count for rule in rules] == [2, 3, 4, 3, 2]
    assert rules[0].prediction == "yes"
    assert rules[0].shares == (0.0, 1.0)


@pytest.mark.parametrize("seed", range(12))
def test_rules_are_the_leaves(seed: int) -> None:
    """Every row has one rule, that of its leaf; support is the number of rows; missing values included."""
    rng = np.random.default_rng(seed)
    X = random_table(rng, 300, missing=0.1)
    tree = random_tree(rng, X, n_classes=int(rng.choice([0, 2, 3])))
    rules = decision_rules(tree)
    assert [rule.leaf for rule in rules] == leaf_table(tree)["leaf"]
    frame = as_frame(X)
    covered = rules.covers(frame)
    assert (covered.sum(axis=1) == 1).all()
    leaves = tree.leaves(frame)
    assert (np.array([rule.leaf for rule in rules])[covered.argmax(axis=1)] == leaves).all()
    assert [rule.count for rule in rules] == [int((leaves == rule.leaf).sum()) for rule in rules]
    for rule in rules:
        assert len({condition.feature for condition in rule.conditions}) == len(rule.conditions)


def test_categories_that_a_node_has_not_seen_are_not_written() -> None:
    schema = Schema(("colour", "x"), True, (("red", "green", "blue"), None))
    below = Node([3, 2], [Node([3, 0]), Node([0, 2])], [Ask(0, branches=[0, -1, 1])], fallback=1)
    root = Node([3, 4], [below, Node([0, 2])], [Ask(1, 1.0)], fallback=0)
    rules = decision_rules(make_tree(root, schema, ["no", "yes"]))
    assert rules[1].conditions_text(missing=True) == "x <= 1 or missing and colour = blue or missing"
    green = pytest.importorskip("pandas").DataFrame({"colour": ["green"], "x": [0.0]})
    assert rules.covers(green).tolist() == [[False, True, False]]
    seen = rules[1].conditions[1] & Condition(0, "colour", categories=((1, "green"), (2, "blue")), missing=True)
    assert str(seen) == "colour in {green, blue}"  # green by the one condition, as a category not seen by the other


# --- tables and importance ------------------------------------------------------------------------------------------


def test_leaf_and_node_tables() -> None:
    pandas = pytest.importorskip("pandas")
    leaves = pandas.DataFrame(leaf_table(iris_tree()))
    assert leaves["leaf"].tolist() == [1, 3, 4]
    assert leaves["count"].sum() == 150
    assert leaves["label"].tolist() == ["setosa", "versicolor", "virginica"]
    assert leaves["share_versicolor"].tolist() == [0, 49 / 54, 1 / 46]
    assert leaves["rule"][1] == "petal length >= 2.45 and petal width < 1.75"
    nodes = pandas.DataFrame(node_table(car_tree()))
    assert nodes["parent"].tolist() == [-1, 0, 0, 2, 2, 3, 3]
    assert nodes["value"][0] == 24.58333
    assert nodes["branch"][6] == "Weight >= 2747.5"
    assert nodes["missing"].tolist()[0] == 2
    assert node_table(golf_tree())["missing"][0] == "shared"


def test_importance_counts_surrogates_by_their_adjusted_agreement() -> None:
    tree = iris_tree()
    second = 38.969404
    raw = np.array([50 * 0.76 + second * 0.413043, 50 * 0.5, 50 + second * 0.804348, 50 * 1.0 + second])
    np.testing.assert_allclose(variable_importance(tree), raw / raw.sum(), rtol=1e-6)
    assert variable_importance(tree, surrogates=False).tolist() == pytest.approx(
        [0, 0, 50 / 88.969404, second / 88.969404]
    )
    assert importance_text(tree).splitlines()[0] == "petal width    36"


@pytest.mark.shared_data
def test_importances_that_rpart_prints(shared_data: Any) -> None:
    from datasets import frame, load

    from pygbt.tree import CARTClassifier

    kyphosis = load("kyphosis")
    tree = CARTClassifier().fit(kyphosis.X, kyphosis.y)
    assert tree.feature_importances_.sum() == pytest.approx(1.0)
    assert importance_text(tree) == "Start    64\nAge      24\nNumber   12"
    lines = tree.to_text(style="rpart", surrogates=True, competitors=True).splitlines()
    assert "Start  < 8.5 to the left,   improve=6.76233" in lines[7]
    assert "Number < 6.5 to the right,  agree=0.802, adj=0.158" in lines[11]
    assert tree.to_text(style="j48") == (
        "Start < 8.5: present (19/8)\n"
        "Start >= 8.5\n"
        "|   Start < 14.5\n"
        "|   |   Age < 55: absent (12)\n"
        "|   |   Age >= 55\n"
        "|   |   |   Age < 111: present (7/3)\n"
        "|   |   |   Age >= 111: absent (14/2)\n"
        "|   Start >= 14.5: absent (29)"
    )
    assert str(tree.to_rules()[2]) == ("if 8.5 <= Start < 14.5 and 55 <= Age < 111 then present  (7 rows, share 0.571)")
    cars = frame("cu_summary")
    cars = cars[cars["Reliability"].notna()]
    tree = CARTClassifier().fit(cars[["Price", "Country", "Mileage", "Type"]], cars["Reliability"].astype(str))
    assert importance_text(tree) == "Country   66\nType      22\nPrice     12"
    rows = cars[["Price", "Country", "Mileage", "Type"]]
    assert [explain(tree, rows.iloc[[i]]).prediction for i in range(20)] == tree.predict(rows[:20]).tolist()


def test_importance_in_a_regression_is_the_loss_of_squares() -> None:
    schema = Schema(("a", "b"), True, (None, None))
    low = Node([1.0], [Node([0.0]), Node([2.0])], [below_midpoint(1, 0, 1, improvement=0.5)], weight=4.0, risk=10.0)
    root = Node([2.0], [low, Node([3.0])], [below_midpoint(0, 0, 1, improvement=0.8)], weight=8.0, risk=100.0)
    tree = make_tree(root, schema, None)
    assert variable_importance(tree).tolist() == pytest.approx([80 / 85, 5 / 85])
    assert variable_importance(tree, improvement="total").tolist() == pytest.approx([8 / 13, 5 / 13])
    with pytest.raises(ValueError, match="improvement must be"):
        variable_importance(tree, improvement="sum")  # type: ignore[arg-type]


def test_importance_of_trees_whose_gains_are_a_case() -> None:
    gains = np.array([14 * 0.2467, 0, 5 * 0.971, 5 * 0.971])
    assert variable_importance(golf_tree()).tolist() == pytest.approx((gains / gains.sum()).tolist())


# --- one row --------------------------------------------------------------------------------------------------------


def test_surrogates_stand_in_for_missing_values() -> None:
    told = explain(iris_tree(), [5.0, 3.0, np.nan, None])
    assert told.prediction == "setosa"
    assert told.steps[0].how == "surrogate"
    assert told.steps[0].to_text() == (
        "node 0: petal length is missing; petal width is missing; surrogate sepal length = 5, < 5.45"
    )
    lost = explain(iris_tree(), {})
    assert [step.how for step in lost.steps] == ["fallback", "fallback"]
    assert lost.prediction == "versicolor"


def test_shared_cases_go_down_every_branch() -> None:
    told = explain(golf_tree(), {"outlook": "snow", "humidity": 80})
    assert "outlook = snow was not seen in training" in str(told)
    assert told.parts == ((5, 5 / 14), (2, 4 / 14), (6, 5 / 14 * 0.6), (7, 5 / 14 * 0.4))
    assert told.value.tolist() == pytest.approx([0.5, 0.5])
    assert "0.286 of the row: leaf 2: yes" in str(told)


def test_categories_that_a_node_has_not_seen() -> None:
    schema = Schema(("colour",), True, (("red", "green", "blue"),))
    asks = [Ask(0, branches=[0, 1, -1])]
    tree = make_tree(Node([4, 2], [Node([4, 0]), Node([0, 2])], asks), schema, ["no", "yes"])
    told = explain(tree, ["blue"])
    assert told.steps[0].how == "stays"
    assert told.parts == ((0, 1.0),)
    assert "colour = blue was not seen in this node; stays here" in str(told)
    assert explain(tree, {"colour": "red"}).steps[0].to_text() == "node 0: colour = red"


@pytest.mark.parametrize("seed", range(12))
def test_explanations_agree_with_predictions(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    X = random_table(rng, 120, missing=0.3)
    tree = random_tree(rng, X, n_classes=int(rng.choice([0, 2, 3])), surrogates=True)
    frame = as_frame(X)
    values, leaves = tree.values(frame), tree.leaves(frame)
    for i in range(0, len(X), 7):
        told = explain(tree, frame.iloc[[i]])
        np.testing.assert_allclose(told.value, values[i], rtol=1e-12, atol=1e-15)
        assert sum(share for _, share in told.parts) == pytest.approx(1.0)
        assert max(told.parts, key=lambda part: part[1])[0] == leaves[i]
        if tree.classifier:
            assert told.prediction == tree.classes[tree.labels(frame)[i]]
        for again in (frame.iloc[i], dict(frame.iloc[i]), list(frame.iloc[i])):
            assert str(explain(tree, again)) == str(told)


def test_rows_are_checked() -> None:
    with pytest.raises(ValueError, match="'oulook', which is no column"):
        explain(golf_tree(), {"oulook": "sunny"})
    with pytest.raises(ValueError, match="2 values, but the tree has 4 columns"):
        explain(golf_tree(), ["sunny", 3])
    with pytest.raises(ValueError, match="must be one row, got 2"):
        explain(iris_tree(), np.zeros((2, 4)))
    with pytest.raises(ValueError, match="'hot' is not a number"):
        explain(golf_tree(), {"humidity": "hot"})


def test_every_fallback_is_drawn_at_random() -> None:
    """The oracle above sees rows that stay and rows that are shared."""
    kinds = set()
    for seed in range(12):
        rng = np.random.default_rng(100 + seed)
        X = random_table(rng, 120, missing=0.3)
        tree = random_tree(rng, X, n_classes=int(rng.choice([0, 2, 3])), surrogates=True)
        kinds |= {step.how for i in range(0, 120, 7) for step in explain(tree, as_frame(X[[i]])).steps}
    assert kinds == {"asked", "surrogate", "fallback", "stays", "shared"}
    assert SHARED == -2
    assert MIXED.n_features == 5


# --- estimators -----------------------------------------------------------------------------------------------------


def test_estimators_read_their_tree() -> None:
    from sklearn.exceptions import NotFittedError

    from pygbt.tree import CARTClassifier, DecisionTree

    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    model = CARTClassifier()
    for read in (export_text, decision_rules, leaf_table, variable_importance, lambda m: m.to_svg()):
        with pytest.raises(NotFittedError):
            read(model)
    with pytest.raises(NotFittedError):
        _ = model.feature_importances_
    assert not hasattr(model, "feature_importances_")
    model.fit(X, np.where(X[:, 1] > 0.3, "high", "low"))
    assert isinstance(model.tree_, DecisionTree)
    assert model.to_text(style="j48") == export_text(model.tree_, style="j48")
    assert str(model.to_rules()) == str(decision_rules(model.tree_))
    assert model.to_graphviz().startswith("digraph Tree {")
    assert model.feature_importances_.argmax() == 1
    assert (model.apply(X) == [explain(model, x).parts[0][0] for x in X]).all()
    (low, high), covered = decision_rules(model), decision_rules(model).covers(X)
    assert (low.prediction, high.prediction) == ("low", "high")
    assert (covered[:, 1] == (model.predict(X) == "high")).all()
