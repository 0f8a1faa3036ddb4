# SPDX-License-Identifier: Apache-2.0
"""First-order boosting with a loss that is given: its line searches need the negative gradient alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["GivenLoss", "check_given_loss", "given_values"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

HALVINGS = 52  # of the reach of a line search: the digits of a float64
DOUBLINGS = 200
FLAT = 1e-3  # of the slope at its beginning: where a line search of a loss that falls for ever ends


def check_given_loss(loss: Any, names: tuple[str, ...]) -> None:
    """Refuse what is neither the name of a loss nor a loss."""
    if not all(callable(getattr(loss, method, None)) for method in ("loss", "negative_gradient")):
        raise ValueError(
            f"loss must be one of {', '.join(map(repr, names))}, or an object with the methods loss(y, margins) and "
            f"negative_gradient(y, margins), got {loss!r}"
        )


def given_values(loss: Any, margins: Floats) -> Floats:
    """Predictions of margins, shape (n,): those of ``loss.values``, or the margins themselves."""
    return _rows(loss.values(margins), margins, "values") if hasattr(loss, "values") else margins.copy()


def _rows(returned: Any, margins: Floats, method: str) -> Floats:
    """What a method returned, as numbers of the rows."""
    numbers = np.asarray(returned, dtype=np.float64)
    if numbers.shape != margins.shape or not np.isfinite(numbers).all():
        raise ValueError(
            f"loss.{method} must return a finite number for each of the {len(margins)} rows, got shape {numbers.shape}"
            + ("" if np.isfinite(numbers).all() else " with NaN or infinite ones")
        )
    return numbers


class GivenLoss:
    """The state of boosting with a given loss, as `_core.FirstOrder` is that of a built-in one.

    Sums are those of float64 in the order of the rows.
    """

    def __init__(self, loss: Any, y: Floats, weight: Floats | None) -> None:
        self.loss, self.y = loss, y
        self.weight = np.ones(len(y)) if weight is None else weight
        self.margins = np.zeros(len(y))

    def start(self) -> Floats:
        """The constant that fits best, shape (1,)."""
        self.margins += self.leaf_steps(0, np.zeros(len(self.y), dtype=np.int32), 1, "exact")[0]
        return self.margins[:1].copy()

    def begin_round(self) -> None:
        """Nothing is kept from round to round but the margins."""

    def negative_gradient(self, target: int) -> Floats:
        """Of every row, shape (n,)."""
        return self._falls(self.margins)

    def _falls(self, margins: Floats) -> Floats:
        return _rows(self.loss.negative_gradient(self.y, margins.copy()), margins, "negative_gradient")

    def leaf_steps(self, target: int, leaves: Ints, n_nodes: int, line_search: str) -> Floats:
        """The number that lowers the loss of a leaf's rows most, shape (n_nodes,): where the slope changes its sign."""

        def slopes(steps: Floats) -> Floats:
            fall = self.weight * self._falls(self.margins + steps[leaves])
            return np.bincount(leaves, fall, minlength=n_nodes).astype(np.float64)

        at_once = slopes(np.zeros(n_nodes))
        side = np.sign(at_once)
        near, far = np.zeros(n_nodes), np.ones(n_nodes)
        growing = side != 0
        for _ in range(DOUBLINGS):
            growing &= side * slopes(side * far) > FLAT * np.abs(at_once)
            if not growing.any():
                break
            near[growing], far[growing] = far[growing], 2.0 * far[growing]
        for _ in range(HALVINGS):
            middle = (near + far) / 2
            falls = side * slopes(side * middle) > 0
            near, far = np.where(falls, middle, near), np.where(falls, far, middle)
        steps: Floats = side * (near + far) / 2
        return steps

    def advance(self, target: int, leaves: Ints, steps: Floats, rate: float) -> None:
        """Add the steps of the leaves."""
        self.margins += rate * steps[leaves]

    @property
    def mean_loss(self) -> float:
        """Mean loss of the training rows."""
        losses = _rows(self.loss.loss(self.y, self.margins.copy()), self.margins, "loss")
        return float((self.weight * losses).sum() / self.weight.sum())
