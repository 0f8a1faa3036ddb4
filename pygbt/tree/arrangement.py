# SPDX-License-Identifier: Apache-2.0
"""Where everything of a drawn tree stands: boxes, labels, edges, legend. Lengths are points, y grows downwards."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from .boxes import Box, BoxMaker, Measure, Words, branch_words, shortened
from .layout import tidy
from .node_facts import NodeFacts
from .palette import INK, OTHER, value_color

__all__ = ["Arrangement", "Edge", "Label", "Swatch", "arrange"]

MARGIN = 12.0
WIDEST = 1080.0  # a tree wider than this, and than it is high, is turned to the right
THICK = 15.0  # of the edges below the root together
THIN = 0.8
LINE = 1.3  # of a line of text, in sizes


@dataclass(frozen=True)
class Label:
    """Lines of text, the middle of the first line's box at y; centred at x or starting there."""

    x: float
    y: float
    lines: tuple[str, ...]
    size: float
    centred: bool


@dataclass(frozen=True)
class Edge:
    """From a parent to a child, with its thickness."""

    start: tuple[float, float]
    end: tuple[float, float]
    thickness: float
    label: Label


@dataclass(frozen=True)
class Swatch:
    """A colour of the legend."""

    x: float
    y: float
    width: float
    height: float
    color: str


@dataclass
class Arrangement:
    """A drawing, ready to be painted."""

    size: float
    vertical: bool
    width: float = 0.0
    height: float = 0.0
    boxes: dict[int, tuple[float, float, Box]] = field(default_factory=dict)  # node: left, top, box
    edges: list[Edge] = field(default_factory=list)
    swatches: list[Swatch] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)  # title and legend


def arrange(
    facts: NodeFacts,
    measure: Measure,
    size: float,
    max_depth: int | None,
    orientation: str,
    decimals: int,
    max_categories: int,
    legend: bool,
    title: str | None,
) -> Arrangement:
    """Arrange a tree, downwards or to the right."""
    arrangement = None
    for vertical in (True, False):
        if orientation == ("right" if vertical else "down"):
            continue
        planner = _Planner(facts, measure, size, max_depth, decimals, max_categories, vertical)
        arrangement = planner.arrange(legend, title)
        if orientation == "down" or (vertical and arrangement.width <= max(WIDEST, 1.2 * arrangement.height)):
            break
    assert arrangement is not None
    return arrangement


