# SPDX-License-Identifier: Apache-2.0
"""A training whose loss has a hint: the margins of another model, new in every round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..training import Run
from .hints import Hint, hint_gradient, own_gradient

__all__ = ["HintedRun"]

Singles = npt.NDArray[np.float32]


class HintedRun(Run):
    """`Run` of the light model. Links, base score and metrics are those of its objective; only gradients differ.

    Attributes
    ----------
    hint : Hint
    margins : callable
        ``margins()``: those of the heavy model for the training rows of the next round, float32 of shape (n, K).
    """

    hint: Hint
    margins: Callable[[], Singles]

    @property
    def observed(self) -> bool:
        """Whether something is to be done between one round and the next: the hint."""
        return True

    def prepare(self, hint: Hint, margins: Callable[[], Singles]) -> None:
        """Set the hint; checks that the objective and the labels take one."""
        objective = str(self.params["objective"])
        hint.check(objective)
        label = self.dataset.label
        assert label is not None
        if self.trainer.on_device:
            raise ValueError('hints are computed on the host: use device="cpu" for the light model')
        self.hint, self.margins = hint, margins
        labels = np.ascontiguousarray(label.reshape(self.dataset.n_rows, -1), dtype=np.float32)
        self._unlabeled = np.asarray(np.isnan(labels).any(axis=1))
        self._labels = np.where(self._unlabeled[:, np.newaxis], np.float32(0.0), labels)
        self._spec = _loss_spec(self.params)

    def _grow(self, learning_rate: float) -> None:
        n, k = self.dataset.n_rows, self.trainer.n_outputs
        z = self.trainer.scores(-1).reshape(n, k)
        v = np.ascontiguousarray(self.margins(), dtype=np.float32).reshape(n, -1)
        if v.shape != (n, k):
            raise ValueError(f"the hint has {v.shape[1]} outputs a row, the light model {k}; use the same objective")
        g, h = own_gradient(self._spec, z, self._labels)
        if self._unlabeled.any():
            g[self._unlabeled] = h[self._unlabeled] = 0.0
        if self.hint.weight > 0:
            hint_g, hint_h = hint_gradient(self.hint, self._spec["objective"], z, v)
            g, h = g + hint_g, h + hint_h
        self.trainer.step_custom(learning_rate, np.ascontiguousarray(g), np.ascontiguousarray(h))


def _loss_spec(params: dict[str, Any]) -> dict[str, Any]:
    """The part of the parameters that is the loss."""
    names = ("objective", "softmax_hessian", "huber_delta", "scale_pos_weight", "quantile_alpha")
    spec = {name: params[name] for name in names if name in params}
    spec["tweedie_power"] = params["tweedie_variance_power"]
    return spec
