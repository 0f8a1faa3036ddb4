# SPDX-License-Identifier: Apache-2.0
"""pygbt: gradient boosted trees with the same bits everywhere.

>>> import pygbt
>>> ds = pygbt.Dataset(X, y)
>>> bst = pygbt.train({"objective": "logistic"}, ds, num_boost_round=100)
>>> bst.predict(X)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import callbacks
from ._core import build_info
from .batch import Batch, BatchError, BatchInterrupted, bootstrap_weights, train_batch
from .booster import Booster
from .cross_validation import cv
from .custom import on_device
from .data import Dataset
from .device_arrays import DeviceArray
from .errors import ModelFileError
from .grids import grid
from .inspect import Tree
from .model_files import load
from .model_search import SearchResult, search
from .predictor import Predictor
from .training import TrainingInterrupted, train

if TYPE_CHECKING:
    from .estimators import GBTClassifier, GBTRegressor
    from .ranker import GBTRanker

__version__: str = build_info()["version"]

__all__ = [
    "Batch",
    "BatchError",
    "BatchInterrupted",
    "Booster",
    "Dataset",
    "DeviceArray",
    "GBTClassifier",
    "GBTRanker",
    "GBTRegressor",
    "ModelFileError",
    "Predictor",
    "SearchResult",
    "TrainingInterrupted",
    "Tree",
    "bootstrap_weights",
    "build_info",
    "callbacks",
    "cv",
    "grid",
    "load",
    "on_device",
    "search",
    "train",
    "train_batch",
]

# Imported on first use: scikit-learn is an extra.
_ESTIMATORS = {"GBTClassifier": "estimators", "GBTRegressor": "estimators", "GBTRanker": "ranker"}


def __getattr__(name: str) -> Any:
    if name in _ESTIMATORS:
        return getattr(importlib.import_module(f"{__name__}.{_ESTIMATORS[name]}"), name)
    raise AttributeError(f"module 'pygbt' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
