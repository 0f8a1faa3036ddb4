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
from .booster import Booster
from .cross_validation import cv
from .custom import on_device
from .data import Dataset
from .device_arrays import DeviceArray
from .errors import ModelFileError
from .inspect import Tree
from .model_files import load
from .predictor import Predictor
from .training import TrainingInterrupted, train

if TYPE_CHECKING:
    from .estimators import GBTClassifier, GBTRegressor
    from .ranker import GBTRanker

__version__: str = build_info()["version"]

__all__ = [
    "Booster",
    "Dataset",
    "DeviceArray",
    "GBTClassifier",
    "GBTRanker",
    "GBTRegressor",
    "ModelFileError",
    "Predictor",
    "TrainingInterrupted",
    "Tree",
    "build_info",
    "callbacks",
    "cv",
    "load",
    "on_device",
    "train",
]

# Imported on first use: scikit-learn is an extra.
_ESTIMATORS = {"GBTClassifier": "estimators", "GBTRegressor": "estimators", "GBTRanker": "ranker"}


def __getattr__(name: str) -> Any:
    if name in _ESTIMATORS:
        return getattr(importlib.import_module(f"{__name__}.{_ESTIMATORS[name]}"), name)
    raise AttributeError(f"module 'pygbt' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
