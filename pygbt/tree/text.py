# SPDX-License-Identifier: Apache-2.0
"""Trees as text, in three styles: this project's, that of rpart and that of J48."""

from __future__ import annotations

from typing import Any, Literal

from ..inspect import Tree
from .conditions import number_text, one_line
from .node_facts import NodeFacts, check_decimals, check_levels, counted, weight_text
from .question_text import question_lines
from .questions import tree_of

__all__ = ["export_text"]

Style = Literal["tree", "rpart", "j48"]
MOST_SHARES = 6  # classes whose shares are all listed; of more only that of the predicted class is


def export_text(
    tree: Any,
    *,
    max_depth: int | None = None,
    decimals: int = 3,
    style: Style = "tree",
    surrogates: bool = False,
    competitors: bool = False,
) -> str:
    """Write a tree as text.

    Numeric questions of CART show the midpoint between the training values around the cut, ``x < 2.45``; others the
    value that the tree compares with, ``x <= 1.9``: in as many digits as tell the two values apart.

    Parameters
    ----------
    tree : fitted estimator, DecisionTree, or Tree of a booster
        A booster's tree is written by its own ``to_text()``.
    max_depth : int, optional
        Levels that are shown; deeper sub-trees are counted.
    decimals : int
        Of shares and means.
    style : {"tree", "rpart", "j48"}
        - ``"tree"``: lines connect a node with its children; prediction, rows, shares of the classes.
        - ``"rpart"``: ``node), split, n, loss, yval, (yprob)``. Children of node t are 2t and 2t + 1 (with up to b
          branches a node: b (t - 1) + 2 and the following), ``*`` marks leaves.
        - ``"j48"``: ``|   feature <= value: class (n/errors)``; in a regression ``mean (n/deviance)``.
    surrogates, competitors : bool
        List them below the node that has them, with what they agree in and gain.

    Returns
    -------
    str
    """
    check_levels(max_depth)
    check_decimals(decimals)
    writers = {"tree": _TreeText, "rpart": _RpartText, "j48": _J48Text}
    if style not in writers:
        raise ValueError(f'style must be "tree", "rpart" or "j48", got {style!r}')
    if isinstance(tree, Tree):
        return tree.to_text()
    writer = writers[style](NodeFacts(tree_of(tree)), max_depth, decimals)
    writer.listed = (surrogates, competitors)
    return "\n".join(writer.lines())


class _Text:
    """What the styles share: which nodes are shown, and what is listed below them."""

    listed = (False, False)  # surrogates, competitors

    def __init__(self, facts: NodeFacts, max_depth: int | None, decimals: int) -> None:
        self.facts = facts
        self.tree = facts.tree
        self.max_depth = max_depth
        self.decimals = decimals

    def lines(self) -> list[str]:
        raise NotImplementedError

    def shown(self) -> list[int]:
        """Nodes that are not too deep, each before its children."""
        most = self.tree.depth if self.max_depth is None else self.max_depth
        return [node for node in self.facts.walk() if self.facts.depths[node] <= most]

    def cut_off(self, node: int) -> str:
        """What is said of a node whose children are not shown; empty otherwise."""
        if self.max_depth is None or self.facts.depths[node] < self.max_depth or not self.tree.children(node):
            return ""
        return f" … {counted(self.facts.leaves_below[node], 'leaf')} below"

    def more(self, node: int, indent: str) -> list[str]:
        """Lines of surrogates and competitors."""
        if not any(self.listed) or not self.tree.children(node) or self.cut_off(node):
            return []
        return [indent + line for line in question_lines(self.tree, node, *self.listed)]

    def shares(self, node: int) -> str:
        values = self.facts.shares[node] if self.tree.classifier else []
        return " ".join(f"{float(value):.{self.decimals}f}" for value in values)


class _TreeText(_Text):
    """Nodes on lines that branch."""

    def lines(self) -> list[str]:
        out = []
        if self.tree.classifier and self.tree.n_values <= MOST_SHARES:
            out.append(f"shares of: {', '.join(one_line(label) for label in self.facts.classes)}")
        stems = {0: ""}  # what stands before the children of a node
        for node in self.shown():
            head = ""
            if node > 0:
                stem = stems[self.facts.parents[node]]
                last = node == self.tree.children(self.facts.parents[node])[-1]
                head = stem + ("└─ " if last else "├─ ")
                stems[node] = stem + ("   " if last else "│  ")
            out.append(head + self.node_text(node))
            going_on = "│  " if self.tree.children(node) and not self.cut_off(node) else "   "
            out += self.more(node, stems[node] + going_on + "  ")
        return out

    def node_text(self, node: int) -> str:
        facts = [self.facts.cases_text(node)]
        if self.tree.classifier:
            if self.tree.n_values <= MOST_SHARES:
                facts.append(f"[{self.shares(node)}]")
            else:
                facts.append(f"share {self.facts.shares[node, self.tree.label[node]]:.{self.decimals}f}")
        star = "" if self.tree.children(node) else " *"
        prediction = self.facts.prediction_text(node, self.decimals)
        return f"{self.facts.branch_text(node)}: {prediction}  {'  '.join(facts)}{star}{self.cut_off(node)}"


class _RpartText(_Text):
    """Numbered nodes: number), split, n, loss, yval, (yprob)."""

    def lines(self) -> list[str]:
        columns = "loss, yval, (yprob)" if self.tree.classifier else "deviance, yval"
        out = [f"n= {self.tree.count[0]}", "", f"node), split, n, {columns}", "      * denotes terminal node", ""]
        shown = self.shown()
        width = max(len(str(self.facts.numbers[node])) for node in shown)
        for node in shown:
            indent = "  " * self.facts.depths[node]
            number = f"{self.facts.numbers[node]:>{width}}) "
            facts = [self.split(node), str(self.tree.count[node]), number_text(float(self.tree.risk[node]), 7)]
            facts.append(self.facts.prediction_text(node, self.decimals))
            if self.tree.classifier:
                facts.append(f"({self.shares(node)})")
            if not self.tree.children(node):
                facts.append("*")
            out.append(indent + number + " ".join(facts) + self.cut_off(node))
            out += self.more(node, indent + " " * (width + 2))
        return out

    def split(self, node: int) -> str:
        branch = self.facts.branch(node)
        if branch is None:
            return "root"
        asked, child = branch
        if asked.cut is not None:
            sign, number = asked.branch_text(child).split(" ", 1)
            return f"{asked.name}{sign if len(sign) > 1 else sign + ' '}{number}"
        return f"{asked.name}={','.join(one_line(value) for _, value in asked.branch_categories(child))}"


class _J48Text(_Text):
    """Conditions behind bars, the class after those of leaves."""

    def lines(self) -> list[str]:
        if not self.tree.children(0):
            return [self.leaf_text(0)]
        out = self.more(0, "")
        for node in self.shown():
            if node == 0:
                out += [self.cut_off(0).strip()] if self.cut_off(0) else []
                continue
            bars = "|   " * (self.facts.depths[node] - 1)
            ends = not self.tree.children(node)
            out.append(bars + self.facts.branch_text(node) + (self.leaf_text(node) if ends else self.cut_off(node)))
            out += self.more(node, bars + "|   ")
        return out

    def leaf_text(self, node: int) -> str:
        weight, errors = float(self.tree.weight[node]), self.facts.errors(node)
        cases = weight_text(weight)
        if errors > 1e-9 * max(weight, 1.0):
            cases += "/" + (weight_text(errors) if self.tree.classifier else number_text(errors))
        return f": {self.facts.prediction_text(node, self.decimals)} ({cases})"
