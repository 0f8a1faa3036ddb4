# SPDX-License-Identifier: Apache-2.0
"""Models of the tests of model files, and what is in a file."""

from __future__ import annotations

from typing import Any

import numpy as np
from random_models import RandomModel

import pygbt
from pygbt import _core, archive


def content_of(made: RandomModel, **parts: Any) -> archive.Content:
    return archive.Content(arrays=made.arrays, model=made.meta, **parts)


def model_of(content: archive.Content) -> _core.Model:
    return _core.Model.from_arrays(dict(content.arrays), dict(content.model))


def same_arrays(a: Any, b: Any) -> bool:
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and a[k].tobytes() == b[k].tobytes() for k in a)


def small_booster() -> pygbt.Booster:
    """A small trained model with numbers, categories and missing values."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3)).astype(np.float32)
    X[rng.random(X.shape) < 0.1] = np.nan
    y = np.nan_to_num(X[:, 0]) * 2 + (np.nan_to_num(X[:, 2]) > 0)
    dataset = pygbt.Dataset(X, y, max_bin=16)
    return pygbt.train({"max_depth": 3, "n_threads": 1}, dataset, num_boost_round=3)
