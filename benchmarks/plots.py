# SPDX-License-Identifier: Apache-2.0
"""The pictures of docs/benchmarks.md: a bar a shape, and time against rows, features and threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bars
import matplotlib
from training import median

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

#: Colours that differ in brightness, too; pygbt's is the only warm one.
COLOURS = {
    "pygbt": "#c1272d",
    "xgboost": "#1b4f72",
    "lightgbm": "#2e8b57",
    "lightgbm_quantised": "#8fcf9f",
    "catboost": "#7d6b9e",
    "hessboost": "#5dade2",
    "sklearn": "#9a9a9a",
}
MARKS = {"pygbt": "o", "xgboost": "s", "lightgbm": "^", "lightgbm_quantised": "v", "catboost": "D", "hessboost": "P"}
AXES = {
    "rows": "training rows (28 features)",
    "features": "features (20,000 rows)",
    "threads": "threads (200,000 x 28)",
}


def draw_all(results: dict[str, Any], folder: Path, names: dict[str, str]) -> None:
    """Write bars.png and a picture for every measured axis into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    draw_bars(results, folder / "bars.png", names)
    for axis, row in results.get("curves", {}).items():
        draw_curve(axis, row["points"], folder / f"{axis}.png", names)


def draw_bars(results: dict[str, Any], path: Path, names: dict[str, str]) -> None:
    """A bar a row of the table: the measured ratio, and a tick where it must reach."""
    verdicts = [v for bar in bars.BARS if (v := bars.judge(bar, results)) is not None]
    if not verdicts:
        return
    figure, axis = plt.subplots(figsize=(10, 0.36 * len(verdicts) + 1.3), constrained_layout=True)
    for at, v in enumerate(verdicts):
        axis.barh(at, v.ratio, height=0.62, color="#2e8b57" if v.met else "#c1272d", alpha=0.85)
        if v.runs > 1:
            axis.plot([v.least, v.most], [at, at], color="black", linewidth=1.1)
        axis.plot([v.bar.ratio] * 2, [at - 0.4, at + 0.4], color="black", linewidth=2.2)
        text = f"{v.ratio:.2f} of {v.bar.ratio:g}"
        axis.text(max(v.most, v.bar.ratio) * 1.06, at, text, va="center", fontsize=9)
    axis.set_yticks(range(len(verdicts)), [_bar_label(v, names) for v in verdicts], fontsize=9)
    axis.margins(y=0.01)
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.axvline(1, color="#7a7a7a", linewidth=0.8, linestyle=":")
    most = max(max(v.most, v.bar.ratio) for v in verdicts)
    axis.set_xlim(min(0.5, 0.8 * min(v.least for v in verdicts)), most * 2.2)
    ticks = [t for t in (0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 50, 100) if axis.get_xlim()[0] <= t <= axis.get_xlim()[1]]
    axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlabel("time of the peer / time of pygbt (thick tick: the bar; thin line: least to most of the runs)")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _bar_label(v: bars.Verdict, names: dict[str, str]) -> str:
    shape = {"train_s": "training alone", "memory_mib": "memory", "row_s": "one row"}.get(v.bar.time)
    row = v.bar.row if v.bar.row[0] != "A" else v.bar.letter
    if v.bar.letter == "M":
        return "M  second thread"
    return f"{row}  {shape + ', ' if shape else ''}{names[v.peer]}"


def draw_curve(axis_name: str, points: list[dict[str, Any]], path: Path, names: dict[str, str]) -> None:
    """Array to model in seconds along one axis, a line an engine."""
    figure, axis = plt.subplots(figsize=(7.5, 4.6), constrained_layout=True)
    engines = list(dict.fromkeys(name for point in points for name in point["engines"]))
    for name in engines:
        line = [(p[axis_name], t) for p in points if (t := median(p["engines"].get(name, {}), "total_s")) is not None]
        thick = 2.6 if name == "pygbt" else 1.5
        axis.plot(
            *zip(*line, strict=True),
            color=COLOURS[name],
            marker=MARKS.get(name, "x"),
            markersize=6,
            linewidth=thick,
            label=names[name],
            zorder=3 if name == "pygbt" else 2,
        )
    axis.set_xscale("log", base=2 if axis_name == "threads" else 10)
    axis.set_yscale("log")
    values = [point[axis_name] for point in points]
    axis.set_xticks(values, [f"{value:,}" for value in values])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel(AXES[axis_name])
    axis.set_ylabel("seconds, array to model")
    axis.grid(alpha=0.3, which="both")
    axis.legend(fontsize=9, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)
