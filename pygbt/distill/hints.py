# SPDX-License-Identifier: Apache-2.0
"""Gradients of hints: a light model drawn towards the margins of a heavy one, row by row, beside its own loss.

The parts that are losses (cross entropy against labels, or against the softened softmax of the heavy model) are the
engine's own scalar functions, asked through `_core.probe`; what is added here are products and sums in a fixed order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _core

__all__ = ["HINTS", "Hint", "hint_gradient", "own_gradient"]

Singles = npt.NDArray[np.float32]

HINTS = ("logits", "probabilities", "softmax")
#: Least curvature of the hint "probabilities", which vanishes where a row is confidently wrong.
LEAST_CURVATURE = np.float32(1e-6)


class Hint:
    """What is added to the loss of the light model, z its margins, v those of the heavy one.

    Parameters
    ----------
    kind : {"logits", "probabilities", "softmax"}
        ``weight |z - v|^2``; ``weight |p - q|^2`` of the probabilities; ``weight T^2 CE(softmax(v/T), softmax(z/T))``.
    weight : float
    T : float
        Temperature of "softmax".
    """

    def __init__(self, kind: str, weight: float, T: float = 1.0) -> None:
        if kind not in HINTS:
            raise ValueError(f"hint must be one of {', '.join(map(repr, HINTS))}, got {kind!r}")
        for name, value, open_ in (("hint_weight", weight, False), ("T", T, True)):
            number = float(value)
            if not np.isfinite(number) or number < 0 or (open_ and number == 0):
                raise ValueError(
                    f"{name} must be a finite number {'above' if open_ else 'of at least'} 0, got {value!r}"
                )
        if kind != "softmax" and T != 1.0:
            raise ValueError(f'T is the temperature of hint="softmax"; hint={kind!r} has none, got T={T!r}')
        self.kind = kind
        self.weight = float(weight)
        self.T = float(T)

    def check(self, objective: str) -> None:
        """Raise ValueError where an objective has no such hint."""
        if self.kind != "logits" and objective not in ("logistic", "softmax"):
            raise ValueError(f'hint={self.kind!r} compares class probabilities; objective={objective!r} takes "logits"')


def own_gradient(spec: dict[str, Any], z: Singles, labels: Singles) -> tuple[Singles, Singles]:
    """Gradient and curvature of the light model's own loss, each of shape (n, K); margins (n, K), labels (n, L)."""
    g, h = _core.probe.gradients(spec, z, labels)
    return g, h


def hint_gradient(hint: Hint, objective: str, z: Singles, v: Singles) -> tuple[Singles, Singles]:
    """Gradient and curvature of the hint, each of shape (n, K)."""
    weight = np.float32(hint.weight)
    if hint.kind == "logits":
        double = np.float32(2.0) * weight
        return double * (z - v), np.full_like(z, double)
    if hint.kind == "softmax":
        T = np.float32(hint.T)
        q = _core.probe.link_values({"objective": objective}, v / T)
        spec = {"objective": objective, "softmax_hessian": "soft"}
        g, h = _core.probe.gradients(spec, z / T, q)
        return weight * T * g, weight * h
    p, q = (_core.probe.link_values({"objective": objective}, m) for m in (z, v))
    g, h = _squared_distance(_both(p), _both(q))
    if p.shape[1] == 1:  # the margin of the second class is the only one
        g, h = g[:, 1:], h[:, 1:]
    double = np.float32(2.0) * weight
    return double * g, np.maximum(double * h, double * LEAST_CURVATURE)


def _both(p: Singles) -> Singles:
    """Probabilities of all classes, shape (n, K), also of two with one output."""
    return np.hstack([np.float32(1.0) - p, p]) if p.shape[1] == 1 else p


def _squared_distance(p: Singles, q: Singles) -> tuple[Singles, Singles]:
    """Of |p - q|^2 / 2 about the margins: ``p_k (d_k - sum p d)`` and its Gauss-Newton curvature."""
    d = p - q
    mean, squares = np.zeros((len(p), 1), np.float32), np.zeros((len(p), 1), np.float32)
    for k in range(p.shape[1]):  # in class order
        mean += p[:, k : k + 1] * d[:, k : k + 1]
        squares += p[:, k : k + 1] * p[:, k : k + 1]
    one_less = np.float32(1.0) - p
    return p * (d - mean), p * p * (one_less * one_less + (squares - p * p))
