# SPDX-License-Identifier: Apache-2.0
"""C4.5: golden numbers of the literature and of J48, laws, bad input. The oracle is in test_c45_oracle.py."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import pytest
from classic_tables import golf, text_of, watermelon
from sklearn.utils.estimator_checks import parametrize_with_checks

import pygbt
from pygbt import _core
from pygbt.tree import C45Classifier, ID3Classifier


@parametrize_with_checks([C45Classifier(), C45Classifier(nominal="grouped", ebp="exact"), ID3Classifier()])
def test_scikit_learn_checks(estimator: Any, check: Any) -> None:
    check(estimator)


# --- added errors -----------------------------------------------------------------------------------------------------

ADDED = [  # N, e, C4.5, J48 at confidence 0.25
    (1, 0, 0.7500, 0.7500),
    (6, 0, 1.2378, 1.2378),
    (3, 1, 1.0569, 1.0443),
    (16, 1, 1.5069, 1.4757),
    (48, 1, 1.5825, 1.5476),
    (10, 0.5, 1.3676, 1.3535),
    (2, 1.6, 0.2680, 0.4000),
    (14, 5, 1.7950, 1.7611),
    (50, 25, 2.9315, 2.8689),
    (100, 10, 2.8147, 2.7496),
]
ADDED_AT_A_TENTH = [(6, 0, 1.9122, 1.9122), (16, 1, 2.6481, 2.6514), (100, 10, 5.0806, 5.0870)]


@pytest.mark.parametrize("exact", [False, True], ids=["c45", "exact"])
@pytest.mark.parametrize(("confidence", "rows"), [(0.25, ADDED), (0.1, ADDED_AT_A_TENTH)])
def test_added_errors(confidence: float, rows: list[tuple[float, float, float, float]], exact: bool) -> None:
    n, e, c45, j48 = np.array(rows, dtype=float).T
    added = _core.added_errors(n.copy(), e.copy(), confidence, exact)
    np.testing.assert_allclose(added, j48 if exact else c45, atol=5.1e-5)


def test_squared_deviates() -> None:
    assert _core.squared_deviate(0.25, False) == pytest.approx(0.47955625, rel=1e-14)
    assert _core.squared_deviate(0.25, True) == pytest.approx(0.45493642, abs=5e-9)
    assert _core.squared_deviate(1.0, False) == 0.0
    for confidence in [1e-20, 1e-6, 0.001, 0.01, 0.074, 0.076, 0.1, 0.25, 0.4, 0.5]:
        z = NormalDist().inv_cdf(confidence)
        if confidence > 1e-10:  # else 1 - confidence rounds to 1
            assert _core.squared_deviate(confidence, True) == pytest.approx(z * z, rel=1e-9, abs=1e-30)


# --- golden trees -----------------------------------------------------------------------------------------------------


def test_golf_gains_and_ratios() -> None:
    X, y = golf()
    report = C45Classifier().fit(X, y).split_report(X, y)
    expected = {  # gain, split information, ratio
        "outlook": (0.2467, 1.5774, 0.1564),
        "humidity": (0.1518, 1.0000, 0.1518),
        "windy": (0.0481, 0.9852, 0.0488),
        "temperature": (0.0292, 1.5567, 0.0188),
    }
    for row in report:
        np.testing.assert_allclose((row.gain, row.split_info, row.ratio), expected[row.name], atol=5.1e-5)
        assert row.average_gain == pytest.approx(0.1190, abs=5e-5)
    assert {row.name for row in report if row.eligible} == {"outlook", "humidity"}
    assert [row.name for row in report if row.chosen] == ["outlook"]


@pytest.mark.parametrize("prune", [True, False])
def test_golf_nominal_tree(prune: bool) -> None:
    assert text_of(C45Classifier(prune=prune).fit(*golf()).tree_) == [
        "outlook = overcast: yes (4)",
        "outlook = rainy",
        "|  windy = false: yes (3)",
        "|  windy = true: no (2)",
        "outlook = sunny",
        "|  humidity = high: no (3)",
        "|  humidity = normal: yes (2)",
    ]


@pytest.mark.parametrize(
    ("version", "gain", "threshold", "midpoint", "n_cuts", "penalty"),
    [("quinlan", 0.1022, 80.0, 82.5, 6, 0.1846), ("weka", 0.1518, 80.0, 82.5, 7, 0.2005)],
)
def test_golf_numeric(
    version: str, gain: float, threshold: float, midpoint: float, n_cuts: int, penalty: float
) -> None:
    X, y = golf(version)
    model = C45Classifier().fit(X, y)
    report = {row.name: row for row in model.split_report(X, y)}
    humidity, temperature = report["humidity"], report["temperature"]
    assert (humidity.threshold, humidity.midpoint, humidity.n_cuts) == (threshold, midpoint, n_cuts)
    assert humidity.penalty == pytest.approx(penalty, abs=5e-5)
    assert humidity.gain + humidity.penalty == pytest.approx(gain, abs=5e-5)
    assert (temperature.threshold, temperature.midpoint, temperature.n_cuts) == (70.0, 70.5, 9)
    assert temperature.penalty == pytest.approx(0.2264, abs=5e-5)
    assert temperature.gain + temperature.penalty == pytest.approx(0.0453, abs=5e-5)
    assert not humidity.usable and not temperature.usable
    assert text_of(model.tree_) == [
        "outlook = overcast: yes (4)",
        "outlook = rainy",
        "|  windy = false: yes (3)",
        "|  windy = true: no (2)",
        "outlook = sunny",
        "|  humidity <= 75: yes (2)",
        "|  humidity > 75: no (3)",
    ]


def test_a_case_of_unknown_outlook() -> None:
    """Quinlan 1993, chapter 3: the twelfth day has no outlook."""
    X, y = golf("quinlan")
    X.loc[11, "outlook"] = np.nan
    model = C45Classifier(penalty=False, prune=False).fit(X, y)
    outlook = model.split_report(X, y)[0]
    assert outlook.gain == pytest.approx(0.199, abs=5e-4)
    assert outlook.split_info == pytest.approx(1.809, abs=5e-4)
    assert outlook.ratio == pytest.approx(0.110, abs=5e-4)
    assert text_of(model.tree_) == [
        "outlook = overcast: yes (3.23)",
        "outlook = rainy",
        "|  windy = false: yes (3)",
        "|  windy = true: no (2.38/0.38)",
        "outlook = sunny",
        "|  humidity <= 75: yes (2)",
        "|  humidity > 75: no (3.38/0.38)",
    ]
    # A sunny day without humidity, with 5 / 13 of the case counted as such.
    part = 5 / 13
    yes = (2 + part) / (5 + part)
    day = pd.DataFrame({"outlook": ["sunny"], "temperature": [70.0], "humidity": [np.nan], "windy": ["false"]})
    np.testing.assert_allclose(model.predict_proba(day), [[1 - yes, yes]], rtol=1e-9)
    assert yes == pytest.approx(0.44, abs=5e-3)


def test_watermelon_gains() -> None:
    X, y = watermelon()
    report = {row.name: row for row in C45Classifier().fit(X, y).split_report(X, y)}
    expected = {
        "texture": (0.381, 1.447, 0.263),
        "navel": (0.289, 1.549, 0.187),
        "root": (0.143, 1.402, 0.102),
        "knocks": (0.141, 1.333, 0.106),
        "color": (0.108, 1.580, 0.068),
        "touch": (0.006, 0.874, 0.007),
    }
    for name, numbers in expected.items():
        row = report[name]
        np.testing.assert_allclose((row.gain, row.split_info, row.ratio), numbers, atol=5.1e-4)
        assert row.average_gain == pytest.approx(0.178, abs=5e-4)
        assert row.eligible == (name in ("texture", "navel"))


def test_watermelon_numbers() -> None:
    X, y = watermelon(numbers=True)
    report = {row.name: row for row in C45Classifier(penalty=False).fit(X, y).split_report(X, y)}
    density, sugar = report["density"], report["sugar"]
    assert density.gain == pytest.approx(0.262, abs=5e-4) and sugar.gain == pytest.approx(0.349, abs=5e-4)
    assert density.midpoint == pytest.approx(0.3815) and sugar.midpoint == pytest.approx(0.126)
    assert (density.threshold, sugar.threshold) == (0.360, 0.103)


@pytest.mark.shared_data
@pytest.mark.parametrize("ebp", ["c45", "exact"])
def test_iris_as_j48(shared_data: Any, ebp: Any) -> None:
    from datasets import load

    data = load("iris")
    for prune in (True, False):
        model = C45Classifier(ebp=ebp, prune=prune).fit(data.X, data.y)
        assert [line.replace("Iris-", "") for line in text_of(model.tree_)] == [
            "petalwidth <= 0.6: setosa (50)",
            "petalwidth > 0.6",
            "|  petalwidth <= 1.7",
            "|  |  petallength <= 4.9: versicolor (48/1)",
            "|  |  petallength > 4.9",
            "|  |  |  petalwidth <= 1.5: virginica (3)",
            "|  |  |  petalwidth > 1.5: versicolor (3/1)",
            "|  petalwidth > 1.7: virginica (46/1)",
        ]
        assert (model.tree_.n_leaves, model.tree_.n_nodes) == (5, 9)


@pytest.mark.shared_data
def test_vote_as_j48_with_parts_of_cases(shared_data: Any) -> None:
    """Of the 435 rows 203 lack some value: parts of cases through four levels."""
    from datasets import load

    data = load("vote")
    assert text_of(C45Classifier(ebp="exact").fit(data.X, data.y).tree_) == [
        "physician-fee-freeze = n: democrat (253.41/3.75)",
        "physician-fee-freeze = y",
        "|  synfuels-corporation-cutback = n: republican (145.71/4)",
        "|  synfuels-corporation-cutback = y",
        "|  |  mx-missile = n",
        "|  |  |  adoption-of-the-budget-resolution = n: republican (22.61/3.32)",
        "|  |  |  adoption-of-the-budget-resolution = y",
        "|  |  |  |  anti-satellite-test-ban = n: democrat (5.04/0.02)",
        "|  |  |  |  anti-satellite-test-ban = y: republican (2.21)",
        "|  |  mx-missile = y: democrat (6.03/1.03)",
    ]


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "leaves", "nodes"),
    [("diabetes", 20, 39), ("ionosphere", 18, 35), ("sonar", 18, 35), ("kr_vs_kp", 31, 59), ("letter", 1226, 2451)],
)
def test_sizes_of_j48(shared_data: Any, name: str, leaves: int, nodes: int) -> None:
    from datasets import load

    data = load(name)
    tree = C45Classifier(ebp="exact").fit(data.X, data.y).tree_
    assert (tree.n_leaves, tree.n_nodes) == (leaves, nodes)


# --- tests of nodes ---------------------------------------------------------------------------------------------------


def test_an_id_column_deceives_id3_but_not_c45() -> None:
    X, y = golf()
    X.insert(0, "day", pd.Categorical([f"d{i}" for i in range(14)]))
    id3 = ID3Classifier().fit(X, y).tree_
    assert id3.question_feature[0] == 0 and id3.n_leaves == 14
    c45 = C45Classifier().fit(X, y)
    assert 0 not in c45.tree_.question_feature
    assert c45.split_report(X, y)[1].chosen

    # Twins share their number: now its branches have two cases, but its ratio is punished.
    twice = pd.concat([X, X], ignore_index=True)
    report = C45Classifier().fit(twice, np.concatenate([y, y])).split_report(twice, np.concatenate([y, y]))
    assert report[0].usable and report[0].gain == max(row.gain for row in report)
    assert report[0].split_info == pytest.approx(np.log2(14))
    # It has values for half of the cases: it does not take part in the average.
    assert report[0].average_gain == pytest.approx(0.1190, abs=5e-5)


def test_grouping_merges_categories_of_like_classes() -> None:
    rng = np.random.default_rng(0)
    letters = rng.choice(list("abcdef"), 600)
    y = (np.isin(letters, ["a", "c", "f"]) ^ (rng.random(600) < 0.05)).astype(int)
    X = pd.DataFrame({"x": pd.Categorical(letters)})
    tree = C45Classifier(nominal="grouped").fit(X, y).tree_
    assert tree.question_branches[:6].tolist() == [0, 1, 0, 1, 1, 0]
    one = C45Classifier(nominal="one_vs_rest", prune=False).fit(X, y).tree_
    assert set(one.n_children.tolist()) == {0, 2}
    assert sorted(one.question_branches[:6].tolist()) == [0, 1, 1, 1, 1, 1]


def test_thresholds_are_values_of_the_whole_training_table() -> None:
    """Below the root the node's values are 1 and 9, the midpoint 5; the table also has 4 (and 6)."""
    left = pd.DataFrame({"a": 0.0, "b": [1.0] * 5 + [9.0] * 5})
    right = pd.DataFrame({"a": 1.0, "b": [4.0, 6.0] * 10})
    X = pd.concat([left, right], ignore_index=True)
    y = np.array([0] * 5 + [1] * 5 + [2] * 20)
    tree = C45Classifier().fit(X, y).tree_
    below = tree.question_begin[tree.children(0)[0]]
    assert tree.question_threshold[below] == 4.0
    assert (tree.question_lower[below], tree.question_upper[below]) == (1.0, 9.0)
    weight = np.where(X["b"] == 4.0, 0.0, 1.0)
    below = C45Classifier().fit(X, y, sample_weight=weight).tree_
    assert below.question_threshold[1] == 1.0


