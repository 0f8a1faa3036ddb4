# SPDX-License-Identifier: Apache-2.0
"""A backend with gradients and one tree begun, for the benchmarks of what a tree is grown by."""

from __future__ import annotations

import numpy as np

import pygbt
from pygbt import _core


class Growing:
    """The root of a tree over (n, f) values of `bins` bins; `skew` puts that share of every column into one bin."""

    def __init__(self, n: int, f: int = 28, bins: int = 256, skew: float = 0.0, threads: int = 1) -> None:
        rng = np.random.default_rng(0)
        X = rng.integers(0, bins - 1, (n, f)).astype(np.float32)
        X[rng.random((n, f), dtype=np.float32) < skew] = 0
        y = (X[:, 0] > bins / 2).astype(np.float32)
        self.n, self.f = n, f
        self.data = pygbt.Dataset(X, y, max_bin=bins, n_threads=threads)
        self.bins = self.data.core.bins()
        self.backend = _core.probe.Backend("cpu", self.data.core, 1, n_threads=threads)
        self.backend.set_scores(np.zeros((n, 1), np.float32))
        self.begin()

    def begin(self) -> None:
        """Gradients and the root; the nodes of the tree before are gone."""
        self.backend.gradients({"objective": "logistic"})
        self.backend.totals(0)
        self.root = self.backend.begin_tree({"first_target": 0, "width": 1, "seed": 0, "iteration": 0})

    def cut(self, node: int, left: int, feature: int, value: int) -> int:
        """Split a node: bins 1 .. value of a feature go left; return how many rows do."""
        split = {"feature": feature, "bin": value, "missing_left": False, "categorical": False, "left_bins": []}
        return int(self.backend.partition([(node, left, split)])[0])
