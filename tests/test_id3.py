# SPDX-License-Identifier: Apache-2.0
"""ID3: the textbook trees, its stopping rules, values it does not know. The oracle is in test_c45_oracle.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from classic_tables import golf, text_of, watermelon

import pygbt
from pygbt.tree import ID3Classifier


def test_golf_tree() -> None:
    tree = ID3Classifier().fit(*golf()).tree_
    assert text_of(tree) == [
        "outlook = overcast: yes (4)",
        "outlook = rainy",
        "|  windy = false: yes (3)",
        "|  windy = true: no (2)",
        "outlook = sunny",
        "|  humidity = high: no (3)",
        "|  humidity = normal: yes (2)",
    ]
    assert tree.question_improvement[0] == pytest.approx(0.2467, abs=5e-5)
    assert tree.impurity[0] == pytest.approx(0.9403, abs=5e-5)


def test_watermelon_tree_of_the_textbook() -> None:
    """Zhou, Machine learning, figure 4.4; root, navel and touch are equal below clear texture, the first one wins."""
    tree = ID3Classifier().fit(*watermelon()).tree_
    assert text_of(tree) == [
        "texture = blur: no (3)",
        "texture = clear",
        "|  root = curled: yes (5)",
        "|  root = slight",
        "|  |  color = black",
        "|  |  |  touch = hard: yes (1)",
        "|  |  |  touch = soft: no (1)",
        "|  |  color = green: yes (1)",
        "|  |  color = white: yes (0)",  # nobody is here: the majority of the node above
        "|  root = stiff: no (1)",
        "texture = little_blur",
        "|  touch = hard: no (4)",
        "|  touch = soft: yes (1)",
    ]
    gains = dict(zip(tree.question_feature.tolist(), tree.question_improvement.tolist(), strict=True))
    assert gains[3] == pytest.approx(0.381, abs=5e-4)  # texture at the root
    assert gains[1] == pytest.approx(0.458, abs=5e-4)  # root below clear texture
    assert tree.question_improvement[2] == pytest.approx(0.722, abs=5e-4)  # touch below little_blur
    np.testing.assert_allclose(tree.impurity[:4], [0.998, 0.0, 0.764, 0.722], atol=5e-4)


@pytest.mark.parametrize(("first", "name"), [("navel", "navel"), ("touch", "touch"), ("root", "root")])
def test_ties_go_to_the_first_column(first: str, name: str) -> None:
    X, y = watermelon()
    X = X[[first, *[c for c in X.columns if c != first]]]
    tree = ID3Classifier().fit(X, y).tree_
    clear = tree.children(0)[1]
    assert tree.feature_names[tree.question_feature[tree.question_begin[clear]]] == name


def test_min_gain_stops() -> None:
    X, y = golf()
    assert ID3Classifier(min_gain=0.25).fit(X, y).tree_.n_nodes == 1
    assert ID3Classifier(min_gain=0.24).fit(X, y).tree_.n_nodes > 1
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 5)
    exclusive = x[:, 0] ^ x[:, 1]
    assert ID3Classifier().fit(x, exclusive).score(x, exclusive) == 1.0  # the first test gains nothing
    assert ID3Classifier(min_gain=1e-9).fit(x, exclusive).tree_.n_nodes == 1


def test_an_attribute_is_asked_once_on_a_path() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (300, 5)).astype(float)
    x[rng.random(x.shape) < 0.1] = np.nan
    tree = ID3Classifier().fit(x, rng.integers(0, 3, 300)).tree_
    asked: dict[int, frozenset[int]] = {0: frozenset()}
    for node in range(tree.n_nodes):
        if tree.n_children[node]:
            feature = int(tree.question_feature[tree.question_begin[node]])
            assert feature not in asked[node]
            for child in tree.children(node):
                asked[child] = asked[node] | {feature}
    assert tree.depth == 5


def test_values_it_does_not_know() -> None:
    X, y = golf()
    model = ID3Classifier().fit(X, y)
    days = pd.DataFrame({"outlook": ["foggy", None], "temperature": "hot", "humidity": "high", "windy": "true"})
    np.testing.assert_allclose(model.predict_proba(days), [[10 / 14, 4 / 14]] * 2, rtol=1e-12)
    assert model.predict(days).tolist() == ["no", "no"]


def test_numbers_are_values() -> None:
    x = np.array([[1.5], [2.5], [3.5]] * 4)
    y = np.array(["a", "b", "a"] * 4)
    model = ID3Classifier().fit(x, y)
    assert model.tree_.n_children[0] == 3
    assert model.predict([[2.5], [3.5]]).tolist() == ["b", "a"]
    np.testing.assert_allclose(model.predict_proba([[2.6]]), [[2 / 3, 1 / 3]])  # no branch: all of them


def test_same_bytes_on_any_number_of_threads() -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 6, (10_000, 8)).astype(float)
    x[rng.random(x.shape) < 0.02] = np.nan
    y = (np.nansum(x[:, :4], axis=1) > 9).astype(int)

    def arrays(n_jobs: int) -> dict[str, bytes]:
        tree = ID3Classifier(n_jobs=n_jobs, min_gain=0.01).fit(x, y).tree_
        return {k: v.tobytes() for k, v in tree.arrays.items() if isinstance(v, np.ndarray)}

    one = arrays(1)
    assert all(arrays(n_jobs) == one for n_jobs in (2, 3, 8))


@pytest.mark.parametrize("value", [-0.1, "a", None, float("nan"), float("inf"), True])
def test_bad_min_gain_is_named(value: Any) -> None:
    with pytest.raises(ValueError, match="min_gain"):
        ID3Classifier(min_gain=value).fit(*golf())


def test_a_dataset_of_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="ID3 needs nominal columns"):
        ID3Classifier().fit(pygbt.Dataset(np.zeros((4, 1))), [0, 1, 0, 1])
