# SPDX-License-Identifier: Apache-2.0
"""Held-out scores of pygbt, XGBoost, LightGBM and scikit-learn at equal settings on real sets, 5 random splits each."""

from __future__ import annotations

import argparse
import warnings

import machine
from engines import ENGINES, score
from tables import SETS, load_split


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    rows = []
    for name in args.sets:
        splits = [load_split(name, seed) for seed in range(args.seeds)]
        for policy in ("depthwise", "lossguide"):
            scores = {e: [score(s, fit(s, policy)) for s in splits] for e, fit in ENGINES.items()}
            rows.append({"set": name, "task": SETS[name], "policy": policy, "scores": scores})
            means = {engine: round(sum(values) / len(values), 5) for engine, values in scores.items()}
            print(f"{name:20} {policy:10} {means}", flush=True)
    machine.save("engine_scores", {"seeds": args.seeds, "rows": rows})


if __name__ == "__main__":
    main()
