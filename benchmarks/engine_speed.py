# SPDX-License-Identifier: Apache-2.0
"""Float array to model, 1,000,000 x 28, 100 trees of depth 6, two threads: pygbt beside XGBoost, interleaved runs.

Every run is a process of its own, and so is its peak memory: resident, above that of the process with only the table.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time

import machine
import numpy as np
from tables import dense

ROWS, ROUNDS, THREADS, RUNS = 1_000_000, 100, 2, 7
PEERS = ("pygbt", "xgboost")


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one_run(engine: str) -> dict[str, float]:
    """Seconds to bins, to train, to predict; held-out AUC; peak MiB above the table."""
    from sklearn.metrics import roc_auc_score

    X, y = dense(ROWS + 200_000)
    X_test, y_test, X, y = X[ROWS:], y[ROWS:], X[:ROWS].copy(), y[:ROWS].copy()
    if engine == "pygbt":
        import pygbt

        before = peak_mib()
        start = time.perf_counter()
        data = pygbt.Dataset(X, y, n_threads=THREADS)
        _ = data.core
        binned = time.perf_counter()
        model = pygbt.train({"objective": "logistic", "n_threads": THREADS}, data, ROUNDS)
        trained = time.perf_counter()
        memory = peak_mib() - before
        start_predict = time.perf_counter()
        prediction = model.predict(X_test, n_threads=THREADS)
    else:
        import xgboost

        before = peak_mib()
        start = time.perf_counter()
        data = xgboost.QuantileDMatrix(X, y, nthread=THREADS, max_bin=256)
        binned = time.perf_counter()
        params = {
            "objective": "binary:logistic",
            "max_depth": 6,
            "learning_rate": 0.1,
            "nthread": THREADS,
            "max_bin": 256,
        }
        model = xgboost.train(params, data, ROUNDS)
        trained = time.perf_counter()
        memory = peak_mib() - before
        start_predict = time.perf_counter()
        prediction = model.inplace_predict(X_test)
    predicted = time.perf_counter()
    return {
        "bin_s": binned - start,
        "train_s": trained - binned,
        "total_s": trained - start,
        "predict_s": predicted - start_predict,
        "auc": float(roc_auc_score(y_test, np.asarray(prediction))),
        "peak_mib": memory,
    }


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(one_run(sys.argv[1])))
        return
    runs: dict[str, list[dict[str, float]]] = {engine: [] for engine in PEERS}
    for i in range(RUNS + 1):  # the first pair warms the machine up
        for engine in PEERS:
            out = subprocess.run([sys.executable, __file__, engine], capture_output=True, text=True, check=True).stdout
            if i > 0:
                runs[engine].append(json.loads(out))
            print(i, engine, out.strip(), flush=True)
    ratios = sorted(x["total_s"] / p["total_s"] for p, x in zip(runs["pygbt"], runs["xgboost"], strict=True))
    print(
        f"XGBoost / pygbt, array to model: median {statistics.median(ratios):.2f}, {ratios[0]:.2f} to {ratios[-1]:.2f}"
    )
    machine.save("engine_speed", {"rows": ROWS, "rounds": ROUNDS, "threads": THREADS, "runs": runs, "ratios": ratios})


if __name__ == "__main__":
    main()
