# SPDX-License-Identifier: Apache-2.0
"""The nodes of a tree as columns of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .node_facts import NodeFacts
from .questions import tree_of

__all__ = ["leaf_table", "node_table"]


def leaf_table(tree: Any) -> dict[str, list[Any]]:
    """The leaves, from left to right, as columns: ``pandas.DataFrame(leaf_table(tree))``.

    Parameters
    ----------
    tree : fitted estimator or DecisionTree

    Returns
    -------
    dict of str to list
        ``leaf`` (node, as `apply` gives it), ``depth``, ``count``, ``weight``, ``label`` and a column ``share_<class>``
        for every class (or ``value``, ``value_0`` .. for several targets), ``risk``, ``rule``.
    """
    tree = tree_of(tree)
    facts = NodeFacts(tree)
    leaves = [node for node in facts.walk() if not tree.children(node)]
    table: dict[str, list[Any]] = {"leaf": leaves, "depth": [facts.depths[leaf] for leaf in leaves]}
    table.update(_statistics(facts, leaves))
    table["rule"] = [facts.rule(leaf).conditions_text() for leaf in leaves]
    return table


def node_table(tree: Any) -> dict[str, list[Any]]:
    """All nodes, in the order of their numbers, as columns.

    Parameters
    ----------
    tree : fitted estimator or DecisionTree

    Returns
    -------
    dict of str to list
        ``node``, ``number`` (as in a full tree, root 1), ``parent`` (-1 of the root), ``depth``, ``is_leaf``,
        ``branch`` (the condition that leads to it), ``feature`` and ``improvement`` of the question it asks,
        ``n_surrogates``, ``missing`` (the node that takes undecided rows, ``stays`` or ``shared``; None at leaves),
        then what `leaf_table` has, and ``impurity``.
    """
    tree = tree_of(tree)
    facts = NodeFacts(tree)
    nodes = range(tree.n_nodes)
    asked = [facts.asked(node) for node in nodes]
    table: dict[str, list[Any]] = {
        "node": list(nodes),
        "number": facts.numbers,
        "parent": facts.parents,
        "depth": facts.depths,
        "is_leaf": [q is None for q in asked],
        "branch": [facts.branch_text(node) for node in nodes],
        "feature": [None if q is None else q.name for q in asked],
        "improvement": [None if q is None else q.improvement for q in asked],
        "n_surrogates": tree.n_surrogates.tolist(),
        "missing": [facts.missing(node) for node in nodes],
    }
    table.update(_statistics(facts, nodes))
    table["impurity"] = tree.impurity.tolist()
    table["rule"] = [facts.rule(node).conditions_text() for node in nodes]
    return table


def _statistics(facts: NodeFacts, nodes: Sequence[int]) -> dict[str, list[Any]]:
    at, tree = list(nodes), facts.tree
    table: dict[str, list[Any]] = {"count": tree.count[at].tolist(), "weight": tree.weight[at].tolist()}
    if tree.classifier:
        table["label"] = [facts.prediction(node) for node in at]
        for k, name in enumerate(facts.classes):
            table[f"share_{name}"] = facts.shares[at, k].tolist()
    elif tree.n_values == 1:
        table["value"] = tree.value[at, 0].tolist()
    else:
        for k in range(tree.n_values):
            table[f"value_{k}"] = tree.value[at, k].tolist()
    table["risk"] = tree.risk[at].tolist()
    return table
