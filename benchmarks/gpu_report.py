# SPDX-License-Identifier: Apache-2.0
"""docs/results/gpu-speed.md from the results of gpu_bench.py; what is missing there is "not yet measured".

python gpu_report.py nvidia-h200
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import machine
from compare_gpu import GPU_SHAPES
from gpu_stages import STAGES

PAGE = Path(__file__).parent.parent / "docs" / "results" / "gpu-speed.md"

#: Ratio to XGBoost: of a tree in a running training, and from the array to the model.
BARS: dict[str, tuple[float, float]] = {
    "A10": (4, 3), "G10": (4, 3), "A": (5, 4), "A01": (8, 5), "A001": (8, 5), "D": (4, 3), "F": (4, 3), "E": (3, 2),
}  # fmt: skip

#: Ways of XGBoost with the input of a row; the best of them counts.
PEERS = {
    "host": ("xgboost cuda", "xgboost cuda, DMatrix", "xgboost cuda, vector leaves"),
    "device": ("xgboost cuda, from cupy",),
}

#: Rows of the other bars: title, ratio.
BATCH = (
    "cuda 64 x 20000 x 28",
    "`train_batch`, 64 models of 20,000 x 28, 100 trees each; XGBoost one after another",
    15,
)
PREDICTION = ("10000000", "predict 10,000,000 x 28, 500 trees of depth 6", 4)
NOT_YET = "not yet measured"
ON_GPU = "on the GPU"  # arrays of cupy, or of pygbt

COLUMNS = {"A10": 28}
ROWS = {"A10": 10_000_000}


@dataclass(frozen=True)
class Pace:
    """Seconds of one way to train: set-up and bins, and a tree or round; and its held-out loss."""

    whole: float
    tree: float
    loss: float

    @classmethod
    def of(cls, row: dict[str, Any], rounds: int) -> Pace:
        train = median(row["train"])
        return cls(median(row["bins"]) + train, train / rounds, row["loss"])


def training_table(result: dict[str, Any]) -> list[str]:
    lines = [
        "| shape | input | pygbt, a tree | XGBoost, a tree | ratio [bar] | array to model | XGBoost | ratio [bar] "
        "| held-out loss | XGBoost |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for key, bars in BARS.items():
        row = result.get("training", {}).get(key, {"title": GPU_SHAPES[key].title, "engines": {}})
        for source, suffix in (("host", ""), ("device", ", from cupy")):
            lines.append(training_row(row, source, suffix, GPU_SHAPES[key].recipe.rounds, bars))
    return lines


def training_row(row: dict[str, Any], source: str, suffix: str, rounds: int, bars: tuple[float, float]) -> str:
    known = {name: Pace.of(engine, rounds) for name, engine in row["engines"].items()}
    ours, peers = known.get("pygbt cuda" + suffix), [known[way] for way in PEERS[source] if way in known]
    head = f"| {row['title']} | {source} |"
    if ours is None or not peers:
        return f"{head} {NOT_YET} | | [{bars[0]:g}] | | | [{bars[1]:g}] | | |"
    tree, whole = min(peers, key=lambda pace: pace.tree), min(peers, key=lambda pace: pace.whole)
    return (
        f"{head} {ours.tree * 1e3:.2f} ms | {tree.tree * 1e3:.2f} ms | {judged(tree.tree / ours.tree, bars[0])} "
        f"| {ours.whole:.3f} s | {whole.whole:.3f} s | {judged(whole.whole / ours.whole, bars[1])} "
        f"| {ours.loss:.4f} | {whole.loss:.4f} |"
    )


def other_bars(batch: dict[str, Any], predicted: dict[str, Any]) -> list[str]:
    """`train_batch` against XGBoost in a loop, and prediction from arrays on the device."""
    lines = ["| what | pygbt | XGBoost | ratio [bar] | measured |", "|---|---|---|---|---|"]
    key, title, bar = BATCH
    row = batch.get("train_batch", {}).get(key, {})
    lines.append(
        pair(title, row.get("seconds", {}), "train_batch", "XGBoost in a loop", bar, "{:.2f} s", 1.0, row.get("date"))
    )
    key, title, bar = PREDICTION
    times = predicted.get("prediction", {}).get("shallow", {}).get("rows", {}).get(key, {})
    seconds = {way: median(of) for way, of in times.items()}
    for source in ("device", "host"):
        least = bar if source == "device" else 0
        lines.append(
            pair(f"{title}, {source} arrays", seconds, f"pygbt {source}", f"xgboost {source}", least, "{:.1f} ms", 1e3,
                 predicted.get("date"))
        )  # fmt: skip
    return lines


def pair(
    title: str, seconds: dict[str, float], ours: str, theirs: str, bar: float, form: str, unit: float, date: str | None
) -> str:
    """A row: two times and their ratio; bar 0 = none."""
    wanted = f"[{bar:g}]" if bar else ""
    if ours not in seconds or theirs not in seconds:
        known = form.format(seconds[ours] * unit) if ours in seconds else NOT_YET
        return f"| {title} | {known} | {NOT_YET} | {wanted} | {date or ''} |"
    ratio = seconds[theirs] / seconds[ours]
    shown = judged(ratio, bar) if bar else f"{ratio:.1f}"
    return (
        f"| {title} | {form.format(seconds[ours] * unit)} | {form.format(seconds[theirs] * unit)} | {shown} | {date} |"
    )


def dataset_table(bins: dict[str, Any]) -> list[str]:
    """From arrays to a Dataset on the device, and the device memory that it takes meanwhile."""
    lines = ["| rows x 28 | from | time | device memory at most | budget |", "|---|---|---|---|---|"]
    for n in (1_000_000, 10_000_000):
        known = {row["way"]: row for row in bins.get("bins", []) if row["rows"] == n}
        there = next((way for way in known if way.endswith(ON_GPU)), ON_GPU)
        for way in ("numpy, C order", there, "numpy, little memory"):
            row = known.get(way)
            if row is None:
                lines.append(f"| {n:,} | {way} | {NOT_YET} | | |")
                continue
            size, budget = (
                f"{row[key] / 2**20:,.0f} MiB" if key in row else "" for key in ("peak_bytes", "budget_bytes")
            )
            lines.append(f"| {n:,} | {way} | {median(row['seconds']) * 1e3:.1f} ms | {size or NOT_YET} | {budget} |")
    return lines


def shared_codes(counted: dict[str, Any]) -> list[str]:
    lines = ["| set | features -> slots | words a row | additions a row |", "|---|---|---|---|"]
    for name, row in counted.get("sets", {}).items():
        words = " -> ".join(str(n) for n in row["words"])
        additions = " -> ".join(f"{n:.1f}" for n in row["additions"])
        lines.append(f"| {name}, {row['rows']:,} rows | {row['features']} -> {row['slots']} | {words} | {additions} |")
    return lines if len(lines) > 2 else [f"{NOT_YET}."]


def judged(ratio: float, bar: float) -> str:
    return f"**{ratio:.1f}** [{bar:g}]" if ratio >= bar else f"{ratio:.1f} [{bar:g}]"


def of_stages(row: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Launches and microseconds of every stage of a tree."""
    stages: dict[str, tuple[float, float]] = {}
    for name, kernel in row["kernels"].items():
        stage = STAGES.get(name, "set-up")
        launches, seconds = stages.get(stage, (0.0, 0.0))
        stages[stage] = (launches + kernel["launches"], seconds + kernel["seconds"] * 1e6)
    return stages


