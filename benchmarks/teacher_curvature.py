# SPDX-License-Identifier: Apache-2.0
"""Which curvature of softmax learns best from soft labels: held-out log loss of students, for decision 6.

python teacher_curvature.py       results/teacher-curvature.json, and the table on standard output
"""

from __future__ import annotations

import sys
from typing import Any

import machine
import numpy as np
import tables  # noqa: F401  the path of the shared data

import pygbt

SETS = ("otto", "covertype_92k", "letter")
RULES = ("k_factor", "soft", "gershgorin", "diag")
SETTINGS = ((1.0, 1.0), (3.0, 1.0), (1.0, 0.7), (3.0, 0.7))  # temperature, alpha
MOST_ROWS = 24_000
SEEDS = 3
TEACHER = {"objective": "softmax", "max_depth": 7, "learning_rate": 0.1}
STUDENT = {"objective": "softmax", "max_depth": 5, "learning_rate": 0.1}


def log_loss(y: np.ndarray, p: np.ndarray) -> float:
    return float(-np.log(np.maximum(p[np.arange(len(y)), y], 1e-15)).mean())


def measure(X: np.ndarray, y: np.ndarray, seed: int) -> dict[str, float]:
    """Held-out log loss by setting and rule; the teacher learns from other rows than the student."""
    order = np.random.default_rng(seed).permutation(len(y))[:MOST_ROWS]
    third = len(order) // 3
    of_teacher, of_student, held_out = order[:third], order[third : 2 * third], order[2 * third :]
    n_classes = {"n_classes": int(y.max()) + 1}
    teacher = pygbt.train({**TEACHER, **n_classes}, pygbt.Dataset(X[of_teacher], y[of_teacher]), 150)
    soft = np.asarray(teacher.predict(X[of_student], output="margin"))
    data = pygbt.Dataset(X[of_student], y[of_student], teacher=soft, teacher_form="logits")
    losses = {}
    for temperature, alpha in SETTINGS:
        for rule in RULES:
            params = {"softmax_hessian": rule, "teacher_temperature": temperature, "teacher_alpha": alpha}
            model = pygbt.train({**STUDENT, **n_classes, **params}, data, 60)
            losses[f"T={temperature:g} alpha={alpha:g} {rule}"] = log_loss(y[held_out], model.predict(X[held_out]))
    return losses


def main() -> None:
    import datasets  # of ../shared/data

    rows: dict[str, Any] = {}
    for name in SETS:
        table = datasets.load(name)
        X = table.X.to_numpy(dtype=np.float32)
        y = np.unique(np.asarray(table.y), return_inverse=True)[1]
        runs = [measure(X, y, seed) for seed in range(SEEDS)]
        rows[name] = {key: [run[key] for run in runs] for key in runs[0]}
        print(name, file=sys.stderr, flush=True)
    machine.save("teacher-curvature", {"losses": rows, "rows": MOST_ROWS, "seeds": SEEDS})
    print("| set | T | alpha | " + " | ".join(RULES) + " |\n|---|--:|--:|" + "--:|" * len(RULES))
    for name, losses in rows.items():
        for temperature, alpha in SETTINGS:
            means = [np.mean(losses[f"T={temperature:g} alpha={alpha:g} {rule}"]) for rule in RULES]
            cells = " | ".join(f"**{m:.4f}**" if m == min(means) else f"{m:.4f}" for m in means)
            print(f"| {name} | {temperature:g} | {alpha:g} | {cells} |")


if __name__ == "__main__":
    main()
