# SPDX-License-Identifier: Apache-2.0
"""What a branch asks of one feature, and rules made of such conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Condition", "Cut", "Rule", "categories_text", "largest", "number_text", "one_line"]

Floats = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]


def number_text(x: float, digits: int = 6) -> str:
    """A number with so many significant digits, without trailing zeros and without an exponent where it is short."""
    if not math.isfinite(x):
        return str(x)
    text = f"{x:.{digits}g}"
    return f"{x:.0f}" if "e" in text and abs(x) < 1e9 and x == int(x) else text


def largest(wide: bool) -> float:
    """The largest number of a column, which is rounded to float32 unless it is `wide`."""
    return float(np.finfo(np.float64 if wide else np.float32).max)


def one_line(value: Any) -> str:
    """A category or label as text, its line breaks as spaces."""
    return " ".join(str(value).splitlines())


def categories_text(values: Sequence[Any], most: int | None = None) -> str:
    """``= a`` of one category, ``in {a, b}`` of several; beyond `most` categories only their number is told."""
    if len(values) == 1:
        return f"= {one_line(values[0])}"
    if most is not None and len(values) > most:
        head = ", ".join(one_line(value) for value in values[: max(most - 1, 1)])
        return f"in {{{head}, … {len(values) - max(most - 1, 1)} more}}"
    return f"in {{{', '.join(one_line(value) for value in values)}}}"


@dataclass(frozen=True)
class Cut:
    """A place where a numeric feature is cut: ``x <= threshold`` is below.

    Above the largest number lies none: such a cut parts rows that have the value from those that lack it, and reads
    ``= known`` and ``= missing``.

    Attributes
    ----------
    threshold : float
        What the tree compares with.
    shown : float
        What is written: the threshold, or the midpoint that it stands for.
    below, above : str
        The two sides as text, such as ``< 2.45`` and ``>= 2.45``.
    """

    threshold: float
    shown: float
    below: str
    above: str

    @classmethod
    def at_value(cls, threshold: float, wide: bool = True) -> Cut:
        """A cut at a value: ``x <= threshold`` against ``x > threshold``, in the fewest digits that give it back."""
        kind = float if wide else np.float32
        if threshold >= largest(wide):
            return cls(threshold, threshold, "= known", "= missing")
        texts = (number_text(threshold, digits) for digits in range(6, 18))
        text = next((text for text in texts if kind(text) == kind(threshold)), repr(threshold))
        return cls(threshold, threshold, f"<= {text}", f"> {text}")

    @property
    def parts_missing(self) -> bool:
        """Whether it parts rows that have the value from those that lack it."""
        return self.above == "= missing"

    @classmethod
    def between(cls, threshold: float, lower: float, upper: float, wide: bool) -> Cut:
        """The cut between two neighbouring training values, as the literature writes it.

        A threshold just below their midpoint reads ``x < midpoint``, any other ``x <= threshold``; with the fewest
        digits, six or more, that still tell `lower` from `upper`. `wide`: the column is not rounded to float32.
        """
        if not (math.isfinite(lower) and math.isfinite(upper) and threshold < largest(wide)):
            return cls.at_value(threshold, wide)
        midpoint = lower + (upper - lower) / 2
        kind = np.float64 if wide else np.float32
        above = float(np.nextafter(kind(threshold), kind(np.inf)))
        strict = threshold != lower and threshold < midpoint <= above
        shown = midpoint if strict else threshold
        text = number_text(shown, 17)
        for digits in range(6, 17):
            short = number_text(shown, digits)
            read = float(short) if wide else float(np.float32(short))
            if (lower < read <= upper) if strict else (lower <= read < upper):
                text = short
                break
        return cls(threshold, shown, *((f"< {text}", f">= {text}") if strict else (f"<= {text}", f"> {text}")))


@dataclass(frozen=True)
class Condition:
    """That a number lies between two cuts, or that a value is one of some categories.

    Attributes
    ----------
    feature : int
        Place of the column.
    name : str
        Its name.
    above, below : Cut or None
        Numeric: the value lies above the one and below the other; None where that side is open.
    categories : tuple of (int, value) or None
        Nominal: codes and values that are allowed, ascending by code; None for a numeric feature.
    missing : bool
        Whether a value that is missing (or a category not seen in training) satisfies it, too.
    unseen : tuple of (int, value)
        Nominal: categories of other nodes that count as missing here; they satisfy it if missing values do.
    """

    feature: int
    name: str
    above: Cut | None = None
    below: Cut | None = None
    categories: tuple[tuple[int, Any], ...] | None = None
    missing: bool = False
    unseen: tuple[tuple[int, Any], ...] = ()

    def holds(self, values: Floats) -> Marks:
        """Of each value, shape (n,): numbers as the tree compares them, or codes of categories; NaN is missing."""
        known = ~np.isnan(values)
        if self.categories is not None:
            inside = np.isin(values, [code for code, _ in self._allowed()])
        else:
            inside = known.copy()
            if self.above is not None:
                inside &= values > self.above.threshold
            if self.below is not None:
                inside &= values <= self.below.threshold
        return inside | ~known if self.missing else inside & known

    def __and__(self, other: Condition) -> Condition:
        """Both at once, of one feature."""
        if other.feature != self.feature:
            raise ValueError(f"conditions of {self.name!r} and {other.name!r} cannot be merged: they are two features")
        missing = self.missing and other.missing
        if self.categories is not None and other.categories is not None:
            both = [pair for pair in self._allowed() if pair in other._allowed()]
            nowhere = tuple(pair for pair in both if pair in self.unseen and pair in other.unseen)
            seen = tuple(pair for pair in both if pair not in nowhere)
            return replace(self, categories=seen, missing=missing, unseen=nowhere)
        above = max((c.above for c in (self, other) if c.above is not None), key=_threshold, default=None)
        below = min((c.below for c in (self, other) if c.below is not None), key=_threshold, default=None)
        return replace(self, above=above, below=below, missing=missing)

    def _allowed(self) -> list[tuple[int, Any]]:
        """Codes and values that satisfy it, ascending by code."""
        return sorted([*(self.categories or ()), *(self.unseen if self.missing else ())], key=_code)

    def to_text(self, *, missing: bool = False, max_categories: int | None = None) -> str:
        """The condition in words; with `missing`, those that missing values satisfy say so."""
        if self.categories is not None:
            text = f"{self.name} {categories_text([value for _, value in self.categories], max_categories)}"
        elif self.above is not None and self.above.parts_missing:
            return f"{self.name} {self.above.above}"
        elif self.above is not None and self.below is not None and not self.below.parts_missing:
            sign, number = self.above.above.split(" ", 1)
            text = f"{number} {'<=' if sign == '>=' else '<'} {self.name} {self.below.below}"
        elif self.above is not None:
            text = f"{self.name} {self.above.above}"
        elif self.below is not None:
            text = f"{self.name} {self.below.below}"
        else:
            text = f"{self.name} is any number"
        return f"{text} or missing" if missing and self.missing else text

    def __str__(self) -> str:
        return self.to_text()


def _code(pair: tuple[int, Any]) -> int:
    return pair[0]


def _threshold(cut: Cut) -> float:
    return cut.threshold


@dataclass(frozen=True, eq=False)
class Rule:
    """If all conditions hold, predict this.

    Attributes
    ----------
    conditions : tuple of Condition
        At most one of a feature. None at all: the rule always holds.
    prediction : object
        The class, or the mean target (an array for several targets).
    count, weight : int and float
        Training rows behind the rule, and their weight.
    errors : float
        Weight of the training rows of other classes; the deviance in a regression.
    classes : tuple
        Labels of the classes; empty in a regression.
    shares : tuple of float
        Shares of the classes in the order of `classes`; empty in a regression.
    leaf : int
        Node of the tree that the rule describes; -1 for none.
    """

    conditions: tuple[Condition, ...]
    prediction: Any
    count: int
    weight: float
    errors: float
    classes: tuple[Any, ...] = ()
    shares: tuple[float, ...] = field(default=(), repr=False)
    leaf: int = -1

    def covers(self, values: Floats) -> Marks:
        """Whether the rule holds for each row of `values`, shape (n, n_features), encoded as `Condition.holds` says."""
        marks: Marks = np.ones(len(values), dtype=np.bool_)
        for condition in self.conditions:
            marks &= condition.holds(values[:, condition.feature])
        return marks

    @property
    def share(self) -> float:
        """Share of the predicted class; NaN in a regression."""
        places = [i for i, label in enumerate(self.classes) if label == self.prediction]
        return self.shares[places[0]] if places and self.shares else math.nan

    def conditions_text(self, *, missing: bool = False) -> str:
        """All conditions, joined by ``and``; ``always`` if there are none."""
        return " and ".join(c.to_text(missing=missing) for c in self.conditions) or "always"

    def to_text(self, decimals: int = 3, *, missing: bool = False) -> str:
        """The rule in one line."""
        facts = [f"{self.count} row{'' if self.count == 1 else 's'}"]
        if self.weight != self.count:
            facts.append(f"weight {number_text(self.weight)}")
        if self.shares:
            facts.append(f"share {self.share:.{decimals}f}")
        then = prediction_text(self.prediction, decimals)
        return f"if {self.conditions_text(missing=missing)} then {then}  ({', '.join(facts)})"

    def __str__(self) -> str:
        return self.to_text()


def prediction_text(prediction: Any, decimals: int) -> str:
    """A class as it is; a mean, or several, with so many decimals."""
    if isinstance(prediction, np.ndarray) and prediction.ndim == 1:
        return f"({', '.join(f'{float(v):.{decimals}f}' for v in prediction)})"
    if isinstance(prediction, float | np.floating):
        return f"{float(prediction):.{decimals}f}"
    return one_line(prediction)
