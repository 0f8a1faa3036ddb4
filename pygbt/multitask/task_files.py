# SPDX-License-Identifier: Apache-2.0
"""Model files of many tasks: the boosters of the groups, and what their columns mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from .. import _core
from ..booster import Booster
from ..estimator_files import FileParts
from ..typed_json import pack, pack_array, unpack, unpack_array
from .group import Group
from .options import TaskOptions
from .sharing import Sharing
from .task import Task

__all__ = ["pack_groups", "read_groups"]


def pack_groups(tasks: Sequence[Task], groups: Sequence[Group]) -> FileParts:
    """What a model of many tasks learnt."""
    arrays: dict[str, Any] = {}
    stored = []
    for i, group in enumerate(groups):
        own, meta = group.booster._model.to_arrays()
        arrays |= {f"group{i}.{name}": array for name, array in own.items()}
        stored.append(
            {
                "tasks": [task.name for task in group.tasks],
                "sharing": pack(asdict(group.sharing)),
                "model": meta,
                "best_iteration": group.booster.best_iteration,
            }
        )
    return FileParts(
        arrays, {"tasks": [_pack_task(task) for task in tasks], "groups": stored}, groups[0].booster._schema
    )


def _pack_task(task: Task) -> dict[str, Any]:
    return {
        "options": pack(asdict(task.options)),
        "n_labels": task.n_labels,
        "n_targets": task.n_targets,
        "flat": task.flat,
        "classes": None if task.classes is None else pack_array(task.classes),
    }


def _read_task(packed: Mapping[str, Any], parts: FileParts) -> Task:
    n_labels, n_targets, flat = packed["n_labels"], packed["n_targets"], packed["flat"]
    sound = type(n_labels) is int and type(n_targets) is int and 1 <= n_labels <= n_targets
    parts.require(sound and type(flat) is bool, "a task is damaged")
    options = TaskOptions(**unpack(packed["options"]))
    classes = None if packed["classes"] is None else unpack_array(packed["classes"])
    parts.require((classes is not None) == options.has_classes, "classes are missing, or there should be none")
    if classes is not None:
        wanted = 2 if options.loss == "logistic" or (n_labels > 1 and options.loss != "softmax") else n_targets
        parts.require(classes.shape == (wanted,), "the number of classes does not fit")
        parts.require(np.array_equal(np.unique(classes), classes), "classes are not in order")
    return Task(options, n_labels, n_targets, classes, flat)


def read_groups(parts: FileParts) -> tuple[list[Task], list[Group]]:
    """The tasks and groups of a file.

    Raises
    ------
    ModelFileError
        It is damaged.
    """
    tasks = [_read_task(packed, parts) for packed in parts.list_of("tasks")]
    by_name = {task.name: task for task in tasks}
    parts.require(len(by_name) == len(tasks) >= 1, "tasks are missing, or two have one name")
    groups = []
    for i, stored in enumerate(parts.list_of("groups")):
        prefix = f"group{i}."
        arrays = {k.removeprefix(prefix): array for k, array in parts.arrays.items() if k.startswith(prefix)}
        model = _core.Model.from_arrays(arrays, stored["model"])
        own = tuple(by_name[name] for name in stored["tasks"])
        parts.require(model.n_features == parts.schema.n_features, "columns and trees do not fit")
        for feature, levels in enumerate(parts.schema.categories):
            parts.require(model.cuts.is_categorical(feature) == (levels is not None), "kinds of columns do not fit")
        parts.require(model.n_outputs == sum(task.n_targets for task in own), "tasks and outputs do not fit")
        best = stored["best_iteration"]
        parts.require(best is None or (type(best) is int and 0 <= best < model.n_iterations), "rounds do not fit")
        booster = Booster(model, parts.schema, params={}, best_iteration=best)
        groups.append(Group(own, Sharing(**unpack(stored["sharing"])), booster))
    learnt = [task.name for group in groups for task in group.tasks]
    needed = {task.name for task in tasks if not task.options.auxiliary}
    parts.require(len(set(learnt)) == len(learnt) and needed <= set(learnt), "tasks and groups do not fit")
    return tasks, groups
