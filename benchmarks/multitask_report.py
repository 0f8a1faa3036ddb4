# SPDX-License-Identifier: Apache-2.0
"""docs/results/multitask.md from results/multitask.json. Measures nothing."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import machine

OUT = Path(__file__).resolve().parents[1] / "docs" / "results" / "multitask.md"
WAYS = ("none", "tree", "stem:2", "residual", "auto")
CONVERSION = ("BASE", "UNBIAS", "DIVISION", "ES-NS", "ES")
ENGINES = {
    "pygbt": "pygbt, vector leaves",
    "pygbt_sketch5": "pygbt, splits on a sketch of 5",
    "xgboost": "XGBoost multi_output_tree",
    "catboost": "CatBoost MultiRMSE",
}
BAR = 3.0


def mean(values: list[float]) -> str:
    """Mean ± standard deviation."""
    spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.4f}{spread}"


def deviations(first: list[float], second: list[float]) -> float:
    """Mean of paired differences in their standard deviations over the seeds; positive: the first is worse."""
    paired = [a - b for a, b in zip(first, second, strict=True)]
    centre = statistics.fmean(paired)
    spread = statistics.stdev(paired) if len(paired) > 1 else 0.0
    return centre / spread if spread > 0 else math.copysign(math.inf, centre) if centre else 0.0


def sharing_section(rows: dict[str, Any]) -> list[str]:
    """Tree, stem, residual, none, auto."""
    lines = [
        "## Ways to share trees",
        "",
        "Held-out loss of the tasks (root mean squared error, log loss, Poisson and Tweedie deviance), each over that "
        "of a constant, averaged over the tasks; mean and standard deviation over the seeds, 70 % of the rows for "
        "training. 60 rounds of depth 4 at learning rate 0.15 throughout. Deviations: the difference of `auto` and "
        "`none`, paired by seed, in standard deviations of that difference; the bar is no more than 2.",
        "",
        "| set | rows | features | tasks | " + " | ".join(WAYS) + " | chosen | deviations | verdict |",
        "|---|--:|--:|--:|" + "--:|" * len(WAYS) + "---|--:|---|",
    ]
    met = 0
    for name, row in rows.items():
        losses = row["losses"]
        best = min(WAYS, key=lambda way: statistics.fmean(losses[way]))
        cells = [f"**{mean(losses[way])}**" if way == best else mean(losses[way]) for way in WAYS]
        worse = deviations(losses["auto"], losses["none"])
        met += worse <= 2
        kinds: dict[str, int] = {}
        for choice in row["chosen"]:
            joint = next((of.rpartition(":")[0] for of in choice if not of.startswith("none")), "none")
            kinds[joint] = kinds.get(joint, 0) + 1
        chosen = ", ".join(f"{kind} {n}" for kind, n in kinds.items())
        lines.append(
            f"| {name} | {row['rows']} | {row['features']} | {row['tasks']} | {' | '.join(cells)} | {chosen} | "
            f"{worse:+.1f} | {'met' if worse <= 2 else '**missed**'} |"
        )
    return [*lines, "", f"`auto` meets the bar on {met} of {len(rows)} sets.", ""]


def teacher_section(rows: dict[str, Any]) -> list[str]:
    """The table of MT-DNN-KD in shape."""
    lines = [
        "## Teachers on half the tasks",
        "",
        "Relative held-out loss (1: a constant; lower is better) by task, mean over the seeds. T: the task has a "
        "teacher, a mean of three models whose predictions are out of fold (yeast, scene) or of other rows (health "
        "insurance); alpha = 0.5, as in MT-DNN-KD (Liu, He, Chen, Gao 2019), whose table this follows.",
        "",
    ]
    names = {
        "single": "single-task",
        "shared": "shared trees",
        "shared_kd": "shared trees + teachers",
        "teacher": "teacher",
    }
    for name, row in rows.items():
        tasks, taught = row["tasks"], set(row["taught"])
        lines += [
            f"### {name}",
            "",
            "| | "
            + " | ".join(f"{task}{' T' if task in taught else ''}" for task in tasks)
            + " | with T | without T |",
            "|---|" + "--:|" * (len(tasks) + 2),
        ]
        groups = [[t for t in tasks if t in taught], [t for t in tasks if t not in taught]]
        averages: dict[str, list[list[float]]] = {}
        for key, text in names.items():
            seeds = row["rows"][key]
            cells = []
            for task in tasks:
                found = [seed[task] for seed in seeds if task in seed]
                cells.append(f"{statistics.fmean(found):.3f}" if found else "-")
            averages[key] = [
                [statistics.fmean([s[t] for t in own if t in s]) for s in seeds if any(t in s for t in own)]
                for own in groups
            ]
            cells += [mean(values) if values else "-" for values in averages[key]]
            lines.append(f"| {text} | {' | '.join(cells)} |")
        lines.append("")
        for base in ("single", "shared"):
            gains = [
                f"{statistics.fmean(b) - statistics.fmean(a):+.4f} ({-deviations(a, b):+.1f} deviations)"
                for a, b in zip(averages["shared_kd"], averages[base], strict=True)
                if a and b
            ]
            lines.append(f"Gain over {names[base]}: tasks with a teacher {gains[0]}, without {gains[1]}.  ")
        lines.append("")
    return lines


def conversion_section(rows: dict[str, Any]) -> list[str]:
    """The five rows of the entire space."""
    lines = [
        "## Conversion on the entire space",
        "",
        "AUC in per cent, mean and standard deviation over the seeds. Real rows and labels; who clicks is drawn by a "
        "known rule from real columns (`benchmarks/multitask_conversion.py`), so that CVR can be scored on all "
        "held-out rows. Models learn conversions of clicked rows alone. Here clicks depend on known columns only, so a "
        "conversion is as likely after a click as without one, and BASE fits the right function on the rows it has; "
        "the loss of the entire space learns less from a click without a conversion, and little where clicks are rare.",
        "",
    ]
    for name, row in rows.items():
        lines += [
            f"### {name}",
            "",
            f"{row['impressions']:,} impressions, {row['clicks']:,} clicks, {row['conversions']:,} conversions; rate "
            f"{row['cvr_clicked']:.1%} of the clicked rows, {row['cvr_all']:.1%} of all.",
            "",
            "| | CVR AUC | CTCVR AUC |",
            "|---|--:|--:|",
        ]
        best = {m: max(CONVERSION, key=lambda r: statistics.fmean(row["auc"][r][m])) for m in ("cvr", "ctcvr")}
        for method in CONVERSION:
            cells = []
            for metric in ("cvr", "ctcvr"):
                values = [100 * x for x in row["auc"][method][metric]]
                text = f"{statistics.fmean(values):.2f}" + (
                    f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
                )
                cells.append(f"**{text}**" if best[metric] == method else text)
            lines.append(f"| {method} | {' | '.join(cells)} |")
        lines.append("")
    return lines


def outputs_section(rows: dict[str, Any]) -> list[str]:
    """Hundreds of targets."""
    lines = [
        "## Hundreds of targets",
        "",
        "Real features (elevators, 18 columns), synthetic targets; depth 6, 64 bins, learning rate 0.1, two threads, "
        "median of the fits after the first. Memory: peak above the loaded table in the first fit. Ratios: a peer's "
        "time over that of pygbt's vector leaves, and over that of its sketched splits; verdicts, in the same order, "
        f"by the bar of {BAR:g}.",
        "",
        "| targets | rows | rounds | engine | fit s | ratios | memory MiB | held-out RMSE | verdicts |",
        "|--:|--:|--:|---|--:|--:|--:|--:|---|",
    ]
    for key, row in rows.items():
        own = [row["engines"].get(name, {}).get("fit_s", math.nan) for name in ("pygbt", "pygbt_sketch5")]
        for engine, text in ENGINES.items():
            found = row["engines"].get(engine, {"error": "not measured"})
            if "error" in found:
                lines.append(f"| {key} | {row['rows']} | {row['rounds']} | {text} | {found['error']} | | | | |")
                continue
            ratios = [found["fit_s"] / seconds for seconds in own] if engine in ("xgboost", "catboost") else []
            verdict = ", ".join("met" if ratio >= BAR else "**missed**" for ratio in ratios)
            lines.append(
                f"| {key} | {row['rows']} | {row['rounds']} | {text} | {found['fit_s']:.2f} | "
                f"{', '.join(f'{ratio:.1f}' for ratio in ratios)} | "
                f"{found['memory_mib']:.0f} | {found['rmse']:.4f} | {verdict} |"
            )
    return [*lines, ""]


SECTIONS = {
    "teachers": teacher_section,
    "sharing": sharing_section,
    "conversion": conversion_section,
    "outputs": outputs_section,
}


def report(result: dict[str, Any]) -> str:
    """The page."""
    seconds = sum(row["seconds"] for name in SECTIONS for row in result.get(name, {}).values())
    seeds = sorted({row["seeds"] for name in SECTIONS for row in result.get(name, {}).values()})
    lines = [
        "# Many tasks: measured",
        "",
        f"Made by `python benchmarks/multitask.py` in {seconds / 60:.0f} minutes, {', '.join(map(str, seeds))} seeds.",
        "",
    ]
    for name, section in SECTIONS.items():
        if result.get(name):
            lines += section(result[name])
    return "\n".join([*lines, machine.describe(machine.record()), ""])


def write(text: str) -> None:
    """Put the page in its place."""
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(text)
    print(f"wrote {OUT.relative_to(OUT.parents[2])}")


if __name__ == "__main__":
    write(report(machine.load("multitask")))
