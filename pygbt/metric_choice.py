# SPDX-License-Identifier: Apache-2.0
"""Which metrics a training is scored by, and which of them decides when it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from . import parameters
from .custom import CustomMetric

__all__ = ["MetricLike", "as_deciding", "as_metrics"]

MetricLike = str | CustomMetric


def as_metrics(metric: Any, params: dict[str, Any]) -> list[MetricLike]:
    """The metrics of `metric`, else of ``params["eval_metric"]``; names are canonical."""
    given = params.pop("eval_metric", None)
    if metric is not None and given:
        raise ValueError("metric is given twice: as an argument and as eval_metric in params")
    metric = given if metric is None else metric
    if metric is None:
        return []
    items = [metric] if isinstance(metric, str) or callable(metric) else list(metric)
    names = [item if callable(item) else parameters.metric_name(item) for item in items]
    return parameters.with_cutoffs(names, params.pop("eval_at", []))


def as_deciding(name: Any, metrics: Sequence[MetricLike]) -> str | None:
    """`early_stopping_metric` as the name of one of the metrics; a function among them says its name when called."""
    if name is None:
        return None
    if not isinstance(name, str):
        raise TypeError(f"early_stopping_metric must be the name of a metric, got {name!r}; give a function as metric")
    names = [metric for metric in metrics if isinstance(metric, str)]
    if name in names or len(names) < len(metrics):
        return name
    with contextlib.suppress(ValueError):
        if (known := parameters.metric_name(name)) in names:
            return known
    raise ValueError(
        f"early_stopping_metric={name!r} is none of the metrics: {', '.join(names)}; name one of them, or add it to "
        "metric"
    )
