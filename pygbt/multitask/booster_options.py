# SPDX-License-Identifier: Apache-2.0
"""Constructor arguments of an estimator that takes any parameter of training by keyword."""

from __future__ import annotations

import inspect
from typing import Any

from .. import parameters

__all__ = ["BoosterOptions"]

_OWN = {"num_boost_round": "n_estimators", "seed": "random_state", "n_threads": "n_jobs"}


class BoosterOptions:
    """`get_params` and `set_params` of an estimator whose constructor keeps ``**booster`` as `self.booster`."""

    booster: dict[str, Any]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters of the constructor, those of the booster among them."""
        params: dict[str, Any] = super().get_params(deep=deep)  # type: ignore[misc]
        return {**params, **self.booster}

    def set_params(self, **params: Any) -> Any:
        """Set parameters by name; names that are not the constructor's go to the booster."""
        own = {k: v for k, v in params.items() if k in inspect.signature(type(self).__init__).parameters}
        if own:
            super().set_params(**own)  # type: ignore[misc]
        more = {k: v for k, v in params.items() if k not in own}
        if more:
            parameters.canonical(more)
            self.booster = {**self.booster, **more}
        return self

    def _booster_params(self) -> dict[str, Any]:
        """Canonical parameters of ``**booster``.

        Raises
        ------
        ValueError, TypeError
            Unknown, out of range, or an argument of the constructor by another name.
        """
        params = parameters.canonical(self.booster)
        for name, ours in _OWN.items():
            if name in params:
                raise ValueError(f"{name} is called {ours} here")
        for name in ("objective", "eval_metric", "n_classes", "multi_strategy", "base_score"):
            if name in params:
                raise ValueError(f"{name} is not for the whole model: tasks say their losses and metrics")
        return params
