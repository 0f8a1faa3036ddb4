# SPDX-License-Identifier: Apache-2.0
"""How C4.5rules makes rules of a tree: paths, without needless conditions, the shortest description of each class.

What was chosen where the published description leaves room is said in `RuleList`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.special

from .. import _core
from ..schema import Schema
from .decision_tree import DecisionTree
from .rules import ClassRule, CodedColumns, RuleList, RuleTest

__all__ = ["RuleMaker", "paths_of"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_EQUAL = 1e-9  # rates and description lengths that differ by less are equal
_THEORY_WEIGHT = 0.5  # bits of rules against bits of exceptions: sets of rules can be written in many ways


def paths_of(tree: DecisionTree) -> Iterator[tuple[int, tuple[RuleTest, ...]]]:
    """Each leaf that has cases, and the conditions on the way to it."""
    ways: dict[int, tuple[RuleTest, ...]] = {0: ()}
    for node in range(tree.n_nodes):
        way = ways.pop(node)
        children = tree.children(node)
        if not children:
            if tree.weight[node] > 0:
                yield node, way
            continue
        for branch, child in enumerate(children):
            ways[child] = _narrowed(way, _condition(tree, node, branch))


def _condition(tree: DecisionTree, node: int, branch: int) -> RuleTest:
    q = int(tree.question_begin[node])
    feature = int(tree.question_feature[q])
    name = tree.feature_names[feature]
    begin = int(tree.question_branch_begin[q])
    if begin < 0:
        low = branch == int(tree.question_low_child[q])
        return RuleTest(feature, name, "<=" if low else ">", float(tree.question_threshold[q]))
    branches = tree.question_branches[begin : begin + int(tree.question_n_branches[q])]
    categories = tuple(np.flatnonzero(branches == branch).tolist())
    return _nominal(feature, name, categories, tree.schema)


def _nominal(feature: int, name: str, categories: tuple[int, ...], schema: Schema) -> RuleTest:
    known = schema.categories[feature]
    assert known is not None
    return RuleTest(feature, name, "in", None, categories, tuple(known[c] for c in categories))


def _narrowed(way: tuple[RuleTest, ...], new: RuleTest) -> tuple[RuleTest, ...]:
    """The conditions and a later one; an earlier one of the same column and direction is implied by it."""
    kept = tuple(c for c in way if (c.feature, c.operator) != (new.feature, new.operator))
    if new.operator == "in":  # groups below groups
        for old in way:
            if (old.feature, old.operator) == (new.feature, "in"):
                both = [i for i, c in enumerate(new.categories) if c in old.categories]
                categories = tuple(new.categories[i] for i in both)
                new = replace(new, categories=categories, values=tuple(new.values[i] for i in both))
    return (*kept, new)


class RuleMaker:
    """Makes the rules of a classification tree, simplified on a training table: see `RuleList`."""

    def __init__(
        self,
        tree: DecisionTree,
        table: Any,
        target: Ints,
        weight: Floats | None,
        confidence: float,
        exact: bool,
        n_threads: int,
    ) -> None:
        assert tree.classes is not None
        self.tree = tree
        self.classes = tree.classes
        self.table = table
        self.columns = CodedColumns(table, tree.wide)
        self.target = target
        self.given_weight = weight
        self.weights = np.ones(len(target)) if weight is None else weight
        self.confidence = confidence
        self.exact = exact
        self.n_threads = n_threads
        features = tree.question_feature.tolist()
        thresholds: dict[int, set[float]] = {feature: set() for feature in features}
        for feature, threshold in zip(features, tree.question_threshold.tolist(), strict=True):
            thresholds[feature].add(threshold)
        self._n_thresholds = {feature: len(values) for feature, values in thresholds.items()}

    def rules(self, tell: Callable[[int], None]) -> RuleList:
        """The list; ``tell`` is called with the number of leaves whose rules are simplified."""
        rules = sorted(self.simplified(tell), key=self.rate)
        chosen = [self.shortest([r for r in rules if r.label == k], k) for k in range(len(self.classes))]
        ordered, default = self.ordered(chosen)
        return RuleList(ordered, default, self.classes, self.tree.schema, self.tree.wide)

    def rates(self, cases: Floats, errors: Floats) -> Floats:
        """Pessimistic error rates; infinite where there are no cases."""
        added = _core.added_errors(cases, errors, self.confidence, self.exact)
        rate: Floats = np.where(cases > 0, (errors + added) / np.where(cases > 0, cases, 1.0), np.inf)
        return rate

    def rate(self, rule: ClassRule) -> float:
        return float(self.rates(np.array([rule.cases]), np.array([rule.errors]))[0])

    def simplified(self, tell: Callable[[int], None]) -> list[ClassRule]:
        """The rules of all paths, without the conditions that do not lower their pessimistic rates; each once."""
        paths = list(paths_of(self.tree))
        ways, labels = [way for _, way in paths], [int(self.tree.label[leaf]) for leaf, _ in paths]
        needed = _core.needed_conditions(
            self.table,
            self.target.astype(np.int32),
            self.given_weight,
            self.columns.coded(ways),
            labels,
            self.confidence,
            self.exact,
            self.n_threads,
            tell,
        )
        found: dict[ClassRule, None] = {}
        for way, label, (kept, cases, errors) in zip(ways, labels, needed, strict=True):
            if kept and cases > 0:
                found[ClassRule(tuple(way[i] for i in kept), label, self.classes[label], cases, errors)] = None
        return list(found)

    # --- the rules of a class -----------------------------------------------------------------------------------------

    def bits(self, rule: ClassRule) -> float:
        """Length of a rule's conditions."""
        bits = -float(_log2_factorial(len(rule.conditions)))
        for condition in rule.conditions:
            bits += math.log2(max(1, len(self._n_thresholds)))
            if condition.operator != "in":
                bits += 1 + math.log2(self._n_thresholds[condition.feature])
            else:
                known = self.tree.schema.n_categories[condition.feature]
                bits += math.log2(known) if len(condition.categories) == 1 else known
        return bits

    def shortest(self, rules: list[ClassRule], label: int) -> list[ClassRule]:
        """The subset of a class's rules with the shortest description, searched greedily."""
        if not rules:
            return []
        right = self.target == label
        all_right, all_wrong = self.weights[right].sum(), self.weights[~right].sum()
        coded = self.columns.coded(r.conditions for r in rules)
        subset = _core.RuleSubset(self.table, coded, self.weights, right.astype(np.uint8), self.n_threads)
        bits = np.array([self.bits(r) for r in rules])
        inside = np.ones(len(rules), dtype=bool)

        def length(rule_bits: Any, n_rules: Any, covered_right: Any, covered_wrong: Any) -> Any:
            covered = covered_right + covered_wrong
            exceptions = _log2_choose(covered, covered_wrong)
            exceptions += _log2_choose(all_right + all_wrong - covered, all_right - covered_right)
            return _THEORY_WEIGHT * (rule_bits - _log2_factorial(n_rules)) + exceptions

        while True:
            now_right, now_wrong = subset.covered
            now = length(bits[inside].sum(), inside.sum(), now_right, now_wrong)
            sign = np.where(inside, -1.0, 1.0)  # a rule goes, or comes back
            own_right, own_wrong = sign * subset.own.T
            lengths = length(
                bits[inside].sum() + sign * bits, inside.sum() + sign, now_right + own_right, now_wrong + own_wrong
            )
            best = int(np.flatnonzero(lengths <= lengths.min() + _EQUAL)[0])
            if lengths[best] >= now - _EQUAL:
                return [rule for rule, kept in zip(rules, inside, strict=True) if kept]
            inside[best] = not inside[best]
            subset.toggle(best)

    def _places(self, rules: list[ClassRule]) -> list[npt.NDArray[np.int32]]:
        """Cases that each rule covers."""
        return _core.covered_cases(self.table, self.columns.coded(r.conditions for r in rules), self.n_threads)

    # --- the order of the classes -------------------------------------------------------------------------------------

    def ordered(self, chosen: list[list[ClassRule]]) -> tuple[list[ClassRule], int]:
        """The rules of all classes in their order, and the default class."""
        covers = [np.zeros(len(self.target), dtype=bool) for _ in chosen]
        for covered, rules in zip(covers, chosen, strict=True):
            for places in self._places(rules):
                covered[places] = True
        left = self.weights.copy()
        ordered: list[ClassRule] = []
        waiting = [k for k, rules in enumerate(chosen) if rules]
        while waiting:
            false = [float(left[covers[k] & (self.target != k)].sum()) for k in waiting]
            first = waiting.pop(int(np.argmin(false)))
            ordered += chosen[first]
            left[covers[first]] = 0.0
        n_classes = len(self.classes)
        counts = np.bincount(self.target, left if left.sum() > 0 else self.weights, n_classes)
        return ordered, int(counts.argmax())


def _log2_factorial(n: Any) -> Any:
    return scipy.special.gammaln(n + 1.0) / math.log(2.0)


def _log2_choose(n: Any, k: Any) -> Any:
    """Bits to point out k cases among n; weights count as that many cases."""
    n, k = np.maximum(n, 0.0), np.maximum(k, 0.0)
    return _log2_factorial(n) - _log2_factorial(k) - _log2_factorial(np.maximum(n - k, 0.0))
