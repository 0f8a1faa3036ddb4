# SPDX-License-Identifier: Apache-2.0
"""A tree as rules, one a leaf."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from ..schema import Schema
from .conditions import Rule
from .node_facts import NodeFacts, check_decimals
from .questions import tree_of
from .rows import read_values

__all__ = ["RuleSet", "decision_rules"]


class RuleSet(Sequence[Rule]):
    """Rules of which one at most holds for any row.

    Attributes
    ----------
    rules : tuple of Rule
    schema : Schema
        Names and categories of the columns.
    """

    def __init__(self, rules: Sequence[Rule], schema: Schema, wide: Sequence[bool]) -> None:
        self.rules = tuple(rules)
        self.schema = schema
        self._wide = tuple(wide)

    @overload
    def __getitem__(self, place: int) -> Rule: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Rule]: ...
    def __getitem__(self, place: int | slice) -> Rule | Sequence[Rule]:
        return self.rules[place]

    def __len__(self) -> int:
        return len(self.rules)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def covers(self, X: Any) -> npt.NDArray[np.bool_]:
        """Which rules hold for which rows, shape (n, n_rules).

        In a complete row that holds no unknown category one rule holds. A missing value satisfies the conditions of
        the branch that missing values take; where surrogates or shares decide instead, no rule tells the way.
        """
        values = read_values(self.schema, self._wide, X)
        marks = [rule.covers(values) for rule in self.rules]
        return np.column_stack(marks) if marks else np.zeros((len(values), 0), dtype=np.bool_)

    def to_text(self, decimals: int = 3, *, missing: bool = False) -> str:
        """All rules, one a line.

        Parameters
        ----------
        decimals : int
            Of shares and means.
        missing : bool
            Also say which conditions a missing value satisfies.
        """
        check_decimals(decimals)
        return "\n".join(rule.to_text(decimals, missing=missing) for rule in self.rules)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return f"RuleSet({len(self.rules)} rules)"


def decision_rules(tree: Any) -> RuleSet:
    """The rules of a tree, one a leaf, from left to right.

    Conditions of one feature are merged, so that each rule has at most one of every feature: an interval, or a set of
    categories.

    Parameters
    ----------
    tree : fitted estimator or DecisionTree

    Returns
    -------
    RuleSet
        A sequence of `Rule`; ``print`` shows one a line.
    """
    tree = tree_of(tree)
    facts = NodeFacts(tree)
    rules = [facts.rule(node) for node in facts.walk() if not tree.children(node)]
    return RuleSet(rules, tree.schema, tree.wide)
