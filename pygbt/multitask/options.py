# SPDX-License-Identifier: Apache-2.0
"""What users say of a task: a loss by name, or a dictionary of options."""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import parameters

__all__ = ["CLASS_LOSSES", "ENTIRE_SPACE", "TASK_PARAMETERS", "TaskOptions", "read_options"]

CLASS_LOSSES = ("logistic", "softmax", "one_vs_rest")
ENTIRE_SPACE = "entire_space"

# Parameters of training that a task may have for itself, and what the engine's tasks call them.
TASK_PARAMETERS = {
    "teacher_alpha": "alpha",
    "teacher_temperature": "temperature",
    "teacher_match": "match",
    "teacher_bound": "bound",
    "teacher_scale_t2": "scale_t2",
    "huber_delta": "huber_delta",
    "tweedie_variance_power": "tweedie_power",
    "scale_pos_weight": "scale_pos_weight",
    "softmax_hessian": "hessian",
    "quantile_alpha": "quantile_level",
}


@dataclass(frozen=True)
class TaskOptions:
    """A task before its labels are seen.

    Attributes
    ----------
    name : str
    loss : str
        An objective of `pygbt.train`, by its canonical name, or "entire_space".
    weight : float
        Factor on its gradients and on its share of the mean that stops training.
    auxiliary : bool
        Trained, but not predicted.
    metric : str or None
        What it is scored by; None: the loss's own.
    columns : tuple of str or None
        Its columns in a frame of labels; None: the one of its name.
    parameters : mapping
        Values of TASK_PARAMETERS.
    """

    name: str
    loss: str
    weight: float = 1.0
    auxiliary: bool = False
    metric: str | None = None
    columns: tuple[str, ...] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_classes(self) -> bool:
        """Whether its labels are classes, and it has probabilities."""
        return self.loss in CLASS_LOSSES


def read_options(
    tasks: Any, weights: Any, auxiliary: Collection[str], shared: Mapping[str, Any]
) -> tuple[TaskOptions, ...]:
    """The tasks of ``{name: loss or options}``.

    Parameters
    ----------
    tasks : mapping
    weights : mapping of str to float, or None
        Weights by task; a task's own option wins.
    auxiliary : collection of str
        Names of the tasks that are not predicted.
    shared : mapping
        TASK_PARAMETERS of all tasks that say nothing else.

    Raises
    ------
    ValueError, TypeError
        The message names the task and the remedy.
    """
    if not isinstance(tasks, Mapping) or not tasks:
        raise TypeError(f'tasks must be a dictionary such as {{"name": "logistic"}}, got {tasks!r}')
    weights = {} if weights is None else weights
    if not isinstance(weights, Mapping):
        raise TypeError(f"weights must be a dictionary by task, got {type(weights).__name__}")
    if isinstance(auxiliary, str):
        raise TypeError(f"auxiliary must be a list of tasks, got {auxiliary!r}")
    for argument, names in (("weights", weights), ("auxiliary", auxiliary)):
        for name in names:
            if name not in tasks:
                raise ValueError(f"{argument}: there is no task {name!r}{parameters.nearest(str(name), tasks)}")
    read = tuple(_read(name, given, weights.get(name, 1.0), name in auxiliary, shared) for name, given in tasks.items())
    if all(task.auxiliary for task in read):
        raise ValueError("auxiliary names every task, so that nothing is left to predict")
    return read


def _read(name: Any, given: Any, weight: Any, auxiliary: bool, shared: Mapping[str, Any]) -> TaskOptions:
    if not isinstance(name, str) or not name:
        raise TypeError(f"tasks: names are strings, got {name!r}")
    own: dict[str, Any] = {"loss": given} if isinstance(given, str) else dict(given) if _is_options(given, name) else {}
    loss = own.pop("loss", own.pop("objective", None))
    if loss is None:
        raise ValueError(f'task {name!r} has no loss; give one, such as {{"loss": "logistic"}}')
    weight = own.pop("weight", weight)
    if isinstance(weight, bool) or not isinstance(weight, numbers.Real) or not 0 < float(weight) < math.inf:
        raise ValueError(f"task {name!r}: weight must be a positive number, got {weight!r}")
    auxiliary = own.pop("auxiliary", auxiliary)
    if not isinstance(auxiliary, bool):
        raise TypeError(f"task {name!r}: auxiliary must be True or False, got {auxiliary!r}")
    metric, columns = own.pop("metric", None), own.pop("columns", None)
    try:
        canonical = parameters.canonical(own)
        if loss != ENTIRE_SPACE:
            loss = parameters.canonical({"objective": loss})["objective"]
        metric = None if metric is None else parameters.metric_name(metric)
    except (TypeError, ValueError) as error:
        raise type(error)(f"task {name!r}: {error}") from None
    for key in canonical:
        if key not in TASK_PARAMETERS:
            raise ValueError(
                f"task {name!r}: {key} belongs to the whole model, not to a task; pass it to the estimator. Options of "
                f"a task are loss, weight, auxiliary, metric, columns, {', '.join(TASK_PARAMETERS)}"
            )
    if loss in ("custom", "tasks"):
        raise ValueError(f"task {name!r}: {loss!r} is no loss of a task")
    return TaskOptions(
        name,
        str(loss),
        float(weight),
        auxiliary,
        metric,
        None if columns is None else (columns,) if isinstance(columns, str) else tuple(columns),
        {**shared, **canonical},
    )


def _is_options(given: Any, name: str) -> bool:
    if not isinstance(given, Mapping):
        raise TypeError(f"task {name!r} must be a loss or a dictionary of options, got {given!r}")
    return True
