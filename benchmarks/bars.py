# SPDX-License-Identifier: Apache-2.0
"""The bars: how many times faster than which peer pygbt must be on which shape, and whether measured rows meet them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

FASTEST = "fastest"


@dataclass(frozen=True)
class Bar:
    """`peer` time / pygbt time of `time` on a row of the results is at least `ratio`."""

    letter: str
    what: str
    section: str
    row: str
    time: str
    peer: str
    ratio: float


@dataclass(frozen=True)
class Verdict:
    """A measured bar: the peer meant, the median ratio with its least and most over the runs, and whether it is met."""

    bar: Bar
    peer: str
    ratio: float
    least: float
    most: float
    pygbt: float
    peer_value: float
    runs: int

    @property
    def met(self) -> bool:
        return self.ratio >= self.bar.ratio


BARS = (
    Bar(
        "A",
        "1,000,000 x 28 dense, binary, 100 trees, depth 6, training alone",
        "training",
        "A",
        "train_s",
        FASTEST,
        2.2,
    ),
    Bar("A", "the same, against XGBoost", "training", "A", "train_s", "xgboost", 2.6),
    Bar("A'", "the same, from float array to model (binning included)", "training", "A", "total_s", FASTEST, 2.4),
    Bar("A'", "the same, against XGBoost", "training", "A", "total_s", "xgboost", 3.5),
    Bar("B", "the same rows, lossguide, 255 leaves, array to model", "training", "B", "total_s", FASTEST, 2.2),
    Bar("C", "100,000 x 28, depth 6, 100 trees, array to model", "training", "C1", "total_s", FASTEST, 2.0),
    Bar("C", "10,000 x 28, depth 6, 100 trees, array to model", "training", "C2", "total_s", FASTEST, 3.0),
    Bar("D", "covertype_92k, 7 classes, depth 6, 100 rounds", "training", "D", "total_s", FASTEST, 2.0),
    Bar("E", "20,000 x 2,000 dense, regression, depth 6, 50 trees", "training", "E", "total_s", FASTEST, 2.5),
    Bar("F", "celeba_203k, 39 binary columns, depth 6, 100 trees", "training", "F1", "total_s", FASTEST, 3.5),
    Bar("F", "nursery x 20, all categorical", "training", "F2", "total_s", FASTEST, 2.0),
    Bar("G", "10,000,000 x 8, depth 8, 50 trees", "training", "G", "total_s", FASTEST, 3.0),
    Bar("G", "the same, extra memory: least peer / pygbt", "training", "G", "memory_mib", FASTEST, 1.0),
    Bar("H", "otto, 93 counts, 9 classes, 50 rounds", "training", "H1", "total_s", FASTEST, 1.8),
    Bar("H", "200,000 x 500 CSR, 95 % zeros", "training", "H2", "total_s", FASTEST, 2.0),
    Bar("I", "nycflights13, native categories", "training", "I", "total_s", FASTEST, 2.0),
    Bar("J", "predict 200,000 x 28, 100 trees of depth 6", "prediction", "J", "predict_s", "xgboost", 6.0),
    Bar("J", "the same, against CatBoost", "prediction", "J", "predict_s", "catboost", 2.5),
    Bar("J", "the same, against hessboost", "prediction", "J", "predict_s", "hessboost", 3.0),
    Bar("K", "predict 200,000 rows, 500 trees of 255 leaves", "prediction", "K", "predict_s", "lightgbm", 4.0),
    Bar("K", "the same, against XGBoost", "prediction", "K", "predict_s", "xgboost", 4.0),
    Bar("K", "the same, against hessboost", "prediction", "K", "predict_s", "hessboost", 2.0),
    Bar("L", "one row, 100 trees, from Python", "prediction", "L", "row_s", FASTEST, 5.0),
    Bar("L", "the same, 5 microseconds / pygbt", "prediction", "L", "row_s", "limit", 1.0),
    Bar("M", "second thread on A, training alone: 1 thread / 2 threads", "threads", "M", "train_s", "1", 1.85),
)

#: Seconds a call that bar L allows.
ONE_ROW_LIMIT = 5e-6


def values(engine: dict[str, Any], time: str) -> list[float]:
    """The measured values of one engine: a time of every run, or the peak of its first one."""
    if time == "memory_mib":
        return [engine[time]] if time in engine else []
    return [run[time] for run in engine.get("runs", ()) if run.get(time) is not None]


def judge(bar: Bar, results: dict[str, Any]) -> Verdict | None:
    """The verdict of one bar on a machine's results; None where it was not measured."""
    row = results.get(bar.section, {}).get(bar.row)
    if row is None:
        return None
    own_name = "2" if bar.letter == "M" else "pygbt"
    measured = {name: v for name, engine in row["engines"].items() if (v := values(engine, bar.time))}
    own = measured.pop(own_name, [])
    if bar.peer == "limit":
        measured = {"limit": [ONE_ROW_LIMIT]}
    elif bar.peer != FASTEST:
        measured = {name: v for name, v in measured.items() if name == bar.peer}
    if not own or not measured:
        return None
    peer = min(measured, key=lambda name: statistics.median(measured[name]))
    ratios = sorted(_ratios(measured[peer], own))
    return Verdict(
        bar,
        peer,
        statistics.median(ratios),
        ratios[0],
        ratios[-1],
        statistics.median(own),
        statistics.median(measured[peer]),
        len(ratios),
    )


def _ratios(peer: list[float], own: list[float]) -> list[float]:
    """Round by round where both have every round, else against the median of the one that has more."""
    if len(peer) == len(own):
        return [p / o for p, o in zip(peer, own, strict=True)]
    if len(peer) < len(own):
        return [statistics.median(peer) / o for o in own]
    return [p / statistics.median(own) for p in peer]


def fastest_peer(row: dict[str, Any], time: str = "total_s") -> str | None:
    """The peer with the least median time in a training row."""
    medians = {n: statistics.median(v) for n, e in row["engines"].items() if n != "pygbt" and (v := values(e, time))}
    return min(medians, key=lambda name: medians[name]) if medians else None


def loss_bound(row: dict[str, Any]) -> float | None:
    """Loss of the fastest peer plus two standard deviations."""
    peer = fastest_peer(row)
    own = row["engines"].get("pygbt", {})
    if peer is None or "loss" not in own:
        return None
    other = row["engines"][peer]
    return float(other["loss"] + 2 * max(own["loss_deviation"], other["loss_deviation"]))


def problems(row: dict[str, Any]) -> list[str]:
    """What is wrong with pygbt's answer in a training row: nothing, an error, or a loss beyond the bound."""
    own = row.get("engines", {}).get("pygbt", {})
    if "error" in own:
        return [own["error"]]
    if "rows" not in row:  # only training rows have a bound: the large forests overfit
        return []
    bound = loss_bound(row)
    if bound is None or own["loss"] <= bound:
        return []
    return [f"held-out loss {own['loss']:.5f} is above {bound:.5f}, the fastest peer's and two standard deviations"]
