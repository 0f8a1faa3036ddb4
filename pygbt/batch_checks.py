# SPDX-License-Identifier: Apache-2.0
"""Arguments of `train_batch` as every model can use them: read once, checked before anything is trained."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from . import _core, parameters
from .callbacks import EarlyStopping
from .data import Dataset
from .metric_choice import as_deciding, as_metrics
from .training import as_rounds, check_labelled, rebinned, resolved

__all__ = [
    "as_bytes",
    "as_dictionaries",
    "as_metric_list",
    "as_rates",
    "as_threads",
    "check_arguments",
    "check_columns",
    "check_labels",
    "check_params",
]

#: What a dictionary of parameters may be refused with.
WRONG = (ValueError, TypeError, NotImplementedError)


def as_dictionaries(params: Any, device: str | None) -> list[Any]:
    """Copies of the dictionaries, so that a generator may yield one that it changes."""
    if isinstance(params, str) or not isinstance(params, Mapping | Iterable):
        raise TypeError(f"params must be a dictionary or a list of them, got {type(params).__name__}")
    given: Iterable[Any] = [params] if isinstance(params, Mapping) else params
    there = {} if device is None else {"device": device}
    return [{**one, **there} if isinstance(one, Mapping) else one for one in given]


def as_metric_list(metric: Any) -> list[Any] | None:
    """`metric` of `train` as a list; None where the parameters or the objective say."""
    return metric if metric is None else [metric] if isinstance(metric, str) or callable(metric) else list(metric)


def as_rates(learning_rates: Any) -> list[float] | Callable[[int], float] | None:
    """`learning_rates` of `train`, numbers as a list."""
    if learning_rates is None or callable(learning_rates):
        function: Callable[[int], float] | None = learning_rates
        return function
    if isinstance(learning_rates, str) or not isinstance(learning_rates, Iterable):
        raise TypeError(f"learning_rates must be a list or a function, got {type(learning_rates).__name__}")
    rates = [float(rate) for rate in learning_rates]
    for rate in rates:
        if not (math.isfinite(rate) and rate > 0):
            raise ValueError(f"learning_rates must be positive finite numbers, got {rate}")
    return rates


def as_bytes(max_memory: Any) -> int | None:
    """A budget as an int."""
    if max_memory is None:
        return None
    number = isinstance(max_memory, numbers.Real) and not isinstance(max_memory, bool)
    if not number or not math.isfinite(max_memory):
        raise TypeError(f"max_memory must be a number of bytes, e.g. 2 * 10**9, got {max_memory!r}")
    return int(max_memory)


def as_threads(n_threads: Any) -> int:
    """Threads of all models together, at least 1."""
    return int(_core.resolve_threads(parameters.canonical({"n_threads": n_threads}).get("n_threads", 0)))


def check_labels(ds: Dataset, evals: Sequence[tuple[Dataset, str]], *, folds: bool) -> None:
    """There are labels to learn from and to score by."""
    check_labelled(ds)
    if folds and ds.label is None:
        raise ValueError("folds: ds has no label to score the test rows by; pass y to Dataset")
    for data, name in evals:
        if data.label is None and data is not ds:
            raise ValueError(f"evals: data set {name!r} has no label")


def check_arguments(
    early_stopping_rounds: Any, objective: Any, metric: Sequence[Any] | None, min_delta: float, *, scored: bool
) -> None:
    """Refuse what no model could be trained with; `scored`: there are evaluation sets."""
    if objective is not None and not callable(objective):
        raise TypeError(f"objective must be a function, got {objective!r}; objectives are named in params")
    if metric is not None:
        as_metrics(metric, {})
    if early_stopping_rounds is not None and as_rounds("early_stopping_rounds", early_stopping_rounds) > 0:
        EarlyStopping(early_stopping_rounds, min_delta=min_delta)
        if not scored:
            raise ValueError("early_stopping_rounds needs an evaluation set: pass folds, or evals=[(dataset, name)]")


def check_columns(ds: Dataset, evals: Sequence[tuple[Dataset, str]]) -> None:
    """The evaluation sets have the columns of `ds`: a few rows of each are put into its bins."""
    for data, name in evals:
        n_few = 1 if data.group is None else int(data.group[0])
        rebinned(data.subset(np.arange(n_few)), name, ds)


def n_outputs(given: Mapping[str, Any], ds: Dataset, *, one_target: bool) -> int | None:
    """Outputs of a model with these parameters, all by name; None where only its labels tell. `one_target`: it learns a
    single label column.
    """
    label = ds.label
    n_columns = 1 if one_target or label is None or label.ndim == 1 else label.shape[1]
    objective, n_classes = given["objective"], int(given.get("n_classes") or 0)
    if label is None or ds.teacher is not None or (objective == "custom" and n_classes > 1):
        return None
    if objective in ("softmax", "one_vs_rest"):
        return n_columns if n_columns > 1 else n_classes or None
    levels = given.get("quantile_alpha")
    several = objective == "quantile" and isinstance(levels, list | tuple) and len(levels) > 1
    return len(levels) if several and levels is not None else n_columns


def check_margins(
    given: Mapping[str, Any], ds: Dataset, evals: Sequence[tuple[Dataset, str]], *, one_target: bool
) -> None:
    """Margins to begin with have a column for every output, as far as the parameters tell."""
    n = n_outputs(given, ds, one_target=one_target)
    if n is None:
        return
    what = f"{n} output{'' if n == 1 else 's'}"
    model = "the model of one target" if one_target else "the model"
    for data, where in [(ds, "ds"), *((data, f"evals: data set {name!r}") for data, name in evals)]:
        margin = data.base_margin
        columns = n if margin is None else 1 if margin.ndim == 1 else margin.shape[1]
        if columns != n:
            raise ValueError(
                f"{where}: base_margin has {columns} columns, but {model} has {what}; pass base_margin with a column "
                "for each output, or leave it out"
            )


def check_params(
    params: Any,
    ds: Dataset,
    common: Mapping[str, Any],
    rates: Any,
    *,
    evals: Sequence[tuple[Dataset, str]],
    scored: bool,
    one_target: bool,
) -> dict[str, Any]:
    """A dictionary of parameters by canonical name; refused where `train` would refuse it, labels aside.

    `evals`: the evaluation sets, as far as they are known before; `scored`: there will be some; `one_target`: a model
    learns a single label column.
    """
    known = parameters.canonical(params)
    given = dict(known)
    n_rounds = given.pop("num_boost_round", common["num_boost_round"])
    stops = given.pop("early_stopping_rounds", common["early_stopping_rounds"])
    if stops and not scored:
        raise ValueError("early_stopping_rounds needs an evaluation set: pass folds, or evals=[(dataset, name)]")
    metrics = as_metrics(common["metric"], given)
    named = resolved(given, ds, common["objective"])
    core = _core.Params(parameters.core_values(named))
    if stops:
        cutoffs = named.get("eval_at") or []
        as_deciding(common["early_stopping_metric"], metrics or parameters.with_cutoffs([core.default_metric], cutoffs))
    check_margins(named, ds, evals, one_target=one_target)
    if isinstance(rates, list) and len(rates) < n_rounds:
        raise ValueError(f"learning_rates has {len(rates)} values, but rounds up to {n_rounds} were asked for")
    return known
