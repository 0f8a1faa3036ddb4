# SPDX-License-Identifier: Apache-2.0
"""Views of single trees: arrays, text and tables behind `Booster.trees`, `Booster.to_dataframe` and `Tree.to_text`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .booster import Booster

__all__ = ["Tree"]


@dataclass(frozen=True, eq=False)
class Tree:
    """One tree as read-only arrays over its nodes; node 0 is the root and children follow their parent.

    Attributes
    ----------
    index, iteration : int
        Number of the tree in the model, and of the round it belongs to.
    target : int
        First output the tree adds to.
    left, right : ndarray of int32, shape (n_nodes,)
        Children; -1 at leaves.
    feature : ndarray of int32, shape (n_nodes,)
        Column that is tested; -1 at leaves.
    threshold : ndarray of float64, shape (n_nodes,)
        ``x <= threshold`` goes left. NaN at leaves and categorical splits.
    categories_left : dict of int to ndarray of int32
        Node of a categorical split -> codes of the categories that go left.
    default_left : ndarray of bool, shape (n_nodes,)
        Whether missing values go left.
    gain : ndarray of float32, shape (n_nodes,)
        Loss reduction of the split; 0 at leaves.
    cover : ndarray of float64, shape (n_nodes,)
        Sum of weighted hessians of the training rows in the node.
    count : ndarray of int64, shape (n_nodes,)
        Training rows in the node, of the rows drawn for the tree.
    value : ndarray of float32, shape (n_nodes, width)
        Leaf values with the learning rate in them; NaN at inner nodes. ``width`` is 1, or the number of outputs of
        a vector-leaf tree.
    leaf : ndarray of int32, shape (n_nodes,)
        Number of the leaf as given by ``predict(output="leaf")``; -1 at inner nodes.
    feature_names : tuple of str
        Names of all columns.
    """

    index: int
    iteration: int
    target: int
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float64]
    categories_left: Mapping[int, npt.NDArray[np.int32]]
    default_left: npt.NDArray[np.bool_]
    gain: npt.NDArray[np.float32]
    cover: npt.NDArray[np.float64]
    count: npt.NDArray[np.int64]
    value: npt.NDArray[np.float32]
    leaf: npt.NDArray[np.int32]
    feature_names: tuple[str, ...]

    @property
    def n_nodes(self) -> int:
        """Number of nodes, leaves included."""
        return len(self.left)

    @property
    def n_leaves(self) -> int:
        """Number of leaves."""
        return int((self.leaf >= 0).sum())

    @property
    def depth(self) -> int:
        """Splits on the longest way from the root to a leaf."""
        return int(self.node_depths().max(initial=0))

    def node_depths(self) -> npt.NDArray[np.int32]:
        """Depth of every node, shape (n_nodes,); 0 at the root."""
        depth = np.zeros(self.n_nodes, dtype=np.int32)
        for node in range(self.n_nodes):
            if self.left[node] >= 0:
                depth[self.left[node]] = depth[self.right[node]] = depth[node] + 1
        return depth

    def parents(self) -> npt.NDArray[np.int32]:
        """Parent of every node, shape (n_nodes,); -1 at the root."""
        parent = np.full(self.n_nodes, -1, dtype=np.int32)
        inner = np.flatnonzero(self.left >= 0)
        parent[self.left[inner]] = inner
        parent[self.right[inner]] = inner
        return parent

    def condition(self, node: int) -> str:
        """What sends a row to the left child of `node`, as text."""
        name = self.feature_names[self.feature[node]]
        if node in self.categories_left:
            return f"{name} in codes {self.categories_left[node].tolist()}"
        return f"{name} <= {self.threshold[node]:.9g}"

    def to_text(self) -> str:
        """The tree as indented text, one node a line."""
        lines = []
        stack = [(0, 0, "")]
        while stack:
            node, depth, label = stack.pop()
            pad = "  " * depth + label
            if self.left[node] < 0:
                value = ", ".join(f"{v:.7g}" for v in self.value[node])
                lines.append(f"{pad}leaf {self.leaf[node]}: {value}  (rows {self.count[node]})")
                continue
            side = "left" if self.default_left[node] else "right"
            lines.append(f"{pad}{self.condition(node)}  (missing {side}, gain {self.gain[node]:.6g})")
            stack.append((int(self.right[node]), depth + 1, "no:  "))
            stack.append((int(self.left[node]), depth + 1, "yes: "))
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Tree(index={self.index}, target={self.target}, n_nodes={self.n_nodes}, depth={self.depth})"


def _frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array.flags.writeable = False
    return array


def make_tree(arrays: Mapping[str, Any], index: int, iteration: int, feature_names: Sequence[str]) -> Tree:
    """Turn the arrays of `_core.Model.tree` into a `Tree`."""
    raw_left = np.asarray(arrays["left"], dtype=np.int32)
    is_leaf = raw_left < 0
    n_nodes, width = len(raw_left), int(arrays["width"])
    left = np.where(is_leaf, np.int32(-1), raw_left).astype(np.int32)
    leaf = np.where(is_leaf, ~raw_left, np.int32(-1)).astype(np.int32)

    begin = np.asarray(arrays["cat_begin"], dtype=np.int64)
    words = np.asarray(arrays["cat_words"], dtype=np.int64)
    bits = np.ascontiguousarray(arrays["cat_bits"], dtype="<u4")
    categories: dict[int, npt.NDArray[np.int32]] = {}
    for node in np.flatnonzero(~is_leaf & (begin >= 0)):
        part = bits[begin[node] : begin[node] + words[node]]
        flags = np.unpackbits(part.view(np.uint8), bitorder="little")
        categories[int(node)] = _frozen(np.flatnonzero(flags).astype(np.int32))

    threshold = np.array(arrays["threshold"], dtype=np.float64)
    threshold[is_leaf | (begin >= 0)] = np.nan
    value = np.full((n_nodes, width), np.nan, dtype=np.float32)
    value[is_leaf] = np.asarray(arrays["leaf_value"], dtype=np.float32).reshape(-1, width)[leaf[is_leaf]]
    return Tree(
        index=index,
        iteration=iteration,
        target=int(arrays["target"]),
        left=_frozen(left),
        right=_frozen(np.where(is_leaf, np.int32(-1), left + 1).astype(np.int32)),
        feature=_frozen(np.array(arrays["feature"], dtype=np.int32)),
        threshold=_frozen(threshold),
        categories_left=categories,
        default_left=_frozen(np.array(arrays["default_left"]).astype(np.bool_)),
        gain=_frozen(np.array(arrays["gain"], dtype=np.float32)),
        cover=_frozen(np.array(arrays["cover"], dtype=np.float64)),
        count=_frozen(np.array(arrays["count"], dtype=np.int64)),
        value=_frozen(value),
        leaf=_frozen(leaf),
        feature_names=tuple(feature_names),
    )


def nodes_table(booster: Booster) -> dict[str, list[Any]]:
    """All nodes of all trees, column name -> values; the body of `Booster.to_dataframe`."""
    trees = booster.trees()
    width = max((tree.value.shape[1] for tree in trees), default=1)
    value_names = ["value"] if width == 1 else [f"value_{k}" for k in range(width)]
    table: dict[str, list[Any]] = {
        name: []
        for name in (
            *("tree", "iteration", "target", "node", "depth", "parent", "left", "right", "feature", "threshold"),
            *("categories_left", "missing", "gain", "cover", "count", "leaf", *value_names),
        )
    }
    for tree in trees:
        n = tree.n_nodes
        inner = tree.left >= 0
        table["tree"] += [tree.index] * n
        table["iteration"] += [tree.iteration] * n
        table["target"] += [tree.target] * n
        table["node"] += range(n)
        table["depth"] += tree.node_depths().tolist()
        table["parent"] += tree.parents().tolist()
        table["left"] += tree.left.tolist()
        table["right"] += tree.right.tolist()
        table["feature"] += [tree.feature_names[f] if f >= 0 else None for f in tree.feature]
        table["threshold"] += tree.threshold.tolist()
        table["categories_left"] += [
            tree.categories_left[i].tolist() if i in tree.categories_left else None for i in range(n)
        ]
        table["missing"] += [
            ("left" if go_left else "right") if split else None
            for go_left, split in zip(tree.default_left, inner, strict=True)
        ]
        table["gain"] += tree.gain.tolist()
        table["cover"] += tree.cover.tolist()
        table["count"] += tree.count.tolist()
        table["leaf"] += tree.leaf.tolist()
        for k, name in enumerate(value_names):
            table[name] += tree.value[:, k].tolist() if k < tree.value.shape[1] else [float("nan")] * n
    return table
