# SPDX-License-Identifier: Apache-2.0
"""The contract: the same bytes on any number of threads, instruction set, memory order, chunking, resume, pickling."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pygbt

ROUNDS = 6

#: Every part of the engine that could depend on threads or instruction sets, by name.
CONFIGS: dict[str, dict[str, object]] = {
    "logistic": {"objective": "logistic"},
    "sampled": {"objective": "logistic", "subsample": 0.6, "colsample_bytree": 0.7, "colsample_bynode": 0.8},
    "lossguide": {"objective": "squared_error", "grow_policy": "lossguide", "max_leaves": 24, "max_depth": 0},
    "symmetric": {"objective": "squared_error", "grow_policy": "symmetric", "max_depth": 4},
    "wide": {"objective": "squared_error", "histogram_precision": "wide"},
    "softmax": {"objective": "softmax", "max_depth": 4},
    "vector_leaf": {"objective": "softmax", "multi_strategy": "vector_leaf", "max_depth": 4},
    "absolute_error": {"objective": "absolute_error", "max_depth": 4},
    "poisson": {"objective": "poisson", "min_child_samples": 20},
    "two_byte_bins": {"objective": "squared_error", "max_bin": 600, "max_depth": 4},
}


def table(n: int = 5000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A table with missing values, few-valued columns, a one-hot group, ties and noise: X (n, 14) float32, z (n,)."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 9)).astype(np.float32)
    X[:, 3] = rng.integers(0, 5, n)
    X[:, 4] = np.where(rng.random(n) < 0.7, 0.0, X[:, 4])
    X[rng.random((n, 9)) < 0.1] = np.nan
    F = np.nan_to_num(X)
    z = F[:, 0] + np.sin(2 * F[:, 1]) * F[:, 2] + 0.5 * F[:, 3] + 0.3 * rng.standard_normal(n)
    one_hot = (X[:, [3]] == np.arange(5)).astype(np.float32)  # columns that share a byte
    return np.column_stack([X, one_hot]), z


def labels(objective: str, z: np.ndarray) -> np.ndarray:
    if objective == "logistic":
        return (z > np.median(z)).astype(np.float32)
    if objective == "softmax":
        return np.digitize(z, np.quantile(z, [0.3, 0.7])).astype(np.float32)
    if objective == "poisson":
        return np.round(np.exp(np.clip(z / 3, -2, 2))).astype(np.float32)
    return z.astype(np.float32)


def fit(
    name: str, X: np.ndarray | None = None, *, n_threads: int = 1, rounds: int = ROUNDS, **more: object
) -> pygbt.Booster:
    base, z = table()
    params = {"n_threads": n_threads, "seed": 7, **CONFIGS[name]}
    max_bin = int(params.pop("max_bin", 64))  # type: ignore[call-overload]
    data = pygbt.Dataset(base if X is None else X, labels(str(params["objective"]), z), max_bin=max_bin)
    return pygbt.train(params, data, rounds, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def digests() -> dict[str, str]:
    return {name: fit(name).digest() for name in CONFIGS}


def test_configurations_differ(digests: dict[str, str]) -> None:
    assert len(set(digests.values())) == len(CONFIGS)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("n_threads", [2, 3, 8])
def test_threads(name: str, n_threads: int, digests: dict[str, str]) -> None:
    assert fit(name, n_threads=n_threads).digest() == digests[name]


@pytest.mark.parametrize("name", CONFIGS)
def test_memory_order_and_strides(name: str, digests: dict[str, str]) -> None:
    X, _ = table()
    padded = np.full((2 * len(X), X.shape[1]), 5.0, np.float32)
    padded[::2] = X
    assert fit(name, np.asfortranarray(X), n_threads=2).digest() == digests[name]
    assert fit(name, padded[::2], n_threads=2).digest() == digests[name]


@pytest.mark.parametrize("name", CONFIGS)
def test_resume_through_a_file(name: str, digests: dict[str, str], tmp_path: Path) -> None:
    fit(name, rounds=2).save(tmp_path / "half.pygbt")
    assert fit(name, rounds=ROUNDS - 2, init_model=tmp_path / "half.pygbt", n_threads=2).digest() == digests[name]


@pytest.mark.parametrize("name", CONFIGS)
def test_pickle_and_file_are_the_same_bytes(name: str, digests: dict[str, str], tmp_path: Path) -> None:
    model = fit(name)
    model.save(tmp_path / "a.pygbt")
    pickle.loads(pickle.dumps(model)).save(tmp_path / "b.pygbt")
    pygbt.load(tmp_path / "a.pygbt").save(tmp_path / "c.pygbt")
    assert (tmp_path / "a.pygbt").read_bytes() == (tmp_path / "b.pygbt").read_bytes()
    assert (tmp_path / "a.pygbt").read_bytes() == (tmp_path / "c.pygbt").read_bytes()
    assert pygbt.load(tmp_path / "a.pygbt").digest() == digests[name]


@pytest.mark.parametrize("isa", pygbt._core.build_info()["isa_levels"])
def test_instruction_sets(isa: str, digests: dict[str, str]) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import test_determinism as t, pygbt\n"
        "print(pygbt._core.build_info()['isa'])\n"
        "for name in t.CONFIGS: print(name, t.fit(name, n_threads=2).digest())\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent)],
        env={**os.environ, "PYGBT_ISA": isa},
        capture_output=True,
        text=True,
        check=True,
    )
    used, *lines = run.stdout.split("\n")
    assert used == isa
    assert dict(line.split() for line in lines if line) == digests


def test_unknown_instruction_set_is_an_error() -> None:
    run = subprocess.run(
        [sys.executable, "-c", "import pygbt; pygbt._core.build_info()"],
        env={**os.environ, "PYGBT_ISA": "v9"},
        capture_output=True,
        text=True,
    )
    assert run.returncode != 0 and "PYGBT_ISA=v9" in run.stderr


@pytest.mark.parametrize("name", ["logistic", "sampled", "softmax", "vector_leaf", "symmetric"])
def test_naive_backend_trains_the_same_model(name: str) -> None:
    X, z = table(400)
    objective = str(CONFIGS[name]["objective"])
    found = []
    for device in ("naive", "cpu"):
        data = pygbt.Dataset(X, labels(objective, z), max_bin=16)
        params = {**CONFIGS[name], "device": device, "max_depth": 3, "n_threads": 2}
        model = pygbt.train(params, data, 3)
        found.append([{k: v.tobytes() for k, v in t.items() if hasattr(v, "tobytes")} for t in core_trees(model)])
    assert found[0] == found[1]


def core_trees(model: pygbt.Booster) -> list[dict[str, np.ndarray]]:
    return [model._model.tree(i) for i in range(model.n_trees)]


def test_evaluation_and_stopping_do_not_depend_on_threads() -> None:
    X, z = table()
    y = labels("logistic", z)
    runs = []
    for n_threads in (1, 3):
        train, valid = pygbt.Dataset(X[:4000], y[:4000]), pygbt.Dataset(X[4000:], y[4000:])
        model = pygbt.train(
            {"objective": "logistic", "eval_metric": ["logloss", "auc"], "n_threads": n_threads, "learning_rate": 0.5},
            train,
            60,
            evals=[(valid, "valid")],
            early_stopping_rounds=5,
        )
        runs.append((model.digest(), model.best_iteration, model.evals_result))
    assert runs[0] == runs[1]
    assert runs[0][1] < 59
