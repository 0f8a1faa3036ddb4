# SPDX-License-Identifier: Apache-2.0
"""From an array to a Dataset on a GPU: seconds, and what the stages of it take.

    python gpu_bins.py                          1,000,000 and 10,000,000 rows of 28 float32 columns
    python gpu_bins.py --rows 1000 --emulated   the tests' emulator: no times worth reading
    python gpu_bins.py --save                   writes results/gpu-bins-<name>.json

The whole is timed first, without stages: these are timed apart, each waiting for its end. The first call of a process
pins memory and starts CUDA; it is shown on its own line.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import machine
import numpy as np

import pygbt
from pygbt import device_arrays, devices

N_COLUMNS = 28
#: Bytes beside the bins: some columns at a time are sorted, or where not even one has room all are streamed.
LITTLE = 64 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--emulated", action="store_true")
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    if args.emulated:
        devices.MODULE = "pygbt._cuda_emulated"
    module = devices.load_cuda()
    gpu = module.devices()[0]
    start = time.perf_counter()
    pygbt.Dataset(np.zeros((1000, N_COLUMNS), np.float32), device="cuda")
    print(f"{gpu}: the first Dataset of the process {time.perf_counter() - start:.3f} s")
    rows = [row for n in args.rows for row in measure(module, n, args.repeats)]
    if args.save:
        machine.save("gpu-bins-" + "-".join(gpu.lower().split()), {"gpu": gpu, "bins": rows})


def table(n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal values, counts, flags that are mostly zero, gaps; and labels."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, N_COLUMNS), dtype=np.float32)
    X[:, 5] = np.floor(X[:, 5] * 8)
    X[:, 6] = X[:, 6] > 1.5
    X[rng.random(n_rows) < 0.8, 7] = 0.0
    X[rng.random(n_rows) < 0.3, 8] = np.nan
    return X, (X[:, 0] > 0).astype(np.float32)


def measure(module: Any, n_rows: int, repeats: int) -> list[dict[str, Any]]:
    """Every way to hand over one table."""
    X, y = table(n_rows)
    fortran = np.asfortranarray(X)
    weight = np.ones(n_rows)
    weight[::3] = 2.0
    there = on_device(X)
    ways: dict[str, Callable[[], Any]] = {
        "numpy, C order": lambda: pygbt.Dataset(X, y, device="cuda"),
        "numpy, Fortran order": lambda: pygbt.Dataset(fortran, y, device="cuda"),
        "numpy, weighted": lambda: pygbt.Dataset(X, y, weight, device="cuda"),
        "numpy, little memory": lambda: pygbt.Dataset(X, y, device="cuda", max_device_bytes=X.size + LITTLE),
        f"{type(there).__module__.partition('.')[0]} on the GPU": lambda: pygbt.Dataset(there, y),
        "the host's bins": lambda: pygbt.Dataset(X, y),
    }
    rows = []
    for name, make in ways.items():
        seconds = []
        for turn in range(repeats + 1):  # the first one warms up
            gc.collect()
            start = time.perf_counter()
            data = make()
            if turn > 0:
                seconds.append(time.perf_counter() - start)
            del data
        gc.collect()
        before = module.allocated_bytes()
        module.take_peak_bytes()
        module.time_stages(True)
        make()
        stages = module.time_stages(False)
        row = {"rows": n_rows, "columns": N_COLUMNS, "way": name, "seconds": seconds, "stages": stages}
        row["peak_bytes"] = module.take_peak_bytes() - before
        if name == "numpy, little memory":
            row["budget_bytes"] = X.size + LITTLE
        shown = "  ".join(f"{stage} {taken * 1e3:.1f}" for stage, taken in stages.items())
        print(
            f"{n_rows:>11,} rows  {name:22} {median(seconds) * 1e3:8.1f} ms  {row['peak_bytes'] / 2**20:8.1f} MiB   "
            f"{shown}",
            flush=True,
        )
        rows.append(row)
    return rows


def on_device(X: np.ndarray) -> Any:
    """A copy on the GPU: cupy's where it is installed."""
    try:
        return importlib.import_module("cupy").asarray(X)
    except ImportError:
        return device_arrays.put(X)


if __name__ == "__main__":
    main()
