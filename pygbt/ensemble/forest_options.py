# SPDX-License-Identifier: Apache-2.0
"""Parameters of forests, checked: how many features a node draws, how many rows a tree."""

from __future__ import annotations

import math
import numbers
from typing import Any

__all__ = ["features_of_node", "integer", "number", "rows_of_tree", "share_below_half"]

MOST_DRAWS = 2**31 - 1


def number(name: str, value: Any, least: float) -> float:
    """A finite number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not least <= float(value) < math.inf:
        raise ValueError(f"{name} must be a number >= {least:g}, got {value!r}")
    return float(value)


def integer(name: str, value: Any, least: int, most: int = MOST_DRAWS) -> int:
    """An integer of at least `least`; larger ones than `most` count as that."""
    if not _is_integer(value) or int(value) < least:
        raise ValueError(f"{name} must be an integer >= {least}, got {value!r}")
    return min(int(value), most)


def _is_integer(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_share(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral) and 0 < float(value) <= 1


def share_below_half(name: str, value: Any) -> float:
    """A number from 0 to 1/2."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= float(value) <= 0.5:
        raise ValueError(f"{name} must be a number from 0 to 0.5, got {value!r}")
    return float(value)


def features_of_node(max_features: Any, n_features: int) -> int:
    """Features that a node draws; 0: all of them."""
    if max_features is None:
        return 0
    drawn = -1
    if isinstance(max_features, str):
        named = {
            "sqrt": math.isqrt(n_features),
            "log2": n_features.bit_length() - 1,
            "breiman": n_features.bit_length(),  # int(log2 M + 1)
        }
        drawn = max(1, named.get(max_features, -1)) if max_features in named else -1
    elif _is_integer(max_features):
        drawn = int(max_features)
    elif _is_share(max_features):
        drawn = max(1, int(float(max_features) * n_features))
    if drawn < 1:
        raise ValueError(
            'max_features must be "sqrt", "log2", "breiman", None (all), an integer >= 1 or a share of the columns '
            f"above 0 and at most 1, got {max_features!r}"
        )
    return 0 if drawn >= n_features else drawn


def rows_of_tree(max_samples: Any, natural: int) -> int:
    """Rows that a tree draws, of a bootstrap sample that would have `natural`."""
    if max_samples is None:
        return natural
    if _is_integer(max_samples) and max_samples >= 1:
        return min(int(max_samples), MOST_DRAWS)
    if _is_share(max_samples):
        return max(1, round(float(max_samples) * natural))
    raise ValueError(f"max_samples must be an integer >= 1 or a share above 0 and at most 1, got {max_samples!r}")
