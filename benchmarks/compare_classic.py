# SPDX-License-Identifier: Apache-2.0
"""The classical trees and ensembles beside scikit-learn at equal settings, in turn, on two threads.

python compare_classic.py                              all rows, written one by one to results/classic-compare.json
python compare_classic.py --shapes tree-dense,stumps-adult --repeats 3
python compare_classic.py --share 0.02 --repeats 1     small tables, nothing saved
"""

from __future__ import annotations

import argparse
import gc
import pickle
import resource
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import machine
import numpy as np
from classic_shapes import SHAPES, THREADS, Shape
from tables import Split
from training import table_file
from worker import peak, reset_peak, workers

NAME = "classic-compare"
#: Predictions timed for each fit; their median counts.
PREDICTIONS = 3


class Session:
    """What a worker can be asked for: `engine` is the key of a shape and an engine."""

    def __init__(self, engine: str, table: Path) -> None:
        warnings.filterwarnings("ignore")
        key, self.engine = engine.split("/")
        self.shape = SHAPES[key]
        self.split: Split = pickle.loads(table.read_bytes())
        self.split.X, self.split.X_test = self.split.X.copy(), self.split.X_test.copy()
        self.model: Any = None

    def memory(self) -> dict[str, float]:
        """Peak of the first fit of this process, MiB: above the loaded table, and of the whole process."""
        model = self.shape.model(self.engine, 0)
        few = slice(0, 50)
        model.fit(self.split.X[few], np.resize(np.unique(self.split.y)[:2], 50))  # imports and threads
        gc.collect()
        before = reset_peak()
        self.model = self.shape.model(self.engine, 0).fit(self.split.X, self.split.y)
        whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {"fit_mib": (peak() - before) / 2**20, "process_mib": whole}

    def fit(self, seed: int) -> dict[str, float]:
        """Seconds from the array to the model, and from held-out rows to answers; the held-out score."""
        split = self.split
        self.model = None
        gc.collect()
        start = time.perf_counter()
        self.model = self.shape.model(self.engine, seed).fit(split.X, split.y)
        fitted = time.perf_counter() - start
        times = []
        for _ in range(PREDICTIONS):
            start = time.perf_counter()
            self.model.predict(split.X_test)
            times.append(time.perf_counter() - start)
        return {"fit_s": fitted, "predict_s": statistics.median(times), "score": score(self.model, split)}


def score(model: Any, split: Split) -> float:
    """Accuracy, or R2, on the held-out rows."""
    predicted = model.predict(split.X_test)
    if split.task != "regression":
        return float(np.mean(predicted == split.y_test))
    return 1.0 - float(((predicted - split.y_test) ** 2).sum() / ((split.y_test - split.y_test.mean()) ** 2).sum())


def measure(shape: Shape, repeats: int, share: float) -> dict[str, Any]:
    """One row: runs of every engine, round by round with the engines changing places, the first round dropped."""
    split = shape.table(share)
    row = {
        "title": shape.title,
        "rows": len(split.y),
        "features": split.X.shape[1],
        "test_rows": len(split.y_test),
        "task": split.task,
        "date": machine.today(),
    }
    names = [f"{shape.key}/{engine}" for engine in shape.engines]
    engines: dict[str, Any] = {engine: {"runs": []} for engine in shape.engines}
    with table_file(split) as path:
        for name, engine in zip(names, shape.engines, strict=True):  # one after the other: each has all the memory
            with workers([name], path, THREADS, Session) as started:
                engines[engine] |= started[name].call("memory")
        with workers(names, path, THREADS, Session) as started:
            for i in range(repeats + 1):
                for at in range(len(names)):
                    k = (at + i) % len(names)
                    run = started[names[k]].call("fit", i)
                    if i > 0 or repeats == 0:
                        engines[shape.engines[k]]["runs"].append(run)
                    text = "  ".join(f"{key} {value:.4f}" for key, value in run.items())
                    print(f"    {shape.engines[k]:10} {text}{'' if i else '  (first)'}", flush=True)
    return row | {"engines": engines}


def tree_against_tree(shape: Shape, share: float, leaf: int) -> dict[str, Any]:
    """Node by node from the root: questions asked alike, and the first ones below each path that are not.

    Of those, `ties` are as good as scikit-learn's question, by the decrease of impurity to 10 digits.
    """
    split = shape.table(share)
    ours = shape.model("exact", 0).set_params(min_bucket=leaf, min_split=max(2, 2 * leaf)).fit(split.X, split.y)
    theirs = shape.model("sklearn", 0).set_params(min_samples_leaf=leaf, min_samples_split=max(2, 2 * leaf))
    a, b = ours.tree_, theirs.fit(split.X, split.y).tree_
    counts = {"nodes": int(a.n_nodes), "nodes_sklearn": int(b.node_count), "alike": 0, "ties": 0, "other": 0}
    stack = [(0, 0)]
    while stack:
        i, j = stack.pop()
        mine, other = list(a.children(i)), [b.children_left[j], b.children_right[j]]
        if not mine and other[0] < 0:
            counts["alike"] += 1
            continue
        if not mine or other[0] < 0:
            counts["other"] += 1
            continue
        q = a.question_begin[i]
        middle = (a.question_lower[q] + a.question_upper[q]) / 2
        same_parts = a.count[mine[0]] == b.n_node_samples[other[0]]
        if a.question_feature[q] == b.feature[j] and middle == b.threshold[j] and same_parts:
            counts["alike"] += 1
            stack += zip(mine, other, strict=True)
            continue
        gains = [_spread(a.impurity, a.count, mine), _spread(b.impurity, b.n_node_samples, other)]
        counts["ties" if abs(gains[0] - gains[1]) <= 1e-10 * max(abs(gains[1]), 1e-3) else "other"] += 1
    return {"least_leaf": leaf, **counts}


def _spread(impurity: np.ndarray, count: np.ndarray, nodes: list[int]) -> float:
    return float(sum(impurity[node] * count[node] for node in nodes))


#: Least cases of a leaf in `tree_against_tree`: until nodes are pure, where small nodes tie, and far above that.
LEAST_LEAVES = (1, 50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", help=f"of {', '.join(SHAPES)}")
    parser.add_argument("--repeats", type=int, default=5, help="timed rounds, a seed each")
    parser.add_argument("--share", type=float, default=1.0, help="of the rows of every table; below 1 saves nothing")
    args = parser.parse_args()
    keys = args.shapes.split(",") if args.shapes else list(SHAPES)
    unknown = [key for key in keys if key not in SHAPES]
    if unknown:
        parser.error(f"--shapes: no such shape: {', '.join(unknown)}")
    rows = machine.load(NAME)["rows"] if (machine.RESULTS / f"{NAME}.json").exists() else {}
    for key in keys:
        print(SHAPES[key].title, flush=True)
        row = measure(SHAPES[key], args.repeats, args.share)
        if key.startswith("tree"):
            row["trees"] = [tree_against_tree(SHAPES[key], args.share, leaf) for leaf in LEAST_LEAVES]
            print(f"    {row['trees']}", flush=True)
        rows[key] = row
        if args.share >= 1:
            ordered = {k: rows[k] for k in SHAPES if k in rows}
            machine.save(NAME, {"threads": THREADS, "repeats": args.repeats, "rows": ordered})


if __name__ == "__main__":
    main()
