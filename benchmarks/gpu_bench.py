# SPDX-License-Identifier: Apache-2.0
"""Everything that docs/results/gpu-speed.md shows, section by section, as far as the time goes: `make gpu-bench`.

    python gpu_bench.py                                  what this build has not measured yet, 8 minutes at most
    python gpu_bench.py --sections batch,predict-shallow --again
    python gpu_bench.py --list                           sections, and whether this build has measured them
    python gpu_bench.py --emulated --share 0.0002 --results DIR   a rehearsal: the tests' emulator, XGBoost on the CPU

A section is written as soon as it is there, with a mark of the build (of its compiled module); the next call goes on
with those that have none. A section that fails is reported, and the others go on. The exit status says whether one
failed or CPU and GPU disagree.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import compare_gpu
import gpu_bins
import gpu_predict
import gpu_stages
import machine
import tables
import train_batch
from compare_gpu import GPU_SHAPES

from pygbt import devices

#: Results of a GPU: file, and the parts of it.
PREFIXES = ("gpu", "gpu-batch", "gpu-predict", "gpu-bins", "stages")


@dataclass
class Session:
    """One run: its device, its build, and how large everything is."""

    module: Any
    emulated: bool = False
    share: float = 1.0
    repeats: int = 3

    @property
    def gpu(self) -> str:
        return str(self.module.devices()[0])

    @property
    def peer_device(self) -> str:
        return "cpu" if self.emulated else "cuda"

    @property
    def build(self) -> str:
        """Of the compiled module: results of another one are measured anew."""
        return hashlib.sha256(Path(self.module.__file__).read_bytes()).hexdigest()[:12]

    def name(self, prefix: str) -> str:
        return prefix + "-" + "-".join(self.gpu.lower().split())

    def load(self, prefix: str) -> dict[str, Any]:
        return machine.load(self.name(prefix)) if machine.has(self.name(prefix)) else {}

    def put(self, prefix: str, section: str, found: dict[str, Any]) -> None:
        """Merge what a section has found into its file: tables by key, all else whole."""
        result = self.load(prefix)
        for part, value in found.items():
            result[part] = {**result.get(part, {}), **value} if isinstance(value, dict) else value
        result["sections"] = {**result.get("sections", {}), section: self.build}
        head = {"gpu": self.gpu, "build": self.module.build_info()}
        result.pop("machine", None)
        machine.save(self.name(prefix), {**result, **head})

    def scaled(self, n: int, least: int = 1) -> int:
        return n if self.share >= 1 else max(least, int(n * self.share))


@dataclass(frozen=True)
class Section:
    """What it measures, in which file, and about how many seconds that takes on an H200."""

    prefix: str
    seconds: float
    run: Callable[[Session], dict[str, Any]]
    needs: str = ""  # a library


def training(key: str, repeats: int) -> Callable[[Session], dict[str, Any]]:
    def run(session: Session) -> dict[str, Any]:
        shape = GPU_SHAPES[key]
        recipe = replace(shape.recipe, n_threads=0)
        if session.share < 1:
            recipe = shape.small(3, n_threads=0)
        with_cupy = not session.emulated and importlib.util.find_spec("cupy") is not None
        turns = min(repeats, session.repeats)
        row = compare_gpu.measure(
            shape, recipe, turns, session.share, ("xgboost",), with_cupy, peer_device=session.peer_device
        )
        if not row["digests_agree"]:
            raise AssertionError(f"{key}: the models of CPU and GPU differ")
        return {"training": {key: row}}

    return run


def atomics(session: Session) -> dict[str, Any]:
    return {"atomics": compare_gpu.atomics(session.module, n=2 if session.emulated else 4096)}


def batch(session: Session) -> dict[str, Any]:
    """One timed turn of each, after two models to warm up: XGBoost takes 10 s a turn."""
    rows, rounds = session.scaled(20_000, 300), session.scaled(100, 3)
    models = session.scaled(64, 3)
    options = argparse.Namespace(
        models=models, rows=rows, columns=28, rounds=rounds, depth=6 if session.share >= 1 else 3, repeats=1,
        device="cuda", peer_device=session.peer_device, warm=2,
    )  # fmt: skip
    return {"train_batch": {train_batch.title(options): {"date": machine.today(), **train_batch.measure(options)}}}


def prediction(key: str, rows: Sequence[int]) -> Callable[[Session], dict[str, Any]]:
    def run(session: Session) -> dict[str, Any]:
        sizes = sorted({session.scaled(n) for n in rows})
        X, _ = tables.dense(sizes[-1], 28, 1)
        forest = gpu_predict.FORESTS[key]
        repeats = min(3, session.repeats)
        result = gpu_predict.measure(
            forest, X, sizes, repeats, session.share, xgboost=True, peer_device=session.peer_device
        )
        if not result["equal"]:
            raise AssertionError("predictions of CPU and GPU differ")
        return {"prediction": {key: result}, "date": machine.today()}

    return run


def bins(n_rows: int) -> Callable[[Session], dict[str, Any]]:
    def run(session: Session) -> dict[str, Any]:
        n = session.scaled(n_rows, 300)
        rows = gpu_bins.measure(session.module, n, min(3, session.repeats))
        if any(row["peak_bytes"] > row.get("budget_bytes", row["peak_bytes"]) for row in rows):
            raise AssertionError("a Dataset took more device memory than max_device_bytes")
        return {"bins": [*(row for row in session.load("gpu-bins").get("bins", []) if row["rows"] != n), *rows]}

    return run


def stages(key: str) -> Callable[[Session], dict[str, Any]]:
    def run(session: Session) -> dict[str, Any]:
        row = gpu_stages.measure(GPU_SHAPES[key], 30)
        gpu_stages.show(row)
        return {"training": {key: row}, "ceilings": gpu_stages.ceilings(session.module)}

    return run


#: In the order in which they are measured: what has never been first, then by what it says for its time.
SECTIONS: dict[str, Section] = {
    "batch": Section("gpu-batch", 30, batch),
    "predict-shallow": Section("gpu-predict", 30, prediction("shallow", (100_000, 10_000_000))),
    "A10": Section("gpu", 75, training("A10", 2)),
    "A": Section("gpu", 20, training("A", 3)),
    "A01": Section("gpu", 8, training("A01", 3)),
    "A001": Section("gpu", 6, training("A001", 3)),
    "D": Section("gpu", 15, training("D", 3)),
    "E": Section("gpu", 25, training("E", 2)),
    "F": Section("gpu", 75, training("F", 1)),
    "G10": Section("gpu", 50, training("G10", 2)),
    "stages-A10": Section("stages", 25, stages("A10"), "torch"),
    "bins-10000000": Section("gpu-bins", 40, bins(10_000_000)),
    "stages-A": Section("stages", 8, stages("A"), "torch"),
    "stages-A01": Section("stages", 4, stages("A01"), "torch"),
    "stages-A001": Section("stages", 4, stages("A001"), "torch"),
    "atomics": Section("gpu", 5, atomics),
    "bins-1000000": Section("gpu-bins", 8, bins(1_000_000)),
    "predict-deep": Section("gpu-predict", 25, prediction("deep", (1, 1_000, 100_000, 10_000_000))),
}


def measured(session: Session, name: str) -> bool:
    """Whether this build has."""
    return bool(session.load(SECTIONS[name].prefix).get("sections", {}).get(name) == session.build)


def work_through(session: Session, names: Sequence[str], seconds: float) -> tuple[list[str], list[str]]:
    """Measure what there is time for; the names of those that failed, and of those that are left."""
    end = time.monotonic() + seconds
    failed, left = [], []
    for name in names:
        section = SECTIONS[name]
        if section.needs and importlib.util.find_spec(section.needs) is None:
            print(f"{name}: left out, needs {section.needs}", flush=True)
            continue
        if section.seconds * min(1.0, session.share) > end - time.monotonic():
            left.append(name)
            continue
        start = time.monotonic()
        try:
            session.put(section.prefix, name, section.run(session))
        except Exception:  # whatever it is, the other sections are worth measuring
            traceback.print_exc()
            failed.append(name)
        print(f"{name}: {time.monotonic() - start:.0f} s, {section.seconds:.0f} expected", flush=True)
    return failed, left


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", default="", help="of " + ", ".join(SECTIONS) + ". Empty: all")
    parser.add_argument("--minutes", type=float, default=8.0, help="no section begins that would not end in time")
    parser.add_argument("--repeats", type=int, default=3, help="at most; long sections have fewer")
    parser.add_argument("--again", action="store_true", help="also what this build has measured")
    parser.add_argument("--list", action="store_true", help="measure nothing")
    parser.add_argument("--share", type=float, default=1.0, help="of rows, trees and models; below 1 with --results")
    parser.add_argument("--emulated", action="store_true", help="with --results")
    parser.add_argument("--results", type=Path, help="a folder instead of benchmarks/results")
    args = parser.parse_args(arguments)
    if (args.emulated or args.share < 1) and args.results is None:
        parser.error("--emulated and --share are rehearsals: --results names a folder for what they write")
    names = args.sections.split(",") if args.sections else list(SECTIONS)
    if unknown := [name for name in names if name not in SECTIONS]:
        parser.error(f"no such section: {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    if args.emulated:
        devices.MODULE = "pygbt._cuda_emulated"
    if args.results is not None:
        machine.RESULTS = args.results
    session = Session(devices.load_cuda(), args.emulated, args.share, args.repeats)
    print(session.gpu, session.module.build_info(), flush=True)
    if args.list:
        for name in names:
            state = "measured" if measured(session, name) else "not yet measured"
            print(f"{name:18} {SECTIONS[name].seconds:4.0f} s   {state}")
        return 0
    wanted = [name for name in names if args.again or not measured(session, name)]
    failed, left = work_through(session, wanted, 60 * args.minutes)
    if failed:
        print("failed: " + ", ".join(failed))
    if left:
        print("left for another call: " + ", ".join(left))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
