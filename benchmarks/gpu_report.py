# SPDX-License-Identifier: Apache-2.0
"""docs/results/gpu-speed.md from results/gpu-<name>.json and results/stages-<name>.json.

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
    "A10": (4, 3), "G10": (4, 3), "A": (5, 4), "A01": (8, 5), "A001": (8, 5), "D": (4, 3), "E": (3, 2),
}  # fmt: skip

#: Ways of XGBoost with the input of a row; the best of them counts.
PEERS = {"host": ("xgboost cuda", "xgboost cuda, DMatrix"), "device": ("xgboost cuda, from cupy",)}

COLUMNS = {"A10": 28, "A": 28, "A01": 28, "A001": 28}


@dataclass(frozen=True)
class Pace:
    """Seconds of one way to train: set-up and bins, and a tree or round."""

    whole: float
    tree: float

    @classmethod
    def of(cls, row: dict[str, Any], rounds: int) -> Pace:
        train = median(row["train"])
        return cls(median(row["bins"]) + train, train / rounds)


def training_table(result: dict[str, Any]) -> list[str]:
    lines = [
        "| shape | input | pygbt, a tree | XGBoost, a tree | ratio [bar] | array to model | XGBoost | ratio [bar] |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key, (of_tree, of_whole) in BARS.items():
        row = result["training"].get(key)
        if row is None:
            lines.append(f"| {GPU_SHAPES[key].title} | not yet measured | | | | | | |")
            continue
        rounds = GPU_SHAPES[key].recipe.rounds
        for source, suffix in (("host", ""), ("device", ", from cupy")):
            ours = Pace.of(row["engines"]["pygbt cuda" + suffix], rounds)
            ways = [way for way in PEERS[source] if way in row["engines"]]
            peers = [Pace.of(row["engines"][way], rounds) for way in ways]
            peer = Pace(min(pace.whole for pace in peers), min(pace.tree for pace in peers))
            lines.append(
                f"| {row['title']} | {source} | {ours.tree * 1e3:.2f} ms | {peer.tree * 1e3:.2f} ms "
                f"| {judged(peer.tree / ours.tree, of_tree)} | {ours.whole:.3f} s | {peer.whole:.3f} s "
                f"| {judged(peer.whole / ours.whole, of_whole)} |"
            )
    return lines


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
    keys = [key for key in now["training"] if key in before["training"]]
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


def roofline(now: dict[str, Any], key: str) -> list[str]:
    """What a shape's stages reach of the device's ceilings. Bytes and updates are counted from rows and depth."""
    row, depth = now["training"][key], GPU_SHAPES[key].recipe.depth
    n, columns = row["rows"], COLUMNS[key]
    copy, additions = now["ceilings"]["copy_bytes_per_second"], now["ceilings"]["shared_additions_per_second"]
    seconds = {name: kernel["seconds"] for name, kernel in row["kernels"].items()}
    updates = n * columns * (1 + (depth - 1) / 2)
    bytes_of = {"Move": 16.0 * n * depth, "Loss": 16.0 * n, "Quantise": 16.0 * n}
    lines = ["| stage | work of a tree | ceiling | reached [bar] |", "|---|---|---|---|"]
    share = updates / seconds["Histogram"] / additions
    lines.append(
        f"| histogram | at most {updates / 1e9:.2f} G updates of a cell (siblings by subtraction) "
        f"| {additions / 1e9:,.0f} G/s | {judged_share(share, 0.4)} |"
    )
    for name, what in (("Move", "partition: rows and gradients moved"), ("Loss", "gradients: losses"),
                       ("Quantise", "gradients: integers")):  # fmt: skip
        share = bytes_of[name] / seconds[name] / copy
        lines.append(
            f"| {what} | {bytes_of[name] / 1e9:.2f} GB | {copy / 1e12:.2f} TB/s | {judged_share(share, 0.6)} |"
        )
    return lines


def judged_share(share: float, bar: float) -> str:
    text = f"{share:.0%}"
    return f"**{text}** [{bar:.0%}]" if share >= bar else f"{text} [{bar:.0%}]"


def page(name: str) -> str:
    """The page; what stands under its heading "Notes" is kept."""
    result, now = machine.load(f"gpu-{name}"), machine.load(f"stages-{name}")
    before = machine.load(f"stages-{name}-before")
    notes = PAGE.read_text().partition("\n## Notes\n")[2] if PAGE.exists() else ""
    lines = [
        "# Speed on a GPU",
        "",
        "Made by `benchmarks/gpu_report.py` from `compare_gpu.py` and `gpu_stages.py`; the notes are written by hand. "
        "Bold: the bar is met.",
        "",
        f"**{result['gpu']}**, {result['build']['compiler']}. {machine.describe(result['machine'])}",
        "",
        "## Beside XGBoost, in turn on the same GPU",
        "",
        "A tree: the time of `train` over its rounds, set-up included. Array to model: bins and training. From the "
        "host XGBoost's is the better of QuantileDMatrix and DMatrix, where both were run.",
        "",
        *training_table(result),
        "",
        "## Where a tree's time goes",
        "",
        "Kernels by PyTorch's profiler (CUPTI), a tree of a running training: before this round of work -> now.",
        "",
        *stage_table(before, now),
        "",
        "## Against the ceilings, 10,000,000 x 28, depth 8",
        "",
        "Ceilings are measured on the same device: a copy of 2 GiB, additions to random cells in shared memory.",
        "",
        *roofline(now, "A10"),
    ]
    return "\n".join(lines) + "\n" + ("\n## Notes\n" + notes if notes else "")


def main() -> None:
    PAGE.write_text(page(sys.argv[1]))
    print(f"wrote {PAGE.name}")


if __name__ == "__main__":
    main()
