# SPDX-License-Identifier: Apache-2.0
"""pygbt on a GPU beside pygbt on the CPU and XGBoost on the same GPU: in turn, written to results/gpu-<name>.json.

    python compare_gpu.py                                       all shapes, from numpy and, if there is cupy, from it
    python compare_gpu.py --shapes A --repeats 5
    python compare_gpu.py --shapes A --share 0.001 --emulated   the tests' emulator; nothing is written

The exit status says whether the digests of CPU and GPU agree everywhere.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import engines
import machine
from engines import Recipe
from scores import loss
from shapes import SHAPES, Shape, dense, real

from pygbt import devices

GPU_SHAPES: dict[str, Shape] = {
    "A": SHAPES["A"],
    "A10": replace(
        SHAPES["G"], key="A10", title="10,000,000 x 28 dense, binary, 50 trees, depth 8",
        table=dense(10_000_000, 28, 500_000),
    ),
    "A001": replace(SHAPES["A"], key="A001", title="10,000 x 28 dense, binary, 100 trees, depth 6",
                    table=dense(10_000, 28, 10_000)),
    "A01": replace(SHAPES["A"], key="A01", title="100,000 x 28 dense, binary, 100 trees, depth 6",
                   table=dense(100_000, 28, 50_000)),
    "B": SHAPES["B"],
    "D": SHAPES["D"],
    "E": SHAPES["E"],
    "F": Shape(
        "F", "fashion_mnist, 10 classes, vector leaves, 50 rounds, depth 6",
        Recipe("multiclass", 10, rounds=50, vector_leaves=True), real("fashion_mnist", "multiclass"),
        giant=True, shared=True,
    ),
    "G10": replace(SHAPES["G"], key="G10", title="10,000,000 x 8 dense, binary, 50 trees, depth 10",
                   recipe=replace(SHAPES["G"].recipe, depth=10)),
}  # fmt: skip

#: Ways to train, by name: engine, its parameters, whether its table is on the device from the start.
WAYS: dict[str, tuple[str, dict[str, object], bool]] = {
    "pygbt cpu": ("pygbt", {}, False),
    "pygbt cuda": ("pygbt", {"device": "cuda"}, False),
    "xgboost cuda": ("xgboost", {"device": "cuda"}, False),
    "xgboost cuda, DMatrix": ("xgboost", {"device": "cuda", "quantile": False}, False),
    "xgboost cuda, vector leaves": ("xgboost", {"device": "cuda", "multi_strategy": "multi_output_tree"}, False),
    "pygbt cuda, from cupy": ("pygbt", {"device": "cuda"}, True),
    "xgboost cuda, from cupy": ("xgboost", {"device": "cuda"}, True),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default=",".join(GPU_SHAPES), help="of " + ", ".join(GPU_SHAPES))
    parser.add_argument("--ways", default="", help="to train, of: " + "; ".join(WAYS) + ". Empty: all")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--share", type=float, default=1.0, help="share of the rows; below 1 nothing is written")
    parser.add_argument("--emulated", action="store_true")
    args = parser.parse_args()
    if args.emulated:
        devices.MODULE = "pygbt._cuda_emulated"
    module = devices.load_cuda()
    gpu = module.devices()[0]
    print(gpu, module.build_info())
    rates = atomics(module, n=2 if args.emulated else 4096)
    peers = () if args.emulated else ("xgboost",)
    with_cupy = not args.emulated and importlib.util.find_spec("cupy") is not None
    shapes = [GPU_SHAPES[key] for key in args.shapes.split(",")]
    name = "gpu-" + "-".join(gpu.lower().split())
    chosen = [way.strip() for way in args.ways.split(";")] if args.ways else list(WAYS)
    writes = args.share == 1.0 and not args.emulated
    rows = machine.load(name)["training"] if writes and machine.has(name) else {}  # other shapes stay
    for shape in shapes:
        recipe = replace(shape.recipe, n_threads=0)
        rows[shape.key] = measure(shape, recipe, args.repeats, args.share, peers, with_cupy, chosen)
        if writes:  # as far as it has come
            machine.save(name, {"gpu": gpu, "build": module.build_info(), "atomics": rates, "training": rows})
    return 0 if all(rows[shape.key]["digests_agree"] for shape in shapes) else 1


def atomics(module: Any, n: int) -> list[dict[str, Any]]:
    """Histogram updates a second in shared memory, by the kind of addition and of bins."""
    rates = [
        {"kind": kind, "bins": "skewed" if skewed else "random", "updates_per_second": rate}
        for kind, skewed, rate in module.probe_atomics(n=n)
    ]
    for row in rates:
        print(f"    {row['kind']:32} {row['bins']:8} {row['updates_per_second'] / 1e9:8.2f} G updates/s", flush=True)
    return rates


def measure(
    shape: Shape,
    recipe: Recipe,
    repeats: int,
    share: float,
    peers: Sequence[str],
    with_cupy: bool = False,
    chosen: Sequence[str] = tuple(WAYS),
    peer_device: str = "cuda",
) -> dict[str, Any]:
    """Times of every way to train one shape, in turn. A giant one is trained once on the CPU: its digest is wanted.

    What a peer cannot do is kept under "errors".
    """
    split = shape.table(share, 0)
    known = {"pygbt", *filter(engines.available, peers)}
    ways = {}
    for name, (engine, more, of_cupy) in WAYS.items():
        if name not in chosen or engine not in known or (of_cupy and not with_cupy):
            continue
        if "multi_strategy" in more and not recipe.vector_leaves:
            continue
        ways[name] = engines.make(engine, **more if engine == "pygbt" else {**more, "device": peer_device})
    there = on_device(split.X, split.y) if with_cupy else (split.X, split.y)
    print(f"{shape.key}. {shape.title}", flush=True)
    result: dict[str, Any] = {"title": shape.title, "rows": len(split.y), "date": machine.today(), "engines": {}}
    last = {name: 0 if shape.giant and name == "pygbt cpu" else repeats for name in ways}
    for turn in range(repeats + 1):  # the first one warms up
        for name, engine in list(ways.items()):
            if turn > last[name]:
                continue
            X, y = there if WAYS[name][2] else (split.X, split.y)
            try:
                start = time.perf_counter()
                bins = engine.bins(X, y, recipe)
                ready = time.perf_counter()
                model = engine.train(bins, recipe)
                end = time.perf_counter()
            except Exception as error:  # of a peer, of any kind
                if name.startswith("pygbt"):
                    raise
                result.setdefault("errors", {})[name] = f"{type(error).__name__}: {error}".splitlines()[0]
                print(f"    {name:24} {result['errors'][name]}", flush=True)
                del ways[name]
                result["engines"].pop(name, None)
                continue
            row = result["engines"].setdefault(name, {"bins": [], "train": [], "digest": engine.digest(model)})
            if turn > 0 or last[name] == 0:
                row["bins"].append(ready - start)
                row["train"].append(end - ready)
            if turn == last[name]:
                row["loss"] = loss(split, engine.predict(model, split.X_test))
                print(f"    {name:24} bins {median(row['bins']):7.3f}  train {median(row['train']):7.3f}", flush=True)
    digests = {row["digest"] for row in result["engines"].values() if row["digest"] is not None}
    result["digests_agree"] = len(digests) == 1
    return result


def on_device(X: Any, y: Any) -> tuple[Any, Any]:
    import cupy

    return cupy.asarray(X), cupy.asarray(y)


if __name__ == "__main__":
    sys.exit(main())