def stage_table(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    keys = [key for key in now.get("training", {}) if key in before.get("training", {})]
    if not keys:
        return [f"{NOT_YET}."]
    lines = ["| stage | " + " | ".join(now["training"][key]["title"] for key in keys) + " |"]
    lines.append("|---" * (len(keys) + 1) + "|")
    old = {key: of_stages(before["training"][key]) for key in keys}
    new = {key: of_stages(now["training"][key]) for key in keys}
    for stage in dict.fromkeys([*STAGES.values(), "set-up"]):
        cells = []
        for key in keys:
            was, became = old[key].get(stage, (0.0, 0.0)), new[key].get(stage, (0.0, 0.0))
            cells.append(f"{was[1]:,.0f} -> {became[1]:,.0f} us")
        lines.append(f"| {stage} | " + " | ".join(cells) + " |")
    launches = [
        f"{sum(n for n, _ in old[key].values()):.0f} -> {sum(n for n, _ in new[key].values()):.0f}" for key in keys
    ]
    lines.append("| launches | " + " | ".join(launches) + " |")
    steady = [
        f"**{before['training'][key]['seconds_a_tree'] * 1e6:,.0f} -> "
        f"{now['training'][key]['seconds_a_tree'] * 1e6:,.0f} us**"
        for key in keys
    ]
    lines.append("| a tree, steady | " + " | ".join(steady) + " |")
    return lines


@dataclass(frozen=True)
class Stage:
    """A stage's least work, in bytes or updates, and what it took; None = not measured."""

    name: str
    what: str
    work: float
    seconds: float | None
    bar: float = 0.0
    of_additions: bool = False


def stages_of(now: dict[str, Any], bins: dict[str, Any], predicted: dict[str, Any], key: str) -> list[Stage]:
    """All stages of a shape, on arrays of the device. Bytes and updates are counted from rows and depth, at least."""
    shape, columns = GPU_SHAPES[key], COLUMNS[key]
    row = now.get("training", {}).get(key, {})
    n, depth = row.get("rows", ROWS[key]), shape.recipe.depth
    kernel = {name: of["seconds"] for name, of in row.get("kernels", {}).items()}
    of_bins = next(
        (r["stages"] for r in bins.get("bins", []) if r["rows"] == ROWS[key] and r["way"].endswith(ON_GPU)), {}
    )
    times = predicted.get("prediction", {}).get("shallow", {}).get("rows", {}).get(str(ROWS[key]), {})
    edges = [of_bins[stage] for stage in ("keys", "sort", "ranks") if stage in of_bins]
    cells = (2**depth - 1) * columns * 256 * 16.0  # of all nodes that are searched
    updates = n * columns * (1 + (depth - 1) / 2)
    mark = 1.0 if 2**depth <= 256 else 2.0  # bytes that say the leaf of a row
    million = f"{updates / 1e9:.2f} G updates of a cell at most (siblings by subtraction)"
    return [
        Stage("edges", "values read", 4.0 * n * columns, sum(edges) if len(edges) == 3 else None),
        Stage("binning", "values read, bins written", 5.0 * n * columns, of_bins.get("bins")),
        Stage("gradients: losses", "scores and labels read, gradients written", 16.0 * n, kernel.get("Loss"), 0.6),
        Stage("gradients: integers", "gradients read, integers, rows written", 16.0 * n, kernel.get("Quantise"), 0.6),
        Stage("histogram", million, updates, kernel.get("Histogram"), 0.4, True),
        Stage("subtraction and split search", "histograms read", cells, kernel.get("Search")),
        Stage("partition", "rows and gradients moved", 16.0 * n * (depth - 1), kernel.get("Move"), 0.6),
        Stage("leaf of a row", "rows and bins read, marks written", (5.0 + mark) * n, kernel.get("Mark")),
        Stage("leaf sums", "marks and gradients read", (8.0 + mark) * n, kernel.get("LeafSum")),
        Stage("score update", "marks and scores read, scores written", (8.0 + mark) * n, kernel.get("AddLeaf")),
        Stage("prediction", "values read, scores written (500 trees)", 4.0 * n * columns + 4.0 * n,
              median(times["pygbt device"]) if "pygbt device" in times else None),
    ]  # fmt: skip


def roofline(stages: list[Stage], ceilings: dict[str, float]) -> list[str]:
    """What stages reach of the device's ceilings."""
    copy, additions = ceilings.get("copy_bytes_per_second"), ceilings.get("shared_additions_per_second")
    lines = ["| stage | work, at least | ceiling | reached [bar] |", "|---|---|---|---|"]
    for stage in stages:
        work = stage.what if stage.of_additions else f"{stage.work / 1e9:.2f} GB: {stage.what}"
        rate = additions if stage.of_additions else copy
        if rate is None or stage.seconds is None:
            wanted = f" [{stage.bar:.0%}]" if stage.bar else ""
            lines.append(f"| {stage.name} | {work} | | {NOT_YET}{wanted} |")
            continue
        ceiling = f"{rate / 1e9:,.0f} G/s" if stage.of_additions else f"{rate / 1e12:.2f} TB/s"
        share = stage.work / stage.seconds / rate
        shown = judged_share(share, stage.bar) if stage.bar else f"{share:.0%}"
        lines.append(f"| {stage.name} | {work} | {ceiling} | {shown} |")
    return lines


def judged_share(share: float, bar: float) -> str:
    text = f"{share:.0%}"
    return f"**{text}** [{bar:.0%}]" if share >= bar else f"{text} [{bar:.0%}]"


def page(name: str) -> str:
    """The page; what stands under its heading "Notes" is kept."""
    result, now, before, batch, predicted, bins = (
        machine.load(file) if machine.has(file) else {}
        for file in (f"gpu-{name}", f"stages-{name}", f"stages-{name}-before", f"gpu-batch-{name}",
                     f"gpu-predict-{name}", f"gpu-bins-{name}")
    )  # fmt: skip
    notes = PAGE.read_text().partition("\n## Notes\n")[2] if PAGE.exists() else ""
    where = next((r for r in (result, batch, predicted, now, bins) if r), None)
    build = where.get("build", {}).get("compiler", "") if where else ""
    lines = [
        "# Speed on a GPU",
        "",
        "Made by `benchmarks/gpu_report.py` from what `make gpu-bench` has measured; the notes are written by hand. "
        "Bold: the bar is met.",
        "",
        f"**{where['gpu']}**, {build}. {machine.describe(where['machine'])}" if where else f"{NOT_YET}.",
        "",
        "## Beside XGBoost, in turn on the same GPU",
        "",
        "A tree: the time of `train` over its rounds, set-up included. Array to model: bins and training. From the "
        "host XGBoost's is the better of QuantileDMatrix and DMatrix, where both were run, and of vector leaves and a "
        "tree a class, where pygbt has vector leaves. Losses: log loss, or RMSE of regression.",
        "",
        *training_table(result),
        "",
        *other_bars(batch, predicted),
        "",
        "## Datasets on the device",
        "",
        "Little memory: `max_device_bytes` leaves 64 MiB beside the bins, so that columns are sorted few at a time or "
        "read in parts.",
        "",
        *dataset_table(bins),
        "",
        "## Where a tree's time goes",
        "",
        "Kernels by PyTorch's profiler (CUPTI), a tree of a running training: before this round of work -> now.",
        "",
        *stage_table(before, now),
        "",
        "## Features that share a code",
        "",
        "Counted by `benchmarks/shared_codes.py` with the launch numbers of an H200. Words of 32 bits are what a "
        "histogram loads of a row's bins, additions leave out usual ones: each feature by itself -> as planned. What "
        "it saves of a tree's time is not yet measured.",
        "",
        *shared_codes(machine.load("shared-codes") if machine.has("shared-codes") else {}),
        "",
        "## Against the ceilings, 10,000,000 x 28, depth 8",
        "",
        "Ceilings are measured on the same device: a copy of 2 GiB, additions to random cells in shared memory. The "
        "work is the least there could be: edges sort their keys and move several times that, prediction is steps down "
        "trees rather than bytes.",
        "",
        *roofline(stages_of(now, bins, predicted, "A10"), now.get("ceilings", {})),
    ]
    return "\n".join(lines) + "\n" + ("\n## Notes\n" + notes if notes else "")


def main() -> None:
    PAGE.write_text(page(sys.argv[1]))
    print(f"wrote {PAGE.name}")


if __name__ == "__main__":
    main()
