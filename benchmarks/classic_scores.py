# SPDX-License-Identifier: Apache-2.0
"""Error rates of the classical trees and ensembles by the protocols of the published tables; docs/results/classic.md.

python classic_scores.py                        everything, a quarter of an hour on two cores; goes on where it ended
python classic_scores.py --sets glass,iris --again
python classic_scores.py --groups forest        put into the rows that are there
python classic_scores.py --quick                one repetition on small tables, nothing saved
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import classic_curves
import classic_methods
import classic_sets
import machine
import numpy as np
from classic_sets import Cases

NAME = "classic-scores"

FOREST_PAPER = ("cart", "bagged_cart", "boosted_cart", "breiman_forests")
LARGE = ("c45", "cart", "few_bagged_c45", "boosted_c45", "forest")
EVERY = (
    "c45",
    "cart",
    "boosted_stumps",
    "bagged_c45",
    "boosted_c45",
    "drawn_boosted_c45",
    "bagged_cart",
    "forest",
    "breiman_forests",
)


@dataclass(frozen=True)
class Task:
    """Groups of methods on one set by one protocol.

    "cv": ten-fold cross-validation, stratified, repeated. "split": 90 % of the rows drawn for training, repeated.
    "fresh": every repetition trains on a new sample of 300 waveforms and tests on 1,500.
    """

    data: str
    protocol: str
    repeats: int
    groups: tuple[str, ...] = EVERY


#: Repetitions as published: ten, or 100 random splits. The two large tables leave out ensembles of 100 C4.5 trees.
TASKS = (
    Task("iris", "cv", 10),
    Task("glass", "cv", 10),
    Task("diabetes", "cv", 10),
    Task("breast_cancer", "cv", 10),
    Task("breast_w", "cv", 10),
    Task("hepatitis", "cv", 10),
    Task("sonar", "cv", 10),
    Task("ionosphere", "cv", 10),
    Task("zoo", "cv", 10),
    Task("vote", "cv", 10),
    Task("colic", "cv", 10),
    Task("credit_a", "cv", 10),
    Task("credit_g", "cv", 10),
    Task("soybean", "cv", 10),
    Task("vowel", "cv", 10),
    Task("waveform_300", "cv", 10),
    Task("segment", "cv", 10),
    Task("kr_vs_kp", "cv", 10),
    Task("hypothyroid", "cv", 10),
    Task("waveform_5000", "cv", 10, LARGE),
    Task("letter", "cv", 10, LARGE),
    Task("glass", "split", 100, FOREST_PAPER),
    Task("diabetes", "split", 100, FOREST_PAPER),
    Task("breast_w", "split", 100, FOREST_PAPER),
    Task("sonar", "split", 100, FOREST_PAPER),
    Task("ionosphere", "split", 100, FOREST_PAPER),
    Task("vote", "split", 100, FOREST_PAPER),
    Task("vowel", "split", 100, FOREST_PAPER),
    Task("waveform_300", "fresh", 100, FOREST_PAPER),
)


def parts(task: Task, repetition: int, share: float = 1.0) -> Iterator[tuple[Cases, Cases]]:
    """Training and test cases of one repetition."""
    if task.protocol == "fresh":
        yield classic_sets.waveforms(300, [1, repetition]), classic_sets.waveforms(1500, [2, repetition])
        return
    cases = (
        classic_sets.waveforms(300, [3, repetition])
        if task.data == "waveform_300"
        else classic_sets.load(task.data, share)
    )
    n = len(cases.y)
    if task.protocol == "split":
        order = np.random.default_rng([4, repetition]).permutation(n)
        cut = n - round(n / 10)
        yield cases.take(np.sort(order[:cut])), cases.take(np.sort(order[cut:]))
        return
    yield from classic_sets.stratified_folds(cases, repetition)


def repetition(task: Task, group: str, number: int, share: float = 1.0) -> tuple[dict[str, list[float]], float]:
    """Errors of every part, by method, and the seconds it took."""
    start = time.perf_counter()
    errors: dict[str, list[float]] = {}
    for fold, (train, test) in enumerate(parts(task, number, share)):
        for method, error in classic_methods.GROUPS[group](train, test, 1000 * number + fold).items():
            errors.setdefault(method, []).append(round(error, 4))
    return errors, time.perf_counter() - start


def summary(repetitions: list[list[float]]) -> tuple[float, float, float]:
    """(mean error, its standard error, standard deviation of one repetition).

    Over the repetitions; of fewer than three, over all their folds.
    """
    means = [statistics.mean(parts) for parts in repetitions]
    if len(means) >= 3:
        deviation = statistics.stdev(means)
        return statistics.mean(means), deviation / len(means) ** 0.5, deviation
    folds = [error for parts in repetitions for error in parts]
    error = statistics.stdev(folds) / len(folds) ** 0.5 if len(folds) > 1 else float("nan")
    return statistics.mean(folds), error, error * len(means) ** 0.5


def run(task: Task, pool: ProcessPoolExecutor, share: float = 1.0) -> dict[str, Any]:
    """One row of results: errors[method][repetition][fold]."""
    jobs = {
        (group, number): pool.submit(repetition, task, group, number, share)
        for number in range(task.repeats)
        for group in task.groups
    }
    errors: dict[str, list[list[float]]] = {}
    seconds = dict.fromkeys(task.groups, 0.0)
    for (group, _), job in jobs.items():
        found, took = job.result()
        seconds[group] += took
        for method, folds in found.items():
            errors.setdefault(method, []).append(folds)
    return {
        "set": task.data,
        "protocol": task.protocol,
        "repeats": task.repeats,
        "seconds": {group: round(took, 1) for group, took in seconds.items()},
        "errors": errors,
    }


def describe(row: dict[str, Any]) -> str:
    found = {method: summary(repetitions) for method, repetitions in row["errors"].items()}
    cells = "  ".join(f"{method} {mean:.2f}±{error:.2f}" for method, (mean, error, _) in found.items())
    return f"{row['set']} {row['protocol']} x{row['repeats']} ({sum(row['seconds'].values()):.0f} s): {cells}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", help="only these, by commas")
    parser.add_argument("--groups", help="only these groups of methods, by commas; put into the rows there are")
    parser.add_argument("--again", action="store_true", help="run tasks that have results, too")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--quick", action="store_true", help="one repetition on at most 150 rows; saves nothing")
    args = parser.parse_args()
    wanted = set(args.sets.split(",")) if args.sets else {task.data for task in TASKS}
    unknown = wanted - {task.data for task in TASKS}
    if unknown:
        parser.error(f"--sets: no such set: {', '.join(sorted(unknown))}")
    results: dict[str, Any] = {"rows": [], "curves": []}
    if (machine.RESULTS / f"{NAME}.json").exists() and not args.quick:
        kept = machine.load(NAME)
        results = {key: kept[key] for key in results}
    done = set() if args.again or args.groups else {(r["set"], r["protocol"], r["repeats"]) for r in results["rows"]}
    with ProcessPoolExecutor(args.workers) as pool:
        for task in TASKS:
            key = (task.data, task.protocol, task.repeats)
            if task.data not in wanted or key in done:
                continue
            some = tuple(g for g in task.groups if not args.groups or g in args.groups.split(","))
            if not some:
                continue
            row = run(Task(*key[:2], 1, some), pool, 0.1) if args.quick else run(Task(*key, some), pool)
            print(describe(row), flush=True)
            if args.quick:
                continue
            old = [r for r in results["rows"] if (r["set"], r["protocol"], r["repeats"]) == key]
            if args.groups and old:
                row = old[0] | {name: old[0][name] | row[name] for name in ("seconds", "errors")}
            results["rows"] = [r for r in results["rows"] if (r["set"], r["protocol"]) != key[:2]] + [row]
            results["rows"].sort(key=_place)
            machine.save(NAME, results)
        for data in classic_curves.SETS:
            if (
                args.quick
                or args.groups
                or data not in wanted
                or (not args.again and any(c["set"] == data for c in results["curves"]))
            ):
                continue
            curve = classic_curves.run(data, pool)
            results["curves"] = [c for c in results["curves"] if c["set"] != data] + [curve]
            machine.save(NAME, results)


def _place(row: dict[str, Any]) -> int:
    return [(task.data, task.protocol) for task in TASKS].index((row["set"], row["protocol"]))


if __name__ == "__main__":
    main()
