# SPDX-License-Identifier: Apache-2.0
"""Sections 1 and 2 of docs/results/distillation.md and their picture, from results/distillation.json. Measures nothing.

Other sections of the page, between lines ``<!-- name -->`` and ``<!-- /name -->``, stay as they are.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import distillation_sets
import machine

PAGE = Path(__file__).resolve().parents[1] / "docs" / "results" / "distillation.md"
PICTURE = "distillation.png"
TITLES = {
    "alone": "student alone",
    "distilled": "softmax distillation",
    "vector_leaf": "the same, vector leaves",
    "regressors": "(b) K squared-error regressors",
    "xgboost": "(c) XGBoost, custom objective",
    "teacher": "teacher",
}
TEACHERS = {"networks": "network ensemble", "booster": "booster"}


def spread(values: Sequence[float], form: str = "{:.2f}") -> str:
    """Mean and standard deviation over the seeds."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{form.format(statistics.mean(values))} ± {form.format(deviation)}"


def closed(alone: float, distilled: float, teacher: float) -> float:
    """Share of the gap closed, in per cent."""
    return 100 * (distilled - alone) / (teacher - alone)


def fashion_section(rows: list[dict[str, Any]], size: dict[str, Any]) -> list[str]:
    """The student beside both teachers."""
    lines = [
        "## 1. fashion_mnist",
        "",
        f"{len(rows)} seeds, each with its own {size['rows']:,} of the 60,000 training images for the student, "
        f"{size['unlabeled']:,} that have no labels and {size['teacher_rows']:,} for its teachers, so that it ends in "
        f"minutes on two cores; {size['test_rows']:,} test images; mean ± standard deviation over the seeds. Student: "
        f"{size['student_rounds']} trees of depth 4 (16 leaves) with vector leaves, learning rate 0.2, 64 bins a "
        "pixel, 30 % of the pixels a tree. "
        f"Teachers: {size['networks']} scikit-learn networks of 256 hidden units, probabilities averaged, and a "
        f"booster of {10 * size['rounds']:,} trees ({size['rounds']} rounds of 10). T and alpha are chosen on a "
        "held-out fifth of the student's images.",
        "",
    ]
    lines += ["| | accuracy % | log loss | gap closed, accuracy % | gap closed, log loss % | T (alpha) by seed |"]
    lines += ["|---|--:|--:|--:|--:|---|", _fashion_line("student alone", [r["alone"] for r in rows], "", "", "")]
    for name, title in TEACHERS.items():
        part = [r["teachers"][name] for r in rows]
        chosen = ", ".join(f"{p['T']:g} ({p['alpha']:g})" for p in part)
        for key, kind in (
            ("distilled", f"distilled from the {title}"),
            ("with_unlabeled", f"the same, and {size['unlabeled']:,} images without labels"),
        ):
            shares = {
                score: [
                    closed(r["alone"][score], p[key][score], p["teacher"][score])
                    for r, p in zip(rows, part, strict=True)
                ]
                for score in ("accuracy", "log_loss")
            }
            cells = [
                f"**{spread(v, '{:.0f}')}**" if statistics.mean(v) >= 60 else spread(v, "{:.0f}")
                for v in shares.values()
            ]
            lines.append(_fashion_line(kind, [p[key] for p in part], *cells, chosen))
        lines.append(_fashion_line(f"{title} (teacher)", [p["teacher"] for p in part], "", "", ""))
    lines += ["", *_few_lines(rows), "", *_left_out_lines(rows), "", *_trial_lines(rows), ""]
    return lines


def _fashion_line(title: str, found: list[dict[str, float]], *cells: str) -> str:
    scores = [spread([f["accuracy"] for f in found]), spread([f["log_loss"] for f in found], "{:.4f}")]
    return f"| {title} | {' | '.join([*scores, *cells])} |"


