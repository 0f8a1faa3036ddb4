# SPDX-License-Identifier: Apache-2.0
"""What the numbers of the classical trees say: against published ones, before and after pruning, and the bars."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Any

from classic_published import Published
from classic_scores import summary
from classic_shapes import Shape


@dataclass(frozen=True)
class Against:
    """A published number beside ours. `gap`: ours less theirs in standard errors of the difference."""

    published: Published
    mean: float
    error: float
    repeats: int
    gap: float | None
    gap_reproduced: float | None


def against(published: Published, rows: list[dict[str, Any]]) -> Against | None:
    """Ours by the same protocol, None where it was not measured.

    The published number has an error of its own, which is not known: it is taken for that of our repetitions, by the
    number of theirs.
    """
    for row in rows:
        if (row["set"], row["protocol"]) == (published.data, published.protocol) and published.method in row["errors"]:
            mean, error, deviation = summary(row["errors"][published.method])
            both = math.sqrt(error**2 + deviation**2 / published.runs)

            def gap(theirs: float | None, mean: float = mean, both: float = both) -> float | None:
                return None if theirs is None else (mean - theirs) / both

            gaps = gap(published.error), gap(published.reproduced)
            return Against(published, mean, error, row["repeats"], *gaps)
    return None


def word(gap: float | None) -> str:
    """The verdict on a gap."""
    if gap is None:
        return ""
    if abs(gap) <= 2:
        return "within"
    return "lower" if gap < 0 else "**higher**"


@dataclass(frozen=True)
class Pruned:
    """One rule over all sets, against the trees it was given."""

    leaves_kept: float  # geometric mean
    change: float  # of the error in points, mean over the sets
    lower: int  # sets whose error fell by more than two standard errors of the paired differences
    higher: int


def before(rule: str, held_out: bool) -> str:
    """The tree that a rule was given."""
    return "full_of_two_thirds" if held_out else "full"


def pruned(rows: list[dict[str, Any]], rule: str, held_out: bool) -> Pruned:
    """`rows`: of one kind of tree."""
    ratios, changes, lower, higher = [], [], 0, 0
    for row in rows:
        old, new = row["rules"][before(rule, held_out)], row["rules"][rule]
        ratios.append(statistics.mean(new["leaves"]) / statistics.mean(old["leaves"]))
        paired = [b - a for a, b in zip(old["error"], new["error"], strict=True)]
        mean, error = statistics.mean(paired), statistics.stdev(paired) / math.sqrt(len(paired))
        changes.append(mean)
        lower += mean < -2 * error
        higher += mean > 2 * error
    return Pruned(statistics.geometric_mean(ratios), statistics.mean(changes), lower, higher)


@dataclass(frozen=True)
class Ratio:
    """scikit-learn's time over ours, round by round, and whether the median reaches the bar."""

    median: float
    least: float
    most: float
    bar: float | None

    @property
    def met(self) -> bool:
        return self.bar is None or self.median >= self.bar


def ratio(row: dict[str, Any], engine: str, time: str, bar: float | None) -> Ratio:
    ours, theirs = (row["engines"][name]["runs"] for name in (engine, "sklearn"))
    ratios = [b[time] / a[time] for a, b in zip(ours, theirs, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios), bar)


def scores(row: dict[str, Any], engine: str) -> tuple[float, float]:
    """(mean, standard deviation over the seeds) of the held-out score."""
    found = [run["score"] for run in row["engines"][engine]["runs"]]
    return statistics.mean(found), statistics.stdev(found) if len(found) > 1 else 0.0


def score_met(row: dict[str, Any], engine: str) -> bool:
    """Not below scikit-learn's by more than two standard deviations of its seeds."""
    mean, deviation = scores(row, "sklearn")
    return scores(row, engine)[0] >= mean - 2 * deviation


def memory_met(row: dict[str, Any], engine: str) -> bool:
    """Peak of the fit above the table not above scikit-learn's."""
    engines = row["engines"]
    return bool(engines[engine]["fit_mib"] <= engines["sklearn"]["fit_mib"])


def bars(shape: Shape, row: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """(engine, what, met) of every bar of a row."""
    found = []
    for engine, bar in shape.bars.items():
        found.append((engine, "training", ratio(row, engine, "fit_s", bar).met))
        if shape.predict_bar is not None:
            found.append((engine, "prediction", ratio(row, engine, "predict_s", shape.predict_bar).met))
        found.append((engine, "score", score_met(row, engine)))
        found.append((engine, "memory", memory_met(row, engine)))
    return found
