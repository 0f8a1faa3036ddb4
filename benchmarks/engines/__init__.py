# SPDX-License-Identifier: Apache-2.0
"""pygbt and its peers behind one interface: bins, train, predict, at equal settings. A peer is imported on first use.

Equal settings: learning rate, L2, least hessian a child, bins, rounds and growth of the recipe; no sampling, no early
stopping, no evaluation set; categories native everywhere.
"""

from __future__ import annotations

import importlib
import importlib.util

from .interface import Engine, Recipe

__all__ = ["DISTRIBUTIONS", "ENGINES", "Engine", "Recipe", "available", "make"]

#: name -> (module of this package, class, its arguments)
ENGINES: dict[str, tuple[str, str, dict[str, object]]] = {
    "pygbt": ("pygbt", "Pygbt", {}),
    "xgboost": ("xgboost", "XGBoost", {}),
    "lightgbm": ("lightgbm", "LightGBM", {}),
    "lightgbm_quantised": ("lightgbm", "LightGBM", {"quantised": True}),
    "catboost": ("catboost", "CatBoost", {}),
    "hessboost": ("hessboost", "Hessboost", {}),
    "sklearn": ("sklearn", "Sklearn", {}),
}

#: Names by which packages record their versions; the first installed one counts.
DISTRIBUTIONS = {
    "pygbt": ("pygbt",),
    "xgboost": ("xgboost-cpu", "xgboost"),
    "lightgbm": ("lightgbm",),
    "catboost": ("catboost",),
    "hessboost": ("hessboost",),
    "sklearn": ("scikit-learn",),
}


def available(name: str) -> bool:
    """Whether the engine's package is installed."""
    return importlib.util.find_spec(ENGINES[name][0]) is not None


def make(name: str, **more: object) -> Engine:
    """The engine of that name, with further parameters of its own."""
    module, cls, arguments = ENGINES[name]
    engine: Engine = getattr(importlib.import_module(f"{__name__}.{module}"), cls)(**arguments, **more)
    return engine
