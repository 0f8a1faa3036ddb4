# SPDX-License-Identifier: Apache-2.0
"""What only a GPU can show: digests by size, memory that is given back, interruption, compute-sanitizer.

    python cuda_checks.py                     results/cuda-checks-<gpu>.json; then cuda_digests.py --report
    python cuda_checks.py --sizes 10,1000 --trainings 3 --no-sanitizer --emulated      a trial; nothing is written
    python cuda_checks.py --small-suite       the trainings that the sanitizer watches

The exit status says whether all of it held.
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import machine
import numpy as np
import tables

import pygbt
from pygbt import devices

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import cuda_cases  # noqa: E402
from cuda_cases import CONFIGS, dataset, fit  # noqa: E402

TOOLS = ("memcheck", "racecheck", "initcheck")
SANITIZED_TABLES = ("dense", "categories")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10,100,1000,10000,100000,1000000,10000000")
    parser.add_argument("--trainings", type=int, default=100)
    parser.add_argument("--no-sanitizer", action="store_true")
    parser.add_argument("--small-suite", action="store_true")
    parser.add_argument("--emulated", action="store_true")
    args = parser.parse_args()
    if args.emulated:
        devices.MODULE = "pygbt._cuda_emulated"
    module = devices.load_cuda()
    if args.small_suite:
        return small_suite()
    name = module.devices()[0]
    result: dict[str, Any] = {"device": name, "date": machine.today(), "build": module.build_info()}
    if not args.no_sanitizer:
        result["sanitizer"] = sanitize()
        print(result["sanitizer"], flush=True)
    result["sizes"] = {n: by_size(int(n)) for n in args.sizes.split(",")}
    print(result["sizes"], flush=True)
    result["kept_bytes"] = kept_after(args.trainings, module)
    result["trainings"] = args.trainings
    result["interrupted"] = interrupted()
    print({k: result[k] for k in ("kept_bytes", "trainings", "interrupted")}, flush=True)
    if not args.emulated:
        machine.save("cuda-checks-" + "-".join(name.lower().split()), result)
    held = all(cpu == cuda for digests in result["sizes"].values() for cpu, cuda in digests.values())
    clean = all(run["errors"] == 0 and run["differ"] == 0 for run in result.get("sanitizer", {}).values())
    return 0 if held and clean and result["kept_bytes"] == 0 and result["interrupted"]["equal"] else 1


def by_size(n: int) -> dict[str, tuple[str, str]]:
    """Digests of the CPU's and the device's model of n rows, by kind of training."""
    X, y = tables.dense(n, 28, 1)
    X[::7, 3] = np.nan
    kinds: dict[str, dict[str, Any]] = {"logistic": {"objective": "logistic", "max_depth": 8}}
    if n <= 1_000_000:
        kinds["lossguide"] = {"objective": "squared_error", "grow_policy": "lossguide", "max_leaves": 63}
        kinds["sampled"] = {"objective": "logistic", "subsample": 0.5, "colsample_bytree": 0.5}
    data = pygbt.Dataset(X, y)
    on_device = pygbt.Dataset(X, y, device="cuda")
    return {
        kind: (fit(params, data, "cpu", 5).digest(), fit(params, on_device, "cuda", 5).digest())
        for kind, params in kinds.items()
    }


def kept_after(n: int, module: Any) -> int:
    """Bytes of device memory that n trainings leave in use."""
    data = dataset("categories", "softmax", 20_000)
    fit(CONFIGS["softmax"], data, "cuda", 1)
    gc.collect()
    before = int(module.allocated_bytes())
    for _ in range(n):
        fit(CONFIGS["softmax"], data, "cuda", 1)
    gc.collect()
    return int(module.allocated_bytes()) - before


def interrupted() -> dict[str, Any]:
    """Ctrl-C in a long training: how soon it is heard, and that the next training is right."""
    X, y = tables.dense(200_000, 28, 1)
    data = pygbt.Dataset(X, y)
    sent = [0.0]

    def interrupt() -> None:
        sent[0] = time.perf_counter()
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background ignores it
    threading.Timer(0.5, interrupt).start()
    try:
        kept = pygbt.train({"objective": "logistic", "device": "cuda"}, data, 100_000)
    except pygbt.TrainingInterrupted as stopped:
        heard, kept = time.perf_counter() - sent[0], stopped.booster
    else:
        raise AssertionError("Ctrl-C was not heard")
    rounds = min(kept.n_iterations, 20)
    model = pygbt.train({"objective": "logistic", "device": "cuda"}, data, rounds)
    equal = model[:rounds].digest() == kept[:rounds].digest()
    return {"seconds": round(heard, 3), "rounds": kept.n_iterations, "equal": equal}


def sanitize() -> dict[str, Any]:
    """compute-sanitizer over the small suite, a process a tool, side by side."""
    tool = shutil.which("compute-sanitizer")
    if tool is None:
        raise SystemExit("compute-sanitizer is not on PATH; leave it out with --no-sanitizer")
    suite = [sys.executable, *(["-P"] if sys.flags.safe_path else []), __file__, "--small-suite"]
    runs = {
        kind: subprocess.Popen(
            [tool, "--tool", kind, "--print-limit", "20", *suite],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "PYGBT_CUDA_SMALL": "1"},
        )
        for kind in TOOLS
    }  # fmt: skip
    text = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout
    version = found_version[1] if (found_version := re.search(r"[Vv]ersion (\S+)", text)) else "of unknown version"
    found: dict[str, Any] = {}
    for kind, run in runs.items():
        text = run.communicate()[0]
        errors = re.search(r"SUMMARY: (\d+)", text)
        trainings = re.search(r"(\d+) trainings, (\d+) differ", text)
        if errors is None or trainings is None:
            raise SystemExit(f"compute-sanitizer {kind} did not finish:\n{text[-3000:]}")
        found[kind] = {
            "version": version,
            "errors": int(errors[1]),
            "trainings": int(trainings[1]),
            "differ": int(trainings[2]),
            "summary": [line.strip("= ") for line in text.splitlines() if "SUMMARY" in line],
        }
    return found


def small_suite() -> int:
    """Every kind of training once, from the host's and the device's Dataset, and predictions."""
    n = differ = 0
    for name, params in CONFIGS.items():
        for table in SANITIZED_TABLES:
            data = dataset(table, name, 300)
            expected = fit(params, data, "cpu", 2)
            found = fit(params, data, "cuda", 2)
            X, _ = cuda_cases.signal(100, 1)
            n += 1
            differ += found.digest() != expected.digest()
            differ += found.predict(X, device="cuda").tobytes() != expected.predict(X).tobytes()
    X, z = cuda_cases.signal(500, 2)
    for more in ({}, {"max_bin": 600}):
        found = fit(CONFIGS["huber"], pygbt.Dataset(X, z, device="cuda", **more), "cuda", 2)
        n += 1
        differ += found.digest() != fit(CONFIGS["huber"], pygbt.Dataset(X, z, **more), "cpu", 2).digest()
    print(f"{n} trainings, {differ} differ")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
