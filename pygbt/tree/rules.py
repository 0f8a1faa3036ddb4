# SPDX-License-Identifier: Apache-2.0
"""An ordered list of rules, and how C4.5rules makes one from a tree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from .. import _core
from ..schema import Schema
from .decision_tree import DecisionTree

__all__ = ["Condition", "Rule", "RuleList", "rules_from_tree"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_EQUAL = 1e-9  # rates and description lengths that differ by less are equal
_THEORY_WEIGHT = 0.5  # bits of rules against bits of exceptions: sets of rules can be written in many ways


@dataclass(frozen=True)
class Condition:
    """A test of one column. A missing value satisfies none.

    Attributes
    ----------
    feature : int
    name : str
    operator : {"<=", ">", "in"}
    threshold : float or None
        Of a numeric condition.
    categories : tuple of int
        Of a nominal condition: codes in the schema.
    values : tuple
        The same categories by value.
    """

    feature: int
    name: str
    operator: str
    threshold: float | None = None
    categories: tuple[int, ...] = ()
    values: tuple[Any, ...] = ()

    def __str__(self) -> str:
        if self.operator != "in":
            return f"{self.name} {self.operator} {self.threshold:.10g}"
        if len(self.values) == 1:
            return f"{self.name} = {self.values[0]}"
        return f"{self.name} in {{{', '.join(map(str, self.values))}}}"


@dataclass(frozen=True)
class Rule:
    """Conditions that must all hold, and the class they call.

    Attributes
    ----------
    conditions : tuple of Condition
    label : int
        Code of the class.
    value : object
        The class.
    cases, errors : float
        Weight of the training cases that satisfy the conditions, and of those among them of another class. Cases that
        lack a value the conditions ask for are not among them.
    """

    conditions: tuple[Condition, ...]
    label: int
    value: Any
    cases: float
    errors: float

    def __str__(self) -> str:
        body = " and ".join(map(str, self.conditions)) if self.conditions else "always"
        share = f"{self.cases:g}" if self.errors == 0 else f"{self.cases:g}/{self.errors:g}"
        return f"{body}: {self.value} ({share})"


class _Columns:
    """A table by codes; masks of conditions, each computed once."""

    def __init__(self, table: Any, wide: Sequence[bool]) -> None:
        self.n_rows: int = table.n_rows
        self._table = table
        self._wide = wide
        self._codes: dict[int, npt.NDArray[np.uint32]] = {}
        self._masks: dict[Condition, Mask] = {}

    def mask(self, condition: Condition) -> Mask:
        """Rows that satisfy the condition."""
        if condition not in self._masks:
            self._masks[condition] = self._satisfied(condition)
        return self._masks[condition]

    def _satisfied(self, condition: Condition) -> Mask:
        feature = condition.feature
        if feature not in self._codes:
            self._codes[feature] = self._table.codes(feature)
        codes = self._codes[feature]
        if condition.operator == "in":
            satisfied: Mask = np.isin(codes, np.asarray(condition.categories, dtype=np.uint32) + 1)
            return satisfied
        values = self._table.values(feature)
        if not self._wide[feature]:
            values = values.astype(np.float32)  # as the tree reads it
        assert condition.threshold is not None
        last = np.uint32(np.searchsorted(values, condition.threshold, side="right"))  # codes 1 .. last are low
        if condition.operator == "<=":
            return np.asarray((codes >= 1) & (codes <= last))
        return np.asarray(codes > last)

    def all_of(self, conditions: Sequence[Condition]) -> Mask:
        """Rows that satisfy all of them."""
        result = np.ones(self.n_rows, dtype=bool)
        for condition in conditions:
            result &= self.mask(condition)
        return result


class RuleList:
    """Rules in the order in which they are tried; the first whose conditions hold names the class.

    Attributes
    ----------
    rules : tuple of Rule
    default : int
        Code of the class where no rule holds.
    classes : ndarray
        Labels of the classes.

    Notes
    -----
    How `C45Classifier.to_rules` makes one, where the description of C4.5rules leaves room:

    - Conditions on the same column and in the same direction are one before anything is dropped; leaves without cases
      make no rule.
    - The condition whose loss gives the smallest pessimistic rate U(N, e) / N is dropped (the first of equal ones), as
      long as the rate does not rise; N and e are counted over the whole training table. A rule that loses all of its
      conditions is no rule: that is what the default class is for.
    - Description of a class's rules: half the bits of the rules, plus the bits that point out the exceptions,
      log2 C(covered, false positives) + log2 C(others, false negatives). A condition takes log2(columns), and 1 +
      log2(thresholds of the column in the tree) bits if it is numeric, or one bit a category, at most log2(categories)
      for a single one; orders of conditions and of rules are free: log2 of their factorials is taken off.
    - The subset is searched greedily from all rules of the class: the rule whose removal, or return, shortens the
      description most, until none does.
    - The class whose rules cover the fewest cases of other classes comes first (the first of equal ones); then the
      next, counted over the cases that are left. Within a class the smallest pessimistic rate comes first.
    - The default class is the majority of the cases that no rule covers; if all are covered, of all cases.
    """

    def __init__(
        self, rules: Sequence[Rule], default: int, classes: npt.NDArray[Any], schema: Schema, wide: Sequence[bool]
    ) -> None:
        self.rules = tuple(rules)
        self.default = int(default)
        self.classes = classes
        self._schema = schema
        self._wide = tuple(wide)

    def __len__(self) -> int:
        return len(self.rules)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def __getitem__(self, i: int) -> Rule:
        return self.rules[i]

    def fired(self, X: Any) -> Ints:
        """Place of the rule that decides each row, shape (n,); -1: none, the default class."""
        table = _core.CodedTable(self._schema.encode(X, owner="RuleList"), self._schema.n_categories)
        columns = _Columns(table, self._wide)
        fired = np.full(columns.n_rows, -1, dtype=np.int64)
        for i, rule in enumerate(self.rules):
            fired[(fired < 0) & columns.all_of(rule.conditions)] = i
        return fired

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The class of each row, shape (n,)."""
        labels = np.array([*(rule.label for rule in self.rules), self.default])
        predicted: npt.NDArray[Any] = self.classes[labels[self.fired(X)]]  # place -1: the last, the default
        return predicted

    def __str__(self) -> str:
        lines = [f"{i + 1}. {rule}" for i, rule in enumerate(self.rules)]
        return "\n".join([*lines, f"default: {self.classes[self.default]}"])

    def __repr__(self) -> str:
        return f"RuleList(n_rules={len(self.rules)}, default={self.classes[self.default]!r})"


