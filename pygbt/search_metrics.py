# SPDX-License-Identifier: Apache-2.0
"""One metric for all combinations of a search: scores of different metrics cannot be compared."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import _core, parameters
from .batch_checks import as_metric_list
from .custom import CustomObjective
from .metric_choice import as_metrics

__all__ = ["deciding_metric", "no_such", "not_alike"]

_GIVEN_BY = ("eval_metric", "eval_at")
#: Parameters that a metric depends on.
_SETTINGS = {"tweedie_deviance": "tweedie_variance_power", "quantile": "quantile_alpha", "ndcg": "lambdarank_gain"}


def deciding_metric(
    metric: Any, score: str | None, read: Sequence[Mapping[str, Any]], objective: CustomObjective | None
) -> tuple[list[Any] | None, str | None]:
    """The metrics that all combinations are given, if any, and the name of the one that decides, if not the last.

    Parameters
    ----------
    metric, score, objective
        Arguments of `search`.
    read : sequence of dict
        The combinations, by canonical name.

    Raises
    ------
    ValueError, TypeError
        Names alone show that the scores could not be compared, or that `score` is none of them.
    """
    given = as_metric_list(metric)
    if score is not None and not isinstance(score, str):
        raise TypeError(f"score must be the name of a metric, got {score!r}; give a function as metric")
    if given is None and score is not None and not any(one.get("eval_metric") for one in read):
        given, score = [score], None
    scored = [as_metrics(given, {k: v for k, v in one.items() if k in _GIVEN_BY}) for one in read]
    named = [[item for item in items if isinstance(item, str)] for items in scored]
    if named != scored:
        return given, score  # a function says its name when it is called
    named = [items or _default(one, objective) for items, one in zip(named, read, strict=True)]
    if score is not None and not all(score in items for items in named):
        with contextlib.suppress(ValueError):
            score = parameters.metric_name(score)
    for items in named:
        if score is not None and items and score not in items:
            raise ValueError(no_such(score, items))
    decide = [score or items[-1] for items in named if items]
    if len(set(decide)) > 1:
        raise ValueError(not_alike(set(decide)))
    for name in set(decide):
        setting = _SETTINGS.get(name.partition("@")[0])
        if setting is not None and len({str(one.get(setting, parameters.default(setting))) for one in read}) > 1:
            raise ValueError(
                f"{name} depends on {setting}, which differs between combinations, so that their scores cannot be "
                "compared; give another metric="
            )
    return given, score


def _default(one: Mapping[str, Any], objective: CustomObjective | None) -> list[str]:
    """The metric of an objective."""
    named = {k: v for k, v in one.items() if k in ("objective", "lambdarank_metric")}
    if objective is not None:
        named["objective"] = "custom"
    metric = _core.Params(parameters.core_values(named)).default_metric
    return parameters.with_cutoffs([metric], one.get("eval_at") or [])


def no_such(score: str, names: Sequence[str]) -> str:
    """What is wrong with a score that is not there."""
    return f"score={score!r} is none of the metrics: {', '.join(names)}"


def not_alike(names: Iterable[str]) -> str:
    """What is wrong with combinations that are scored by several metrics."""
    return f"combinations are scored by different metrics ({', '.join(sorted(names))}); give metric= for all of them"
