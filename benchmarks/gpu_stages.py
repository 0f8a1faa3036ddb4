# SPDX-License-Identifier: Apache-2.0
"""Where a training on a GPU spends its time: every kernel's share of a tree, beside what the device could do.

    python gpu_stages.py                          all shapes, written to results/stages-<name>.json
    python gpu_stages.py --shapes A10 --rounds 20

A shape is trained for few and for more rounds; the difference, over the rounds between, is a tree's time without set-up
("steady"). PyTorch's profiler (CUPTI) then says how long each kernel ran. Ceilings are measured on the same device: the
bandwidth of a copy, and additions to shared memory. Needs PyTorch with CUDA.
"""

from __future__ import annotations

import argparse
import re
import time
from dataclasses import replace
from statistics import median
from typing import Any

import engines
import machine
from compare_gpu import GPU_SHAPES
from engines import Recipe
from shapes import Shape

from pygbt import devices

#: Stage of a kernel, by its name.
STAGES: dict[str, str] = {
    "Loss": "gradients", "Softmax": "gradients", "Task": "gradients", "Extremes": "gradients",
    "ClearExtremes": "gradients", "Scales": "gradients", "CountUp": "gradients", "Quantise": "gradients",
    "Histogram": "histogram", "Clear": "histogram", "Subtract": "histogram",
    "Order": "split search", "Search": "split search", "Running": "split search", "Judge": "split search",
    "Choose": "split search",
    "Side": "partition", "TileOffset": "partition", "Move": "partition",
    "Start": "frontier", "Expand": "frontier", "Children": "frontier", "Leaves": "frontier", "Record": "frontier",
    "ListedLeaves": "frontier",
    "Mark": "leaves and scores", "LeafSum": "leaves and scores", "LeafValue": "leaves and scores",
    "Residual": "leaves and scores", "AddLeaf": "leaves and scores", "Walk": "leaves and scores",
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default="A001,A01,A,A10,B", help="of " + ", ".join(GPU_SHAPES))
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--name", default="", help="of the file; empty: the GPU's")
    args = parser.parse_args()
    module = devices.load_cuda()
    gpu = module.devices()[0]
    rates = ceilings(module)
    print(gpu, {key: f"{rate:.3g}" for key, rate in rates.items()}, flush=True)
    rows = {}
    for key in args.shapes.split(","):
        rows[key] = measure(GPU_SHAPES[key], args.rounds)
        show(rows[key])
    name = args.name or "stages-" + "-".join(gpu.lower().split())
    machine.save(name, {"gpu": gpu, "build": module.build_info(), "ceilings": rates, "training": rows})


def ceilings(module: Any) -> dict[str, float]:
    """What the device can do, by the rates that the stages are held against."""
    return {"copy_bytes_per_second": copy_rate(), "shared_additions_per_second": addition_rate(module)}


def copy_rate() -> float:
    """Bytes read and written a second by a copy of 2 GiB."""
    import torch

    there = torch.empty(1 << 29, dtype=torch.float32, device="cuda").normal_()
    out = torch.empty_like(there)
    times = []
    for _ in range(8):
        torch.cuda.synchronize()
        start = time.perf_counter()
        out.copy_(there)
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 2.0 * there.nbytes / min(times)


def addition_rate(module: Any) -> float:
    """Updates of a cell a second: two 32-bit words, random bins."""
    return next(
        rate for kind, skewed, rate in module.probe_atomics(n=4096) if kind == "two 32-bit words" and not skewed
    )


def measure(shape: Shape, rounds: int) -> dict[str, Any]:
    import torch
    from torch.profiler import ProfilerActivity, profile

    split = shape.table(1.0, 0)
    recipe = replace(shape.recipe, n_threads=0)
    engine = engines.make("pygbt", device="cuda")
    data = engine.bins(split.X, split.y, recipe)
    seconds = {n: seconds_of(engine, data, replace(recipe, rounds=n)) for n in (rounds, 3 * rounds)}
    steady = (seconds[3 * rounds] - seconds[rounds]) / (2 * rounds)
    with profile(activities=[ProfilerActivity.CUDA]) as record:
        engine.train(data, replace(recipe, rounds=rounds))
        torch.cuda.synchronize()
    kernels: dict[str, dict[str, float]] = {}
    for event in record.key_averages():
        if event.self_device_time_total == 0:  # a call on the host
            continue
        row = kernels.setdefault(short(event.key), {"launches": 0.0, "seconds": 0.0})
        row["launches"] += event.count / rounds
        row["seconds"] += event.self_device_time_total * 1e-6 / rounds
    return {
        "title": shape.title, "rows": len(split.y), "date": machine.today(), "rounds": rounds,
        "seconds_a_tree": steady, "kernels": dict(sorted(kernels.items(), key=lambda item: -item[1]["seconds"])),
    }  # fmt: skip


def seconds_of(engine: Any, data: Any, recipe: Recipe) -> float:
    found = []
    for _ in range(4):
        start = time.perf_counter()
        engine.train(data, recipe)
        found.append(time.perf_counter() - start)
    return median(found[1:])


def short(name: str) -> str:
    """The kernel's own name: `HistogramKernel<Narrow...>` of a long one."""
    found = re.search(r"(\w+)Kernel", name)
    return found.group(1) if found else name.split("(")[0][:40]


def show(row: dict[str, Any]) -> None:
    of_tree = row["seconds_a_tree"] * 1e6
    busy = sum(kernel["seconds"] for kernel in row["kernels"].values()) * 1e6
    launches = sum(kernel["launches"] for kernel in row["kernels"].values())
    print(f"{row['title']}: {of_tree:,.0f} us a tree, of which kernels {busy:,.0f} us in {launches:.0f} launches")
    for name, kernel in row["kernels"].items():
        stage = STAGES.get(name, "")
        print(f"    {name:24} {stage:14} {kernel['launches']:6.1f} x  {kernel['seconds'] * 1e6:10,.1f} us", flush=True)


if __name__ == "__main__":
    main()
