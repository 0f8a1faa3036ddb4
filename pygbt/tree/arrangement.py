# SPDX-License-Identifier: Apache-2.0
"""Where everything of a drawn tree stands: boxes, labels, edges, legend. Lengths are points, y grows downwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from .boxes import MINUS, Box, BoxMaker, Measure, Words, branch_words, shortened
from .layout import tidy
from .node_facts import NodeFacts, check_categories, check_decimals, check_levels
from .palette import INK, OTHER, value_color

__all__ = ["Arrangement", "Edge", "Label", "Look", "Swatch", "arrange"]

MARGIN = 12.0
WIDEST = 1080.0  # a tree wider than this, and than it is high, is turned to the right
THICK = 15.0  # of the edges below the root together
THIN = 0.8
BEND = 28.0  # of an edge along the growth of the tree, up to twice that where it leads far aside
LINE = 1.4  # of a line of text, in sizes


@dataclass(frozen=True)
class Look:
    """How a drawing is wanted; the arguments of `draw`."""

    max_depth: int | None
    orientation: str
    decimals: int
    max_categories: int
    missing: bool
    legend: bool
    title: str | None
    font: str | Sequence[str] | None
    font_size: float

    def __post_init__(self) -> None:
        if self.orientation not in ("auto", "down", "right"):
            raise ValueError(f'orientation must be "auto", "down" or "right", got {self.orientation!r}')
        check_levels(self.max_depth)
        check_decimals(self.decimals)
        check_categories(self.max_categories)
        if self.title is not None and not isinstance(self.title, str):
            raise ValueError(f"title must be text, got {self.title!r}")
        if not isinstance(self.font_size, int | float) or not 0 < self.font_size < math.inf:
            raise ValueError(f"font_size must be a positive number, got {self.font_size!r}")


@dataclass(frozen=True)
class Label:
    """Lines of text from y on, centred at x or starting there."""

    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]
    size: float
    centred: bool


@dataclass(frozen=True)
class Edge:
    """From a parent to a child: straight up to `run`, bent up to `stop`, straight on, along the growth of the tree."""

    start: tuple[float, float]
    end: tuple[float, float]
    run: float
    stop: float
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
    edges: dict[int, Edge] = field(default_factory=dict)  # child: edge
    swatches: list[Swatch] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)  # title and legend


def arrange(facts: NodeFacts, measure: Measure, look: Look) -> Arrangement:
    """Arrange a tree, downwards or to the right."""
    arrangement = None
    for vertical in (True, False):
        if look.orientation == ("right" if vertical else "down"):
            continue
        arrangement = _Planner(facts, measure, look, vertical).arrange()
        if look.orientation == "down" or (vertical and arrangement.width <= max(WIDEST, 1.2 * arrangement.height)):
            break
    assert arrangement is not None
    return arrangement


class _Planner:
    def __init__(self, facts: NodeFacts, measure: Measure, look: Look, vertical: bool) -> None:
        self.facts, self.tree = facts, facts.tree
        self.measure, self.look, self.size = measure, look, look.font_size
        self.small = self.size * 0.89
        self.vertical = vertical
        self.maker = BoxMaker(facts, measure, self.size, look.decimals, flat=not vertical)
        most = self.tree.depth if look.max_depth is None else look.max_depth
        depths = facts.depths
        self.nodes = [node for node in range(self.tree.n_nodes) if depths[node] <= most]
        self.below = {n: [] if depths[n] == most else list(self.tree.children(n)) for n in self.nodes}
        self.boxes = {n: self.maker.make(n, bool(self.tree.children(n)) and not self.below[n]) for n in self.nodes}
        self.labels = {n: self._branch_lines(n) for n in self.nodes}
        self.ends: dict[int, float] = {}  # where a level ends along the growth of the tree
        self.stops: dict[int, float] = {}  # where the labels before a level begin

    def arrange(self) -> Arrangement:
        out = Arrangement(self.size, self.vertical)
        top = MARGIN
        if self.look.title:
            out.words.append(Words(MARGIN, top + self.size, self.look.title, self.size * 1.25, True))
            top += 1.25 * self.size * LINE + 6.0
        if self.look.legend:
            top = self._legend(out, top)
        self._place(out, top)
        self._edges(out)
        right = self._right(out)
        texts = [words.x + self.measure(words.text, words.size, words.bold) for words in out.words]
        out.width = max([right, *texts, *(s.x + s.width for s in out.swatches)]) + MARGIN
        bottoms = [y + box.height for _, y, box in out.boxes.values()]
        out.height = (
            max(bottoms + [e.label.y + LINE * self.small * len(e.label.lines) for e in out.edges.values()]) + MARGIN
        )
        if out.width > right + MARGIN and self.vertical:  # a wide legend: the tree in the middle
            self._shift(out, (out.width - right - MARGIN) / 2)
        return out

    def _right(self, out: Arrangement) -> float:
        """Where the boxes and the labels of edges end."""
        rights = [left + box.width for left, _, box in out.boxes.values()]
        if self.vertical:
            rights += [edge.label.x + edge.label.width / 2 for edge in out.edges.values()]
        return max(rights)

    # --- nodes ----------------------------------------------------------------------------------------------------

    def _branch_lines(self, node: int) -> list[str]:
        branch = self.facts.branch(node)
        if branch is None:
            return []
        lines = branch_words(*branch, self.look.max_categories)
        takes_missing = self.facts.missing(self.facts.parents[node]) == node
        return [*lines, "or missing"] if self.look.missing and takes_missing and lines != ["missing"] else lines

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
        labels = [self._label_size(n) for n in self.nodes]
        along = 1 if self.vertical else 0  # which extent points in the direction of growth
        boxes = [(self.boxes[n].width, self.boxes[n].height) for n in self.nodes]
        if self.vertical:
            sizes = [max(box[0], label[0] + 8.0) for box, label in zip(boxes, labels, strict=True)]
            across, reach = tidy(children, sizes, 10.0, 6.0) + MARGIN, top
        else:
            sizes = [max(box[1], label[1]) for box, label in zip(boxes, labels, strict=True)]
            across, reach = tidy(children, sizes, 5.0, 4.0) + top, MARGIN
        for depth in range(len(levels)):
            at = [number[node] for node in levels[depth]]
            if depth > 0:
                steps = [abs(across[i] - across[number[self.facts.parents[self.nodes[i]]]]) for i in at]
                bend = min(max(BEND, 0.2 * float(max(steps))), 2.0 * BEND)
                self.stops[depth] = reach + bend
                reach += bend + max(labels[i][along] for i in at) + (4.0 if self.vertical else 8.0)
            for i in at:
                node, middle = self.nodes[i], float(across[i])
                box = self.boxes[node]
                corner = (middle - box.width / 2, reach) if self.vertical else (reach, middle - box.height / 2)
                out.boxes[node] = (*corner, box)
            reach += max(boxes[i][along] for i in at)
            self.ends[depth] = reach

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
                out.edges[child] = self._edge(out, node, child, at, thickness)
                at += thickness / 2

    def _edge(self, out: Arrangement, node: int, child: int, at: float, thickness: float) -> Edge:
        left, top, box = out.boxes[node]
        x, y, own = out.boxes[child]
        width, height = self._label_size(child)
        lines = tuple(self.labels[child])
        run, stop = self.ends[self.facts.depths[node]], self.stops[self.facts.depths[child]]
        if self.vertical:
            middle = x + own.width / 2
            label = Label(middle, y - 3.0 - height, width, height, lines, self.small, True)
            return Edge((at, top + box.height), (middle, y), run, stop, thickness, label)
        middle = y + own.height / 2
        label = Label(x - 5.0 - width, middle - height / 2, width, height, lines, self.small, False)
        return Edge((left + box.width, at), (x, middle), run, stop, thickness, label)

    # --- legend ---------------------------------------------------------------------------------------------------

    def _legend(self, out: Arrangement, top: float) -> float:
        """Adds the legend from `top` on; returns where the tree begins."""
        side, x = self.small, MARGIN
        baseline = top + 0.86 * side
        if not self.tree.classifier:
            low, high = (
                f"{value:.{self.maker.decimals}f}".replace("-", MINUS) for value in (self.maker.low, self.maker.high)
            )
            low = f"mean  {low}"
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
            if color != OTHER or self.maker.colors.count(OTHER) == 1
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