# --- from a tree ----------------------------------------------------------------------------------------------------


def paths_of(tree: DecisionTree) -> Iterator[tuple[int, tuple[Condition, ...]]]:
    """Each leaf that has cases, and the conditions on the way to it."""
    ways: dict[int, tuple[Condition, ...]] = {0: ()}
    for node in range(tree.n_nodes):
        way = ways.pop(node)
        children = tree.children(node)
        if not children:
            if tree.weight[node] > 0:
                yield node, way
            continue
        for branch, child in enumerate(children):
            ways[child] = _narrowed(way, _condition(tree, node, branch))


def _condition(tree: DecisionTree, node: int, branch: int) -> Condition:
    q = int(tree.question_begin[node])
    feature = int(tree.question_feature[q])
    name = tree.feature_names[feature]
    begin = int(tree.question_branch_begin[q])
    if begin < 0:
        low = branch == int(tree.question_low_child[q])
        return Condition(feature, name, "<=" if low else ">", float(tree.question_threshold[q]))
    branches = tree.question_branches[begin : begin + int(tree.question_n_branches[q])]
    categories = tuple(np.flatnonzero(branches == branch).tolist())
    return _nominal(feature, name, categories, tree.schema)


def _nominal(feature: int, name: str, categories: tuple[int, ...], schema: Schema) -> Condition:
    known = schema.categories[feature]
    assert known is not None
    return Condition(feature, name, "in", None, categories, tuple(known[c] for c in categories))


