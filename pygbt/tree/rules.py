# SPDX-License-Identifier: Apache-2.0
"""An ordered list of rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _core
from ..schema import Schema

__all__ = ["ClassRule", "CodedColumns", "RuleList", "RuleTest"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RuleTest:
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
class ClassRule:
    """Conditions that must all hold, and the class they call.

    Attributes
    ----------
    conditions : tuple of RuleTest
    label : int
        Code of the class.
    value : object
        The class.
    cases, errors : float
        Weight of the training cases that satisfy the conditions, and of those among them of another class. Cases that
        lack a value the conditions ask for are not among them.
    """

    conditions: tuple[RuleTest, ...]
    label: int
    value: Any
    cases: float
    errors: float

    def __str__(self) -> str:
        body = " and ".join(map(str, self.conditions)) if self.conditions else "always"
        share = f"{self.cases:g}" if self.errors == 0 else f"{self.cases:g}/{self.errors:g}"
        return f"{body}: {self.value} ({share})"


#: A condition as `_core.first_rules` and its neighbours take it.
CodedTest = tuple[int, int, int, bytes | None]

_LAST_CODE = np.iinfo(np.uint32).max


class CodedColumns:
    """A table by codes, and conditions on its codes."""

    def __init__(self, table: Any, wide: Sequence[bool]) -> None:
        self.table = table
        self._wide = wide
        self._values: dict[int, npt.NDArray[Any]] = {}

    def _code(self, condition: RuleTest) -> CodedTest:
        feature = condition.feature
        if condition.operator == "in":
            known = np.zeros(max(condition.categories, default=0) + 2, dtype=np.uint8)
            known[np.asarray(condition.categories, dtype=np.int64) + 1] = 1
            return feature, 0, 0, known.tobytes()
        if feature not in self._values:
            values = self.table.values(feature)
            self._values[feature] = values if self._wide[feature] else values.astype(np.float32)  # as the tree reads it
        assert condition.threshold is not None
        last = int(np.searchsorted(self._values[feature], condition.threshold, side="right"))  # codes 1 .. last are low
        if condition.operator == ">":
            return feature, last + 1, _LAST_CODE, None
        return (feature, 1, last, None) if last > 0 else (feature, 0, 0, bytes(1))

    def coded(self, rules: Iterable[Sequence[RuleTest]]) -> list[list[CodedTest]]:
        """The conditions of rules on the codes."""
        return [[self._code(condition) for condition in conditions] for conditions in rules]


class RuleList:
    """Rules in the order in which they are tried; the first whose conditions hold names the class.

    Attributes
    ----------
    rules : tuple of ClassRule
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
        self, rules: Sequence[ClassRule], default: int, classes: npt.NDArray[Any], schema: Schema, wide: Sequence[bool]
    ) -> None:
        self.rules = tuple(rules)
        self.default = int(default)
        self.classes = classes
        self._schema = schema
        self._wide = tuple(wide)

    def __len__(self) -> int:
        return len(self.rules)

    def __iter__(self) -> Iterator[ClassRule]:
        return iter(self.rules)

    def __getitem__(self, i: int) -> ClassRule:
        return self.rules[i]

    def fired(self, X: Any) -> Ints:
        """Place of the rule that decides each row, shape (n,); -1: none, the default class."""
        table = _core.CodedTable(self._schema.encode(X, owner="RuleList"), self._schema.n_categories)
        rules = CodedColumns(table, self._wide).coded(rule.conditions for rule in self.rules)
        return _core.first_rules(table, rules)

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