def test_values_closer_than_min_gap_are_not_cut_apart() -> None:
    x = np.repeat([1.0, 1.000008, 1.000016], 10)[:, None]
    y = np.repeat([0, 1, 1], 10)
    assert C45Classifier().fit(x, y).tree_.n_nodes == 1
    assert C45Classifier(min_gap=0).fit(x, y).tree_.n_nodes == 3


def test_min_split_grows_with_the_cases_of_a_class() -> None:
    """40 cases and 2 classes: a side needs 2 cases, or 0.1 x 40 / 2; 1,000 cases: 25, not 50."""
    for n, least in [(40, 2), (200, 10), (1000, 25)]:
        x = np.arange(n, dtype=float)[:, None]
        for side in (least, least - 1):
            y = (np.arange(n) >= side).astype(int)
            cut = C45Classifier(penalty=False, prune=False, collapse=False).fit(x, y).split_report(x, y)[0]
            assert (cut.threshold == side - 1) == (side == least), (n, side)
            assert cut.n_cuts == n - 2 * least + 1


def test_unseen_and_missing_values_answer_alike() -> None:
    X, y = golf()
    model = C45Classifier().fit(X, y)
    days = pd.DataFrame({"outlook": ["foggy", None], "temperature": "hot", "humidity": "high", "windy": "true"})
    got = model.predict_proba(days)
    np.testing.assert_allclose(got, [[10 / 14, 4 / 14]] * 2, rtol=1e-12)  # only overcast says yes


