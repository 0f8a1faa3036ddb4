# SPDX-License-Identifier: Apache-2.0
"""Gradients of rows with teachers, missing labels and several losses, which the CPU backend makes in blocks of rows:
the model is the naive backend's, which takes one row after the other, on every instruction set.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import pygbt
from pygbt import _core
from pygbt.training import Run

K, N = 5, 700


def table(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, a teacher's probabilities, class ids."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, 4))
    z = 2 * X @ rng.normal(size=(4, K))
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return X, (p / p.sum(axis=1, keepdims=True)).astype(np.float32), rng.integers(0, K, N).astype(np.float32)


#: Rows of which a part is missing: all alike, by blocks of rows, and mixed within blocks.
MASKS = {
    "all there": lambda rows: (rows < 0, rows < 0),
    "no labels": lambda rows: (rows >= 0, rows < 0),
    "by blocks": lambda rows: (rows // 150 == 1, rows // 150 == 3),
    "mixed": lambda rows: (rows % 3 == 0, rows % 5 == 0),
    "labels here and there": lambda rows: (rows % 3 == 0, rows < 0),
}
PARAMS: dict[str, dict[str, Any]] = {
    "blended": {"teacher_alpha": 0.4},
    "tempered": {"teacher_temperature": 3.0},
    "soft": {"teacher_temperature": 2.0, "teacher_alpha": 1.0, "softmax_hessian": "soft"},
    "hard": {"teacher_alpha": 0.0, "teacher_temperature": 2.0, "softmax_hessian": "gershgorin"},
    "logits": {"teacher_match": "logits", "softmax_hessian": "diag"},
    "probabilities": {"teacher_match": "probabilities"},
}


def check_softmax(name: str, masks: str, own: bool) -> None:
    X, p, y = table()
    no_label, no_teacher = MASKS[masks](np.arange(N))
    y[no_label], p[no_teacher] = np.nan, np.nan
    rng = np.random.default_rng(1)
    rows: dict[str, Any] = {}
    if own:
        rows = {"teacher_temperature": np.where(np.arange(N) < 200, 0.5, rng.choice([0.5, 1.0, 2.0], N))}
        rows["teacher_weight"] = np.where(np.arange(N) % 7 == 0, 0.0, rng.random(N))
    data = pygbt.Dataset(X, y, teacher=p, **rows)
    params = {"objective": "softmax", "n_classes": K, "max_depth": 3, "learning_rate": 0.5, **PARAMS[name]}
    digests = {pygbt.train({**params, "n_threads": n}, data, 3).digest() for n in (1, 2)}
    digests.add(pygbt.train({**params, "device": "naive"}, data, 3).digest())
    assert len(digests) == 1


def check_weighted_tasks() -> None:
    """Targets of squared errors with gaps, and a softmax task, each with a weight."""
    X, p, y = table(2)
    rng = np.random.default_rng(2)
    targets = p[:, :3] + rng.normal(size=(N, 3))
    targets[rng.random(targets.shape) < 0.3] = np.nan
    y[rng.random(N) < 0.3] = np.nan
    labels = np.c_[targets, y].astype(np.float32)
    tasks = [
        {"objective": "squared_error", "n_targets": 3, "n_labels": 3, "weight": 0.3},
        {"objective": "softmax", "n_targets": K, "weight": 2.5},
    ]
    digests = set()
    for device in ("naive", "cpu"):
        run = Run({"max_depth": 3, "device": device}, pygbt.Dataset(X, labels), [], tasks=tasks, sharing={})
        run.trainer.steps([0.3] * 3)
        run.done = 3
        digests.add(run.booster().digest())
    assert len(digests) == 1


CASES = [(name, masks, own) for name in PARAMS for masks in MASKS for own in (False, True)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_softmax_rows_in_blocks(case: tuple[str, str, bool]) -> None:
    check_softmax(*case)


def test_weighted_tasks_in_blocks() -> None:
    check_weighted_tasks()


@pytest.mark.parametrize("isa", _core.build_info()["isa_levels"])
def test_every_instruction_set_makes_the_same_gradients(isa: str) -> None:
    code = "import test_task_blocks as t\nfor case in t.CASES[::3]: t.check_softmax(*case)\nt.check_weighted_tasks()"
    env = {**os.environ, "PYGBT_ISA": isa, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
