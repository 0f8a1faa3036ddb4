# SPDX-License-Identifier: Apache-2.0
"""The questions of a tree in words, and as conditions of its branches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .conditions import Condition, Cut, categories_text
from .decision_tree import DecisionTree

__all__ = ["Question", "question", "questions_of", "tree_of"]


def tree_of(model: Any, argument: str = "tree") -> DecisionTree:
    """The `DecisionTree` of a fitted estimator, or the tree itself."""
    if isinstance(model, DecisionTree):
        return model
    if hasattr(model, "fit"):
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(model)
    fitted = getattr(model, "tree_", None)
    if isinstance(fitted, DecisionTree):
        return fitted
    raise TypeError(
        f"{argument} must be a fitted estimator of pygbt.tree or a DecisionTree, got {type(model).__name__}; "
        "the trees of a booster have to_text() and Booster.to_dataframe()"
    )


@dataclass(frozen=True, eq=False)
class Question:
    """One question of a node: the one it asks, a surrogate or a competitor.

    Attributes
    ----------
    index : int
        Its place among the questions of the tree.
    feature, name : int and str
        What it asks for.
    n_children : int
        Branches of the node.
    cut : Cut or None
        Numeric: where the feature is cut.
    low_child : int
        Numeric: the child, 0 or 1, of values below the cut.
    branches : tuple of int
        Nominal: the child of every category; -1 for one that the node has not seen.
    categories : tuple
        Nominal: the values of the categories.
    improvement, agreement, adjusted : float
        As in `DecisionTree`.
    """

    index: int
    feature: int
    name: str
    n_children: int
    cut: Cut | None
    low_child: int
    branches: tuple[int, ...]
    categories: tuple[Any, ...]
    improvement: float
    agreement: float
    adjusted: float

    def answer(self, x: float) -> int:
        """The child of a value (a code for a category); -1 if it is missing or not known here."""
        if x != x:
            return -1
        if self.cut is not None:
            return self.low_child if x <= self.cut.threshold else 1 - self.low_child
        return self.branches[int(x)] if 0 <= x < len(self.branches) else -1

    def branch_categories(self, child: int) -> tuple[tuple[int, Any], ...]:
        """Nominal: codes and values that go to a child."""
        return tuple((code, self.categories[code]) for code, to in enumerate(self.branches) if to == child)

    def condition(self, child: int, *, missing: bool = False) -> Condition:
        """What is true of the rows that the question sends to a child; `missing`: there go those it does not decide."""
        if self.cut is None:
            here, nowhere = self.branch_categories(child), self.branch_categories(-1)
            return Condition(self.feature, self.name, categories=here, missing=missing, unseen=nowhere)
        if child == self.low_child:
            return Condition(self.feature, self.name, below=self.cut, missing=missing)
        return Condition(self.feature, self.name, above=self.cut, missing=missing)

    def branch_text(self, child: int, max_categories: int | None = None) -> str:
        """The answer that leads to a child, without the feature's name: ``< 2.45``, ``= red``, ``in {red, blue}``."""
        if self.cut is not None:
            return self.cut.below if child == self.low_child else self.cut.above
        return categories_text([value for _, value in self.branch_categories(child)], max_categories)


def question(tree: DecisionTree, index: int) -> Question:
    """The question of that index, shape of `DecisionTree.question_feature`."""
    node_of = int(tree.question_begin.searchsorted(index, side="right")) - 1
    feature = int(tree.question_feature[index])
    begin, n = int(tree.question_branch_begin[index]), int(tree.question_n_branches[index])
    cut = None
    categories: tuple[Any, ...] = ()
    if begin < 0:
        cut = Cut.between(
            float(tree.question_threshold[index]),
            float(tree.question_lower[index]),
            float(tree.question_upper[index]),
            tree.wide[feature],
        )
    else:
        categories = tree.schema.categories[feature] or tuple(range(n))
    return Question(
        index=index,
        feature=feature,
        name=tree.feature_names[feature],
        n_children=int(tree.n_children[node_of]),
        cut=cut,
        low_child=int(tree.question_low_child[index]),
        branches=tuple(int(b) for b in tree.question_branches[begin : begin + n]) if begin >= 0 else (),
        categories=categories,
        improvement=float(tree.question_improvement[index]),
        agreement=float(tree.question_agreement[index]),
        adjusted=float(tree.question_adjusted[index]),
    )


def questions_of(tree: DecisionTree, node: int) -> tuple[Question | None, list[Question], list[Question]]:
    """The question that a node asks (None at a leaf), its surrogates and its competitors."""
    begin, end = int(tree.question_begin[node]), int(tree.question_begin[node + 1])
    if begin == end:
        return None, [], []
    split = begin + 1 + int(tree.n_surrogates[node])
    surrogates = [question(tree, q) for q in range(begin + 1, split)]
    return question(tree, begin), surrogates, [question(tree, q) for q in range(split, end)]