# --- laws -------------------------------------------------------------------------------------------------------------


def mixed(n: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).round(2)
    kind = rng.choice(list("pqrst"), n)
    score = x[:, 0] + (kind == "p") * x[:, 1] - np.isin(kind, ["q", "r"]) + 0.5 * rng.normal(size=n)
    frame = pd.DataFrame(x, columns=list("abcd"))
    frame["kind"] = kind
    for column in frame.columns:
        frame.loc[rng.random(n) < 0.05, column] = None
    return frame.astype({"kind": "category"}), np.digitize(score, [-1.0, 0.5])


def bytes_of(model: Any) -> dict[str, bytes]:
    return {k: v.tobytes() for k, v in model.tree_.arrays.items() if isinstance(v, np.ndarray)}


@pytest.mark.parametrize("nominal", ["multiway", "grouped"])
def test_same_bytes_on_any_number_of_threads(nominal: Any) -> None:
    X, y = mixed(12_000)
    one = C45Classifier(nominal=nominal, n_jobs=1).fit(X, y)
    assert one.tree_.n_leaves > 40
    for n_jobs in (2, 3, 8):
        assert bytes_of(C45Classifier(nominal=nominal, n_jobs=n_jobs).fit(X, y)) == bytes_of(one)


def test_weight_is_repetition_and_zero_is_absence() -> None:
    X, y = mixed(400)
    weight = np.random.default_rng(1).integers(0, 4, 400)
    rows = np.repeat(np.arange(400), weight)
    weighted = C45Classifier().fit(X, y, sample_weight=weight.astype(float)).tree_
    repeated = C45Classifier().fit(X.iloc[rows], y[rows]).tree_
    np.testing.assert_array_equal(weighted.question_feature, repeated.question_feature)
    np.testing.assert_array_equal(weighted.question_threshold, repeated.question_threshold)
    np.testing.assert_allclose(weighted.value, repeated.value, rtol=1e-9, atol=1e-9)


