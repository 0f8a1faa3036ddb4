# SPDX-License-Identifier: Apache-2.0
"""Ways to share trees on the sets of several labels and targets: held-out loss of each, and of the chosen way."""

from __future__ import annotations

from typing import Any

from multitask_sets import NAMES, load, relative_losses, values_of

WAYS = ("none", "tree", "stem:2", "residual", "auto")
PARAMS: dict[str, Any] = {"n_estimators": 60, "max_depth": 4, "learning_rate": 0.15, "subsample": 0.8, "max_bin": 64}
THREADS = 2


def keys() -> list[str]:
    """Sets, one a row."""
    return list(NAMES)


def measure(name: str, seeds: int, rounds: int | None) -> dict[str, Any]:
    """Mean relative loss over the tasks by way and seed, and how `auto` shared."""
    from pygbt.multitask import MultiTask

    params = PARAMS if rounds is None else {**PARAMS, "n_estimators": rounds}
    losses: dict[str, list[float]] = {way: [] for way in WAYS}
    chosen = []
    n_tasks = 0
    for seed in range(seeds):
        split = load(name, seed)
        n_tasks = len(split.losses)
        labels = {task: split.y[task] for task in split.losses}
        for way in WAYS:
            model = MultiTask(split.losses, share=way, random_state=seed, n_jobs=THREADS, **params).fit(split.X, labels)
            found = relative_losses(split, values_of(model, split.X_test, split.losses))
            losses[way].append(sum(found.values()) / len(found))
            if way == "auto":
                chosen.append([f"{share}:{len(g)}" for share, g in zip(model.shares_, model.groups_, strict=True)])
    return {"rows": len(split.X), "features": split.X.shape[1], "tasks": n_tasks, "losses": losses, "chosen": chosen}
