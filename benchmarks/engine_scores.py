# SPDX-License-Identifier: Apache-2.0
"""Held-out scores of pygbt, XGBoost, LightGBM and scikit-learn at equal settings on real sets, 5 random splits each."""

from __future__ import annotations

import argparse
import os
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import machine
from tables import SETS, load_split

POLICIES = ("depthwise", "lossguide")


def scores_of(name: str, policy: str, seeds: int) -> dict[str, Any]:
    """Held-out losses of every engine on every split of one set; one thread."""
    from engines import ENGINES, score

    warnings.filterwarnings("ignore")
    splits = [load_split(name, seed) for seed in range(seeds)]
    scores = {e: [score(s, fit(s, policy, n_threads=1)) for s in splits] for e, fit in ENGINES.items()}
    if SETS[name] == "multiclass":  # the curvatures of scikit-learn and XGBoost
        for rule in ("diag", "gershgorin"):
            fit = partial(ENGINES["pygbt"], softmax_hessian=rule)
            scores[f"pygbt_{rule}"] = [score(s, fit(s, policy, n_threads=1)) for s in splits]
    return {"set": name, "task": SETS[name], "policy": policy, "scores": scores}


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
