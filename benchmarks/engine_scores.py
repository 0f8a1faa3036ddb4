# SPDX-License-Identifier: Apache-2.0
"""Held-out scores of pygbt, XGBoost, LightGBM and scikit-learn at equal settings on real sets, 5 random splits each."""

from __future__ import annotations

import argparse
import os
import warnings
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import engines
import machine
from engines import Engine, Recipe
from scores import loss
from tables import SETS, Split, load_split

POLICIES = ("depthwise", "lossguide")
ENGINES = ("pygbt", "xgboost", "lightgbm", "sklearn")


def scores_of(name: str, policy: str, seeds: int) -> dict[str, Any]:
    """Held-out losses of every engine on every split of one set; one thread."""
    warnings.filterwarnings("ignore")
    splits = [load_split(name, seed) for seed in range(seeds)]
    fits = {engine: engines.make(engine) for engine in ENGINES}
    if SETS[name] == "multiclass":  # the curvatures of scikit-learn and XGBoost
        fits |= {f"pygbt_{rule}": engines.make("pygbt", softmax_hessian=rule) for rule in ("diag", "gershgorin")}
    scores = {label: [held_out_loss(engine, split, policy) for split in splits] for label, engine in fits.items()}
    return {"set": name, "task": SETS[name], "policy": policy, "scores": scores}


def held_out_loss(engine: Engine, split: Split, policy: str) -> float:
    """Loss of one training on one thread: 100 rounds, depth 6 or 31 leaves."""
    recipe = Recipe(split.task, split.n_classes, policy=policy, n_threads=1)
    model = engine.train(engine.bins(split.X, split.y, recipe), recipe)
    return loss(split, engine.predict(model, split.X_test))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sets", nargs="*", default=list(SETS), help="only these; the others keep their results")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # scikit-learn has no other way; one process a core does the rest
    kept = machine.load("engine_scores")["rows"] if len(args.sets) < len(SETS) else []
    rows = [row for row in kept if row["set"] not in args.sets]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        runs = [pool.submit(scores_of, name, policy, args.seeds) for name in args.sets for policy in POLICIES]
        for run in runs:
            rows.append(run.result())
            means = {engine: round(sum(v) / len(v), 5) for engine, v in rows[-1]["scores"].items()}
            print(f"{rows[-1]['set']:20} {rows[-1]['policy']:10} {means}", flush=True)
            ordered = sorted(rows, key=lambda row: list(SETS).index(row["set"]))
            machine.save("engine_scores", {"seeds": args.seeds, "rows": ordered})  # as it goes: the run is long


if __name__ == "__main__":
    main()