class _Planner:
    def __init__(
        self,
        facts: NodeFacts,
        measure: Measure,
        size: float,
        max_depth: int | None,
        decimals: int,
        max_categories: int,
        vertical: bool,
    ) -> None:
        self.facts, self.tree = facts, facts.tree
        self.measure, self.size = measure, size
        self.small = size * 0.89
        self.vertical = vertical
        self.maker = BoxMaker(facts, measure, size, decimals, flat=not vertical)
        most = self.tree.depth if max_depth is None else max_depth
        depths = facts.depths
        self.nodes = [node for node in range(self.tree.n_nodes) if depths[node] <= most]
        self.below = {n: [] if depths[n] == most else list(self.tree.children(n)) for n in self.nodes}
        self.boxes = {n: self.maker.make(n, bool(self.tree.children(n)) and not self.below[n]) for n in self.nodes}
        self.labels = {n: self._branch_lines(n, max_categories) for n in self.nodes}

    def arrange(self, legend: bool, title: str | None) -> Arrangement:
        out = Arrangement(self.size, self.vertical)
        top = MARGIN
        if title:
            out.words.append(Words(MARGIN, top + self.size, title, self.size * 1.25, True))
            top += 1.25 * self.size * LINE + 6.0
        if legend:
            top = self._legend(out, top)
        self._place(out, top)
        self._edges(out)
        right = max(left + box.width for left, _, box in out.boxes.values())
        texts = [words.x + self.measure(words.text, words.size, words.bold) for words in out.words]
        out.width = max([right, *texts, *(s.x + s.width for s in out.swatches)]) + MARGIN
        out.height = max(y + box.height for _, y, box in out.boxes.values()) + MARGIN
        if out.width > right + MARGIN and self.vertical:  # a wide legend: the tree in the middle
            self._shift(out, (out.width - right - MARGIN) / 2)
        return out

    # --- nodes ----------------------------------------------------------------------------------------------------

    def _branch_lines(self, node: int, max_categories: int) -> list[str]:
        branch = self.facts.branch(node)
        return [] if branch is None else branch_words(*branch, max_categories)

    def _label_size(self, node: int) -> tuple[float, float]:
        lines = self.labels[node]
        width = max((self.measure(line, self.small, False) for line in lines), default=0.0)
        return width, len(lines) * LINE * self.small

    def _place(self, out: Arrangement, top: float) -> None:
        number = {node: i for i, node in enumerate(self.nodes)}
        children = [[number[child] for child in self.below[node]] for node in self.nodes]
        levels: dict[int, list[int]] = {}
        for node in self.nodes:
            levels.setdefault(self.facts.depths[node], []).append(node)
        if self.vertical:
            widths = [max(self.boxes[n].width, self._label_size(n)[0] + 6.0) for n in self.nodes]
            across = tidy(children, widths, 10.0, 6.0) + MARGIN
            y = top
            for depth in range(len(levels)):
                if depth > 0:
                    y += 30.0 + max(self._label_size(n)[1] for n in levels[depth])
                for n in levels[depth]:
                    box = self.boxes[n]
                    out.boxes[n] = (float(across[number[n]]) - box.width / 2, y, box)
                y += max(self.boxes[n].height for n in levels[depth])
            return
        heights = [max(self.boxes[n].height, self._label_size(n)[1]) for n in self.nodes]
        across = tidy(children, heights, 4.0, 4.0) + top
        x = MARGIN
        for depth in range(len(levels)):
            if depth > 0:
                x += 34.0 + max(self._label_size(n)[0] for n in levels[depth])
            for n in levels[depth]:
                box = self.boxes[n]
                out.boxes[n] = (x, float(across[number[n]]) - box.height / 2, box)
            x += max(self.boxes[n].width for n in levels[depth])

    # --- edges ----------------------------------------------------------------------------------------------------

    def _edges(self, out: Arrangement) -> None:
        total = float(self.tree.weight[0])
        for node in self.nodes:
            below = self.below[node]
            if not below:
                continue
            left, top, box = out.boxes[node]
            weights = [max(float(self.tree.weight[child]), 0.0) for child in below]
            thick = [max(THIN, THICK * weight / total if total > 0 else THIN) for weight in weights]
            at = (left + box.width / 2 if self.vertical else top + box.height / 2) - sum(thick) / 2
            for child, thickness in zip(below, thick, strict=True):
                at += thickness / 2
                out.edges.append(self._edge(out, node, child, at, thickness))
                at += thickness / 2

    def _edge(self, out: Arrangement, node: int, child: int, at: float, thickness: float) -> Edge:
        left, top, box = out.boxes[node]
        x, y, own = out.boxes[child]
        width, height = self._label_size(child)
        lines = tuple(self.labels[child])
        if self.vertical:
            middle = x + own.width / 2
            label = Label(middle, y - 4.0 - height, lines, self.small, True)
            return Edge((at, top + box.height), (middle, y), thickness, label)
        middle = y + own.height / 2
        label = Label(x - 6.0 - width, middle - height / 2, lines, self.small, False)
        return Edge((left + box.width, at), (x, middle), thickness, label)

    # --- legend ---------------------------------------------------------------------------------------------------

    def _legend(self, out: Arrangement, top: float) -> float:
        """Adds the legend from `top` on; returns where the tree begins."""
        side, x = self.small, MARGIN
        baseline = top + 0.86 * side
        if not self.tree.classifier:
            low, high = (f"{value:.{self.maker.decimals}f}" for value in (self.maker.low, self.maker.high))
            out.words.append(Words(x, baseline, low, self.small))
            x += self.measure(low, self.small, False) + 5.0
            steps = 40
            for i in range(steps):
                out.swatches.append(Swatch(x + 2.0 * i, top, 2.0, side, value_color(i / (steps - 1))))
            out.words.append(Words(x + 2.0 * steps + 5.0, baseline, high, self.small))
            return top + side + 16.0
        entries = [
            (shortened(label), color)
            for label, color in zip(self.facts.classes, self.maker.colors, strict=True)
            if color != OTHER
        ]
        if len(entries) < len(self.facts.classes):
            entries.append((f"{len(self.facts.classes) - len(entries)} other classes", OTHER))
        room = max(360.0, math.sqrt(len(self.nodes)) * 120.0)
        for text, color in entries:
            width = side + 4.0 + self.measure(text, self.small, False)
            if x > MARGIN and x + width > MARGIN + room:
                x, top = MARGIN, top + 1.6 * side
            out.swatches.append(Swatch(x, top, side, side, color))
            out.words.append(Words(x + side + 4.0, top + 0.86 * side, text, self.small, color=INK))
            x += width + 14.0
        return top + side + 16.0

    def _shift(self, out: Arrangement, by: float) -> None:
        out.boxes = {node: (x + by, y, box) for node, (x, y, box) in out.boxes.items()}
        out.edges.clear()
        self._edges(out)
