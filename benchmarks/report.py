# SPDX-License-Identifier: Apache-2.0
"""docs/benchmarks.md and its pictures, from results/<machine>.json. Measures nothing."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bars
import machine
import plots
import roofline
import scores
from shapes import SHAPES
from training import FAR_BEHIND, median

DOCS = Path(__file__).resolve().parents[1] / "docs"
NAMES = {
    "pygbt": "pygbt",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "lightgbm_quantised": "LightGBM quantised",
    "catboost": "CatBoost",
    "hessboost": "hessboost",
    "sklearn": "scikit-learn",
    "limit": "5 us allowed",
    "1": "one thread",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machine", default=machine.slug(), help="name of the file in results/")
    args = parser.parse_args()
    results = machine.load(args.machine)
    plots.draw_all(results, DOCS / "benchmarks", NAMES)
    others = [machine.load(name) for name in machine.measured() if name != args.machine]
    text = "\n".join(page(results, args.machine, others)).rstrip() + "\n"
    (DOCS / "benchmarks.md").write_text(text)
    print("wrote docs/benchmarks.md")


def page(results: dict[str, Any], name: str, others: Sequence[dict[str, Any]] = ()) -> list[str]:
    """The lines of docs/benchmarks.md."""
    return [
        "# Benchmarks",
        "",
        f"Made by `make bench` (`benchmarks/report.py` from `benchmarks/results/{name}.json`). Every engine trains in "
        "a process of its own, which is stopped while another is measured; engines take turns, round after round, at "
        "equal settings: data, bins (255 or 256), growth, rounds, learning rate 0.1, L2 1, least hessian 1, no "
        "sampling, no early stopping, two threads. Ratios in one run are what counts; single times differ from "
        "machine to machine.",
        "",
        f"**Machine**: {machine.describe(results['machine'])}",
        "",
        *bars_section(results),
        *others_section(others),
        *training_section(results),
        *prediction_section(results),
        *gpu_section([machine.load(path.stem) for path in sorted(machine.RESULTS.glob("gpu-*.json"))]),
        *curves_section(results),
        *limits_section(results),
        *roofline_section(results),
        *digests_section(results),
        *fairness_section(),
    ]


def bars_section(results: dict[str, Any]) -> list[str]:
    verdicts = [(bar, bars.judge(bar, results)) for bar in bars.BARS]
    measured = [v for _, v in verdicts if v]
    lines = [
        "## The bars",
        "",
        f"**{sum(v.met for v in measured)} of {len(bars.BARS)} met**"
        + (f", {len(bars.BARS) - len(measured)} not measured" if len(measured) < len(bars.BARS) else "")
        + ". Ratio: time of the peer / time of pygbt, median over the runs (least to most).",
        "",
        "![every bar](benchmarks/bars.png)",
        "",
        "| | what | peer | bar | ratio | | pygbt | peer's | runs |",
        "|---|---|---|--:|--:|---|--:|--:|--:|",
    ]
    for bar, verdict in verdicts:
        if verdict is None:
            peer = NAMES.get(bar.peer, bar.peer)
            lines.append(f"| {bar.letter} | {bar.what} | {peer} | {bar.ratio} | - | not measured | | | |")
            continue
        peer = NAMES[verdict.peer] + (" (fastest)" if bar.peer == bars.FASTEST and bar.time != "memory_mib" else "")
        spread = "" if verdict.runs < 2 else f" ({verdict.least:.2f} to {verdict.most:.2f})"
        lines.append(
            f"| {bar.letter} | {bar.what} | {peer} | {bar.ratio} | **{verdict.ratio:.2f}**{spread} | "
            f"{'met' if verdict.met else 'missed'} | {quantity(verdict.pygbt, bar.time)} | "
            f"{quantity(verdict.peer_value, bar.time)} | {verdict.runs} |"
        )
    return [*lines, ""]


def others_section(others: Sequence[dict[str, Any]]) -> list[str]:
    """The bars on other machines, as they were measured there."""
    lines: list[str] = []
    for results in others:
        verdicts = [verdict for bar in bars.BARS if (verdict := bars.judge(bar, results))]
        rows = [row for section in ("training", "prediction", "threads") for row in results.get(section, {}).values()]
        dates = sorted({row["date"] for row in rows if "date" in row})
        if not verdicts or not dates:
            continue
        lines += [
            f"### On another machine, {dates[-1]}",
            "",
            f"{machine.describe(results['machine'])} With the build of that day **{sum(v.met for v in verdicts)} of "
            f"{len(bars.BARS)} met**; ratio [bar], the missed ones in bold:",
            "",
            "; ".join(f"{v.bar.letter} {emphasis(v)} [{v.bar.ratio:g}, {NAMES[v.peer]}]" for v in verdicts) + ".",
            "",
        ]
    return lines


def emphasis(verdict: bars.Verdict) -> str:
    """A ratio, bold where it misses its bar."""
    return f"{verdict.ratio:.2f}" if verdict.met else f"**{verdict.ratio:.2f}**"


def quantity(value: float, kind: str) -> str:
    """A time or an amount of memory with its unit."""
    if kind == "memory_mib":
        return f"{value:.0f} MiB"
    if value < 1e-3:
        return f"{1e6 * value:.1f} us"
    return f"{1e3 * value:.1f} ms" if value < 0.1 else f"{value:.3f} s" if value < 1 else f"{value:.2f} s"


def training_section(results: dict[str, Any]) -> list[str]:
    lines = [
        "## Training",
        "",
        "Seconds, medians (least to most); memory is the peak above the table in the first run. Loss is held out; the "
        "bound is that of the fastest peer plus two standard deviations (of the loss over held-out rows drawn anew). "
        f"An engine more than {FAR_BEHIND:g} times slower than the fastest peer on the long shapes (B, E, G, H2) has "
        "its first run only, marked `1 run`.",
        "",
    ]
    for key in SHAPES:
        row = results.get("training", {}).get(key)
        if row is None:
            continue
        fastest, metric = bars.fastest_peer(row), scores.NAMES[row["task"]]
        lines += [
            f"### {key}. {row['title']}",
            "",
            f"{row['rows']:,} training rows x {row['features']:,}; measured {row['date']}.",
            "",
            f"| engine | to bins | training | array to model | / pygbt | predict | {metric} | MiB | |",
            "|---|--:|--:|--:|--:|--:|--:|--:|---|",
        ]
        own = median(row["engines"].get("pygbt", {}), "total_s")
        for name, engine in row["engines"].items():
            lines.append(f"| {_label(name, fastest)} | {' | '.join(_training_cells(engine, own))} |")
        digest = row["engines"].get("pygbt", {}).get("digest")
        bound = bars.loss_bound(row)
        notes = []
        if bound is not None:
            loss = row["engines"]["pygbt"]["loss"]
            notes.append(f"Loss bound {bound:.5f}: {'kept' if loss <= bound else '**not kept**'}.")
        if digest:
            notes.append(f"pygbt's digest, equal over all runs: `{digest[:32]}...`")
        lines += ["", " ".join(notes), ""]
    return lines


def _label(name: str, fastest: str | None) -> str:
    return f"{NAMES[name]} (fastest peer)" if name == fastest else NAMES[name]


def _training_cells(engine: dict[str, Any], own: float | None) -> list[str]:
    if "error" in engine:
        return ["", "", "", "", "", "", "", f"refused: {_short(engine['error'])}"]
    total = median(engine, "total_s")
    notes = [engine["note"]] if engine["note"] else []
    notes += ["1 run"] if engine.get("single") else []
    return [
        *(_spread(engine, key) for key in ("bins_s", "train_s", "total_s")),
        f"{total / own:.2f}" if own and total else "",
        _spread(engine, "predict_s"),
        f"{engine['loss']:.5f}",
        f"{engine['memory_mib']:.0f}",
        ", ".join(notes),
    ]


def _short(text: str) -> str:
    line = text.strip().splitlines()[0].replace("|", "/")
    return line if len(line) < 90 else line[:87] + "..."


def _spread(engine: dict[str, Any], key: str) -> str:
    values = bars.values(engine, key)
    if not values:
        return "-"
    middle = median(engine, key) or 0.0
    digits = 3 if middle < 1 else 2
    text = f"{middle:.{digits}f}"
    return text if len(values) < 2 else f"{text} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def prediction_section(results: dict[str, Any]) -> list[str]:
    rows = results.get("prediction", {})
    lines = ["## Prediction", "", "From floats to probabilities; the conversion of the input is part of the time.", ""]
    for key in ("J", "K"):
        if key not in rows:
            continue
        own = median(rows[key]["engines"].get("pygbt", {}), "predict_s")
        lines += [f"### {key}. {rows[key]['title']}", "", "| engine | seconds | / pygbt | loss |", "|---|--:|--:|--:|"]
        for name, engine in rows[key]["engines"].items():
            time = median(engine, "predict_s")
            ratio = f"{time / own:.2f}" if own and time else ""
            lines.append(f"| {NAMES[name]} | {_spread(engine, 'predict_s')} | {ratio} | {engine.get('loss', 0):.5f} |")
        lines.append("")
    if "L" in rows:
        own = median(rows["L"]["engines"].get("pygbt", {}), "row_s")
        lines += [f"### L. {rows['L']['title']}", "", "| engine | microseconds a call | / pygbt |", "|---|--:|--:|"]
        for name, engine in rows["L"]["engines"].items():
            time = median(engine, "row_s") or 0.0
            spread = [1e6 * v for v in bars.values(engine, "row_s")]
            ratio = f"{time / own:.1f}" if own else ""
            lines.append(f"| {NAMES[name]} | {1e6 * time:.1f} ({min(spread):.1f} to {max(spread):.1f}) | {ratio} |")
        lines.append("")
    return lines


def gpu_section(results: Sequence[dict[str, Any]]) -> list[str]:
    """Training, bins and prediction on GPUs, each with its machine; or that there is none yet. Medians of the runs."""
    lines = ["## On a GPU", ""]
    if not any("training" in result for result in results):
        wanted = "1,000,000 x 28, depth 6, and 10,000,000 x 28, depth 8, against XGBoost on the same GPU"
        return [*lines, f"Not yet measured: {wanted}. `make gpu-bench` does on a machine that has one.", ""]
    for result in results:
        if not {"training", "bins", "prediction"} & result.keys():
            continue
        lines += [f"**{result['gpu']}**, {machine.describe(result['machine'])}", ""]
        if "training" in result:
            lines += [*gpu_training(result["training"]), ""]
        if "bins" in result:
            lines += [*gpu_bins(result["bins"]), ""]
        if "prediction" in result:
            lines += [*gpu_prediction(result["prediction"]), ""]
    return lines


def gpu_training(training: dict[str, Any]) -> list[str]:
    lines = ["Seconds. Loss: of held-out rows.", "", "| shape | engine | to bins | training | array to model | loss |"]
    lines.append("|---|---|--:|--:|--:|--:|")
    for row in training.values():
        for engine, times in row["engines"].items():
            both = statistics.median([b + t for b, t in zip(times["bins"], times["train"], strict=True)])
            cells = f"{statistics.median(times['bins']):.3f} | {statistics.median(times['train']):.3f} | {both:.3f}"
            lines.append(f"| {row['title']} | {engine} | {cells} | {times['loss']:.5f} |")
    return lines


def gpu_bins(rows: Sequence[dict[str, Any]]) -> list[str]:
    lines = [
        "From an array to a Dataset on the GPU, 28 columns of float32.",
        "",
        "| rows | from | ms |",
        "|--:|---|--:|",
    ]
    return lines + [f"| {r['rows']:,} | {r['way']} | {1e3 * statistics.median(r['seconds']):.1f} |" for r in rows]


def gpu_prediction(forests: dict[str, Any]) -> list[str]:
    lines = ["Prediction, milliseconds: from arrays of the host, and from arrays on the GPU to arrays there.", ""]
    ways = list(next(iter(next(iter(forests.values()))["rows"].values())))
    lines += ["| forest | rows | " + " | ".join(ways) + " |", "|---|--:" + "|--:" * len(ways) + "|"]
    for forest in forests.values():
        for n, times in forest["rows"].items():
            cells = " | ".join(f"{1e3 * statistics.median(times[way]):.3f}" for way in ways)
            lines.append(f"| {forest['title']} | {int(n):,} | {cells} |")
    return lines


def curves_section(results: dict[str, Any]) -> list[str]:
    if not results.get("curves"):
        return []
    lines = ["## How time grows", "", "Array to model, 50 trees of depth 6, dense floats, binary.", ""]
    for axis in results["curves"]:
        lines += [f"![time against {axis}](benchmarks/{axis}.png)", ""]
    return lines


def limits_section(results: dict[str, Any]) -> list[str]:
    rows = results.get("micro", {})
    if not rows:
        return []
    lines = [
        "## Single operations and the machine's limits",
        "",
        "One thread unless said; share: of the limit that bounds the operation, measured in the same run.",
        "",
        "| operation | case | seconds | a second | limit | share |",
        "|---|---|--:|--:|---|--:|",
    ]
    for row in rows["rows"]["cases"]:
        share = f"{100 * row['share']:.0f} %" if row.get("share") is not None else ""
        lines.append(
            f"| {row['operation']} | {row['case']} | {quantity(row['seconds'], 's')} | {row['rate']} | "
            f"{row.get('limit', '')} | {share} |"
        )
    return [*lines, ""]


def roofline_section(results: dict[str, Any]) -> list[str]:
    counted = results.get("roofline", {})
    cases = results.get("micro", {}).get("rows", {}).get("cases", [])
    limits = {row["operation"]: row["count"] / row["seconds"] for row in reversed(cases) if "limit" in row["operation"]}
    if not counted or not {"limit: updates", "limit: memory"} <= limits.keys():
        return []
    lines = [
        "## What bounds training",
        "",
        "Counted from the trees (`benchmarks/roofline.py`): one addition a row and feature for the root and each "
        "smaller sibling, and the bytes of rows that are read and written, if each is touched once. Least: at the "
        "additions a second in L1 and the bytes a second of a copy measured above, times two threads, nothing "
        "overlapping but additions with their own bins. For the bar: the training time that meets it. What "
        "was tried: [speed.md](speed.md).",
        "",
        "| | additions | bytes | least | trained in | share | for the bar |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for key, row in sorted(counted.items()):
        engines = results["training"][key]["engines"]
        train, total = median(engines["pygbt"], "train_s"), median(engines["pygbt"], "total_s")
        if not train or not total:
            continue
        least = roofline.least_seconds(row, limits["limit: updates"], limits["limit: memory"], 2)
        wanted = [
            verdict.peer_value / bar.ratio - (total - train if bar.time == "total_s" else 0.0)
            for bar in bars.BARS
            if bar.row == key and bar.time in ("train_s", "total_s") and (verdict := bars.judge(bar, results))
        ]
        lines.append(
            f"| {key} | {row['updates'] / 1e9:.1f} G | {(row['histogram_bytes'] + row['row_bytes']) / 1e9:.1f} GB | "
            f"{quantity(least, 's')} | {quantity(train, 's')} | {100 * least / train:.0f} % | "
            f"{quantity(min(wanted), 's')} |"
        )
    return [*lines, ""]


def digests_section(results: dict[str, Any]) -> list[str]:
    rows = results.get("digests", {})
    if not rows:
        return []
    lines = [
        "## Every optimisation leaves every model as it is",
        "",
        "SHA-256 of the trees at small size (`benchmarks/digests.py`): the naive backend against the optimised one on "
        "1, 2 and 3 threads and every instruction set.",
        "",
        "| shape | rows | combinations | different digests | naive = optimised | digest |",
        "|---|--:|--:|--:|---|---|",
    ]
    for key, row in rows.items():
        found = set(row["digests"].values())
        same = "yes" if found == {row["naive"]} else "**no**"
        lines.append(
            f"| {key} | {row['rows']:,} | {len(row['digests'])} | {len(found)} | {same} | `{row['naive'][:24]}...` |"
        )
    return [*lines, ""]


def fairness_section() -> list[str]:
    return [
        "## What is equal, and what is not",
        "",
        "- LightGBM: 255 bins; row-wise and column-wise histograms are tried for ten rounds and the faster is kept "
        "(noted in the rows). Quantised: its default four levels.",
        "- CatBoost: plain boosting, no bootstrap, no random strength, one Newton step a leaf, 254 borders; symmetric "
        "trees stand for depthwise growth and its Lossguide for lossguide. In K its trees are symmetric with 256 "
        "leaves. Categories of more than 16 values use its target statistics, others are one-hot.",
        "- XGBoost and hessboost take the entries that a sparse matrix leaves out as missing, the others as zeros.",
        "- scikit-learn makes its bins inside `fit` and takes no sparse matrix; it is left out of B, E, G and K.",
        "- hessboost borrows the float array instead of copying it. XGBoost predicts arrays in place.",
        "- Softmax: the engines differ in curvature, which acts like a learning rate (see "
        "[engine.md](results/engine.md)); XGBoost's and hessboost's steps are the shortest.",
        "- One row: XGBoost `inplace_predict`, LightGBM and CatBoost `predict`, hessboost `predict_row` into an array, "
        "pygbt `Booster.prepared()`; one thread.",
        "",
    ]


if __name__ == "__main__":
    main()
