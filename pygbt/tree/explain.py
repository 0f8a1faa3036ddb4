# SPDX-License-Identifier: Apache-2.0
"""Why a tree answers as it does for one row: the questions asked, the answers, and who stood in for missing ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..columns import is_missing
from .conditions import number_text, prediction_text
from .decision_tree import SHARED, STAYS, DecisionTree
from .node_facts import NodeFacts
from .questions import Question, questions_of, tree_of
from .rows import encoded_value, raw_row

__all__ = ["Explanation", "Step", "explain"]

How = Literal["asked", "surrogate", "fallback", "stays", "shared"]


@dataclass(frozen=True)
class Step:
    """What one node did with the row.

    Attributes
    ----------
    node : int
    depth : int
    share : float
        Part of the row that came here; 1 unless it was shared above.
    question : str
        Feature that the node asks for.
    how : {"asked", "surrogate", "fallback", "stays", "shared"}
        Who decided: the question, a surrogate, or nobody: then the row takes the branch laid down for such rows, stays
        in the node, or goes down every branch in parts.
    answer : str
        The answer in words.
    unanswered : tuple of str
        Why the question, and surrogates before the one that decided, could not.
    children : tuple of int
        Nodes that the row goes on to; empty if it stays.
    """

    node: int
    depth: int
    share: float
    question: str
    how: How
    answer: str
    unanswered: tuple[str, ...]
    children: tuple[int, ...]

    def to_text(self) -> str:
        """The step in one line."""
        words = {
            "asked": self.answer,
            "surrogate": f"surrogate {self.answer}",
            "fallback": f"takes the branch of undecided rows, {self.answer}",
            "stays": "stays here",
            "shared": f"is shared: {self.answer}",
        }[self.how]
        return f"node {self.node}: {'; '.join([*self.unanswered, words])}"


@dataclass(frozen=True, eq=False)
class Explanation:
    """The way of one row through a tree; ``print`` shows it.

    Attributes
    ----------
    row : dict of str to object
        The values of the row.
    steps : tuple of Step
        Nodes that asked something, each before those it leads to.
    parts : tuple of (int, float)
        Nodes that answer and their shares of the row, which sum to 1.
    value : ndarray of float64, shape (n_values,)
        Shares of the classes, or means of the targets.
    prediction : object
        Class or mean.
    """

    row: dict[str, Any]
    steps: tuple[Step, ...]
    parts: tuple[tuple[int, float], ...]
    value: npt.NDArray[np.float64]
    prediction: Any
    _facts: NodeFacts

    def to_text(self, decimals: int = 3) -> str:
        """The steps, one a line, then the nodes that answer and the prediction."""
        facts = self._facts
        lines = ["  " * step.depth + step.to_text() for step in self.steps]
        for node, share in self.parts:
            part = "" if len(self.parts) == 1 else f"{share:.{decimals}f} of the row: "
            kind = "leaf" if not facts.tree.children(node) else "node"
            lines.append(f"{part}{kind} {node}: {facts.prediction_text(node, decimals)}  {facts.cases_text(node)}")
        result = prediction_text(self.prediction, decimals)
        if facts.tree.classifier:
            pairs = [
                f"{label} {share:.{decimals}f}"
                for label, share in zip(facts.classes, self.value.tolist(), strict=True)
                if share > 0
            ]
            result += f"  ({', '.join(pairs)})"
        return "\n".join([*lines, f"prediction: {result}"])

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return f"Explanation(prediction={self.prediction!r}, steps={len(self.steps)}, parts={self.parts})"


def explain(tree: Any, x: Any) -> Explanation:
    """Follow one row down a tree.

    Parameters
    ----------
    tree : fitted estimator or DecisionTree
    x : mapping, sequence, Series, or table of one row
        A mapping may leave columns out: they are missing.

    Returns
    -------
    Explanation
        The way is the one that `predict` takes.
    """
    tree = tree_of(tree)
    raw = raw_row(tree.schema, x)
    values = [encoded_value(tree.schema, tree.wide, feature, value) for feature, value in enumerate(raw)]
    facts = NodeFacts(tree)
    steps, parts = _Walk(facts, raw, values).run()
    value = np.zeros(tree.n_values)
    for node, share in parts:
        value += share * (facts.shares[node] if tree.classifier else tree.value[node])
    prediction: Any
    if tree.classifier:
        code = int(tree.label[parts[0][0]]) if len(parts) == 1 else int(np.argmax(value))
        prediction = facts.classes[code]
    else:
        prediction = float(value[0]) if len(value) == 1 else value
    row = dict(zip(tree.feature_names, raw, strict=True))
    return Explanation(row, tuple(steps), tuple(parts), value, prediction, facts)


class _Walk:
    """One row on its way; shared parts are followed in the order of the engine, first branch first."""

    def __init__(self, facts: NodeFacts, raw: list[Any], values: list[float]) -> None:
        self.facts, self.tree, self.raw, self.values = facts, facts.tree, raw, values

    def run(self) -> tuple[list[Step], list[tuple[int, float]]]:
        steps: list[Step] = []
        parts: list[tuple[int, float]] = []
        stack = [(0, 1.0)]
        while stack:
            node, share = stack.pop()
            if not self.tree.children(node):
                parts.append((node, share))
                continue
            step, ways = self.step(node, share)
            steps.append(step)
            stack.extend(reversed(ways))
            if not ways:
                parts.append((node, share))
        return steps, parts

    def step(self, node: int, share: float) -> tuple[Step, list[tuple[int, float]]]:
        """What a node does with its part of the row, and where the part goes on to."""
        asked, surrogates, _ = questions_of(self.tree, node)
        assert asked is not None
        unanswered: list[str] = []
        how: How = "asked"
        for question in (asked, *surrogates):
            child = question.answer(self.values[question.feature])
            if child >= 0:
                to = int(self.tree.first_child[node]) + child
                return self._made(node, share, asked, how, self._given(question, child), unanswered, [(to, share)])
            unanswered.append(self._lacking(question))
            how = "surrogate"
        fallback = int(self.tree.fallback[node])
        if fallback == STAYS:
            return self._made(node, share, asked, "stays", "", unanswered, [])
        if fallback == SHARED:
            ways = _shares(self.tree, node, share)
            text = ", ".join(f"{part / share:.3g} {self.facts.branch_text(child)}" for child, part in ways)
            return self._made(node, share, asked, "shared", text, unanswered, ways)
        to = int(self.tree.first_child[node]) + fallback
        return self._made(node, share, asked, "fallback", self.facts.branch_text(to), unanswered, [(to, share)])

    def _made(
        self,
        node: int,
        share: float,
        asked: Question,
        how: How,
        answer: str,
        unanswered: list[str],
        ways: list[tuple[int, float]],
    ) -> tuple[Step, list[tuple[int, float]]]:
        children = tuple(child for child, _ in ways)
        step = Step(node, self.facts.depths[node], share, asked.name, how, answer, tuple(unanswered), children)
        return step, ways

    def _given(self, question: Question, child: int) -> str:
        value = self.raw[question.feature]
        shown = str(value) if question.cut is None else number_text(float(value), 9)
        branch = question.branch_text(child)
        return f"{question.name} = {shown}" if branch == f"= {shown}" else f"{question.name} = {shown}, {branch}"

    def _lacking(self, question: Question) -> str:
        if self.values[question.feature] == self.values[question.feature]:
            return f"{question.name} = {self.raw[question.feature]} was not seen in this node"
        if question.cut is None and not is_missing(self.raw[question.feature]):
            return f"{question.name} = {self.raw[question.feature]} was not seen in training"
        return f"{question.name} is missing"


def _shares(tree: DecisionTree, node: int, share: float) -> list[tuple[int, float]]:
    """Branches and their parts of a row, by the weights of the children; alike if there are none."""
    below = tree.children(node)
    weights = [float(tree.weight[child]) for child in below]
    total = sum(weights)
    parts = [share * (weight / total if total > 0 else 1.0 / len(below)) for weight in weights]
    return [(child, part) for child, part in zip(below, parts, strict=True) if part > 0]
