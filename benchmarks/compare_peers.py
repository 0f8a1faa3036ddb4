# SPDX-License-Identifier: Apache-2.0
"""pygbt beside its peers on every shape of table: interleaved runs, equal settings, written to results/<machine>.json.

    python compare_peers.py                                  everything
    python compare_peers.py --shapes A,C --repeats 3 --engines pygbt,xgboost

A to I train (C is C1 and C2), J and K predict many rows, L one row, M is the second thread, "curves" the plots' data.
A row is written as soon as it is measured; the rows of other shapes stay. The exit status says whether pygbt's held-out
loss is within two standard deviations of the fastest peer's everywhere.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from typing import Any

import bars
import engines
import machine
import prediction
import scaling
import tables
import training
from shapes import SHAPES

EVERYTHING = (*SHAPES, "J", "K", "L", "M", "curves")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default=",".join(EVERYTHING), help="comma-separated; C means C1 and C2")
    parser.add_argument("--engines", default=",".join(engines.ENGINES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--share", type=float, default=1.0, help="share of the rows; below 1 nothing is written")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    wanted = select(args.shapes)
    names = [name for name in args.engines.split(",") if installed(name)]
    failures = []
    for key in wanted:
        start = time.perf_counter()
        section, rows = measure(key, names, args.repeats, args.share)
        for row_key, row in rows.items():
            failures += [f"{row_key}: {problem}" for problem in bars.problems(row)]
        if args.share >= 1 and rows:
            machine.merge(section, rows)
        print(f"{key}: {time.perf_counter() - start:.0f} s", flush=True)
    for failure in failures:
        print("FAILED", failure)
    return 1 if failures else 0


def select(text: str) -> list[str]:
    """Keys of experiments, in order: a letter stands for all that begin with it."""
    found = [
        key for part in text.split(",") for key in EVERYTHING if key == part or (key[0] == part and key[1:].isdigit())
    ]
    if not found:
        raise SystemExit(f"no such shape: {text}; there are {', '.join(EVERYTHING)}")
    if "J" in found and "L" in found:  # J's models measure L, too
        found.remove("L")
    return list(dict.fromkeys(found))


def installed(name: str) -> bool:
    """Whether the engine can be measured; says so where not."""
    if name not in engines.ENGINES:
        raise SystemExit(f"no such engine: {name}; there are {', '.join(engines.ENGINES)}")
    if engines.available(name):
        return True
    print(f"{name}: not installed, left out", flush=True)
    return False


def measure(key: str, names: list[str], repeats: int, share: float = 1.0) -> tuple[str, dict[str, Any]]:
    """(section of the results, rows by key) of one experiment."""
    if key in SHAPES:
        shape = SHAPES[key]
        print(f"{key}. {shape.title}", flush=True)
        if shape.shared and not tables.DATA.is_dir():
            print("    left out: needs the real data sets in ../shared/data, which are not here", flush=True)
            return "training", {}
        split = shape.table(share, 0)
        recipe = shape.recipe if share >= 1 else shape.small(3)
        chosen = [name for name in names if name in shape.engines]
        row = {"title": shape.title, "rows": len(split.y), "features": split.X.shape[1], "task": split.task}
        return "training", {key: {**row, "engines": training.measure(split, recipe, chosen, repeats, shape.giant)}}
    if key in ("J", "K", "L"):
        forest = prediction.FORESTS["J" if key == "L" else key]
        print(f"{key}. {forest.title}", flush=True)
        chosen = [name for name in names if name in forest.engines]
        rounds = repeats if key == "K" else 2 * repeats + 1
        batch, single = prediction.measure(forest, forest.table(share), chosen, rounds)
        rows = {forest.key: {"title": forest.title, "engines": batch}}
        if single:
            rows["L"] = {"title": "predict one row, 100 trees of depth 6, from Python", "engines": single}
        return "prediction", rows
    if key == "M":
        shape = scaling.SPEED_UP_SHAPE
        print(f"M. second thread on {shape.key}", flush=True)
        recipe = shape.recipe if share >= 1 else shape.small(3)
        return "threads", {
            "M": {"title": shape.title, "engines": scaling.speed_up(shape.table(share, 0), recipe, repeats)}
        }
    cores = len(os.sched_getaffinity(0))
    chosen = [name for name in names if name != "sklearn"]
    return "curves", {axis: {"points": scaling.curve(axis, chosen, cores, share)} for axis in scaling.CURVES}


if __name__ == "__main__":
    sys.exit(main())
