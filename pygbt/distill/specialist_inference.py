# SPDX-License-Identifier: Apache-2.0
"""One distribution from a generalist and the specialists that are active for a row (Hinton, Vinyals and Dean 2015).

q minimises KL(p^g || q) + sum over active m of KL(p^m || q), where the dustbin of specialist m is compared with the
mass of q outside its classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["combine", "objective"]

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

TINY = 1e-300


def _spread(q: Floats, members: Index, p: Floats) -> Floats:
    """Target of a specialist over all classes: its own in its set, its dustbin shared out as q has it outside."""
    t = q.copy()
    outside = np.ones(q.shape[1], dtype=bool)
    outside[members] = False
    mass = q[:, outside].sum(axis=1, keepdims=True)
    t[:, outside] *= p[:, -1:] / np.maximum(mass, TINY)
    t[:, members] = p[:, :-1]
    return t


def combine(
    general: Floats,
    sets: Sequence[Index],
    special: Sequence[Floats],
    active: Mask,
    *,
    n_iterations: int = 200,
    tolerance: float = 1e-10,
) -> Floats:
    """The minimiser, row by row.

    Parameters
    ----------
    general : ndarray, shape (n, K)
        Probabilities of the generalist.
    sets : list of ndarray of int
        Classes of each specialist.
    special : list of ndarray, each of shape (n, |set| + 1)
        Probabilities of each specialist, the dustbin last.
    active : ndarray of bool, shape (n, M)
        Which specialists take part in each row.
    n_iterations, tolerance
        The fixed point ``q <- (p^g + sum_m t_m) / (1 + |A|)`` is repeated until nothing changes by more. Each step
        lowers the objective (it is an EM algorithm). With one active specialist the first step from p^g is the
        solution.

    Returns
    -------
    ndarray of float64, shape (n, K)
        p^g where none is active.
    """
    q = general.astype(np.float64).copy()
    count = active.sum(axis=1)
    for pattern in np.unique(active[count > 0], axis=0):
        rows = np.flatnonzero((active == pattern).all(axis=1))
        which = np.flatnonzero(pattern).tolist()
        start = general[rows]
        current = start
        for _ in range(1 if len(which) == 1 else n_iterations):
            total = start.copy()
            for m in which:
                total += _spread(current, sets[m], special[m][rows])
            after = total / (1 + len(which))
            change = np.abs(after - current).max()
            current = after
            if change <= tolerance:
                break
        q[rows] = current
    return q


def objective(q: Floats, general: Floats, sets: Sequence[Index], special: Sequence[Floats], active: Mask) -> Floats:
    """What `combine` minimises, of every row, in nats; shape (n,)."""
    total = _divergence(general, q)
    for m, members in enumerate(sets):
        outside = np.ones(q.shape[1], dtype=bool)
        outside[members] = False
        reduced = np.hstack([q[:, members], q[:, outside].sum(axis=1, keepdims=True)])
        total = total + np.where(active[:, m], _divergence(special[m], reduced), 0.0)
    return total


def _divergence(p: Floats, q: Floats) -> Floats:
    ratio = np.log(np.maximum(p, TINY)) - np.log(np.maximum(q, TINY))
    divergence: Floats = np.where(p > 0, p * ratio, 0.0).sum(axis=1)
    return divergence
