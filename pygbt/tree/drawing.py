# SPDX-License-Identifier: Apache-2.0
"""Trees drawn with matplotlib: boxes, tidy levels, edges as thick as the cases that pass them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from .arrangement import Arrangement, Look, arrange
from .node_facts import NodeFacts
from .painter import Painter, font_families, measurer
from .questions import tree_of

__all__ = ["draw", "to_svg"]

Orientation = Literal["auto", "down", "right"]


def draw(
    tree: Any,
    ax: Any = None,
    *,
    max_depth: int | None = None,
    orientation: Orientation = "auto",
    decimals: int = 2,
    max_categories: int = 6,
    missing: bool = False,
    legend: bool = True,
    title: str | None = None,
    font: str | Sequence[str] | None = None,
    font_size: float = 9.0,
) -> Any:
    """Draw a tree.

    Inner nodes name the feature they ask for, edges carry the answers and are as thick as the share of the cases that
    pass. Bars show the shares of the classes, or where a mean (of several targets: the first) stands between the least
    and the largest. Leaves are filled with the colour of their class or mean. Colours are told apart with any colour
    vision (of more than ten classes the nine largest have one each, the others share a grey).

    Parameters
    ----------
    tree : fitted estimator or DecisionTree
    ax : matplotlib Axes, optional
        Where to draw; the tree is scaled to fit. Without it a figure is made that is as large as the tree needs.
    max_depth : int, optional
        Levels that are shown; nodes whose sub-trees are left out are dashed and count the leaves below.
    orientation : {"auto", "down", "right"}
        Where the tree grows; ``"auto"`` turns wide trees to the right.
    decimals : int
        Of means.
    max_categories : int
        Categories that an edge lists; further ones are counted.
    missing : bool
        Mark the branch that rows take which no question decides.
    legend : bool
        Show what the colours mean.
    title : str, optional
    font : str or sequence of str, optional
        Family, or families of which the first that has a character draws it; matplotlib's setting unless given.
        Chinese, Japanese and Korean text is drawn by an installed font that has it, such as Noto Sans CJK. If hollow
        boxes appear in place of characters (matplotlib then warns of missing glyphs), none is installed: install one,
        say the package ``fonts-noto-cjk``, or add a font file by ``matplotlib.font_manager.fontManager.addfont(path)``
        and name its family here.
    font_size : float
        In points, where a figure is made.

    Returns
    -------
    matplotlib Axes
    """
    look = Look(max_depth, orientation, decimals, max_categories, missing, legend, title, font, font_size)
    arrangement, families = _arranged(tree, look)
    if ax is None:
        from matplotlib import pyplot

        ax = _whole_axes(pyplot.figure(figsize=_inches(arrangement)))
    Painter(ax, arrangement, families).paint()
    return ax


def to_svg(
    tree: Any,
    path: str | Path | None = None,
    *,
    max_depth: int | None = None,
    orientation: Orientation = "auto",
    decimals: int = 2,
    max_categories: int = 6,
    missing: bool = False,
    legend: bool = True,
    title: str | None = None,
    font: str | Sequence[str] | None = None,
    font_size: float = 9.0,
) -> str:
    """Draw a tree as SVG; needs no display. The same tree gives the same text.

    Parameters
    ----------
    tree : fitted estimator or DecisionTree
    path : str or Path, optional
        File to write it to, too.
    max_depth, orientation, decimals, max_categories, missing, legend, title, font, font_size
        As in `draw`.

    Returns
    -------
    str
        The SVG document.
    """
    look = Look(max_depth, orientation, decimals, max_categories, missing, legend, title, font, font_size)
    arrangement, families = _arranged(tree, look)
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=_inches(arrangement))
    FigureCanvasSVG(figure)
    Painter(_whole_axes(figure), arrangement, families).paint()
    out = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "pygbt", "svg.fonttype": "path"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    if path is not None:
        Path(path).write_text(text, encoding="utf-8")
    return text


def _arranged(tree: Any, look: Look) -> tuple[Arrangement, list[str]]:
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError("drawing a tree needs matplotlib: pip install 'pygbt[plot]'") from error
    facts = NodeFacts(tree_of(tree))
    families = font_families(look.font, facts, look.title)
    return arrange(facts, measurer(families), look), families


def _inches(arrangement: Arrangement) -> tuple[float, float]:
    return arrangement.width / 72, arrangement.height / 72


def _whole_axes(figure: Any) -> Any:
    return figure.add_axes((0.0, 0.0, 1.0, 1.0))
