# SPDX-License-Identifier: Apache-2.0
"""docs/results/engine.md and its picture, from the JSON files in results/. Measures nothing."""

from __future__ import annotations

import statistics
import subprocess
from pathlib import Path
from typing import Any

import machine

OUT = Path(__file__).resolve().parents[1] / "docs" / "results"
PEERS = ("xgboost", "lightgbm", "sklearn")
LOSS = {"binary": "log loss", "multiclass": "log loss", "regression": "RMSE", "count": "Poisson deviance"}


def verdict(scores: dict[str, list[float]]) -> tuple[str, float, float]:
    """(best peer, pygbt minus its mean, two standard deviations of the best peer over the seeds)."""
    best = min(PEERS, key=lambda e: statistics.mean(scores[e]))
    margin = statistics.mean(scores["pygbt"]) - statistics.mean(scores[best])
    return best, margin, 2 * statistics.stdev(scores[best])


def digits(value: float) -> str:
    return f"{value:.5g}"


def scores_section() -> list[str]:
    result = machine.load("engine_scores")
    rows = result["rows"]
    worse = [r for r in rows if verdict(r["scores"])[1] > verdict(r["scores"])[2]]
    first = [r for r in rows if verdict(r["scores"])[1] <= 0]
    lines = [
        "## 1. Held-out scores at equal settings",
        "",
        f"{len({r['set'] for r in rows})} sets, mean of {result['seeds']} random 70/30 splits, 100 rounds, learning "
        "rate 0.1, L2 1, least hessian 1, 256 bins, native categories; depthwise: depth 6, lossguide: 31 leaves. Loss, "
        "smaller is better. Bar: not worse than the best of the three peers by more than two standard deviations of "
        "that peer over the splits.",
        "",
        f"**{len(rows) - len(worse)} of {len(rows)} rows within the bar; "
        f"pygbt has the lowest mean loss in {len(first)}.**",
        "",
        "![pygbt's loss relative to the best peer](engine_scores.png)",
        "",
        "| set | loss | policy | pygbt | XGBoost | LightGBM | scikit-learn | pygbt - best | 2 sd | within |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    for row in rows:
        best, margin, bar = verdict(row["scores"])
        cells = []
        for engine in ("pygbt", *PEERS):
            text = digits(statistics.mean(row["scores"][engine]))
            cells.append(f"**{text}**" if engine == (best if margin > 0 else "pygbt") else text)
        lines.append(
            f"| {row['set']} | {LOSS[row['task']]} | {row['policy']} | {' | '.join(cells)} | "
            f"{margin:+.2g} | {bar:.2g} | {'yes' if margin <= bar else '**no**'} |"
        )
    lines += ["", *curvature_lines(rows), "", machine.describe(result["machine"]), ""]
    return lines


def curvature_lines(rows: list[dict[str, Any]]) -> list[str]:
    """The multiclass rows again with every curvature: the peers differ in it, and it sets the length of a step."""
    lines = [
        "In the multiclass rows the engines differ in the softmax curvature, which acts like a learning rate: LightGBM "
        "has K/(K-1) p(1-p), as pygbt by default; scikit-learn p(1-p); XGBoost takes shorter steps. pygbt by its "
        "`softmax_hessian`:",
        "",
        "| set | policy | best peer | its mean + 2 sd | `k_factor` (default) | `diag` | `gershgorin` |",
        "|---|---|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        if row["task"] != "multiclass":
            continue
        scores = row["scores"]
        best, _, bar = verdict(scores)
        limit = statistics.mean(scores[best]) + bar
        cells = []
        for engine in ("pygbt", "pygbt_diag", "pygbt_gershgorin"):
            mean = statistics.mean(scores[engine])
            cells.append(digits(mean) if mean <= limit else f"{digits(mean)} (over)")
        lines.append(f"| {row['set']} | {row['policy']} | {best} | {digits(limit)} | {' | '.join(cells)} |")
    return lines


def draw_scores() -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = machine.load("engine_scores")["rows"]
    names = list(dict.fromkeys(row["set"] for row in rows))[::-1]
    figure, axes = plt.subplots(1, 2, figsize=(10, 6.5), sharey=True, constrained_layout=True)
    grey = "#7a7a7a"
    marks = {"pygbt": ("o", "#c1272d"), "xgboost": ("s", grey), "lightgbm": ("^", grey), "sklearn": ("x", grey)}
    for axis, policy in zip(axes, ("depthwise", "lossguide"), strict=True):
        for row in rows:
            if row["policy"] != policy:
                continue
            at = names.index(row["set"])
            base = statistics.mean(row["scores"][verdict(row["scores"])[0]])
            beyond = []
            for engine, (mark, colour) in marks.items():
                percent = 100 * (statistics.mean(row["scores"][engine]) / base - 1)
                spot = (min(percent, 12.0), at)
                size, layer = (7, 3) if engine == "pygbt" else (5, 2)
                axis.plot(*spot, mark, color=colour, markersize=size, zorder=layer)
                if percent > 12:
                    beyond.append(f"{engine} {percent:+.0f} %")
            style = {"textcoords": "offset points", "xytext": (6, 6), "ha": "right", "fontsize": 7}
            axis.annotate(", ".join(beyond), (12.0, at), **style)
        axis.axvline(0, color="black", linewidth=0.8)
        axis.set_title(policy)
        axis.set_xlabel("loss relative to the best peer, % (left is better; cut at 12)")
        axis.grid(axis="y", alpha=0.3)
    axes[0].set_yticks(range(len(names)), names)
    for engine, (mark, colour) in marks.items():
        axes[0].plot([], [], mark, color=colour, label=engine)
    figure.legend(loc="outside lower center", ncols=4, fontsize=9)
    figure.savefig(OUT / "engine_scores.png", dpi=130)


def digests_section() -> list[str]:
    result = machine.load("engine_digests")
    rows = result["rows"]
    lines = [
        "## 2. Digests",
        "",
        f"SHA-256 of the model after {result['rounds']} rounds with row and column sampling at 0.8; {len(rows)} "
        "trainings, each in its own process: threads 1, 2, 3 x instruction sets x (C order, F order, resumed through a "
        "file after half of the rounds). A frame with categories (adult, french_mtpl) is columns either way.",
        "",
        "| set | combinations | different digests | digest |",
        "|---|--:|--:|---|",
    ]
    for name in dict.fromkeys(row["set"] for row in rows):
        found = [row["digest"] for row in rows if row["set"] == name]
        lines.append(f"| {name} | {len(found)} | {len(set(found))} | `{found[0][:32]}...` |")
    sets = " | ".join(dict.fromkeys(r["set"] for r in rows))
    lines += ["", f"| threads | instruction set | order | resumed | {sets} |", "|--:|---|---|---|---|---|---|"]
    keys = dict.fromkeys((r["threads"], r["isa"], r["order"], r["resume"]) for r in rows)
    for key in keys:
        found = [r["digest"][:12] for r in rows if (r["threads"], r["isa"], r["order"], r["resume"]) == key]
        cells = " | ".join(f"`{d}`" for d in found)
        lines.append(f"| {key[0]} | {key[1]} | {key[2]} | {'yes' if key[3] else 'no'} | {cells} |")
    return [*lines, "", machine.describe(result["machine"]), ""]


def hessian_section() -> list[str]:
    result = machine.load("softmax_hessian")
    ratio = result["ratio_to_diag"]
    rules = list(ratio["False"])
    lines = [
        "## 3. Which softmax curvature",
        "",
        f"Held-out log loss over {len({r['set'] for r in result['rows']})} multiclass sets (at most 20,000 training "
        f"rows, {result['seeds']} splits), geometric mean relative to p(1-p); {result['rounds']} rounds, or stopped "
        "early on 15 % of the training rows.",
        "",
        "| | p+q-2pq (`soft`) | 2p(1-p) (`gershgorin`) | K/(K-1) p(1-p) (`k_factor`) | p(1-p) (`diag`) |",
        "|---|--:|--:|--:|--:|",
    ]
    for key, name in (("False", "equal rounds"), ("True", "early stopped")):
        lines.append(f"| {name} | " + " | ".join(f"{ratio[key][rule]:.4f}" for rule in rules) + " |")
    lines += ["", "| set | early stopped | " + " | ".join(rules) + " |", "|---|---|--:|--:|--:|--:|"]
    for row in result["rows"]:
        means = {rule: statistics.mean(row["losses"][rule]) for rule in rules}
        best = min(means, key=lambda rule: means[rule])
        cells = " | ".join(f"**{digits(v)}**" if rule == best else digits(v) for rule, v in means.items())
        lines.append(f"| {row['set']} | {'yes' if row['early_stopped'] else 'no'} | {cells} |")
    return [*lines, "", machine.describe(result["machine"]), ""]


def clone_section() -> list[str]:
    path = machine.RESULTS / "fresh_clone.txt"
    if not path.exists():
        return []
    return ["## 4. `make demo` and `make test` from a fresh clone", "", "```", path.read_text().rstrip(), "```", ""]


def main() -> None:
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=OUT)
    commit = head.stdout.strip()
    lines = [
        "# The engine: measured",
        "",
        "Made by `make bench-engine` (`benchmarks/engine_report.py` from `benchmarks/results/engine_*.json`); "
        f"report written at commit {commit}. Speed is in [benchmarks.md](../benchmarks.md).",
        "",
    ]
    for section in (scores_section, digests_section, hessian_section, clone_section):
        lines += section()
    draw_scores()
    (OUT / "engine.md").write_text("\n".join(lines).rstrip() + "\n")
    print("wrote docs/results/engine.md")


if __name__ == "__main__":
    main()
