# SPDX-License-Identifier: Apache-2.0
"""A `TransferReport` drawn with matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..tree.palette import INK, LINE, MUTED

if TYPE_CHECKING:
    from .transfer import TransferReport

__all__ = ["draw"]

HELPS, HURTS, UNCLEAR, BAR = "#0072b2", "#d55e00", "#515d68", "#56b4e9"
#: Cells of a matrix are labelled with numbers up to so many tasks.
MOST_NUMBERS = 12


def draw(report: TransferReport, figure: Any = None) -> Any:
    """Four panels: difference and gain kept by task; correlation of gradients and cosine of gains between tasks."""
    n = len(report.tasks)
    if figure is None:
        from matplotlib import pyplot

        figure = pyplot.figure(figsize=(10.5, max(6.5, 1.0 + 0.42 * n)), layout="constrained")
    (left, right), (below, last) = figure.subplots(2, 2)
    _differences(left, report)
    _kept(right, report)
    last_matrix = report.correlation[-1] if len(report.correlation) else np.full((n, n), np.nan)
    when = f" after {report.rounds[-1]} rounds" if report.rounds else ""
    _matrix(below, last_matrix, report.tasks, f"Correlation of gradients{when}", figure)
    _matrix(last, report.cosine, report.tasks, "Cosine of gains by feature, own models", figure)
    return figure


def _differences(ax: Any, report: TransferReport) -> None:
    places = np.arange(len(report.tasks))
    for place, mean, low, high in zip(places, report.difference, report.low, report.high, strict=True):
        color = HELPS if high < 0 else HURTS if low > 0 else UNCLEAR
        if np.isfinite([low, high]).all():
            ax.plot([low, high], [place, place], color=color, linewidth=2, solid_capstyle="butt")
        ax.plot([mean], [place], "o", color=color, markersize=6)
    ax.axvline(0.0, color=INK, linewidth=0.8)
    _by_task(ax, report, f"Joint ({report.share}) less single, held out")
    ax.set_xlabel("relative score, 95 % interval; left of 0: sharing helps", color=MUTED, fontsize=8)
    ax.margins(x=0.08)


def _kept(ax: Any, report: TransferReport) -> None:
    kept = np.nan_to_num(report.kept, nan=0.0)
    colors = [HURTS if task in report.separate else BAR for task in report.tasks]
    ax.barh(np.arange(len(kept)), kept, color=colors, height=0.6)
    for place, share in enumerate(report.kept):
        text = f"{share:.2f}" if np.isfinite(share) else "shares nothing"
        ax.text((share if np.isfinite(share) else 0.0) + 0.015, place, text, va="center", fontsize=8, color=INK)
    ax.set_xlim(0.0, 1.12)
    _by_task(ax, report, "Gain kept on shared splits")
    label = "share of the task's own best gain" + ("; orange: better apart" if report.separate else "")
    ax.set_xlabel(label, color=MUTED, fontsize=8)


def _by_task(ax: Any, report: TransferReport, title: str) -> None:
    ax.set_yticks(np.arange(len(report.tasks)), report.tasks, fontsize=8)
    ax.set_ylim(len(report.tasks) - 0.4, -0.6)
    _finish(ax, title)
    ax.grid(axis="x", color=LINE, linewidth=0.5)
    ax.set_axisbelow(True)


def _matrix(ax: Any, values: Any, tasks: list[str], title: str, figure: Any) -> None:
    image = ax.imshow(np.ma.masked_invalid(values), vmin=-1.0, vmax=1.0, cmap="PuOr")
    ax.set_xticks(np.arange(len(tasks)), tasks, rotation=45, ha="right", fontsize=8)
    ax.set_yticks(np.arange(len(tasks)), tasks, fontsize=8)
    for i, row in enumerate(values if len(tasks) <= MOST_NUMBERS else []):
        for j, value in enumerate(row):
            if np.isfinite(value):
                ink = "white" if abs(value) > 0.6 else INK
                ax.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=7, color=ink)
    _finish(ax, title)
    figure.colorbar(image, ax=ax, shrink=0.85).ax.tick_params(labelsize=7)


def _finish(ax: Any, title: str) -> None:
    ax.set_title(title, fontsize=9, color=INK, loc="left")
    ax.tick_params(axis="x", labelsize=8, colors=MUTED)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(LINE)
