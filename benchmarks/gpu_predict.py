# SPDX-License-Identifier: Apache-2.0
"""Time to predict on a GPU from host and device arrays, beside XGBoost's inplace_predict.

    python gpu_predict.py                            500 trees of depth 6, 100 of depth 12; 1 to 10,000,000 rows x 28
    python gpu_predict.py --rows 1,100000 --forests shallow --repeats 9
    python gpu_predict.py --share 0.001 --emulated   the tests' emulator; nothing is written

Written to results/gpu-predict-<name>.json. Device arrays are cupy's where it is installed, else pygbt's own. The exit
status says whether all results are the CPU's, byte for byte (the first 100,000 rows of each).
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import machine
import numpy as np
import tables

import pygbt
from pygbt import device_arrays, devices

ROWS = (1, 1_000, 100_000, 10_000_000)
COMPARED = 100_000  # rows of each result that are held against the CPU's


@dataclass(frozen=True)
class Forest:
    """Trees to predict with, of both engines."""

    title: str
    rounds: int
    depth: int
    n_train: int = 200_000

    def params(self) -> dict[str, Any]:
        return {
            "objective": "logistic", "max_depth": self.depth, "learning_rate": 0.05, "min_child_weight": 1.0,
        }  # fmt: skip


FORESTS = {
    "shallow": Forest("500 trees of depth 6", 500, 6),
    "deep": Forest("100 trees of depth 12", 100, 12),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forests", default=",".join(FORESTS), help="of " + ", ".join(FORESTS))
    parser.add_argument("--rows", default=",".join(map(str, ROWS)))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--share", type=float, default=1.0, help="share of rows and trees; below 1 nothing is written")
    parser.add_argument("--emulated", action="store_true")
    args = parser.parse_args()
    if args.emulated:
        devices.MODULE = "pygbt._cuda_emulated"
    module = devices.load_cuda()
    gpu = module.devices()[0]
    print(gpu, module.build_info())
    rows = sorted({max(1, int(int(n) * args.share)) for n in args.rows.split(",")})
    X, _ = tables.dense(rows[-1], 28, 1)
    results = {
        key: measure(FORESTS[key], X, rows, args.repeats, args.share, xgboost=not args.emulated)
        for key in args.forests.split(",")
    }
    if args.share == 1.0 and not args.emulated:
        name = "-".join(gpu.lower().split())
        record = {"gpu": gpu, "build": module.build_info(), "date": machine.today(), "prediction": results}
        machine.save("gpu-predict-" + name, record)
    return 0 if all(result["equal"] for result in results.values()) else 1


def measure(
    forest: Forest,
    X: np.ndarray,
    rows: list[int],
    repeats: int,
    share: float,
    *,
    xgboost: bool,
    peer_device: str = "cuda",
) -> dict[str, Any]:
    """Seconds of every way to predict, by rows and way, and whether the results are the CPU's."""
    X_train, y = tables.dense(max(300, int(forest.n_train * share)), 28, 0)
    rounds = max(2, int(forest.rounds * share))
    start = time.perf_counter()
    booster = pygbt.train({**forest.params(), "device": "cuda"}, pygbt.Dataset(X_train, y), rounds)
    peer = train_peer(forest, X_train, y, rounds, peer_device) if xgboost and installed("xgboost") else None
    print(f"{forest.title}, trained in {time.perf_counter() - start:.1f} s", flush=True)
    result: dict[str, Any] = {"title": forest.title, "equal": True, "rows": {}}
    for n in rows:
        x = X[:n]
        there = to_device(x)
        ways: dict[str, Callable[[], Any]] = {
            "pygbt host": lambda x=x: booster.predict(x, device="cuda"),
            "pygbt device": lambda there=there: booster.predict(there),
        }
        if peer is not None:
            ways["xgboost host"] = lambda x=x: peer.inplace_predict(x)
            if peer_device == "cuda" and installed("cupy"):
                ways["xgboost device"] = lambda there=there: synchronised(peer.inplace_predict(there))
        times: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(repeats + 1):  # the first one warms up
            for name, predict in ways.items():
                begin = time.perf_counter()
                found = predict()
                end = time.perf_counter()
                if turn > 0:
                    times[name].append(end - begin)
                if turn == 0 and name.startswith("pygbt"):
                    expected = booster.predict(x[:COMPARED])
                    result["equal"] &= to_host(found)[: len(expected)].tobytes() == expected.tobytes()
        result["rows"][str(n)] = times
        for name, seconds in times.items():
            middle = median(seconds)
            print(
                f"    {n:>10,} rows  {name:15} {1e3 * middle:10.3f} ms  {n / middle / 1e6:10.2f} M rows/s", flush=True
            )
    print("    results are the CPU's" if result["equal"] else "    RESULTS DIFFER FROM THE CPU'S", flush=True)
    return result


def train_peer(forest: Forest, X: np.ndarray, y: np.ndarray, rounds: int, device: str) -> Any:
    """An XGBoost model of as many trees, on the GPU or, in a rehearsal, on the CPU."""
    import xgboost

    params = {
        "objective": "binary:logistic", "max_depth": forest.depth, "eta": 0.05, "max_bin": 256, "device": device,
        "tree_method": "hist",
    }  # fmt: skip
    return xgboost.train(params, xgboost.QuantileDMatrix(X, label=y), rounds)


def installed(library: str) -> bool:
    return importlib.util.find_spec(library) is not None


def to_device(x: np.ndarray) -> Any:
    if devices.MODULE == devices.CUDA_MODULE and installed("cupy"):
        import cupy

        return cupy.asarray(x)
    return device_arrays.put(x)


def to_host(x: Any) -> np.ndarray:
    if isinstance(x, np.ndarray):
        return x
    return np.asarray(x.numpy() if isinstance(x, pygbt.DeviceArray) else x.get())


def synchronised(x: Any) -> Any:
    """A result of a library that does not wait for it."""
    import cupy

    cupy.cuda.runtime.deviceSynchronize()
    return x


if __name__ == "__main__":
    sys.exit(main())
