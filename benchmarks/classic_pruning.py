# SPDX-License-Identifier: Apache-2.0
"""Leaves and test error of CART and C4.5 trees before and after each pruning rule, on ten sets.

Each of 20 random splits keeps 30 % of the rows for the test. Rules that need held-out rows grow the tree on two thirds
of the others and hold out one third; the rest grow it on all of them.
"""

from __future__ import annotations

import argparse
import math
import os
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import classic_methods
import classic_sets
import machine
import numpy as np
from classic_sets import Cases

from pygbt.tree import C45Classifier, CARTClassifier, cost_complexity_path, entropy_path, prune

NAME = "classic-pruning"
SETS = (
    "breast_cancer",
    "breast_w",
    "colic",
    "credit_a",
    "credit_g",
    "diabetes",
    "glass",
    "segment",
    "soybean",
    "waveform_5000",
)
SPLITS = 20

#: Rule -> (how it is called in tables, whether it holds rows out).
RULES = {
    "validation_keep": ("pre-pruning, keeps what does not lower accuracy", True),
    "validation_cut": ("pre-pruning, keeps what raises accuracy", True),
    "thresholds": ("thresholds: 20 cases, depth 6", False),
    "best": ("cost-complexity, best of ten folds", False),
    "one_se": ("cost-complexity, 1-SE", False),
    "entropy": ("entropy, alpha = log2 n", False),
    "entropy_held_out": ("entropy, alpha by held-out rows", True),
    "reduced_error": ("reduced-error", True),
    "pessimistic": ("pessimistic", False),
    "error_based": ("error-based, CF 0.25", False),
    "raised": ("error-based with raised branches", False),
}


def grown(kind: str) -> Any:
    """An estimator of trees that are not pruned."""
    if kind == "cart":
        return CARTClassifier(**classic_methods.FULL, n_jobs=1)
    return C45Classifier(prune=False, n_jobs=1)


def pruned(rule: str, kind: str, full: Any, held_out: Any, train: Cases, held: Cases, seed: int) -> dict[str, Any]:
    """Fitted estimators by rule. `full` is grown on `train`; `held_out` on rows apart from `held`."""
    if rule in ("best", "one_se"):
        path = cost_complexity_path(grown(kind), train.X, train.y, folds=10, random_state=seed)
        return {"best": path.estimator_at(path.best()), "one_se": path.estimator_at(path.one_se())}
    if rule.startswith("validation"):
        return {rule: prune(held_out, "validation", held.X, held.y, tie=rule.removeprefix("validation_"))}
    if rule == "reduced_error":
        return {rule: prune(held_out, rule, held.X, held.y)}
    if rule == "entropy_held_out":
        found = []
        for alpha in entropy_path(held_out).alpha:
            smaller = prune(held_out, "entropy", alpha=float(alpha))
            found.append((classic_methods.error(smaller, held), smaller.tree_.n_leaves, smaller))
        return {rule: min(found, key=lambda f: f[:2])[2]}
    if rule == "thresholds":
        return {rule: prune(full, rule, min_count=20, max_depth=6)}
    if rule == "entropy":
        return {rule: prune(full, rule, alpha=math.log2(len(train.y)))}
    if rule == "raised":
        return {rule: C45Classifier(n_jobs=1).fit(train.X, train.y)}
    return {rule: prune(full, rule)}


def measure(name: str, kind: str, split: int, share: float = 1.0) -> dict[str, tuple[int, float]]:
    """(leaves, test error in per cent) by rule; "full" and "full_of_two_thirds" are the trees before."""
    warnings.filterwarnings("ignore")
    cases = classic_sets.load(name, share)
    order = np.random.default_rng([5, split]).permutation(len(cases.y))
    n_test = round(0.3 * len(order))
    test, rest = cases.take(np.sort(order[:n_test])), order[n_test:]
    n_held = round(len(rest) / 3)
    train, held, two_thirds = (cases.take(np.sort(rows)) for rows in (rest, rest[:n_held], rest[n_held:]))
    full = grown(kind).fit(train.X, train.y)
    held_out = grown(kind).fit(two_thirds.X, two_thirds.y)
    models = {"full": full, "full_of_two_thirds": held_out}
    for rule in RULES:
        if rule in models or (rule == "raised" and kind == "cart"):
            continue
        models |= pruned(rule, kind, full, held_out, train, known(held, held_out), split)
    return {
        rule: (model.tree_.n_leaves, round(classic_methods.error(model, test), 4)) for rule, model in models.items()
    }


def known(held: Cases, model: Any) -> Cases:
    """Held-out rows of the classes that the tree was trained on."""
    return held.take(np.flatnonzero(np.isin(held.y, model.classes_)))


def run(name: str, kind: str, splits: int, pool: ProcessPoolExecutor, share: float = 1.0) -> dict[str, Any]:
    """One row of results: rules[rule] = {leaves, error}, a list over the splits each."""
    start = time.perf_counter()
    found = [job.result() for job in [pool.submit(measure, name, kind, split, share) for split in range(splits)]]
    rules = {
        rule: {"leaves": [f[rule][0] for f in found], "error": [f[rule][1] for f in found]}
        for rule in ("full", "full_of_two_thirds", *RULES)
        if rule in found[0]
    }
    print(f"{name} {kind}: {time.perf_counter() - start:.0f} s", flush=True)
    return {"set": name, "trees": kind, "splits": splits, "rules": rules}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", help="only these, by commas")
    parser.add_argument("--again", action="store_true", help="run what has results, too")
    parser.add_argument("--quick", action="store_true", help="two splits of few rows; saves nothing")
    args = parser.parse_args()
    wanted = args.sets.split(",") if args.sets else list(SETS)
    rows = []
    if (machine.RESULTS / f"{NAME}.json").exists() and not args.quick:
        rows = machine.load(NAME)["rows"]
    done = set() if args.again else {(row["set"], row["trees"]) for row in rows}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for name in SETS:
            for kind in ("cart", "c45"):
                if name not in wanted or (name, kind) in done:
                    continue
                row = run(name, kind, 2, pool, 0.1) if args.quick else run(name, kind, SPLITS, pool)
                if args.quick:
                    print({rule: (np.mean(r["leaves"]), np.mean(r["error"])) for rule, r in row["rules"].items()})
                    continue
                rows = [r for r in rows if (r["set"], r["trees"]) != (name, kind)] + [row]
                rows.sort(key=lambda r: (SETS.index(r["set"]), r["trees"]))
                machine.save(NAME, {"rows": rows})


if __name__ == "__main__":
    main()
