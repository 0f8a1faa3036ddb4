# SPDX-License-Identifier: Apache-2.0
"""Sets of classes that a model confuses: K-means over the rows of the covariance of its predictions (Hinton 2015)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["class_sets", "k_means", "prediction_covariance"]

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

#: Probabilities are summed as whole multiples of 2^-15, so that the covariance is the same in any order of the rows.
UNIT = 2.0**-15


def prediction_covariance(p: npt.ArrayLike) -> Floats:
    """Covariance of the columns of class probabilities, shape (K, K); exact sums of probabilities rounded to 2^-15."""
    whole = np.round(np.asarray(p, dtype=np.float64) / UNIT).astype(np.int64)
    n = len(whole)
    products = whole.T @ whole  # integers: below 2^63 for up to 2^33 rows
    sums = whole.sum(axis=0)
    covariance: Floats = (products / n - np.outer(sums / n, sums / n)) * UNIT * UNIT
    return covariance


def k_means(points: Floats, k: int, n_iterations: int = 100) -> Index:
    """Lloyd's algorithm from centres that are far apart: the first is the point farthest from the mean, each next one
    the farthest from those before (the first of equal ones). No draw, so the same clusters every time.

    Parameters
    ----------
    points : ndarray of float64, shape (n, d)
    k : int

    Returns
    -------
    ndarray of int64, shape (n,)
        Cluster of each point; clusters are numbered by their first point, and none is empty while points differ.
    """
    distance = ((points - points.mean(axis=0)) ** 2).sum(axis=1)
    centres = points[[int(distance.argmax())]]
    while len(centres) < k:
        nearest = _squares(points, centres).min(axis=1)
        centres = np.vstack([centres, points[int(nearest.argmax())]])
    cluster = _squares(points, centres).argmin(axis=1)
    for _ in range(n_iterations):
        centres = np.array(
            [points[cluster == c].mean(axis=0) if (cluster == c).any() else centres[c] for c in range(k)]
        )
        after = _squares(points, centres).argmin(axis=1)
        if np.array_equal(after, cluster):
            break
        cluster = after
    first = np.unique(cluster, return_index=True)[1]
    order = {int(cluster[i]): number for number, i in enumerate(np.sort(first))}
    return np.array([order[int(c)] for c in cluster], dtype=np.int64)


def _squares(points: Floats, centres: Floats) -> Floats:
    squares: Floats = ((points[:, np.newaxis] - centres) ** 2).sum(axis=2)
    return squares


def class_sets(p: npt.ArrayLike, n_sets: int) -> list[Index]:
    """Sets of classes that are predicted together.

    Classes are points in the space of correlations of the predictions, which is the covariance with its rows and
    columns divided by the standard deviations: a class that the model is sure about would else be a cluster of its own
    by its variance alone.

    Parameters
    ----------
    p : array-like, shape (n, K)
        Predictions of the generalist, out of fold.
    n_sets : int

    Returns
    -------
    list of ndarray of int64
        Class numbers, each in exactly one set; sets of a single class are left out, they need no specialist.
    """
    covariance = prediction_covariance(p)
    deviation = np.sqrt(np.maximum(covariance.diagonal(), 0.0))
    scale = np.where(deviation > 0, deviation, 1.0)
    cluster = k_means(covariance / np.outer(scale, scale), n_sets)
    sets = [np.flatnonzero(cluster == c) for c in range(int(cluster.max()) + 1)]
    return [members for members in sets if len(members) > 1]