def test_order_of_rows_does_not_matter() -> None:
    X, y = mixed(3000)
    order = np.random.default_rng(2).permutation(3000)
    np.testing.assert_allclose(
        C45Classifier().fit(X.iloc[order], y[order]).tree_.value, C45Classifier().fit(X, y).tree_.value, atol=1e-6
    )


def test_pruning_only_ever_shrinks() -> None:
    X, y = mixed(2000)
    sizes = [C45Classifier(confidence=c).fit(X, y).tree_.n_leaves for c in (1.0, 0.5, 0.25, 0.1, 0.01)]
    full = C45Classifier(prune=False, collapse=False).fit(X, y).tree_
    assert full.n_leaves >= C45Classifier(prune=False).fit(X, y).tree_.n_leaves >= sizes[0]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < sizes[0]
    np.testing.assert_allclose(full.value[0], np.bincount(y), rtol=1e-12)  # parts of cases add up


def test_a_binned_dataset_gives_the_same_predictions_where_bins_are_values() -> None:
    rng = np.random.default_rng(3)
    X = rng.integers(0, 20, (1000, 4)).astype(np.float32)
    y = ((X[:, 0] > 7) ^ (X[:, 1] > 11)).astype(int)
    exact = C45Classifier().fit(X, y)
    binned = C45Classifier().fit(pygbt.Dataset(X), y)
    np.testing.assert_array_equal(exact.predict_proba(X), binned.predict_proba(X))


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("confidence", 0),
        ("confidence", 1.5),
        ("confidence", "a"),
        ("confidence", float("nan")),
        ("min_obj", 0),
        ("min_obj", -1),
        ("min_obj", True),
        ("min_obj", float("inf")),
        ("min_gap", -1e-9),
        ("penalty", "yes"),
        ("prune", 1),
        ("collapse", None),
        ("subtree_raising", "no"),
        ("nominal", "binary"),
        ("ebp", "weka"),
    ],
)
def test_bad_parameters_are_named(parameter: str, value: Any) -> None:
    with pytest.raises(ValueError, match=parameter):
        C45Classifier(**{parameter: value}).fit(*golf())


def test_other_bad_input() -> None:
    X, y = golf("quinlan")
    with pytest.raises(ValueError, match=r"confidence must be a number in \(0, 0.5\]"):
        C45Classifier(ebp="exact", confidence=0.6).fit(X, y)
    with pytest.raises(ValueError, match="same number of rows"):
        C45Classifier().fit(X, y[:-1])
    with pytest.raises(ValueError, match="infinite"):
        C45Classifier().fit(X.assign(temperature=np.inf), y)
    model = C45Classifier().fit(X, y)
    with pytest.raises(ValueError, match="no such node"):
        model.split_report(X, y, node=99)
    many = pd.DataFrame({"x": pd.Categorical(np.arange(501).astype(str))})
    with pytest.raises(ValueError, match="grouped"):
        C45Classifier(nominal="grouped").fit(many, np.arange(501) % 2)
