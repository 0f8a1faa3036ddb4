# SPDX-License-Identifier: Apache-2.0
"""What a model costs: trees, leaves, bytes of its file, microseconds a row."""

from __future__ import annotations

import pickle
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import archive
from ..booster import Booster
from ..estimator_files import SavedEstimator
from .tables import row_number, take_rows

__all__ = ["count_leaves", "file_bytes", "footprint", "microseconds_a_row"]

ROWS = 1024  # of a batch that is timed
SECONDS = 0.1  # of timing, at least
REPEATS = 5
SLOW = 1.0  # a first call of more seconds is not repeated


def _booster_of(model: Any) -> Booster | None:
    if isinstance(model, Booster):
        return model
    booster = getattr(model, "booster_", None)
    return booster if isinstance(booster, Booster) else None


def count_leaves(model: Any) -> tuple[int | None, int | None]:
    """(trees, leaves) of a model of trees, pygbt's or scikit-learn's; None where it is none."""
    booster = _booster_of(model)
    if booster is not None:
        arrays, _ = booster._model.to_arrays()
        return booster.n_trees, int((arrays["feature"] < 0).sum())
    if hasattr(model, "forest_"):
        arrays, _ = model.forest_.core.to_arrays()
        return int(model.forest_.n_trees), int((arrays["feature"] < 0).sum())
    tree = getattr(model, "tree_", None)
    if tree is not None and hasattr(tree, "n_leaves"):
        return 1, int(tree.n_leaves)
    members = getattr(model, "estimators_", None)
    if members is not None:
        counted = [count_leaves(m) for m in np.ravel(np.asarray(members, dtype=object))]
        if counted and all(trees is not None for trees, _ in counted):
            return sum(trees or 0 for trees, _ in counted), sum(leaves or 0 for _, leaves in counted)
    return None, None


def file_bytes(model: Any) -> int | None:
    """Bytes of the model's file; of its pickle for what pygbt does not write; None where neither can be made."""
    if model is None:
        return None
    booster = _booster_of(model)
    try:
        if booster is not None:
            return len(archive.dumps(booster._content()))
        if isinstance(model, SavedEstimator):
            return len(archive.dumps(model._content()))
        return len(pickle.dumps(model))
    except Exception:
        return None


def microseconds_a_row(answer: Callable[[Any], Any], X: Any, n_rows: int = ROWS) -> float:
    """Median time of answering a batch of up to `n_rows` rows of `X`, in microseconds a row, the call included."""
    n = min(row_number(X), n_rows)
    rows = take_rows(X, np.arange(n))
    start = time.perf_counter()
    answer(rows)
    first = time.perf_counter() - start
    if first > SLOW:
        return 1e6 * first / n
    times: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(times) < REPEATS or time.perf_counter() < end:
        start = time.perf_counter()
        answer(rows)
        times.append(time.perf_counter() - start)
    return 1e6 * statistics.median(times) / n


def footprint(model: Any, answer: Callable[[Any], Any] | None, X: Any) -> dict[str, float]:
    """trees, leaves, bytes, microseconds (a row, in batches of up to 1,024 rows) and microseconds_alone (one row a
    call), as far as they can be found.
    """
    trees, leaves = count_leaves(model)
    found = {"trees": trees, "leaves": leaves, "bytes": file_bytes(model)}
    if answer is not None:
        found["microseconds"] = microseconds_a_row(answer, X)  # type: ignore[assignment]
        found["microseconds_alone"] = microseconds_a_row(answer, X, 1)  # type: ignore[assignment]
    return {name: float(value) for name, value in found.items() if value is not None}