def _narrowed(way: tuple[Condition, ...], new: Condition) -> tuple[Condition, ...]:
    """The conditions and a later one; an earlier one of the same column and direction is implied by it."""
    kept = tuple(c for c in way if (c.feature, c.operator) != (new.feature, new.operator))
    if new.operator == "in":  # groups below groups
        for old in way:
            if (old.feature, old.operator) == (new.feature, "in"):
                both = [i for i, c in enumerate(new.categories) if c in old.categories]
                categories = tuple(new.categories[i] for i in both)
                new = replace(new, categories=categories, values=tuple(new.values[i] for i in both))
    return (*kept, new)


def rules_from_tree(
    tree: DecisionTree, table: Any, target: Ints, weight: Floats | None, confidence: float, *, exact: bool
) -> RuleList:
    """The rules of a classification tree, simplified on a training table: see `RuleList`."""
    assert tree.classes is not None
    weights = np.ones(len(target)) if weight is None else weight
    columns = _Columns(table, tree.wide)
    maker = _RuleMaker(tree, columns, target, weights, confidence, exact)
    found: dict[Rule, None] = {}
    for leaf, way in paths_of(tree):
        rule = maker.simplified(way, int(tree.label[leaf]))
        if rule.conditions and rule.cases > 0:
            found[rule] = None
    rules = sorted(found, key=maker.rate)
    chosen = [maker.shortest([r for r in rules if r.label == k], k) for k in range(len(tree.classes))]
    ordered, default = maker.ordered(chosen)
    return RuleList(ordered, default, tree.classes, tree.schema, tree.wide)