def _few_lines(rows: list[dict[str, Any]]) -> list[str]:
    """3 % of the labels."""
    lines = [
        f"**3 % of the labels** ({rows[0]['few']} rows), accuracy in per cent. Hard: the student on these rows and "
        "their labels. Soft: on these rows and the teacher's answers, no labels. All rows: the teacher's answers to "
        "every row, labels for these. In brackets: accuracy on the rows that were learnt from.",
        "",
        "| teacher | hard, 3 % | soft, 3 % | soft - hard, points | all rows, 3 % of the labels | student alone, all "
        "labels |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, title in TEACHERS.items():
        part = [r["teachers"][name] for r in rows]
        hard = [r["hard_few"]["accuracy"] for r in rows]
        soft = [p["soft_few"]["accuracy"] for p in part]
        gain = [s - h for s, h in zip(soft, hard, strict=True)]
        every = [p["soft_few_all_rows"]["accuracy"] for p in part]
        own = [r["alone"]["accuracy"] for r in rows]
        seen = [[r["hard_few"]["train_accuracy"] for r in rows], [p["soft_few"]["train_accuracy"] for p in part]]
        cells = [f"{spread(v)} [{statistics.mean(w):.1f}]" for v, w in zip((hard, soft), seen, strict=True)]
        cells.append(f"**{spread(gain)}**" if statistics.mean(gain) >= 4 else spread(gain))
        lines.append(f"| {title} | {' | '.join([*cells, spread(every), spread(own)])} |")
    return lines


def _left_out_lines(rows: list[dict[str, Any]]) -> list[str]:
    """A class that the transfer set lacks."""
    lines = [
        "**Without the dresses**: no row of class 3 in the transfer set, soft targets only. Then the margin of that "
        "class is raised by what is best on every second test row; accuracies in per cent on the others.",
        "",
        "| teacher | all classes, before | after | dresses, before | after | shift |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, title in TEACHERS.items():
        part = [r["teachers"][name]["left_out"] for r in rows]
        keys = ("accuracy_before", "accuracy_after", "class_before", "class_after", "shift")
        lines.append(f"| {title} | {' | '.join(spread([p[key] for p in part]) for key in keys)} |")
    return lines


def _trial_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Held-out log loss by temperature at the first weight tried."""
    temperatures = sorted({t for r in rows for n in TEACHERS for t, _, _ in r["teachers"][n]["trials"]})
    first = max(a for _, a, _ in rows[0]["teachers"]["networks"]["trials"])
    lines = [
        f"**Temperature**: log loss on held-out training rows at alpha = {first:g}, the weight of the soft part.",
        "",
        f"| teacher | {' | '.join(f'T = {t:g}' for t in temperatures)} |",
        "|---|" + "--:|" * len(temperatures),
    ]
    for name, title in TEACHERS.items():
        cells = []
        for T in temperatures:
            found = [s for r in rows for t, a, s in r["teachers"][name]["trials"] if (t, a) == (T, first)]
            cells.append(spread(found, "{:.4f}") if found else "")
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def sets_section(rows: list[dict[str, Any]], size: dict[str, Any]) -> list[str]:
    """Softmax distillation beside what else is done."""
    names = [name for name in distillation_sets.SETS if any(r["set"] == name for r in rows)]
    verdicts = [verdict([r for r in rows if r["set"] == name]) for name in names]
    best = sum(v["best"] for v in verdicts)
    quick = sum(v["ratio"] >= 3 for v in verdicts)
    lines = [
        "## 2. Beside squared-error regressors and XGBoost",
        "",
        f"{size['rows']:,} training rows for the student, up to {size['teacher_rows']:,} others for its teacher, up "
        f"to {size['test_rows']:,} test rows, drawn by seed; {size['rounds']} rounds, at most "
        f"{distillation_sets.LEAVES} leaves a tree, learning rate {distillation_sets.RATE:g}, "
        f"{distillation_sets.THREADS} threads. Teacher: a booster of {size['teacher_rounds']} rounds. T and alpha are "
        "chosen for pygbt on a held-out fifth of the student's rows and given to all methods; (b) has T = 1. One "
        "tree a class and round, except for vector leaves; two classes have one. Seconds are from the table to the "
        "model, the least of three in turn.",
        "",
        f"**pygbt has the lowest held-out log loss of (a), (b), (c) on {best} of {len(names)} sets, and trains at "
        f"least 3 times as fast as (c) on {quick}.**",
        "",
        f"![Share of the gap to the teacher that is closed, by method]({PICTURE})",
        "",
        "| set | method | log loss | gap closed % | seconds | (c) / this |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for name in names:
        part = [r for r in rows if r["set"] == name]
        for method, title in TITLES.items():
            if method not in part[0]["losses"]:
                continue
            losses = [r["losses"][method] for r in part]
            shares = [closed(r["losses"]["alone"], r["losses"][method], r["losses"]["teacher"]) for r in part]
            gap = "" if method in ("alone", "teacher") else spread(shares, "{:.0f}")
            seconds, ratio = "", ""
            if method in part[0]["seconds"]:
                seconds = spread([r["seconds"][method] for r in part])
                ratio = f"{statistics.mean(r['seconds']['xgboost'] / r['seconds'][method] for r in part):.1f}"
            mark = method == min(distillation_sets.METHODS, key=lambda m: mean_loss(part, m))
            loss = f"**{spread(losses, '{:.4f}')}**" if mark else spread(losses, "{:.4f}")
            lines.append(f"| {name} | {title} | {loss} | {gap} | {seconds} | {ratio} |")
    settings = {n: ", ".join(f"{r['T']:g} ({r['alpha']:g})" for r in rows if r["set"] == n) for n in names}
    chosen = [f"{name} {text}" for name, text in settings.items()]
    lines += ["", f"T (alpha) by seed: {'; '.join(chosen)}.", ""]
    return lines


def mean_loss(part: list[dict[str, Any]], method: str) -> float:
    return statistics.mean(r["losses"].get(method, float("inf")) for r in part)


def verdict(part: list[dict[str, Any]]) -> dict[str, Any]:
    """Whether pygbt's distillation (the better of both kinds of leaves) is lowest, and how much faster than (c)."""
    own = min(("distilled", "vector_leaf"), key=lambda m: mean_loss(part, m))
    others = min(mean_loss(part, m) for m in ("alone", "regressors", "xgboost"))
    ratio = statistics.mean(r["seconds"]["xgboost"] / r["seconds"][own] for r in part)
    return {"best": mean_loss(part, own) < others, "ratio": ratio, "own": own}


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Share of the gap closed: a point a method, bars of one standard deviation."""
    from matplotlib.figure import Figure

    colors = {"distilled": "#0072b2", "vector_leaf": "#56b4e9", "regressors": "#e69f00", "xgboost": "#cc79a7"}
    names = [name for name in distillation_sets.SETS if any(r["set"] == name for r in rows)]
    figure = Figure(figsize=(8, 0.9 + 0.85 * len(names)), layout="constrained", facecolor="white")
    ax = figure.subplots()
    for place, name in enumerate(reversed(names)):
        part = [r for r in rows if r["set"] == name]
        for i, (method, color) in enumerate(colors.items()):
            if method not in part[0]["losses"]:
                continue
            shares = [closed(r["losses"]["alone"], r["losses"][method], r["losses"]["teacher"]) for r in part]
            deviation = statistics.stdev(shares) if len(shares) > 1 else 0.0
            at = place + 0.24 - 0.16 * i
            label = TITLES[method] if place == len(names) - 1 or method == "vector_leaf" else None
            ax.errorbar(statistics.mean(shares), at, xerr=deviation, fmt="o", color=color, label=label)
    ax.axvline(0, color="#515d68", linewidth=1)
    ax.axvline(100, color="#009e73", linewidth=1)
    ax.set_yticks(range(len(names)), list(reversed(names)))
    ax.set_xlabel("share of the gap closed, %: 0 is the student alone, 100 the teacher (log loss)")
    ax.spines[["top", "right"]].set_visible(False)
    handles, labels = ax.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    figure.savefig(path, dpi=120)


def put(text: str, name: str, section: str) -> str:
    """The page with a section replaced, or added."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    block = f"{begin}\n{section.rstrip()}\n{end}"
    if begin in text:
        return re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: block, text, flags=re.DOTALL)
    return f"{text.rstrip()}\n\n{block}\n"


def main() -> None:
    result = machine.load("distillation")
    text = PAGE.read_text() if PAGE.exists() else "# Distillation and many tasks\n"
    sections = {}
    if result["fashion"]:
        sections["fashion"] = "\n".join(fashion_section(result["fashion"], result["sizes"]["fashion"]))
    if result["sets"]:
        sections["sets"] = "\n".join(
            [*sets_section(result["sets"], result["sizes"]["sets"]), machine.describe(result["machine"])]
        )
        draw(result["sets"], PAGE.parent / PICTURE)
    for name, section in sections.items():
        text = put(text, name, section)
    PAGE.write_text(text)
    print(f"wrote {PAGE.relative_to(PAGE.parents[2])}")


if __name__ == "__main__":
    main()
