# SPDX-License-Identifier: Apache-2.0
"""What training must do at least on the dense shapes: additions and bytes, counted from the trees that were grown.

    python roofline.py        trains A, B, C1, C2 and G once and writes the counts to results/<machine>.json

The report divides the counts by what the machine can do (`micro/bench_limits.py`); see `least_seconds`.
"""

from __future__ import annotations

from typing import Any

import machine
from engines.pygbt import Pygbt
from shapes import SHAPES

import pygbt

#: Dense floats: every feature has a byte of its own.
KEYS = ("A", "B", "C1", "C2", "G")

#: Bytes a row. The passes of a tree: scores, labels, marks, gradients written; these quantised; these summed by leaf.
PASS_BYTES = (8 + 4 + 1 + 8) + (8 + 4) + (8 + 1)
#: A row that is routed: id and gradient read and written, and one bin.
MOVED_BYTES = 2 * (4 + 4) + 1
#: A row of a final cut: id and bin read, mark written.
MARKED_BYTES = 4 + 1 + 1


def count(model: pygbt.Booster, n_features: int, max_depth: int) -> dict[str, int]:
    """Histogram additions of the smaller siblings, and bytes touched, for all trees of a model."""
    built = moved = marked = passed = 0
    for tree in model.trees():
        depth = {0: 0}
        built += int(tree.count[0])
        passed += int(tree.count[0])
        for node in range(len(tree.left)):
            if tree.left[node] < 0:
                continue
            children = [int(tree.left[node]), int(tree.right[node])]
            depth.update(dict.fromkeys(children, depth[node] + 1))
            if max_depth > 0 and depth[node] + 1 >= max_depth:
                marked += int(tree.count[node])
            else:
                moved += int(tree.count[node])
                built += min(int(tree.count[child]) for child in children)
    return {
        "updates": built * n_features,
        "histogram_bytes": built * (n_features + 4),
        "row_bytes": moved * MOVED_BYTES + marked * MARKED_BYTES + passed * PASS_BYTES,
    }


def least_seconds(counts: dict[str, Any], updates: float, copied: float, n_threads: int) -> float:
    """Seconds if every phase ran at a core's limit, additions a second in L1 or bytes a second, times `n_threads`."""
    histograms = max(counts["updates"] / updates, counts["histogram_bytes"] / copied)
    return float(histograms + counts["row_bytes"] / copied) / n_threads


def main() -> None:
    engine = Pygbt()
    for key in KEYS:
        shape = SHAPES[key]
        split = shape.table(1.0, 0)
        model = engine.train(engine.bins(split.X, split.y, shape.recipe), shape.recipe)
        machine.merge("roofline", {key: count(model, split.X.shape[1], shape.recipe.max_depth)})


if __name__ == "__main__":
    main()
