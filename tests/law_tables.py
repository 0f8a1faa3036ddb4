# SPDX-License-Identifier: Apache-2.0
"""Tables, labels and ways to grow of the laws that any trained model keeps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import pygbt

Array = npt.NDArray[np.float32]
POLICIES = {
    "depthwise": {"grow_policy": "depthwise", "max_depth": 4},
    "lossguide": {"grow_policy": "lossguide", "max_depth": 0, "max_leaves": 12},
    "symmetric": {"grow_policy": "symmetric", "max_depth": 3},
}
OBJECTIVES = [
    "squared_error",
    "absolute_error",
    "huber",
    "quantile",
    "poisson",
    "gamma",
    "tweedie",
    "logistic",
]


def table(n: int = 600, m: int = 5, seed: int = 1) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, m)).astype(np.float32)
    X[rng.random((n, m)) < 0.1] = np.nan
    z = np.nan_to_num(X) @ rng.standard_normal(m) + np.sin(3 * np.nan_to_num(X[:, 0])) + 0.3 * rng.standard_normal(n)
    return X, z.astype(np.float32)


def label(objective: str, z: Array) -> Array:
    if objective == "logistic":
        return (z > np.median(z)).astype(np.float32)
    if objective in ("poisson", "tweedie"):
        return np.floor(np.exp(np.clip(z, -2, 2)))
    if objective == "gamma":
        return np.exp(np.clip(z, -2, 2))
    return z


def trees(model: pygbt.Booster, without: tuple[str, ...] = ()) -> list[dict[str, bytes]]:
    """The bytes of every array of every tree."""
    return [
        {k: np.asarray(v).tobytes() for k, v in model._model.tree(i).items() if k not in without}
        for i in range(model.n_trees)
    ]
