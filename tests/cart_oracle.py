# SPDX-License-Identifier: Apache-2.0
"""An oracle of CART, obvious and slow: every split of every feature, in exact rational arithmetic (logarithms are
rationals of 50 digits). Goodness, competitors and surrogates of one node; `cart_oracle_tree` grows trees with it.
"""

from __future__ import annotations

import decimal
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

DIGITS = decimal.Context(prec=50)
NO_DIFFERENCE = Fraction(1, 10**40)  # of two sums of logarithms; other numbers of small cases differ by far more

Rows = tuple[int, ...]


@dataclass(frozen=True)
class Problem:
    """Data and settings; `columns[f][row]` is a number, a level or None (missing)."""

    columns: Sequence[Sequence[Any]]
    y: Sequence[Any]  # classes 0 .. n_classes - 1, or numbers
    criterion: str = "gini"
    n_levels: Sequence[int] = ()  # of each feature, 0: numeric; () all numeric
    n_classes: int = 0
    weight: Sequence[int] = ()
    exposure: Sequence[Any] = ()
    priors: Sequence[Any] = ()
    losses: Sequence[Sequence[Any]] = ()
    shrink: Any = 1
    min_split: int = 2
    min_bucket: int = 1
    cp: Any = 0
    max_depth: int = 99
    nominal: str = "exhaustive"
    costs: Sequence[Any] = ()
    counting: str = "rows"
    missing: str = "surrogate"
    max_surrogates: int = 5
    use_surrogates: int = 2
    surrogate_style: int = 0
    rows: Rows = field(init=False)  # those with a weight

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", tuple(i for i in range(len(self.y)) if self.w(i) > 0))

    def w(self, row: int) -> Fraction:
        return Fraction(self.weight[row]) if self.weight else Fraction(1)

    def nominal_feature(self, f: int) -> bool:
        return bool(self.n_levels) and self.n_levels[f] > 0

    def cost(self, f: int) -> Fraction:
        return Fraction(self.costs[f]) if self.costs else Fraction(1)

    def size(self, rows: Rows) -> Fraction:
        """What min_split and min_bucket count."""
        return Fraction(len(rows)) if self.counting == "rows" else total_weight(self, rows)

    def present(self, f: int, rows: Rows) -> Rows:
        return tuple(i for i in rows if self.columns[f][i] is not None)


@dataclass(frozen=True)
class Split:
    """A question: rows of `sides[0]` go to child 0. Numeric: the values around the cut; nominal: the levels of child 0
    and child 1. The direction of a numeric split is that of its low values, which a surrogate may send to child 1.
    """

    feature: int
    sides: tuple[Rows, Rows]
    around: tuple[Any, Any] | None = None
    levels: tuple[frozenset[int], frozenset[int]] | None = None
    low_child: int = 0
    lacking: int | None = None  # missing="direction": the child of rows without the value, if the node has some
    goodness: Fraction = Fraction(0)
    agree: Fraction = Fraction(0)
    adjusted: Fraction = Fraction(0)

    @property
    def cut(self) -> Fraction:
        assert self.around is not None
        return (Fraction(self.around[0]) + Fraction(self.around[1])) / 2

    def child(self, x: Any) -> int | None:
        """Where a value goes; None: missing, or a level that the node has not seen."""
        if x is None:
            return None
        if self.levels is not None:
            return next((c for c in (0, 1) if x in self.levels[c]), None)
        if self.around is not None and self.around[0] == self.around[1]:  # all values against none
            return self.low_child
        return self.low_child if Fraction(x) < self.cut else 1 - self.low_child

    def question(self) -> Any:
        """What two splits that part all possible values alike have in common."""
        return (self.feature, self.lacking, self.around if self.levels is None else frozenset(self.levels))


# --- sums over rows -------------------------------------------------------------------------------------------------


def total_weight(p: Problem, rows: Rows) -> Fraction:
    return sum((p.w(i) for i in rows), Fraction(0))


def class_weights(p: Problem, rows: Rows) -> list[Fraction]:
    return [total_weight(p, tuple(i for i in rows if p.y[i] == k)) for k in range(p.n_classes)]


def priors(p: Problem) -> list[Fraction]:
    counts = class_weights(p, p.rows)
    return [Fraction(v) for v in p.priors] if p.priors else [c / sum(counts) for c in counts]


def altered_priors(p: Problem) -> list[Fraction]:
    if not p.losses:
        return priors(p)
    raised = [pi * sum(map(Fraction, row)) for pi, row in zip(priors(p), p.losses, strict=True)]
    return [v / sum(raised) for v in raised]


def probabilities(p: Problem, rows: Rows, of: Sequence[Fraction]) -> list[Fraction]:
    """Probability of each class in the node, times the weight of all rows; `of`: the priors."""
    everything = class_weights(p, p.rows)
    return [
        pi * c / n * sum(everything) if n else Fraction(0)
        for pi, c, n in zip(of, class_weights(p, rows), everything, strict=True)
    ]


