# SPDX-License-Identifier: Apache-2.0
"""The picture of a `Report`: scores, calibration, costs."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tree.palette import INK, LINE, MUTED

if TYPE_CHECKING:
    from .report import Report

__all__ = ["draw_report"]

COLORS = {"alone": "#e69f00", "distilled": "#0072b2", "teacher": "#009e73"}
TITLES = {"alone": "student alone", "distilled": "student distilled", "teacher": "teacher"}
LEAST_SHARE = 0.01  # of the rows, for a point of the calibration
COSTS = {"leaves": "leaves", "bytes": "bytes", "microseconds": "µs a row"}


def draw_report(report: Report, path: str | os.PathLike[str] | None) -> Any:
    """Draw, and write where a path is given."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("Report.draw needs matplotlib: pip install 'pygbt[plot]'") from None
    shown = [name for name in ("log_loss", "accuracy", "rmse", "r2", "kl") if _held(report, name)][:2]
    panels = len(shown) + bool(report.reliability) + bool(_costs(report))
    figure = Figure(figsize=(3.4 * panels + 0.6, 3.9), layout="constrained", facecolor="white")
    axes = list(np.ravel(figure.subplots(1, panels)))
    for name in shown:
        _scores(axes.pop(0), report, name)
    if report.reliability:
        _calibration(axes.pop(0), report)
    if _costs(report):
        _cost_bars(axes.pop(0), report)
    handles = [_patch(COLORS[m], TITLES[m]) for m in TITLES if m in report.measures]
    figure.legend(handles=handles, loc="outside upper left", ncols=3, frameon=False, fontsize=9)
    figure.supxlabel(
        f"T = {report.T:g}, alpha = {report.alpha:g} (weight of the soft part); {report.rows}", fontsize=8, color=MUTED
    )
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure


def _patch(color: str, label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=color, label=label)


def _held(report: Report, name: str) -> list[str]:
    return [m for m in TITLES if name in report.measures.get(m, {})]


def _plain(ax: Any, title: str) -> None:
    ax.set_title(title, fontsize=10, color=INK, loc="left")
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(LINE)
    ax.tick_params(colors=MUTED, labelsize=8)


def _scores(ax: Any, report: Report, name: str) -> None:
    """A point a model on a scale that begins where the differences are."""
    from .report import ROWS

    models = _held(report, name)
    values = [report.measures[m][name] for m in models]
    title, form = ROWS[name]
    share = report.gap_closed.get(name, math.nan)
    closed = f"\n{share:.0%} of the gap closed" if math.isfinite(share) else ""
    _plain(ax, title + closed)
    low, high = min(values), max(values)
    span = (high - low) or max(abs(high), 1e-12) * 0.1
    ax.set_xlim(low - 0.25 * span, high + 0.25 * span)
    ax.set_ylim(-0.6, len(models) - 0.4)
    ax.set_yticks([])
    for place, (model, value) in enumerate(zip(reversed(models), reversed(values), strict=True)):
        ax.axhline(place, color=LINE, linewidth=1, linestyle=(0, (1, 2)), zorder=0)
        ax.plot(value, place, "o", color=COLORS[model], markersize=9)
        side = "right" if value > (low + high) / 2 else "left"
        ax.text(value, place + 0.17, form.format(value), ha=side, va="bottom", fontsize=8.5, color=INK)
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(_few_ticks())


def _few_ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4)


def _calibration(ax: Any, report: Report) -> None:
    """Accuracy against confidence; the diagonal is a calibrated model. Points grow with the share of rows."""
    _plain(ax, "calibration of the top class")
    ax.plot([0, 1], [0, 1], color=LINE, linewidth=1, zorder=0)
    least = 1.0
    for model in TITLES:
        if model in report.reliability:
            r = report.reliability[model]
            many = r.share >= LEAST_SHARE
            confidence, accuracy = r.confidence[many], r.accuracy[many]
            ax.plot(confidence, accuracy, color=COLORS[model], linewidth=1)
            ax.scatter(confidence, accuracy, s=4 + 60 * np.sqrt(r.share[many]), color=COLORS[model])
            least = min(least, float(confidence.min()), float(accuracy.min()))
    ax.set_xlim(max(0.0, least - 0.05), 1.02)
    ax.set_ylim(max(0.0, least - 0.05), 1.02)
    ax.set_xlabel("confidence", fontsize=8, color=MUTED)
    ax.set_ylabel("accuracy", fontsize=8, color=MUTED)


def _costs(report: Report) -> list[str]:
    return [name for name in COSTS if len(_held(report, name)) >= 1 and "distilled" in _held(report, name)]


def _cost_bars(ax: Any, report: Report) -> None:
    """Costs on a logarithmic scale, the teacher's and the distilled student's."""
    _plain(ax, "cost (log scale)")
    names = _costs(report)
    labels = []
    for place, name in enumerate(reversed(names)):
        for offset, model in ((0.18, "distilled"), (-0.18, "teacher")):
            value = report.measures.get(model, {}).get(name)
            if value is None or value <= 0:
                continue
            ax.barh(place + offset, value, height=0.32, color=COLORS[model])
            ax.text(value, place + offset, f" {_short(value)}", va="center", ha="left", fontsize=8, color=INK)
        labels.append(COSTS[name])
    ax.set_yticks(range(len(names)), labels)
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    ax.set_xlim(low / 2, high * 8)


def _short(value: float) -> str:
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.3g} {name}"
    return f"{value:.3g}"
