# SPDX-License-Identifier: Apache-2.0
"""A question that only asks whether a value is there reads so, wherever a tree is read."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from pygbt.tree import CARTClassifier, decision_rules, explain, export_text, node_table, to_graphviz
from pygbt.tree.arrangement import Look, arrange
from pygbt.tree.boxes import branch_words
from pygbt.tree.conditions import Cut
from pygbt.tree.node_facts import NodeFacts
from pygbt.tree.questions import question

X = np.array([1.0, 2.0, np.nan, 1.0, 4.0, 3.0, *[np.nan] * 8])[:, None]
Y = np.array([0, 0, 1, 0, 2, 0, *[1] * 8])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_known_or_missing(dtype: type) -> None:
    table = X.astype(dtype)
    model = CARTClassifier(missing="direction", min_split=2, min_bucket=1, cp=None).fit(table, Y)
    assert node_table(model)["branch"][:3] == ["root", "f0 = known", "f0 = missing"]
    for text in (export_text(model), export_text(model, style="j48"), to_graphviz(model)):
        assert "= known" in text and "= missing" in text and "e+3" not in text
    assert "f0= missing" in export_text(model, style="rpart")
    rules = decision_rules(model)
    assert [rule.conditions_text() for rule in rules] == ["f0 < 3.5", "f0 >= 3.5", "f0 = missing"]
    np.testing.assert_array_equal(rules.covers(table).sum(axis=1), 1)
    assert "f0 = missing" in str(explain(model, table[2:3])) and "f0 = known" not in str(explain(model, table[2:3]))
    assert [branch_words(question(model.tree_, 0), child, 6) for child in (0, 1)] == [["known"], ["missing"]]
    look = Look(None, "down", 2, 6, True, True, None, None, 9.0)
    drawn = arrange(NodeFacts(model.tree_), lambda text, size, bold: size * len(text), look)
    assert [drawn.edges[node].label.lines for node in (1, 2)] == [("known",), ("missing",)]


def test_only_the_largest_number_parts_so() -> None:
    for wide, kind in ((True, np.float64), (False, np.float32)):
        most = float(np.finfo(kind).max)
        assert Cut.between(most, 3.0, 3.0, wide).parts_missing
        assert not Cut.between(float(np.nextafter(kind(most), kind(0))), 1.0, most, wide).parts_missing
    assert not Cut.between(float(np.finfo(np.float32).max), 1.0, 1e39, True).parts_missing
