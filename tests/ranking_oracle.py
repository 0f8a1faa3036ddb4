# SPDX-License-Identifier: Apache-2.0
"""Ranking losses and metrics of one query in NumPy, as their definitions read: for test_ranking*.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

Array = np.ndarray[Any, Any]


def order_of(values: Array) -> Array:
    """Rows by falling value, equal values in the order of the rows."""
    return np.argsort(-values.astype(np.float64), kind="stable")


def gains(y: Array, gain: str = "exponential") -> Array:
    return y.astype(np.float64) if gain == "linear" else np.exp2(y.astype(np.float64)) - 1.0


def discounts(n: int) -> Array:
    return 1.0 / np.log2(2.0 + np.arange(n))


def ndcg(z: Array, y: Array, k: int = 0, gain: str = "exponential") -> float:
    k = min(k or len(y), len(y))
    value = gains(y, gain)
    ideal = float(np.sort(value)[::-1][:k] @ discounts(k))
    return float(value[order_of(z)][:k] @ discounts(k)) / ideal if ideal > 0 else 1.0


def average_precision(z: Array, y: Array, k: int = 0) -> float:
    k = min(k or len(y), len(y))
    relevant = (y > 0)[order_of(z)]
    if not relevant.any():
        return 1.0
    precision = np.cumsum(relevant) / (1 + np.arange(len(y)))
    return float(precision[:k] @ relevant[:k]) / min(k, int(relevant.sum()))


def reciprocal_rank(z: Array, y: Array, k: int = 0) -> float:
    places = np.flatnonzero((y > 0)[order_of(z)][: k or len(y)])
    return 1.0 / (places[0] + 1) if len(places) else 0.0


def lambdas(
    z: Array, y: Array, metric: str = "ndcg", truncation: int = 30, normalize: bool = True, gain: str = "exponential"
) -> tuple[Array, Array]:
    """Gradient and curvature of lambdarank: the change of the metric is found by making the swap."""
    n = len(z)
    g, h, total = np.zeros(n), np.zeros(n), 0.0
    order = order_of(z)
    z = z.astype(np.float64)
    first = min(truncation or n, n)
    value = gains(y, gain)
    ideal = float(np.sort(value)[::-1][:first] @ discounts(first))
    for i in range(first):
        for j in range(i + 1, n):
            a, b = order[i], order[j]
            if metric == "ndcg":
                differ = y[a] != y[b]
                delta = abs((value[a] - value[b]) * (discounts(n)[i] - discounts(n)[j])) / ideal if ideal > 0 else 0.0
            else:
                differ = (y[a] > 0) != (y[b] > 0)
                swapped = np.arange(n, 0, -1.0)
                before = average_precision(swapped, y[order])
                mixed = order.copy()
                mixed[[i, j]] = mixed[[j, i]]
                delta = abs(average_precision(swapped, y[mixed]) - before)
            if not differ:
                continue
            high, low = (a, b) if y[a] > y[b] else (b, a)
            if normalize and z.max() != z.min():
                delta /= 0.01 + abs(z[a] - z[b])
            p = special.expit(z[low] - z[high])
            g[high] -= delta * p
            g[low] += delta * p
            h[[high, low]] += delta * p * (1 - p)
            total += 2 * delta * p
    scale = np.log2(1 + total) / total if normalize and total > 0 else 1.0
    return g * scale, h * scale


def pair_loss(z: Array, y: Array, truncation: int = 0) -> float:
    """RankNet on the pairs whose upper row, by score, is among the first."""
    order = order_of(z)
    total = 0.0
    for i, a in enumerate(order[: truncation or len(z)]):
        for b in order[i + 1 :]:
            if y[a] != y[b]:
                total += np.logaddexp(0.0, (z[b] - z[a]) * (1.0 if y[a] > y[b] else -1.0))
    return total


def softmax_loss(z: Array, q: Array) -> float:
    return float(-q @ special.log_softmax(z.astype(np.float64)))


def place_weights(n: int, rule: str, decay: float) -> Array:
    place = 1.0 + np.arange(n)
    if rule == "inverse":
        return 1.0 + decay / place
    if rule == "exponential":
        return np.exp(-place / decay) / np.exp(-place / decay).sum()
    return np.ones(n)


def teacher_loss(
    z: Array,
    t: Array,
    kind: str,
    *,
    top: int = 0,
    weight: str = "uniform",
    decay: float = 1.0,
    temperature: float = 1.0,
    negatives: Array | None = None,
) -> float:
    """What a student with scores `z` loses under a teacher with scores `t`; negatives: (n,) of bool, else all."""
    z = z.astype(np.float64)
    t = t.astype(np.float64) / temperature
    n, order = len(z), order_of(t)
    top = min(top or n, n)
    if kind == "listnet":
        return softmax_loss(z, special.softmax(t))
    if kind == "listmle":
        w = place_weights(top, weight, decay)
        return float(sum(w[r] * (special.logsumexp(z[order[r:]]) - z[order[r]]) for r in range(top)))
    if kind == "pointwise":
        w = place_weights(top, weight, decay)
        chosen = order[top:] if negatives is None else order[top:][negatives[order[top:]]]
        return float(w @ np.logaddexp(0.0, -z[order[:top]]) + np.logaddexp(0.0, z[chosen]).sum())
    total = 0.0
    relevance = np.maximum(0, top - np.arange(n)) / top
    ideal = float(relevance @ discounts(n))
    for i in range(top):
        for j in range(i + 1, n):
            a, b = order[i], order[j]
            swap = abs((relevance[i] - relevance[j]) * (discounts(n)[i] - discounts(n)[j])) / ideal
            p = special.expit(t[a] - t[b])
            d = z[a] - z[b]
            total += (swap if weight == "ndcg" else 1.0) * (np.logaddexp(0.0, d) - p * d)
    return total
