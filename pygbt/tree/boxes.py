# SPDX-License-Identifier: Apache-2.0
"""What a drawn node shows and how large it is: pieces placed in a box. Lengths are points, y grows downwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .conditions import number_text
from .node_facts import NodeFacts, counted, weight_text
from .palette import INK, MUTED, class_colors, luminance, mixed, text_color, value_color
from .questions import Question

__all__ = ["Bar", "Box", "BoxMaker", "Words", "branch_words"]

Measure = Callable[[str, float, bool], float]  # text, size, bold -> width

LONGEST = 30  # characters of a name before it is shortened
LONGEST_NUMBER = 9  # characters of a threshold before it is written with six digits
WRAP = 22  # characters of a line of a branch's label
MINUS = "\u2212"
PAD = 7.0
BAR = 6.0


@dataclass(frozen=True)
class Words:
    """Text from x on, on a baseline."""

    x: float
    baseline: float
    text: str
    size: float
    bold: bool = False
    color: str = INK


@dataclass(frozen=True)
class Bar:
    """Coloured parts side by side; or, with `mark`, a track on which a value has its place from 0 to 1; or an empty
    track.
    """

    x: float
    y: float
    width: float
    height: float
    parts: tuple[tuple[float, str], ...] = ()
    mark: float | None = None
    track: str = "#d5dbe1"
    ink: str = MUTED


@dataclass(frozen=True)
class Box:
    """A node: size, colours and contents."""

    width: float
    height: float
    fill: str
    border: str
    dashed: bool
    pieces: tuple[Words | Bar, ...]


def shortened(text: Any, most: int = LONGEST) -> str:
    """One line of at most so many characters; of a longer text the beginning and the end."""
    line = " ".join(str(text).split())
    if len(line) <= most:
        return line
    end = most // 3
    return f"{line[: most - 1 - end].rstrip()}…{line[-end:].lstrip()}"


def branch_words(asked: Question, child: int, max_categories: int) -> list[str]:
    """The answer that leads to a child, as short lines: ``< 2.45``, ``red``, ``red, blue``, ``missing``."""
    if asked.cut is not None:
        if asked.cut.parts_missing:
            return [asked.branch_text(child).removeprefix("= ")]
        sign, number = asked.branch_text(child).split(" ", 1)
        short = number if len(number) <= LONGEST_NUMBER else number_text(asked.cut.shown)
        return [f"{sign.replace('<=', '≤').replace('>=', '≥')} {short.replace('-', MINUS)}"]
    values = [shortened(value, WRAP) for _, value in asked.branch_categories(child)]
    if len(values) > max_categories:
        values = [*values[: max_categories - 1], f"… {len(values) - max_categories + 1} more"]
    lines = [""]
    for i, value in enumerate(values):
        word = value if i == len(values) - 1 else value + ","
        if lines[-1] and len(lines[-1]) + 1 + len(word) > WRAP:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines if values else ["no category"]


class BoxMaker:
    """Makes the boxes of one tree.

    Parameters
    ----------
    facts : NodeFacts
    measure : callable
        Width of a text.
    size : float
        Of the text.
    decimals : int
        Of means.
    flat : bool
        Leaves are a single line, for trees that grow to the right.
    """

    def __init__(self, facts: NodeFacts, measure: Measure, size: float, decimals: int, flat: bool) -> None:
        self.facts, self.tree = facts, facts.tree
        self.measure, self.size, self.decimals, self.flat = measure, size, decimals, flat
        if self.tree.classifier:
            self.colors = class_colors(self.tree.value[0].tolist())
        else:
            means = self.tree.value[:, 0]
            self.low, self.high = float(means.min()), float(means.max())

    def place_of(self, node: int) -> float:
        """Where the mean of a node stands between the least and the largest of the tree, from 0 to 1."""
        span = self.high - self.low
        return (float(self.tree.value[node, 0]) - self.low) / span if span > 0 else 0.5

    def make(self, node: int, cut_off: bool) -> Box:
        """The box of a node; `cut_off`: its children are not shown."""
        ends = not self.tree.children(node)
        asked = self.facts.asked(node)
        title = shortened(self._answer(node) if ends or asked is None else asked.name)
        notes = [self._cases(node, ends)]
        if cut_off:
            notes.append(f"… {counted(self.facts.leaves_below[node], 'leaf')} below")
        fill, border = self._colors(node, ends)
        if ends and self.flat:
            return self._line(node, title, notes[0], fill, border)
        return self._stack(node, title, notes, fill, border, cut_off)

    def _stack(self, node: int, title: str, notes: list[str], fill: str, border: str, cut_off: bool) -> Box:
        size, small = self.size, self.size * 0.89
        ink = text_color(fill)
        soft = _soft(fill)
        inner = max(self.measure(title, size, True), *(self.measure(note, small, False) for note in notes), 48.0)
        y = PAD + 0.76 * size
        pieces: list[Words | Bar] = [Words(PAD, y, title, size, True, ink)]
        y += 0.24 * size + 4.0
        pieces.append(self._bar(node, PAD, y, inner, fill))
        y += BAR + 3.0
        for note in notes:
            y += 0.8 * small
            pieces.append(Words(PAD, y, note, small, False, soft))
            y += 0.42 * small
        return Box(inner + 2 * PAD, y + PAD - 0.2 * small, fill, border, cut_off, tuple(pieces))

    def _line(self, node: int, title: str, note: str, fill: str, border: str) -> Box:
        size, small, bar = self.size, self.size * 0.89, 34.0
        ink = text_color(fill)
        height = 1.9 * size
        baseline = height / 2 + 0.36 * size
        x = 5.0 + bar + 6.0
        pieces: list[Words | Bar] = [
            self._bar(node, 5.0, (height - BAR) / 2, bar, fill),
            Words(x, baseline, title, size, True, ink),
        ]
        x += self.measure(title, size, True) + 9.0
        pieces.append(Words(x, baseline, note, small, False, _soft(fill)))
        return Box(x + self.measure(note, small, False) + 6.0, height, fill, border, False, tuple(pieces))

    def _cases(self, node: int, ends: bool) -> str:
        count, weight = int(self.tree.count[node]), float(self.tree.weight[node])
        text = f"n = {count}" if weight == count else f"n = {count} · w = {weight_text(weight)}"
        if self.tree.classifier:
            if not weight > 0:
                return text
            share = float(self.facts.shares[node, self.tree.label[node]])
            return f"{text} · {_percent(share)}" if ends else text
        return text if ends else f"{text} · {self._answer(node)}"

    def _answer(self, node: int) -> str:
        text = self.facts.prediction_text(node, self.decimals)
        return text if self.tree.classifier else text.replace("-", MINUS)

    def _colors(self, node: int, ends: bool) -> tuple[str, str]:
        if self.tree.classifier:
            color = self.colors[self.tree.label[node]]
            strength = 0.16 if self.tree.weight[node] > 0 else 0.0
            return (mixed(color, "#ffffff", strength), color) if ends else ("#ffffff", "#8a949e")
        color = value_color(self.place_of(node))
        return (color, mixed("#000000", color, 0.25)) if ends else ("#ffffff", "#8a949e")

    def _bar(self, node: int, x: float, y: float, width: float, fill: str) -> Bar:
        if not self.tree.classifier:
            track, ink = mixed(text_color(fill), fill, 0.25), _soft(fill)
            return Bar(x, y, width, BAR, mark=self.place_of(node), track=track, ink=ink)
        if not self.tree.weight[node] > 0:
            return Bar(x, y, width, BAR)
        shares: dict[str, float] = {}
        parts = []
        for share, color in zip(self.facts.shares[node].tolist(), self.colors, strict=True):
            if self.tree.n_values > len(set(self.colors)):  # classes that share a colour are one part
                shares[color] = shares.get(color, 0.0) + share
            else:
                parts.append((share, color))
        return Bar(x, y, width, BAR, tuple(parts or [(share, color) for color, share in shares.items()]))


def _soft(fill: str) -> str:
    """Colour of secondary text on a ground: muted where the ground is light enough."""
    return MUTED if luminance(fill) > 0.7 else text_color(fill)


def _percent(share: float) -> str:
    """A share in percent that is 0 or 100 only if nothing else is there."""
    if 0.0 < share < 0.005:
        return "< 1 %"
    if 0.995 <= share < 1.0:
        return "> 99 %"
    return f"{100 * share:.0f} %"
