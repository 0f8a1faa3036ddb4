# SPDX-License-Identifier: Apache-2.0
"""A grown classical tree: its nodes and questions as arrays, and rows sent down it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _core
from ..schema import Schema

__all__ = ["SHARED", "STAYS", "DecisionTree"]

STAYS = -1  # `fallback`: the row stays in the node, which answers for it
SHARED = -2  # `fallback`: the row goes down every branch, in parts of the branches' weights

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


class DecisionTree:
    """A tree of any number of branches a node; node 0 is the root, children are adjacent and follow their parent.

    Immutable. Arrays over the nodes are attributes, shape (n_nodes,) unless said otherwise; so are arrays over the
    questions of all nodes, back to back: those of node i are ``question_begin[i] : question_begin[i + 1]``, first the
    one it asks, then its ``n_surrogates[i]`` surrogates, then its competitors.

    Attributes
    ----------
    first_child, n_children : ndarray of int32
        Children of a node are ``first_child .. first_child + n_children - 1``; -1 and 0 at leaves.
    fallback : ndarray of int32
        Where rows go that no question decides: ordinal of a child, `STAYS` or `SHARED`.
    count : ndarray of int64
        Training rows in the node.
    weight : ndarray of float64
        Their weight; parts of shared cases count as parts.
    value : ndarray of float64, shape (n_nodes, n_values)
        Weight of every class, or mean of every target.
    label : ndarray of int32
        Code of the predicted class; -1 in a regression.
    risk, impurity : ndarray of float64
        Risk of the node as a leaf, which adds up over leaves; criterion of the node, a unit of weight.
    class_factor : ndarray of float64, shape (n_values,)
        Shares of classes in a node are ``value * class_factor``, normalised; all 1 without priors.
    question_feature : ndarray of int32, shape (n_questions,)
    question_threshold : ndarray of float64, shape (n_questions,)
        Numeric: ``x <= threshold`` is low. NaN for nominal questions.
    question_lower, question_upper : ndarray of float64, shape (n_questions,)
        Numeric: the two training values around the cut; the literature reports their midpoint.
    question_low_child : ndarray of uint8, shape (n_questions,)
        Numeric: the child (0 or 1) of low values.
    question_branch_begin, question_n_branches, question_branches : ndarray of int32
        Nominal: ``question_branches[begin + category]`` is the child of a category, -1 one that the node has not seen.
    question_improvement, question_agreement, question_adjusted : ndarray of float64, shape (n_questions,)
        Improvement of the criterion; agreement of a surrogate with the question asked, and the same beyond what going
        with the majority gives.
    schema : Schema
        Names and categories of the columns.
    classes : ndarray or None
        Labels of the classes; None in a regression.
    """

    def __init__(self, core: Any, schema: Schema, wide: Sequence[bool], classes: npt.NDArray[Any] | None) -> None:
        self._core = core
        self.schema = schema
        self.wide = tuple(bool(w) for w in wide)
        self.classes = classes
        self._arrays: dict[str, Any] | None = None

    @property
    def arrays(self) -> Mapping[str, Any]:
        """All arrays by name."""
        if self._arrays is None:
            arrays = self._core.to_arrays()
            arrays["value"] = arrays["value"].reshape(-1, arrays["n_values"])
            for array in arrays.values():
                if isinstance(array, np.ndarray):
                    array.flags.writeable = False
            self._arrays = arrays
        return self._arrays

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self.arrays:
            return self.arrays[name]
        raise AttributeError(f"DecisionTree has no attribute {name!r}")

    @property
    def n_nodes(self) -> int:
        """Number of nodes, leaves included."""
        return int(self._core.n_nodes)

    @property
    def n_leaves(self) -> int:
        """Number of leaves."""
        return int(self._core.n_leaves)

    @property
    def depth(self) -> int:
        """Questions on the longest way from the root to a leaf."""
        return int(self._core.depth)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.schema.feature_names

    def children(self, node: int) -> range:
        """Nodes below a node, in the order of its branches; empty at a leaf."""
        first = int(self.first_child[node])
        return range(first, first + int(self.n_children[node]))

    def parents(self) -> Ints:
        """Parent of every node; -1 at the root."""
        parent = np.full(self.n_nodes, -1, dtype=np.int32)
        for node in range(self.n_nodes):
            for child in self.children(node):
                parent[child] = node
        return parent

    def node_depths(self) -> Ints:
        """Depth of every node; 0 at the root."""
        depth = np.zeros(self.n_nodes, dtype=np.int32)
        for node in range(self.n_nodes):
            for child in self.children(node):
                depth[child] = depth[node] + 1
        return depth

    def shares(self) -> Floats:
        """Shares of the classes in every node, shape (n_nodes, n_classes); a node without cases answers its label."""
        weighted = self.value * self.class_factor
        total = weighted.sum(axis=1, keepdims=True)
        empty = np.eye(self.n_values)[np.maximum(self.label, 0)]
        shares: Floats = np.where(total > 0, weighted / np.where(total > 0, total, 1.0), empty)
        return shares

    def cut_below(self, nodes: Iterable[int]) -> DecisionTree:
        """The tree with these nodes as leaves; they keep their statistics."""
        cut = np.zeros(self.n_nodes, dtype=np.uint8)
        cut[list(nodes)] = 1
        return DecisionTree(self._core.cut_below(cut), self.schema, self.wide, self.classes)

    # --- rows -------------------------------------------------------------------------------------------------------

    def values(self, X: Any, n_threads: int = 0) -> Floats:
        """Shares of the classes or means of the targets, shape (n, n_values)."""
        values: Floats = self._core.values(self._encoded(X), self.wide, n_threads)
        return values

    def labels(self, X: Any, n_threads: int = 0) -> Ints:
        """Codes of the predicted classes, shape (n,)."""
        labels: Ints = self._core.labels(self._encoded(X), self.wide, n_threads)
        return labels

    def leaves(self, X: Any, n_threads: int = 0) -> Ints:
        """The node that answers for each row, shape (n,); of a shared row that of its largest part."""
        leaves: Ints = self._core.leaves(self._encoded(X), self.wide, n_threads)
        return leaves

    def _encoded(self, X: Any) -> Any:
        return self.schema.encode(X, owner="DecisionTree")

    # --- copies -----------------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        return {
            "arrays": dict(self._core.to_arrays()),
            "schema": self.schema,
            "wide": self.wide,
            "classes": self.classes,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        core = _core.DecisionTree.from_arrays(state["arrays"], state["schema"].n_features)
        self.__init__(core, state["schema"], state["wide"], state["classes"])  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"DecisionTree(n_nodes={self.n_nodes}, n_leaves={self.n_leaves}, depth={self.depth})"