def events_and_time(p: Problem, rows: Rows) -> tuple[Fraction, Fraction]:
    time = sum((p.w(i) * (Fraction(p.exposure[i]) if p.exposure else 1) for i in rows), Fraction(0))
    return sum((p.w(i) * Fraction(p.y[i]) for i in rows), Fraction(0)), time


def mean(p: Problem, rows: Rows) -> Fraction:
    """Of the response: its number, its class, or its rate."""
    events, time = events_and_time(p, rows)
    return events / time if p.criterion == "poisson" else events / total_weight(p, rows)


def medians(p: Problem, rows: Rows) -> tuple[Fraction, Fraction]:
    """The smallest and the largest weighted median."""
    values = sorted({Fraction(p.y[i]) for i in rows})
    half = total_weight(p, rows) / 2
    below = [total_weight(p, tuple(i for i in rows if p.y[i] <= v)) for v in values]
    lower = next(v for v, b in zip(values, below, strict=True) if b >= half)
    return lower, next(v for v, b in zip(values, below, strict=True) if b > half or v == values[-1])


def ln(x: Fraction) -> Fraction:
    return Fraction(DIGITS.ln(DIGITS.divide(Decimal(x.numerator), Decimal(x.denominator))))


def spread(p: Problem, rows: Rows) -> Fraction:
    """Impurity of the rows times their weight (for classes their probability times the weight of all rows)."""
    if p.criterion in ("gini", "entropy"):
        q = probabilities(p, rows, altered_priors(p))
        if p.criterion == "gini":
            return sum(q) - sum(v * v for v in q) / sum(q)
        return sum((-v * ln(v / sum(q)) for v in q if v), Fraction(0))
    if p.criterion == "poisson":
        events, time = events_and_time(p, rows)
        return -2 * events * ln(events / time) if events else Fraction(0)
    if p.criterion == "absolute_error":
        middle = medians(p, rows)[0]
        return sum((p.w(i) * abs(Fraction(p.y[i]) - middle) for i in rows), Fraction(0))
    assert p.criterion == "squared_error"
    centre = mean(p, rows)
    return sum((p.w(i) * (Fraction(p.y[i]) - centre) ** 2 for i in rows), Fraction(0))


def goodness(p: Problem, node: Rows, split: Split) -> Fraction:
    """What the criterion gains, over the rows with the feature present, as rpart prints it."""
    left, right = split.sides
    if p.criterion == "twoing":
        q = [probabilities(p, side, altered_priors(p)) for side in (left, right)]
        apart = sum(abs(a / sum(q[0]) - b / sum(q[1])) for a, b in zip(*q, strict=True))
        return sum(q[0]) * sum(q[1]) / (sum(q[0]) + sum(q[1])) / 4 * apart**2 / p.cost(split.feature)
    gain = spread(p, left + right) - spread(p, left) - spread(p, right)
    if p.criterion in ("squared_error", "absolute_error"):
        whole = spread(p, node)
        return gain / whole / p.cost(split.feature) if whole else Fraction(0)
    return gain / p.cost(split.feature) if gain > NO_DIFFERENCE else Fraction(0)


# --- splits ---------------------------------------------------------------------------------------------------------


def numeric_cuts(p: Problem, f: int, rows: Rows) -> Iterator[Split]:
    values = sorted({p.columns[f][i] for i in rows})
    for around in itertools.pairwise(values):
        low = tuple(i for i in rows if p.columns[f][i] <= around[0])
        high = tuple(i for i in rows if p.columns[f][i] >= around[1])
        yield Split(f, (low, high), around=around)


def level_orders(p: Problem, f: int, rows: Rows, seen: list[int]) -> list[list[int]]:
    """Levels by their mean response; for more than two classes by the share of each class in turn."""
    of = {level: tuple(i for i in rows if p.columns[f][i] == level) for level in seen}
    if p.n_classes <= 2:
        return [sorted(seen, key=lambda level: mean(p, of[level]))]
    shares = {level: [w / total_weight(p, of[level]) for w in class_weights(p, of[level])] for level in seen}
    return [sorted(seen, key=lambda level: shares[level][k]) for k in range(p.n_classes)]


def level_groups(p: Problem, f: int, rows: Rows) -> Iterator[Split]:
    """Child 0 has the smaller mean response, of equal ones the first level."""
    seen = sorted({p.columns[f][i] for i in rows})
    groups: list[tuple[int, ...]] = [(level,) for level in seen]  # one against the rest
    if p.nominal == "exhaustive":
        groups = [g for n in range(1, len(seen)) for g in itertools.combinations(seen, n) if g[0] == seen[0]]
    elif p.nominal == "ordered":
        groups = [tuple(order[:n]) for order in level_orders(p, f, rows, seen) for n in range(1, len(seen))]
    for group in groups:
        parts = [frozenset(group), frozenset(seen) - set(group)]
        if all(parts):
            sides = {part: tuple(i for i in rows if p.columns[f][i] in part) for part in parts}
            low, high = sorted(parts, key=lambda part: (mean(p, sides[part]), min(part)))
            yield Split(f, (sides[low], sides[high]), levels=(low, high))


