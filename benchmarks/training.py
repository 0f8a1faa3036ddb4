# SPDX-License-Identifier: Apache-2.0
"""Time to train: every engine on one table, in turn, round after round."""

from __future__ import annotations

import pickle
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engines import Recipe
from tables import Split
from worker import Worker, workers

#: An engine this many times slower than the fastest peer is not run again on a giant table.
FAR_BEHIND = 1.5
#: Tables that every engine trains on faster than this many seconds are run more often.
SHORT = 2.0


def measure(
    split: Split,
    recipe: Recipe,
    names: list[str],
    repeats: int,
    giant: bool = False,
    log: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Runs, held-out loss, memory and digest of every engine. The first round warms up and is dropped.

    An engine that is far behind on a giant table has its only run instead (`"single": true`).
    """
    with table_file(split) as path, workers(names, path, recipe.n_threads) as started:
        first = {name: _first(started[name], recipe, log) for name in names}
        again = [name for name in names if "error" not in first[name]]
        if not again:
            return first
        if giant:
            total = {name: first[name]["runs"][0]["total_s"] for name in again}
            fastest = min((s for name, s in total.items() if name != "pygbt"), default=0.0)
            for name in again:
                first[name]["single"] = name != "pygbt" and total[name] > FAR_BEHIND * fastest
            again = [name for name in again if not first[name]["single"]]
        slowest = max((first[n]["runs"][0]["total_s"] for n in again), default=0.0)
        rounds = 2 * repeats + 1 if slowest < SHORT else min(repeats, 2) if giant else repeats
        for name in again:
            first[name]["runs"] = []
        for i in range(rounds):
            for name in again[i % len(again) :] + again[: i % len(again)]:
                _again(first[name], started[name], recipe, log)
    return first


def _first(worker: Worker, recipe: Recipe, log: Callable[[str], None]) -> dict[str, Any]:
    """The run that warms up: loss, memory, note, digest. An engine that cannot do it says why."""
    try:
        run = worker.call("fit", recipe)
        loss, deviation = worker.call("score")
        run["predict_s"] = worker.call("predict")
    except RuntimeError as error:
        log(f"    {error}")
        return {"error": str(error)}
    log(f"    {worker.engine:19} {_times(run)}  loss {loss:.5f}  {run['memory_mib']:.0f} MiB  {run['note']}  (first)")
    row = {key: run.pop(key) for key in ("memory_mib", "note", "digest")}
    return {"loss": loss, "loss_deviation": deviation, **row, "runs": [run]}


def _again(row: dict[str, Any], worker: Worker, recipe: Recipe, log: Callable[[str], None]) -> None:
    run = worker.call("fit", recipe)
    run["predict_s"] = worker.call("predict")
    del run["memory_mib"], run["note"]
    digest = run.pop("digest")
    if digest != row["digest"]:
        raise AssertionError(f"{worker.engine}: digest {digest} after {row['digest']}: it promised one model")
    log(f"    {worker.engine:19} {_times(run)}")
    row["runs"].append(run)


def _times(run: dict[str, Any]) -> str:
    names = {"bins_s": "bins", "train_s": "train", "total_s": "total", "predict_s": "predict"}
    return "  ".join(f"{names[key]} {run[key]:7.3f}" for key in names if run.get(key) is not None)


def median(row: dict[str, Any], key: str) -> float | None:
    """Median of one time over the runs, None where the engine has no such time."""
    values = [run[key] for run in row.get("runs", ()) if run.get(key) is not None]
    return statistics.median(values) if values else None


@contextmanager
def table_file(split: Split) -> Iterator[Path]:
    """The table in a file that workers load."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.pickle"
        path.write_bytes(pickle.dumps(split, protocol=5))
        yield path
