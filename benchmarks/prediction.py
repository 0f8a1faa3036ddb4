# SPDX-License-Identifier: Apache-2.0
"""Time to predict: many rows from floats to probabilities, and one row at a time, models trained at equal settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import tables
from engines import Recipe
from tables import Split
from training import table_file
from worker import Worker, workers

ENGINES = ("pygbt", "xgboost", "lightgbm", "catboost", "hessboost", "sklearn")
SINGLE_ROW_CALLS = 5_000


@dataclass(frozen=True)
class Forest:
    """A model to predict with, and the number of held-out rows."""

    key: str
    title: str
    recipe: Recipe
    n_train: int = 100_000
    n_test: int = 200_000
    engines: tuple[str, ...] = ENGINES

    def table(self, share: float, seed: int = 0) -> Split:
        """Dense floats; fewer rows for a share below 1."""
        n, n_test = (max(300, int(rows * share)) for rows in (self.n_train, self.n_test))
        X, y = tables.dense(n + n_test, 28, seed)
        return Split("binary", X[:n].copy(), y[:n], X[n:].copy(), y[n:], 2)

    def recipe_of(self, engine: str) -> Recipe:
        """CatBoost predicts with its symmetric trees, by which it is known: 256 leaves for 255."""
        if engine == "catboost" and self.recipe.policy == "lossguide":
            return replace(self.recipe, policy="depthwise", depth=8)
        return self.recipe


SMALL_TREES = Recipe("binary")
LARGE_TREES = Recipe("binary", rounds=500, policy="lossguide", leaves=255)
NOT_SKLEARN = ENGINES[:-1]

FORESTS = {
    forest.key: forest
    for forest in (
        Forest("J", "predict 200,000 x 28, 100 trees of depth 6, floats to probabilities", SMALL_TREES),
        Forest("K", "predict 200,000 x 28, 500 trees of 255 leaves", LARGE_TREES, n_train=50_000, engines=NOT_SKLEARN),
    )
}


def measure(
    forest: Forest, split: Split, names: list[str], repeats: int, log: Callable[[str], None] = print
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rows of many-row prediction, and of one-row prediction (only where the trees are few), by engine."""
    batch: dict[str, Any] = {}
    single: dict[str, Any] = {}
    with table_file(split) as path, workers(names, path, forest.recipe.n_threads) as started:
        for name in names:
            batch[name] = _train(started[name], forest.recipe_of(name), log)
        alive = [name for name in names if "error" not in batch[name]]
        for i in range(repeats):
            for name in alive[i % len(alive) :] + alive[: i % len(alive)]:
                batch[name]["runs"].append({"predict_s": started[name].call("predict")})
        if forest.recipe == SMALL_TREES:
            calls = min(SINGLE_ROW_CALLS, len(split.y_test))
            single = {name: {"runs": []} for name in alive}
            for i in range(repeats):
                for name in alive[i % len(alive) :] + alive[: i % len(alive)]:
                    slow = 20 if name == "sklearn" else 1  # hundreds of microseconds a call
                    single[name]["runs"].append({"row_s": started[name].call("one_row", max(10, calls // slow))})
    for name in alive:
        log(f"    {name:19} predict " + " ".join(f"{run['predict_s']:.4f}" for run in batch[name]["runs"]))
        if single:
            log(f"    {name:19} one row " + " ".join(f"{1e6 * run['row_s']:.1f} us" for run in single[name]["runs"]))
    return batch, single


def _train(worker: Worker, recipe: Recipe, log: Callable[[str], None]) -> dict[str, Any]:
    try:
        run = worker.call("fit", recipe)
        loss, deviation = worker.call("score")
        worker.call("predict")  # warms up
    except RuntimeError as error:
        log(f"    {error}")
        return {"error": str(error)}
    log(f"    {worker.engine:19} trained in {run['total_s']:.2f} s, loss {loss:.5f}")
    return {"loss": loss, "loss_deviation": deviation, "note": run["note"], "digest": run["digest"], "runs": []}
