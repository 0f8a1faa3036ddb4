# SPDX-License-Identifier: Apache-2.0
"""Places for the nodes of a tree, tidy in the sense of Reingold and Tilford: levels, no overlaps, children in order
and evenly spread, a parent over the middle of its children, equal sub-trees drawn alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["tidy"]

Floats = npt.NDArray[np.float64]


def tidy(children: Sequence[Sequence[int]], size: Sequence[float], gap: float, family_gap: float = 0.0) -> Floats:
    """Place every node across the direction in which the tree grows.

    Sub-trees are rigid: each is known by its outline, the first and the last edge on every level below it. Siblings are
    packed twice, each as far left and as far right as the outlines allow, and stand halfway between: what either
    packing keeps apart, their mean does, too.

    Parameters
    ----------
    children : sequence of sequence of int
        Children of every node, in order; they follow their parent. Node 0 is the root.
    size : sequence of float
        Extent of every node across the direction of growth.
    gap : float
        Least distance between neighbours on a level.
    family_gap : float
        More distance between neighbours of different parents.

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
        Centres; the leftmost edge of all is at 0.
    """
    n = len(children)
    offset = np.zeros(n)  # of a child's centre from its parent's
    outlines: list[tuple[list[float], list[float]] | None] = [None] * n  # first and last edges, level by level
    for node in reversed(range(n)):
        below = children[node]
        first, last = [-size[node] / 2], [size[node] / 2]
        if below:
            parts = [outlines[child] for child in below]
            places = _spread([part for part in parts if part is not None], gap, family_gap)
            middle = (places[0] + places[-1]) / 2
            for child, place in zip(below, places, strict=True):
                offset[child] = place - middle
            for level in range(max(len(part[0]) for part in parts if part is not None)):
                at = [(p, part) for p, part in zip(places, parts, strict=True) if part and level < len(part[0])]
                first.append(min(p - middle + part[0][level] for p, part in at))
                last.append(max(p - middle + part[1][level] for p, part in at))
        for child in below:
            outlines[child] = None
        outlines[node] = (first, last)
    centre = np.zeros(n)
    for node in range(n):
        for child in children[node]:
            centre[child] = centre[node] + offset[child]
    root = outlines[0]
    assert root is not None
    return centre - min(root[0])


def _spread(parts: Sequence[tuple[list[float], list[float]]], gap: float, family_gap: float) -> list[float]:
    """Centres of sibling sub-trees."""
    left = _packed(parts, gap, family_gap)
    mirrored = [([-x for x in last], [-x for x in first]) for first, last in reversed(parts)]
    right = [-x for x in reversed(_packed(mirrored, gap, family_gap))]
    shift = left[-1] - right[-1]
    return [(a + b + shift) / 2 for a, b in zip(left, right, strict=True)]


def _packed(parts: Sequence[tuple[list[float], list[float]]], gap: float, family_gap: float) -> list[float]:
    """Each part as far left as the parts before it allow; siblings themselves in order of their centres."""
    places: list[float] = []
    reached: list[float] = []  # last edge so far, level by level
    for first, last in parts:
        place = 0.0
        if places:
            clear = [
                edge + gap + (family_gap if level > 0 else 0.0) - first[level]
                for level, edge in enumerate(reached[: len(first)])
            ]
            place = max(clear)
        places.append(place)
        reached[: len(last)] = [max(place + x, *reached[i : i + 1], -np.inf) for i, x in enumerate(last)]
    return places
