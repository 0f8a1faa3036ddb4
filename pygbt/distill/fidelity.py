# SPDX-License-Identifier: Apache-2.0
"""How good a model is, and how near it comes to its teacher."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .probabilities import cross_entropy, divergence

__all__ = ["Reliability", "calibration_error", "class_measures", "gap_closed", "reliability", "value_measures"]

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

N_BINS = 15


@dataclass(frozen=True)
class Reliability:
    """Rows by the probability of their top class, in bins of equal width.

    Attributes
    ----------
    confidence, accuracy : ndarray of float64
        Means of each bin that holds rows.
    share : ndarray of float64
        Rows of each, as a share of all.
    """

    confidence: Floats
    accuracy: Floats
    share: Floats


def reliability(codes: Index, p: Floats, n_bins: int = N_BINS) -> Reliability:
    """Confidence against accuracy."""
    top = p.max(axis=1)
    right = (p.argmax(axis=1) == codes).astype(np.float64)
    bins = np.minimum((top * n_bins).astype(np.int64), n_bins - 1)
    count = np.bincount(bins, minlength=n_bins)
    held = count > 0
    confidence = np.bincount(bins, top, n_bins)[held] / count[held]
    accuracy = np.bincount(bins, right, n_bins)[held] / count[held]
    return Reliability(confidence, accuracy, count[held] / len(codes))


def calibration_error(codes: Index, p: Floats) -> float:
    """Expected calibration error: mean over rows of |confidence - accuracy| of their bin, 15 bins."""
    r = reliability(codes, p)
    return float((r.share * np.abs(r.confidence - r.accuracy)).sum())


def class_measures(p: Floats, codes: Index | None, teacher: Floats | None) -> dict[str, float]:
    """Measures of class probabilities.

    Parameters
    ----------
    p : ndarray, shape (n, K)
    codes : ndarray of int, shape (n,), optional
        Class numbers.
    teacher : ndarray, shape (n, K), optional
        Its probabilities; NaN rows are left out.

    Returns
    -------
    dict
        log_loss (nats a row), accuracy, calibration_error; kl (KL(teacher || p), nats a row) and agreement (share of
        rows with the teacher's top class).
    """
    found: dict[str, float] = {}
    if codes is not None:
        truth = np.zeros_like(p)
        truth[np.arange(len(p)), codes] = 1.0
        found["log_loss"] = float(cross_entropy(truth, p).mean())
        found["accuracy"] = float((p.argmax(axis=1) == codes).mean())
        found["calibration_error"] = calibration_error(codes, p)
    if teacher is not None:
        here = ~np.isnan(teacher).any(axis=1)
        if here.any():
            found["kl"] = float(divergence(teacher[here], p[here]).mean())
            found["agreement"] = float((teacher[here].argmax(axis=1) == p[here].argmax(axis=1)).mean())
    return found


def value_measures(z: Floats, y: Floats | None, teacher: Floats | None) -> dict[str, float]:
    """Measures of values, all of shape (n, K): rmse, r2; teacher_rmse and agreement, the R2 against the teacher's
    values.
    """
    found: dict[str, float] = {}
    if y is not None:
        found["rmse"] = float(np.sqrt(((z - y) ** 2).mean()))
        found["r2"] = _r2(z, y)
    if teacher is not None:
        here = ~np.isnan(teacher).any(axis=1)
        if here.any():
            found["teacher_rmse"] = float(np.sqrt(((z[here] - teacher[here]) ** 2).mean()))
            found["agreement"] = _r2(z[here], teacher[here])
    return found


def _r2(z: Floats, y: Floats) -> float:
    spread = ((y - y.mean(axis=0)) ** 2).sum()
    return float(1.0 - ((z - y) ** 2).sum() / spread) if spread > 0 else float("nan")


def gap_closed(alone: float, distilled: float, teacher: float, *, larger_is_better: bool) -> float:
    """Share of the way from the student alone to the teacher that distillation went; NaN where the teacher is no better
    than the student alone.
    """
    gap = teacher - alone
    if not (gap > 0 if larger_is_better else gap < 0):
        return float("nan")
    return float((distilled - alone) / gap)
