# SPDX-License-Identifier: Apache-2.0
"""Factors of the classes, as ``class_weight`` asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.class_weight import compute_class_weight

from . import _core

__all__ = ["class_factors"]

Floats = npt.NDArray[np.float64]


def class_factors(
    class_weight: Any, classes: npt.NDArray[Any], codes: npt.NDArray[np.int32], weight: Floats | None
) -> Floats:
    """The factor of every class, shape (n_classes,); `codes` and `weight` of the rows, shape (n,).

    "balanced": the weight of all rows over the number of classes that have any, times the weight of the class. Exact
    sums, so that neither the order of the rows matters nor whether a row of weight 3 is the row three times.
    """
    if isinstance(class_weight, str) and class_weight == "balanced":
        sums: Floats = _core.Response.classes(codes, len(classes), weight).class_weights()
        present = sums > 0
        balanced: Floats = np.divide(sums.sum(), present.sum() * sums, out=np.ones(len(classes)), where=present)
        return balanced
    if not isinstance(class_weight, Mapping):
        raise ValueError(
            f'class_weight must be a dictionary of label to factor, "balanced" or None, got {class_weight!r}'
        )
    factors: Floats = compute_class_weight(dict(class_weight), classes=classes, y=classes[codes])
    if not (np.isfinite(factors).all() and (factors >= 0).all() and (factors > 0).any()):
        raise ValueError(f"class_weight must hold numbers >= 0, not all of them 0, got {class_weight!r}")
    return factors
