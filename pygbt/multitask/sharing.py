# SPDX-License-Identifier: Apache-2.0
"""How tasks share trees."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..parameters import nearest

__all__ = ["AUTO", "Sharing", "read_sharing"]

AUTO = "auto"
MODES = ("tree", "stem", "residual", "none")
SKETCHES = ("random_projection", "top_outputs")


@dataclass(frozen=True)
class Sharing:
    """How the tasks of a booster share its trees.

    Attributes
    ----------
    share : {"tree", "stem", "residual", "none"}
    stem_depth : int
        Levels that a stem has.
    own_reg_lambda : float or None
        `reg_lambda` of the trees that a task has for itself; None: that of the shared ones.
    balance : bool
        Whether splits weigh tasks alike, whatever the units of their losses.
    sketch : int
        Columns that splits are searched over in place of all targets; 0: all.
    sketch_kind : {"random_projection", "top_outputs"}
    feature_penalty : float
        Gain that the first use of a feature must bring on top.
    """

    share: str = "tree"
    stem_depth: int = 0
    own_reg_lambda: float | None = None
    balance: bool = True
    sketch: int = 0
    sketch_kind: str = "random_projection"
    feature_penalty: float = 0.0

    @property
    def text(self) -> str:
        """As `read_sharing` takes it."""
        return f"stem:{self.stem_depth}" if self.share == "stem" else self.share

    def having(self, share: str) -> Sharing:
        """The same with another way to share."""
        mode, depth = _mode(share)
        return replace(self, share=mode, stem_depth=depth)

    def balanced(self, balance: bool) -> Sharing:
        """The same with or without balance."""
        return replace(self, balance=balance)

    def without_sketch(self) -> Sharing:
        """The same with splits over all targets."""
        return replace(self, sketch=0)

    def core(self, *, report: bool) -> dict[str, Any]:
        """The dictionary of `_core.Trainer`."""
        values: dict[str, Any] = {
            "share": self.share,
            "balance": self.balance,
            "sketch": self.sketch,
            "sketch_kind": self.sketch_kind,
            "feature_penalty": self.feature_penalty,
            "report": report and self.share != "none",
        }
        if self.share == "stem":
            values["stem_depth"] = self.stem_depth
        if self.own_reg_lambda is not None:
            values["own_reg_lambda"] = self.own_reg_lambda
        return values


def _mode(share: Any) -> tuple[str, int]:
    kind, _, depth = share.partition(":") if isinstance(share, str) else ("", "", "")
    if kind == "stem" and depth.isdecimal() and int(depth) >= 1:
        return kind, int(depth)
    if kind == "stem" and share != AUTO:
        raise ValueError(f'share: a stem has a depth of at least 1, as in "stem:2", got {share!r}')
    if share not in MODES:
        raise ValueError(
            f'share must be "tree", "stem:d", "residual", "none" or "auto", got {share!r}{nearest(str(share), MODES)}'
        )
    return kind, 0


def read_sharing(
    share: Any,
    *,
    balance: Any,
    sketch: Any,
    sketch_kind: Any,
    own_reg_lambda: Any,
    feature_penalty: Any,
) -> Sharing:
    """Check the arguments; "auto" is read as "tree".

    Raises
    ------
    ValueError, TypeError
        The message names the argument.
    """
    mode, depth = _mode("tree" if share == AUTO else share)
    if not isinstance(balance, bool | np.bool_):
        raise TypeError(f"balance must be True or False, got {balance!r}")
    if isinstance(sketch, bool) or not isinstance(sketch, int | np.integer) or sketch < 0:
        raise ValueError(f"sketch must be an integer of at least 0, got {sketch!r}")
    if sketch_kind not in SKETCHES:
        raise ValueError(f"sketch_kind must be one of {', '.join(SKETCHES)}, got {sketch_kind!r}")
    return Sharing(
        mode,
        depth,
        None if own_reg_lambda is None else _number("own_reg_lambda", own_reg_lambda),
        bool(balance),
        int(sketch),
        sketch_kind,
        _number("feature_penalty", feature_penalty),
    )


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= float(value) < math.inf:
        raise ValueError(f"{name} must be a number of at least 0, got {value!r}")
    return float(value)