class _RuleMaker:
    def __init__(
        self, tree: DecisionTree, columns: _Columns, target: Ints, weights: Floats, confidence: float, exact: bool
    ) -> None:
        assert tree.classes is not None
        self.tree = tree
        self.classes = tree.classes
        self.columns = columns
        self.target = target
        self.weights = weights
        self.confidence = confidence
        self.exact = exact
        features = tree.question_feature.tolist()
        thresholds: dict[int, set[float]] = {feature: set() for feature in features}
        for feature, threshold in zip(features, tree.question_threshold.tolist(), strict=True):
            thresholds[feature].add(threshold)
        self._n_thresholds = {feature: len(values) for feature, values in thresholds.items()}

    def rates(self, cases: Floats, errors: Floats) -> Floats:
        """Pessimistic error rates; infinite where there are no cases."""
        added = _core.added_errors(cases, errors, self.confidence, self.exact)
        rate: Floats = np.where(cases > 0, (errors + added) / np.where(cases > 0, cases, 1.0), np.inf)
        return rate

    def rate(self, rule: Rule) -> float:
        return float(self.rates(np.array([rule.cases]), np.array([rule.errors]))[0])

    def simplified(self, way: tuple[Condition, ...], label: int) -> Rule:
        """The rule of a path, without the conditions that do not lower its pessimistic rate."""
        conditions = list(way)
        wrong = self.weights * (self.target != label)
        n = len(self.target)
        fails = np.array([~self.columns.mask(c) for c in conditions], dtype=bool).reshape(len(conditions), n)
        n_fails = fails.sum(axis=0, dtype=np.int32)
        while True:
            none = n_fails == 0
            cases, errors = float(self.weights[none].sum()), float(wrong[none].sum())
            if not conditions:
                break
            one = np.flatnonzero(n_fails == 1)  # satisfied as soon as one condition goes
            which = fails[:, one].argmax(axis=0)
            size = len(conditions)
            without_cases = cases + np.bincount(which, self.weights[one], size)
            without_errors = errors + np.bincount(which, wrong[one], size)
            rates = self.rates(np.append(without_cases, cases), np.append(without_errors, errors))  # the last: as it is
            best = int(np.flatnonzero(rates[:-1] <= rates[:-1].min() + _EQUAL)[0]) if size else -1
            if rates[best] > rates[-1] + _EQUAL:
                break
            n_fails = n_fails - fails[best]
            fails = np.delete(fails, best, axis=0)
            del conditions[best]
        return Rule(tuple(conditions), label, self.classes[label], cases, errors)

    # --- the rules of a class -----------------------------------------------------------------------------------------

    def bits(self, rule: Rule) -> float:
        """Length of a rule's conditions."""
        bits = -_log2_factorial(len(rule.conditions))
        for condition in rule.conditions:
            bits += math.log2(max(1, len(self._n_thresholds)))
            if condition.operator != "in":
                bits += 1 + math.log2(self._n_thresholds[condition.feature])
            else:
                known = self.tree.schema.n_categories[condition.feature]
                bits += math.log2(known) if len(condition.categories) == 1 else known
        return bits

    def shortest(self, rules: list[Rule], label: int) -> list[Rule]:
        """The subset of a class's rules with the shortest description, searched greedily."""
        if not rules:
            return []
        covers = scipy.sparse.csr_matrix(np.array([self.columns.all_of(r.conditions) for r in rules], dtype=np.float64))
        right, wrong = self.weights * (self.target == label), self.weights * (self.target != label)
        bits = np.array([self.bits(r) for r in rules])
        inside = np.ones(len(rules), dtype=bool)
        now = np.inf
        while True:
            times = covers.T @ inside.astype(np.float64)  # how many rules cover a case
            alone, free = times == 1, times == 0
            covered_right, covered_wrong = right[~free].sum(), wrong[~free].sum()
            sign = np.where(inside, -1.0, 1.0)
            toggled_right = covered_right + np.where(inside, -(covers @ (right * alone)), covers @ (right * free))
            toggled_wrong = covered_wrong + np.where(inside, -(covers @ (wrong * alone)), covers @ (wrong * free))
            lengths = [
                self._length(bits[inside].sum() + sign[i] * bits[i], int(inside.sum() + sign[i]), r, w, right, wrong)
                for i, (r, w) in enumerate(zip(toggled_right, toggled_wrong, strict=True))
            ]
            if now == np.inf:
                now = self._length(bits[inside].sum(), int(inside.sum()), covered_right, covered_wrong, right, wrong)
            best = int(np.argmin(lengths))
            if lengths[best] >= now - _EQUAL:
                return [rule for rule, kept in zip(rules, inside, strict=True) if kept]
            now = lengths[best]
            inside[best] = not inside[best]

    @staticmethod
    def _length(
        rule_bits: float, n_rules: int, covered_right: float, covered_wrong: float, right: Floats, wrong: Floats
    ) -> float:
        all_right, all_wrong = float(right.sum()), float(wrong.sum())
        covered = covered_right + covered_wrong
        exceptions = _log2_choose(covered, covered_wrong)
        exceptions += _log2_choose(all_right + all_wrong - covered, all_right - covered_right)
        return _THEORY_WEIGHT * (rule_bits - _log2_factorial(n_rules)) + exceptions

    # --- the order of the classes -------------------------------------------------------------------------------------

    def ordered(self, chosen: list[list[Rule]]) -> tuple[list[Rule], int]:
        """The rules of all classes in their order, and the default class."""
        covers = [np.zeros(len(self.target), dtype=bool) for _ in chosen]
        for covered, rules in zip(covers, chosen, strict=True):
            for rule in rules:
                covered |= self.columns.all_of(rule.conditions)
        left = self.weights.copy()
        ordered: list[Rule] = []
        waiting = [k for k, rules in enumerate(chosen) if rules]
        while waiting:
            false = [float(left[covers[k] & (self.target != k)].sum()) for k in waiting]
            first = waiting.pop(int(np.argmin(false)))
            ordered += chosen[first]
            left[covers[first]] = 0.0
        n_classes = len(self.classes)
        counts = np.bincount(self.target, left if left.sum() > 0 else self.weights, n_classes)
        return ordered, int(counts.argmax())


def _log2_factorial(n: float) -> float:
    return math.lgamma(n + 1.0) / math.log(2.0)


def _log2_choose(n: float, k: float) -> float:
    """Bits to point out k cases among n; weights count as that many cases."""
    n, k = max(n, 0.0), max(k, 0.0)
    return _log2_factorial(n) - _log2_factorial(k) - _log2_factorial(max(n - k, 0.0))
