# SPDX-License-Identifier: Apache-2.0
"""Trees as DOT source for Graphviz."""

from __future__ import annotations

import math
from typing import Any, Literal

from .node_facts import NodeFacts, check_categories, check_decimals, check_levels, counted
from .palette import INK, LINE, MUTED, class_colors, mixed, text_color, value_color
from .questions import tree_of

__all__ = ["to_graphviz"]

MOST_SHARES = 6


def to_graphviz(
    tree: Any,
    *,
    max_depth: int | None = None,
    decimals: int = 2,
    colors: bool = True,
    shares: bool = True,
    orientation: Literal["down", "right"] = "down",
    max_categories: int = 6,
    font: str = "Helvetica",
) -> str:
    """Write a tree in the DOT language; ``dot -Tsvg`` makes a picture of it.

    Parameters
    ----------
    tree : fitted estimator or DecisionTree
    max_depth : int, optional
        Levels that are shown; a sub-tree below them is a node that counts its leaves.
    decimals : int
        Of shares and means.
    colors : bool
        Fill nodes: by class, the stronger the purer; or by mean.
    shares : bool
        List the shares of the classes (of up to six classes; of more only that of the predicted one).
    orientation : {"down", "right"}
        Where the tree grows.
    max_categories : int
        Categories that the label of a branch lists; further ones are counted.
    font : str
        Name of the font; text beyond Latin letters needs one that has it.

    Returns
    -------
    str
    """
    if orientation not in ("down", "right"):
        raise ValueError(f'orientation must be "down" or "right", got {orientation!r}')
    check_levels(max_depth)
    check_decimals(decimals)
    check_categories(max_categories)
    tree = tree_of(tree)
    facts = NodeFacts(tree)
    most = tree.depth if max_depth is None else max_depth
    total = max(float(tree.weight[0]), 1e-300)
    fills = node_fills(facts) if colors else ["#ffffff"] * tree.n_nodes
    name = quoted(font)
    lines = [
        "digraph Tree {",
        f"  graph [rankdir={'TB' if orientation == 'down' else 'LR'}, bgcolor=white];",
        f'  node [shape=box, style="rounded,filled", fontname={name}, fontsize=11, color="{MUTED}"];',
        f'  edge [fontname={name}, fontsize=10, color="{LINE}", fontcolor="{INK}", arrowhead=none];',
    ]
    for node in facts.walk():
        if facts.depths[node] > most:
            continue
        cut_off = bool(tree.children(node)) and facts.depths[node] == most
        text = [] if not tree.children(node) or cut_off else [_asked(facts, node)]
        text += [facts.prediction_text(node, decimals), facts.cases_text(node)]
        if tree.classifier and shares:
            text.append(_shares_text(facts, node, decimals))
        if cut_off:
            text.append(f"… {counted(facts.leaves_below[node], 'leaf')} below")
        style = ', style="rounded,filled,dashed"' if cut_off else ""
        lines.append(
            f"  n{node} [label={quoted(*text)}, "
            f'fillcolor="{fills[node]}", fontcolor="{text_color(fills[node])}"{style}];'
        )
        branch = facts.branch(node)
        if branch is not None:
            width = 1.0 + 7.0 * math.sqrt(max(float(tree.weight[node]), 0.0) / total)
            label = quoted(f" {branch[0].branch_text(branch[1], max_categories)} ")
            lines.append(f"  n{facts.parents[node]} -> n{node} [label={label}, penwidth={width:.2f}];")
    return "\n".join([*lines, "}"]) + "\n"


def node_fills(facts: NodeFacts) -> list[str]:
    """Fill of every node: its class, the stronger the purer, or its mean among those of the leaves."""
    tree = facts.tree
    if tree.classifier:
        colors = class_colors(tree.value[0].tolist())
        base = 1.0 / max(tree.n_values, 2)
        fills = []
        for node in range(tree.n_nodes):
            label = int(tree.label[node])
            purity = max(0.0, (float(facts.shares[node, label]) - base) / (1.0 - base))
            fills.append(mixed(colors[label], "#ffffff", 0.08 + 0.5 * purity))
        return fills
    means = tree.value[:, 0]
    low, span = float(means.min()), float(means.max() - means.min())
    return [value_color((float(mean) - low) / span if span > 0 else 0.5) for mean in means]


def quoted(*lines: str) -> str:
    """Lines of a label as a DOT string: its escapes and character references are undone, whatever the text."""
    text = [
        " ".join(line.splitlines()).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') for line in lines
    ]
    return '"' + "\\n".join(text) + '"'


def _asked(facts: NodeFacts, node: int) -> str:
    asked = facts.asked(node)
    assert asked is not None
    return f"{asked.name}?"


def _shares_text(facts: NodeFacts, node: int, decimals: int) -> str:
    tree = facts.tree
    if tree.n_values > MOST_SHARES:
        return f"share {facts.shares[node, tree.label[node]]:.{decimals}f}"
    return " / ".join(f"{float(share):.{decimals}f}" for share in facts.shares[node])
