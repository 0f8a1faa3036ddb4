# SPDX-License-Identifier: Apache-2.0
"""Class probabilities and logits as float64 arrays of shape (n, K): temperature, distances, checks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "FLOOR",
    "blended",
    "checked_probabilities",
    "cross_entropy",
    "divergence",
    "log_of",
    "one_hot",
    "simplex",
    "softmax",
    "tempered",
]

Floats = npt.NDArray[np.float64]

#: Least probability that is taken the logarithm of where a temperature other than 1 needs one.
FLOOR = 1e-7
#: How far the sum of a row may be from 1: what single and half precision leave.
SUM_TOLERANCE = 1e-3


def softmax(logits: npt.ArrayLike, T: float = 1.0) -> Floats:
    """``softmax(logits / T)`` of every row."""
    scaled = np.asarray(logits, dtype=np.float64) / T
    e = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares: Floats = e / e.sum(axis=1, keepdims=True)
    return shares


def log_of(p: Floats, floor: float = FLOOR) -> Floats:
    """Logarithms, of at least `floor`."""
    logs: Floats = np.log(np.maximum(p, floor))
    return logs


def tempered(p: Floats, T: float) -> Floats:
    """``p^(1/T)`` as shares of their sum: the softmax at temperature T of logits ``log p``. T = 1 changes nothing."""
    return p if T == 1.0 else softmax(log_of(p), T)


def one_hot(codes: npt.NDArray[Any], n_classes: int) -> Floats:
    """Rows of the unit matrix, by class number."""
    rows: Floats = np.eye(n_classes)[np.asarray(codes, dtype=np.int64)]
    return rows


def simplex(p: Floats) -> Floats:
    """Rows clipped at 0 and divided by their sums; a row of zeros becomes uniform."""
    positive = np.maximum(p, 0.0)
    total = positive.sum(axis=1, keepdims=True)
    shares: Floats = np.divide(positive, total, out=np.full_like(positive, 1.0 / p.shape[1]), where=total > 0)
    return shares


def blended(soft: Floats, hard: Floats | None, alpha: float) -> Floats:
    """``alpha soft + (1 - alpha) hard``: the target whose loss is that mixture of losses at T = 1. A row that lacks one
    of the two (NaN) takes the other.
    """
    if hard is None:
        return soft
    mixed = alpha * soft + (1.0 - alpha) * hard
    mixed = np.where(np.isnan(soft), hard, mixed)
    target: Floats = np.where(np.isnan(hard), soft, mixed)
    return target


def cross_entropy(target: Floats, p: Floats, floor: float = 1e-15) -> Floats:
    """``- sum target log p`` of every row, in nats."""
    loss: Floats = -(target * log_of(p, floor)).sum(axis=1)
    return loss


def divergence(target: Floats, p: Floats, floor: float = 1e-15) -> Floats:
    """KL(target || p) of every row, in nats."""
    return cross_entropy(target, p, floor) - cross_entropy(target, target, floor)


def checked_probabilities(p: Floats, name: str) -> Floats:
    """`p` with rows that sum to 1 exactly; NaN rows are left.

    Raises
    ------
    ValueError
        An entry is negative or above 1, or a row does not sum to 1: they are logits or scores then.
    """
    with np.errstate(invalid="ignore"):
        outside = (p < -1e-6) | (p > 1 + 1e-6)
        total = p.sum(axis=1)
        off = np.abs(total - 1.0) > SUM_TOLERANCE
    if outside.any():
        row = int(np.flatnonzero(outside.any(axis=1))[0])
        raise ValueError(
            f"{name}: row {row} holds {p[row][outside[row]][0]:.6g}, which is no probability; pass logits=... or "
            "scores=... if that is what it is"
        )
    if off.any():
        row = int(np.flatnonzero(off)[0])
        raise ValueError(
            f"{name}: row {row} sums to {total[row]:.6g}, not to 1 ({int(off.sum())} of {len(p)} rows); divide each "
            "row by its sum, or pass logits=... if these are logits"
        )
    clipped = np.maximum(p, 0.0)
    shares: Floats = clipped / clipped.sum(axis=1, keepdims=True)
    return shares
