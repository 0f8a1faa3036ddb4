# SPDX-License-Identifier: Apache-2.0
"""A grown forest: its trees as a `_core.Model`, what their sum means, and single trees to look at."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import scipy.sparse

from .. import _core
from ..inspect import Tree, make_tree
from ..schema import Schema

__all__ = ["ForestModel", "ForestTrees", "TargetScale"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]


class TargetScale:
    """Targets as the trees fit them, ``(y - offset) / unit``: near 0 and at most 1 in size, so that float32 leaves
    lose nothing that matters. The unit, a power of two, is one for all targets: their weights among each other stay.

    Attributes
    ----------
    offset : ndarray of float64, shape (n_targets,)
    unit : float
    loss_unit : float
        Of the criterion: what gains of the trees are multiplied with.
    """

    def __init__(self, offset: Any, unit: float, loss_unit: float) -> None:
        self.offset: Floats = np.asarray(offset, dtype=np.float64)
        self.unit = float(unit)
        self.loss_unit = float(loss_unit)

    @classmethod
    def fitting(cls, y: Floats, weight: Floats | None, power: int) -> TargetScale:
        """Scale of targets, shape (n, n_targets), about their medians; the criterion grows with this power of them."""
        counted = np.ones(len(y)) if weight is None else weight
        offset = [_median(column, counted) for column in y.T]
        largest = np.abs(y[counted > 0] - offset).max(initial=0.0)
        unit = 2.0 ** min(int(np.frexp(largest)[1]), 1023) if largest > 0 else 1.0
        return cls(offset, unit, unit if power == 1 else unit * unit)

    def scaled(self, y: Floats) -> Floats:
        """What the trees fit."""
        return np.ascontiguousarray((y - self.offset) / self.unit)

    def restored(self, scaled: Any) -> Floats:
        """Targets from what the trees answer."""
        restored: Floats = self.offset + self.unit * np.asarray(scaled, dtype=np.float64)
        return restored


def _median(values: Floats, weight: Floats) -> float:
    """Lower weighted median; a row of weight 3 counts three times."""
    order = np.argsort(values, kind="stable")
    cumulated = np.cumsum(weight[order])
    place = int(np.searchsorted(cumulated, 0.5 * cumulated[-1]))
    return float(values[order[min(place, len(order) - 1)]])


class ForestModel:
    """Trees that answer together by their mean.

    Attributes
    ----------
    core : _core.Model
        Margins are sums over the trees.
    schema : Schema
        Names and categories of the columns.
    scale : TargetScale or None
        Of the targets of a regression; None: the trees answer shares of classes.
    """

    def __init__(self, core: Any, schema: Schema, scale: TargetScale | None) -> None:
        self.core = core
        self.schema = schema
        self.scale = scale
        self._importances: Floats | None = None

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return int(self.core.n_trees)

    @property
    def n_outputs(self) -> int:
        """Classes, or targets of a regression."""
        return int(self.core.n_outputs)

    def mean(self, X: Any, n_threads: int = 0) -> Floats:
        """Mean over the trees of the shares of the classes, or of the targets, shape (n, n_outputs)."""
        margin = self.core.predict(
            self.schema.encode(X, owner="the forest"), output="margin", begin=0, end=self.n_trees, n_threads=n_threads
        )
        return self.answers(margin.astype(np.float64) / max(self.n_trees, 1))

    def answers(self, mean: Floats) -> Floats:
        """Shares or targets from the mean of the trees."""
        if self.scale is not None:
            return self.scale.restored(mean)
        total = mean.sum(axis=1, keepdims=True)  # 1 but for rounding
        shares: Floats = np.divide(mean, total, out=np.full_like(mean, 1.0 / mean.shape[1]), where=total > 0)
        return shares

    def leaves(self, X: Any, n_threads: int = 0) -> Ints:
        """Number of the leaf that each tree puts a row in, shape (n, n_trees)."""
        leaves: Ints = self.core.predict(
            self.schema.encode(X, owner="the forest"), output="leaf", begin=0, end=self.n_trees, n_threads=n_threads
        )
        return leaves

    def trees(self) -> ForestTrees:
        """The trees, made when asked for."""
        return ForestTrees(self)

    def importances(self) -> Floats:
        """Mean over the trees of the shares of impurity that each column took off, normalised; (n_features,)."""
        if self._importances is None:
            self._importances = self._mean_importances()
        return self._importances.copy()

    def _mean_importances(self) -> Floats:
        arrays, _ = self.core.to_arrays()
        n_features = self.schema.n_features
        of_node = np.repeat(np.arange(self.n_trees), arrays["tree_nodes"])
        inner = arrays["feature"] >= 0
        cell = of_node[inner] * n_features + arrays["feature"][inner]
        gain = np.maximum(arrays["gain"][inner].astype(np.float64), 0.0)
        each = np.bincount(cell, gain, minlength=self.n_trees * n_features).reshape(self.n_trees, n_features)
        total = each.sum(axis=1, keepdims=True)
        each = np.divide(each, total, out=np.zeros_like(each), where=total > 0).sum(axis=0)
        mean: Floats = each / each.sum() if each.sum() > 0 else each
        return mean

    def decision_path(self, X: Any, n_threads: int = 0) -> tuple[Any, npt.NDArray[np.int64]]:
        """Nodes that rows pass, as a CSR matrix of shape (n, nodes of all trees); nodes of tree i are the columns
        ``begin[i] : begin[i + 1]`` of the second array.
        """
        leaves = self.leaves(X, n_threads)
        parts, begin = [], [0]
        for tree in self.trees():
            passed = _leaf_paths(tree)
            parts.append(passed[leaves[:, tree.index]])
            begin.append(begin[-1] + tree.n_nodes)
        return scipy.sparse.hstack(parts, format="csr"), np.array(begin, dtype=np.int64)

    # --- copies -----------------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        arrays, meta = self.core.to_arrays()
        return {"arrays": arrays, "meta": meta, "schema": self.schema, "scale": self.scale}

    def __setstate__(self, state: dict[str, Any]) -> None:
        core = _core.Model.from_arrays(state["arrays"], state["meta"])
        self.__init__(core, state["schema"], state["scale"])  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"ForestModel(n_trees={self.n_trees}, n_outputs={self.n_outputs})"


def _leaf_paths(tree: Tree) -> Any:
    """CSR matrix of shape (n_leaves, n_nodes): the nodes from the root to each leaf."""
    parent = tree.parents()
    node_of = np.zeros(tree.n_leaves, dtype=np.int64)
    at = np.flatnonzero(tree.leaf >= 0)
    node_of[tree.leaf[at]] = at
    rows, columns = [], []
    leaf: npt.NDArray[Any] = np.arange(tree.n_leaves)
    node: npt.NDArray[Any] = node_of
    while len(leaf):
        rows.append(leaf)
        columns.append(node)
        node = parent[node]
        leaf, node = leaf[node >= 0], node[node >= 0]
    row, column = np.concatenate(rows), np.concatenate(columns)
    return scipy.sparse.csr_matrix((np.ones(len(row), dtype=np.int64), (row, column)), (tree.n_leaves, tree.n_nodes))


class ForestTrees(Sequence[Tree]):
    """The trees of a forest as `pygbt.Tree` views; values are in units of the targets, or shares of the classes."""

    def __init__(self, forest: ForestModel) -> None:
        self._forest = forest

    def __len__(self) -> int:
        return self._forest.n_trees

    @overload
    def __getitem__(self, index: int) -> Tree: ...
    @overload
    def __getitem__(self, index: slice) -> list[Tree]: ...
    def __getitem__(self, index: int | slice) -> Tree | list[Tree]:
        if isinstance(index, slice):
            return [self._view(i) for i in range(*index.indices(len(self)))]
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"tree {index} of a forest of {len(self)}")
        return self._view(place)

    def __iter__(self) -> Iterator[Tree]:
        return (self._view(i) for i in range(len(self)))

    def _view(self, index: int) -> Tree:
        arrays: Mapping[str, Any] = self._forest.core.tree(index)
        tree = make_tree(arrays, index, index, self._forest.schema.feature_names)
        scale = self._forest.scale
        if scale is None:
            return tree
        value = scale.restored(tree.value).astype(np.float32)
        return dataclasses.replace(tree, value=value, gain=(tree.gain * scale.loss_unit).astype(np.float32))

    def __repr__(self) -> str:
        return f"ForestTrees of {len(self)}"
