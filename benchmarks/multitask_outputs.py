# SPDX-License-Identifier: Apache-2.0
"""Hundreds of targets: time and memory of vector leaves beside XGBoost's and CatBoost's, in turn, on two threads.

Features are real (elevators, 18 columns); targets are K mixtures of eight step functions of them, with noise. Same
rounds, depth and number of bins; an engine in a process of its own, the first fit dropped.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from tables import load_split

#: Targets, and rounds; fits of each engine, of which the first is dropped.
SIZES = {"100": 50, "1000": 10}
REPEATS = {"100": 3, "1000": 2}
ENGINES = ("pygbt", "pygbt_sketch5", "xgboost", "catboost")
ROWS, BINS, DEPTH, RATE, THREADS = 10_000, 64, 6, 0.1, 2


def keys() -> list[str]:
    """Numbers of targets, one a row."""
    return list(SIZES)


def table(k: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features and targets (n, k), float32, for training and for scoring."""
    split = load_split("elevators", 0, "regression")
    X = np.concatenate([split.X.to_numpy(np.float32), split.X_test.to_numpy(np.float32)])[: rows + rows // 4]
    rng = np.random.default_rng(0)
    steps = []
    for _ in range(8):
        a, b = rng.integers(X.shape[1], size=2)
        steps.append((X[:, a] > np.median(X[:, a])) * 2.0 - 1 + (X[:, b] > np.quantile(X[:, b], 0.7)))
    Y = np.column_stack(steps) @ rng.normal(size=(8, k)) + rng.normal(size=(len(X), k))
    X, Y = np.ascontiguousarray(X), np.ascontiguousarray(Y, dtype=np.float32)
    return X[:rows], Y[:rows], X[rows:], Y[rows:]


def fit(engine: str, X: np.ndarray, Y: np.ndarray, rounds: int) -> Any:
    """A fitted model; `predict` gives values."""
    if engine == "xgboost":
        import xgboost

        return xgboost.XGBRegressor(
            n_estimators=rounds,
            max_depth=DEPTH,
            learning_rate=RATE,
            max_bin=BINS,
            tree_method="hist",
            multi_strategy="multi_output_tree",
            n_jobs=THREADS,
        ).fit(X, Y)
    if engine == "catboost":
        import catboost

        return catboost.CatBoostRegressor(
            iterations=rounds,
            depth=DEPTH,
            learning_rate=RATE,
            border_count=BINS - 1,
            loss_function="MultiRMSE",
            boosting_type="Plain",
            thread_count=THREADS,
            allow_writing_files=False,
            verbose=False,
        ).fit(X, Y)
    from pygbt.multitask import MultiTask

    model = MultiTask(
        {"y": "squared_error"},
        balance=False,
        sketch=5 if engine.endswith("sketch5") else 0,
        n_estimators=rounds,
        max_depth=DEPTH,
        learning_rate=RATE,
        max_bin=BINS,
        n_jobs=THREADS,
    )
    return model.fit(X, {"y": Y})


def run_engine(engine: str, k: int, rounds: int, rows: int, repeats: int) -> dict[str, Any]:
    """Times, memory above the loaded table, and held-out error, in this process."""
    X, Y, X_test, Y_test = table(k, rows)
    fit(engine, X[:200], Y[:200, :3], 2)  # imports and threads
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        model = fit(engine, X, Y, rounds)
        times.append(time.perf_counter() - start)
        if len(times) == 1:
            memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    answer = model.predict(X_test)
    answer = answer["y"] if isinstance(answer, dict) else answer
    rmse = float(np.sqrt(((np.asarray(answer) - Y_test) ** 2).mean()))
    return {"fit_s": statistics.median(times[1:] or times), "times": times, "memory_mib": memory, "rmse": rmse}


def measure(key: str, seeds: int, rounds: int | None) -> dict[str, Any]:
    """Every engine in a process of its own."""
    small = rounds is not None
    result: dict[str, Any] = {}
    for engine in ENGINES:
        arguments = [engine, int(key), rounds or SIZES[key], 500 if small else ROWS, 1 if small else REPEATS[key]]
        command = [sys.executable, "-P", __file__, json.dumps(arguments)]
        path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
        run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
        if run.returncode:
            result[engine] = {"error": run.stderr.strip().splitlines()[-1][:200]}
        else:
            result[engine] = json.loads(run.stdout.strip().splitlines()[-1])
    return {"rounds": rounds or SIZES[key], "rows": 500 if small else ROWS, "engines": result}


if __name__ == "__main__":
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    print(json.dumps(run_engine(*json.loads(sys.argv[1]))))
