# SPDX-License-Identifier: Apache-2.0
"""`KD`: the settings of the teacher's loss in one object, for `pygbt.train`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["KD"]


@dataclass(frozen=True)
class KD:
    """How a booster learns from the ``teacher`` of its `pygbt.Dataset`:
    ``alpha T^2 CE(softmax(v / T), softmax(z / T)) + (1 - alpha) CE(y, softmax(z))``.

    `pygbt.distill.distill` chooses T and alpha; this is for those who know them.

    Parameters
    ----------
    T : float, default 1
        Temperature of both softmaxes.
    alpha : float, default 0.5
        Weight of the soft part, the teacher's; ``1 - alpha`` is that of the labels.
    match : {"softmax", "logits", "probabilities", "bounded"}, default "softmax"
        See the parameter ``teacher_match``.
    scale_T2 : bool, default True
        Whether the soft part has the factor T^2.

    Examples
    --------
    >>> ds = pygbt.Dataset(X, y, teacher=probabilities)
    >>> pygbt.train({"objective": "softmax", "n_classes": 10} | KD(T=2, alpha=0.9).params(), ds)
    """

    T: float = 1.0
    alpha: float = 0.5
    match: str = "softmax"
    scale_T2: bool = True

    def params(self) -> dict[str, Any]:
        """The parameters of `pygbt.train`, which checks them."""
        return {
            "teacher_temperature": self.T,
            "teacher_alpha": self.alpha,
            "teacher_match": self.match,
            "teacher_scale_t2": self.scale_T2,
        }
