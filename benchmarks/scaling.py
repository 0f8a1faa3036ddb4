# SPDX-License-Identifier: Apache-2.0
"""How time grows: over threads on shape A (pygbt), and over rows, features and threads for every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import tables
import training
from engines import Recipe
from shapes import SHAPES
from tables import Split
from worker import Worker

RECIPE = Recipe("binary", rounds=50)
#: axis -> points of it: (rows, features, threads)
CURVES: dict[str, list[tuple[int, int, int]]] = {
    "rows": [(1_000, 28, 2), (10_000, 28, 2), (100_000, 28, 2), (1_000_000, 28, 2)],
    "features": [(20_000, 8, 2), (20_000, 32, 2), (20_000, 128, 2), (20_000, 512, 2)],
    "threads": [(200_000, 28, 1), (200_000, 28, 2), (200_000, 28, 4), (200_000, 28, 8)],
}


def speed_up(split: Split, recipe: Recipe, repeats: int, log: Callable[[str], None] = print) -> dict[str, Any]:
    """Training alone on one and on two threads, in turn; the models must be one model."""
    rows: dict[str, Any] = {}
    with training.table_file(split) as path:
        started = {n: Worker("pygbt", path, n) for n in (1, 2)}
        try:
            for worker in started.values():
                worker.wait()
            for i in range(repeats + 1):  # the first pair warms up
                for n, worker in started.items():
                    run = worker.call("fit", replace(recipe, n_threads=n))
                    row = rows.setdefault(str(n), {"digest": run["digest"], "runs": []})
                    assert run["digest"] == rows["1"]["digest"], "one and two threads trained different models"
                    if i > 0:
                        row["runs"].append({key: run[key] for key in ("bins_s", "train_s", "total_s")})
                    log(f"    {n} threads: train {run['train_s']:.3f}")
        finally:
            for worker in started.values():
                worker.close()
    return rows


def curve(
    axis: str, names: list[str], cores: int, share: float = 1.0, log: Callable[[str], None] = print
) -> list[dict[str, Any]]:
    """Array to model along one axis, 50 trees of depth 6: a point for every size, with the times of every engine."""
    points = []
    for rows, features, threads in CURVES[axis]:
        if threads > cores:
            continue
        n = max(500, int(rows * share))
        X, y = tables.dense(n + 2000, features, 1)
        split = Split("binary", X[:n].copy(), y[:n], X[n:], y[n:], 2)
        log(f"  {axis}: {n:,} x {features}, {threads} threads")
        recipe = replace(RECIPE, n_threads=threads, rounds=RECIPE.rounds if share >= 1 else 3)
        engines = training.measure(split, recipe, names, 1, log=log)
        points.append({"rows": n, "features": features, "threads": threads, "engines": engines})
    return points


SPEED_UP_SHAPE = SHAPES["A"]