def splits_of(p: Problem, f: int, node: Rows) -> list[Split]:
    """Every admissible split of a feature with its goodness, lowest cut first."""
    rows = p.present(f, node)
    found = []
    splits = (level_groups if p.nominal_feature(f) else numeric_cuts)(p, f, rows)
    if p.missing == "direction" and len(rows) < len(node):
        splits = with_missing(p, f, node, list(splits))
    for split in splits:
        if all(p.size(side) >= p.min_bucket for side in split.sides):
            found.append(rated(split, goodness=goodness(p, node, split)))
    return [split for split in found if split.goodness > 0]


def with_missing(p: Problem, f: int, node: Rows, splits: list[Split]) -> Iterator[Split]:
    """Every split with the rows that lack the feature on either side, and all values against these rows."""
    rows = p.present(f, node)
    lacking = tuple(i for i in node if i not in rows)
    for child in (0, 1):
        for split in splits:
            sides = (
                (split.sides[0] + lacking, split.sides[1]) if child == 0 else (split.sides[0], split.sides[1] + lacking)
            )
            yield rated(split, sides=sides, lacking=child)
    if rows:
        values = {p.columns[f][i] for i in rows}
        where: dict[str, Any] = {"around": (max(values), max(values))}
        if p.nominal_feature(f):
            where = {"levels": (frozenset(values), frozenset())}
        yield Split(f, (rows, lacking), lacking=1, **where)


def rated(split: Split, **values: Any) -> Split:
    return Split(**{**split.__dict__, **values})


def best_of(splits: Sequence[Split]) -> list[Split]:
    """All that reach the largest goodness."""
    if not splits:
        return []
    largest = max(split.goodness for split in splits)
    return [s for s in splits if largest - s.goodness <= NO_DIFFERENCE]


def best_splits(p: Problem, node: Rows) -> list[Split]:
    """All best splits of a node, lowest feature first, then lowest cut; none if no split gains anything."""
    return best_of([split for f in range(len(p.columns)) for split in splits_of(p, f, node)])


def competitors(p: Problem, node: Rows, primary: int) -> list[list[Split]]:
    """The best splits of every other feature, the best feature first."""
    others = [best_of(splits_of(p, f, node)) for f in range(len(p.columns)) if f != primary]
    return sorted((best for best in others if best), key=lambda best: -best[0].goodness)


# --- surrogates -----------------------------------------------------------------------------------------------------


def surrogates(p: Problem, node: Rows, primary: Split) -> list[Split]:
    """The splits of other features that send rows as the primary does, by agreement, then the first feature."""
    found = [surrogate(p, node, primary, f) for f in range(len(p.columns)) if f != primary.feature]
    kept = [s for s in found if s is not None and s.adjusted > Fraction(1, 10**10)]
    return sorted(kept, key=lambda s: -s.agree)[: p.max_surrogates] if p.missing == "surrogate" else []


def surrogate(p: Problem, node: Rows, primary: Split, f: int) -> Split | None:
    both = tuple(p.present(f, side) for side in primary.sides)
    counted = both if p.surrogate_style == 1 else primary.sides
    sent = [total_weight(p, side) for side in counted]
    candidates = [
        (total_weight(p, meet(s.sides[0], both[0])) + total_weight(p, meet(s.sides[1], both[1])), s)
        for s in (level_sides if p.nominal_feature(f) else directions)(p, f, p.present(f, node), both)
        if all(p.size(meet(side, both[0] + both[1])) >= 2 for side in s.sides)
    ]
    if not candidates or not sum(sent):
        return None
    matches, split = max(candidates, key=lambda c: c[0])  # the first of equal ones
    agree, majority = matches / sum(sent), max(sent) / sum(sent)
    adjusted = (agree - majority) / (1 - majority) if majority < 1 else Fraction(0)
    return rated(split, agree=agree, adjusted=adjusted)


def meet(a: Rows, b: Rows) -> Rows:
    return tuple(i for i in a if i in b)


def directions(p: Problem, f: int, rows: Rows, both: tuple[Rows, ...]) -> Iterator[Split]:
    for split in numeric_cuts(p, f, rows):
        yield split
        yield Split(f, split.sides[::-1], around=split.around, low_child=1)


def level_sides(p: Problem, f: int, rows: Rows, both: tuple[Rows, ...]) -> Iterator[Split]:
    """Each level to its better side, of equal ones to the majority side (child 1 if there is none)."""
    majority = 0 if total_weight(p, both[0]) > total_weight(p, both[1]) else 1
    levels: tuple[set[int], set[int]] = (set(), set())
    for level in {p.columns[f][i] for i in both[0] + both[1]}:
        here = [total_weight(p, tuple(i for i in side if p.columns[f][i] == level)) for side in both]
        levels[majority if here[0] == here[1] else int(here[1] > here[0])].add(level)
    sides = tuple(tuple(i for i in rows if p.columns[f][i] in side) for side in levels)
    yield Split(f, (sides[0], sides[1]), levels=(frozenset(levels[0]), frozenset(levels[1])))
