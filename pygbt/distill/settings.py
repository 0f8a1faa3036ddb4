# SPDX-License-Identifier: Apache-2.0
"""`KD` and `RankKD`: the settings of the teacher's loss in one object, for `pygbt.train`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["KD", "RankKD"]


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


@dataclass(frozen=True)
class RankKD:
    """How a ranking booster learns from the scores that the ``teacher`` of its `pygbt.Dataset` gives to rows:
    ``(1 - alpha) ranking loss of the labels + alpha loss of the teacher's order``.

    Parameters
    ----------
    loss : {"listnet", "listmle", "pairwise", "pointwise"}, default "listnet"
        See the parameter ``rank_teacher``.
    alpha : float, default 0.5
        Weight of the soft part, the teacher's.
    T : float, default 1
        Temperature: the teacher's scores are divided by it (listnet, pairwise).
    top : int, default 10
        Rows of the teacher's order that count; 0 is all.
    weight : {"uniform", "inverse", "exponential", "ndcg"}, default "uniform"
        Weight of a place of that order, or of a pair.
    decay : float, default 1
        Its constant.
    negatives : float, default 1
        Share of the other rows that are negatives of pointwise.

    Notes
    -----
    Pointwise: Tang and Wang (KDD 2018). ListNet: Cao et al. (ICML 2007). ListMLE: Xia et al. (ICML 2008).

    Examples
    --------
    >>> ds = pygbt.Dataset(X, y, group=sizes, teacher=scores)
    >>> pygbt.train({"objective": "lambdarank"} | RankKD("listmle", alpha=0.3).params(), ds)
    """

    loss: str = "listnet"
    alpha: float = 0.5
    T: float = 1.0
    top: int = 10
    weight: str = "uniform"
    decay: float = 1.0
    negatives: float = 1.0

    def params(self) -> dict[str, Any]:
        """The parameters of `pygbt.train`, which checks them."""
        return {
            "rank_teacher": self.loss,
            "teacher_alpha": self.alpha,
            "teacher_temperature": self.T,
            "rank_teacher_top": self.top,
            "rank_teacher_weight": self.weight,
            "rank_teacher_decay": self.decay,
            "rank_teacher_negatives": self.negatives,
        }
