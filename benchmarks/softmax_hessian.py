# SPDX-License-Identifier: Apache-2.0
"""Held-out log loss of every softmax curvature over the multiclass sets: equal rounds, and early stopped.

The default of softmax_hessian="auto" follows from this table, among the rules that do not stall on soft labels.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import machine
import numpy as np
from scores import loss
from tables import Split, load_split

ROUNDS = 100
RULES = ("soft", "gershgorin", "k_factor", "diag")
SEEDS = 3
NAMES = (
    "segment",
    "vowel",
    "glass",
    "waveform_5000",
    "car",
    "nursery",
    "soybean",
    "covertype_92k",
)


def fit(split: Split, rule: str, stopped: bool) -> float:
    import pygbt

    params = {"objective": "softmax", "softmax_hessian": rule, "n_threads": 1}
    if not stopped:
        model = pygbt.train(params, pygbt.Dataset(split.X, split.y), ROUNDS)
        return loss(split, model.predict(split.X_test))
    cut = int(0.85 * len(split.y))
    train = pygbt.Dataset(split.X.iloc[:cut], split.y[:cut])
    valid = pygbt.Dataset(split.X.iloc[cut:], split.y[cut:], reference=train)
    model = pygbt.train(
        {**params, "eval_metric": "mlogloss"}, train, 600, evals=[(valid, "valid")], early_stopping_rounds=20
    )
    return loss(split, model.predict(split.X_test))


def losses_of(name: str, stopped: bool) -> dict[str, Any]:
    """Held-out losses of every rule on every split of one set."""
    losses: dict[str, list[float]] = {rule: [] for rule in RULES}
    for seed in range(SEEDS):
        split = load_split(name, seed, "multiclass")
        if len(split.y) > 20_000:  # enough to rank the rules
            split.X, split.y = split.X.iloc[:20_000], split.y[:20_000]
        for rule in RULES:
            losses[rule].append(fit(split, rule, stopped))
    return {"set": name, "early_stopped": stopped, "losses": losses}


def main() -> None:
    rows = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for run in [pool.submit(losses_of, name, stopped) for name in NAMES for stopped in (False, True)]:
            rows.append(run.result())
            means = {rule: round(float(np.mean(v)), 5) for rule, v in rows[-1]["losses"].items()}
            print(rows[-1]["set"], rows[-1]["early_stopped"], means, flush=True)
    ratio = {
        str(stopped): {
            rule: float(
                np.exp(
                    np.mean(
                        [
                            np.log(np.mean(row["losses"][rule]) / np.mean(row["losses"]["diag"]))
                            for row in rows
                            if row["early_stopped"] == stopped
                        ]
                    )
                )
            )
            for rule in RULES
        }
        for stopped in (False, True)
    }
    print("geometric mean loss relative to diag:", ratio)
    machine.save("softmax_hessian", {"rounds": ROUNDS, "seeds": SEEDS, "rows": rows, "ratio_to_diag": ratio})


if __name__ == "__main__":
    main()
