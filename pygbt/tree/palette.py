# SPDX-License-Identifier: Apache-2.0
"""Colours of classes and of values, told apart with any colour vision; as ``#rrggbb``."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["INK", "LINE", "MUTED", "OTHER", "class_colors", "luminance", "mixed", "text_color", "value_color"]

INK = "#1f2933"  # text
MUTED = "#515d68"  # secondary text
LINE = "#c3ccd5"  # edges
OTHER = "#9aa5b1"  # classes beyond the palette

# Okabe and Ito's set without black and yellow (too light for a bar on white), from strong contrast on.
_FEW = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
# Tol's muted set, ordered so that neighbours differ in lightness.
_MANY = ("#332288", "#ddcc77", "#117733", "#88ccee", "#882255", "#44aa99", "#cc6677", "#999933", "#aa4499")
_VALUES = ("#fdf3d8", "#b9dcc3", "#5fb0b7", "#2f7ba6", "#27447a")  # ascending, lightness falls evenly


def class_colors(weights: Sequence[float]) -> list[str]:
    """A colour for each class; beyond nine classes the heaviest have one each, the others share a grey."""
    palette = _FEW if len(weights) <= len(_FEW) else _MANY
    heaviest = sorted(range(len(weights)), key=lambda k: -weights[k])[: len(palette)]
    colors = [OTHER] * len(weights)
    for k, color in zip(sorted(heaviest), palette, strict=False):
        colors[k] = color
    return colors


def value_color(place: float) -> str:
    """The colour of a value by its place between the least, 0, and the largest, 1."""
    at = min(max(place, 0.0), 1.0) * (len(_VALUES) - 1)
    low = min(int(at), len(_VALUES) - 2)
    return mixed(_VALUES[low + 1], _VALUES[low], at - low)


def mixed(color: str, ground: str, share: float) -> str:
    """So much of a colour on a ground."""
    parts = [round(share * int(color[i : i + 2], 16) + (1 - share) * int(ground[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{part:02x}" for part in parts)


def luminance(color: str) -> float:
    """Relative luminance, from 0 of black to 1 of white (WCAG)."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def text_color(ground: str) -> str:
    """A colour for text on a ground, with a contrast of 4.5 or more (WCAG)."""
    light = luminance(ground)
    return INK if light > 0.35 else "#000000" if light > 0.18 else "#ffffff"
