# SPDX-License-Identifier: Apache-2.0
"""An arranged tree painted on matplotlib axes. Nothing here is imported before a drawing is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrangement import LINE as LINE_HEIGHT
from .arrangement import Arrangement, Edge
from .boxes import Bar, Box, Measure, Words
from .node_facts import NodeFacts
from .palette import INK, LINE

__all__ = ["Painter", "font_families", "measurer"]

HINTED = 1.04  # glyphs fitted to pixels may be so much wider than their outlines

# Families with Chinese, Japanese or Korean characters, as systems call them.
_WIDE_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN"),
    *("WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback", "Microsoft YaHei", "SimHei", "SimSun"),
    *("PingFang SC", "Hiragino Sans GB", "Heiti SC", "Heiti TC", "STHeiti", "Arial Unicode MS", "LXGW WenKai"),
    *("Noto Sans CJK KR", "Malgun Gothic", "Apple SD Gothic Neo", "Yu Gothic", "MS Gothic", "Meiryo", "IPAexGothic"),
)


def font_families(font: str | Sequence[str] | None, facts: NodeFacts, title: str | None) -> list[str]:
    """Families to draw with: those given or set, then installed ones with East Asian characters where such occur."""
    import matplotlib
    from matplotlib.font_manager import fontManager

    given = matplotlib.rcParams["font.family"] if font is None else font
    families = [given] if isinstance(given, str) else list(given)
    texts = [*facts.classes, *facts.tree.feature_names, title or ""]
    for values in facts.tree.schema.categories:
        texts += values or ()
    if any(ord(character) >= 0x2E80 for text in texts for character in str(text)):
        installed = {entry.name for entry in fontManager.ttflist}
        families += [name for name in _WIDE_FONTS if name in installed and name not in families]
    return families


def measurer(families: Sequence[str]) -> Measure:
    """Width of a text in points, by the fonts it will be drawn with."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    reader = TextToPath()
    known: dict[tuple[str, float, bool], float] = {}

    def measure(text: str, size: float, bold: bool) -> float:
        key = (text, size, bold)
        if key not in known:
            font = FontProperties(family=list(families), size=size, weight="bold" if bold else "normal")
            known[key] = HINTED * float(reader.get_text_width_height_descent(text, font, ismath=False)[0])
        return known[key]

    return measure


class Painter:
    """Paints an arrangement on axes, scaled to fit them.

    Parameters
    ----------
    ax : matplotlib Axes
    arrangement : Arrangement
    families : list of str
        Fonts.
    """

    def __init__(self, ax: Any, arrangement: Arrangement, families: list[str]) -> None:
        self.ax, self.arrangement, self.families = ax, arrangement, families
        extent = ax.get_window_extent()
        points = 72.0 / ax.figure.dpi
        width, height = extent.width * points, extent.height * points
        self.scale = min(width / arrangement.width, height / arrangement.height)
        extra_x = width / self.scale - arrangement.width
        extra_y = height / self.scale - arrangement.height
        ax.set_xlim(-extra_x / 2, arrangement.width + extra_x / 2)
        ax.set_ylim(arrangement.height + extra_y / 2, -extra_y / 2)
        ax.set_axis_off()

    def paint(self) -> None:
        """Edges first, then their labels, boxes, legend."""
        for edge in self.arrangement.edges.values():
            self._edge(edge)
        for edge in self.arrangement.edges.values():
            self._label(edge)
        for left, top, box in self.arrangement.boxes.values():
            self._box(left, top, box)
        for swatch in self.arrangement.swatches:
            self._rectangle(swatch.x, swatch.y, swatch.width, swatch.height, swatch.color, 4)
        for words in self.arrangement.words:
            self._words(words, 0.0, 0.0)

    def _edge(self, edge: Edge) -> None:
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        (x0, y0), (x1, y1) = edge.start, edge.end
        bend = (edge.stop - edge.run) * 0.55
        if self.arrangement.vertical:
            curve = [(x0, edge.run), (x0, edge.run + bend), (x1, edge.stop - bend), (x1, edge.stop)]
        else:
            curve = [(edge.run, y0), (edge.run + bend, y0), (edge.stop - bend, y1), (edge.stop, y1)]
        points = [(x0, y0), *curve, (x1, y1)]
        codes = [Path.MOVETO, Path.LINETO, Path.CURVE4, Path.CURVE4, Path.CURVE4, Path.LINETO]
        line = PathPatch(
            Path(points, codes),
            facecolor="none",
            edgecolor=LINE,
            linewidth=edge.thickness * self.scale,
            capstyle="butt",
            zorder=1,
        )
        self.ax.add_patch(line)

    def _label(self, edge: Edge) -> None:
        label = edge.label
        left = label.x - label.width / 2 if label.centred else label.x
        wide, high = label.width + 3.0, label.height
        if self.arrangement.vertical:  # over the whole thickness of the edge
            wide = max(wide, edge.thickness + 2.0)
        else:
            high = max(high, edge.thickness + 2.0)
        middle = (left + label.width / 2, label.y + label.height / 2)
        self._rectangle(middle[0] - wide / 2, middle[1] - high / 2, wide, high, "#ffffff", 2)
        for i, line in enumerate(label.lines):
            baseline = label.y + (i + 0.5) * LINE_HEIGHT * label.size + 0.36 * label.size
            self.ax.text(
                label.x,
                baseline,
                line,
                fontsize=label.size * self.scale,
                family=self.families,
                color=INK,
                ha="center" if label.centred else "left",
                va="baseline",
                parse_math=False,
                zorder=3,
            )

    def _box(self, left: float, top: float, box: Box) -> None:
        from matplotlib.patches import FancyBboxPatch

        frame = FancyBboxPatch(
            (left, top),
            box.width,
            box.height,
            boxstyle="round,pad=0,rounding_size=4",
            facecolor=box.fill,
            edgecolor=box.border,
            linewidth=1.0 * self.scale,
            linestyle=(0, (3, 2)) if box.dashed else "solid",
            zorder=4,
        )
        self.ax.add_patch(frame)
        for piece in box.pieces:
            if isinstance(piece, Words):
                self._words(piece, left, top)
            else:
                self._bar(piece, left, top)

    def _bar(self, bar: Bar, left: float, top: float) -> None:
        x, y = left + bar.x, top + bar.y
        if bar.mark is not None:
            self._rectangle(x, y + bar.height / 2 - 0.75, bar.width, 1.5, bar.track, 5)
            self._rectangle(x + bar.mark * (bar.width - 3.0), y, 3.0, bar.height, bar.ink, 6)
            return
        if not bar.parts:
            self._rectangle(x, y, bar.width, bar.height, bar.track, 5)
        for share, color in bar.parts:
            if share > 0:
                self._rectangle(x, y, share * bar.width, bar.height, color, 5)
            x += share * bar.width

    def _rectangle(self, x: float, y: float, width: float, height: float, color: str, zorder: int) -> None:
        from matplotlib.patches import Rectangle

        self.ax.add_patch(Rectangle((x, y), width, height, facecolor=color, edgecolor="none", zorder=zorder))

    def _words(self, words: Words, left: float, top: float) -> None:
        self.ax.text(
            left + words.x,
            top + words.baseline,
            words.text,
            fontsize=words.size * self.scale,
            family=self.families,
            weight="bold" if words.bold else "normal",
            color=words.color,
            ha="left",
            va="baseline",
            parse_math=False,
            zorder=7,
        )
