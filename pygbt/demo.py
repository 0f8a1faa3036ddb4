# SPDX-License-Identifier: Apache-2.0
"""``pygbt demo``: train on real data, score held-out rows beside XGBoost, compare the digests of 1 and all threads."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .booster import Booster
from .data import Dataset
from .report import print_table
from .tables import Problem, read_table, split_rows
from .training import train

__all__ = ["run_demo"]

OK, DIGESTS_DIFFER = 0, 1
HELD_OUT = 0.25
SETTINGS: dict[str, Any] = {"learning_rate": 0.1, "max_depth": 6, "reg_lambda": 1.0, "min_child_weight": 1.0}


@dataclass
class Outcome:
    """Scores of one engine on the held-out rows, and the seconds from table to model."""

    scores: dict[str, float]
    seconds: float


def built_in() -> Iterator[tuple[str, Problem]]:
    """The real tables that ship with scikit-learn."""
    try:
        import pandas
        from sklearn import datasets
    except ImportError:
        raise ImportError("the demo's tables need scikit-learn and pandas: pip install 'pygbt[sklearn,cli]'") from None
    for name, load, task in (
        ("digits", datasets.load_digits, "multiclass"),
        ("breast cancer", datasets.load_breast_cancer, "binary"),
        ("diabetes", datasets.load_diabetes, "regression"),
    ):
        bunch = load()
        X = pandas.DataFrame(bunch.data, columns=[str(c) for c in bunch.feature_names])
        y = np.asarray(bunch.target, dtype=np.float64)
        classes = None if task == "regression" else [str(c) for c in bunch.target_names]
        yield name, Problem(X, y, task, classes, None)


def scores_of(problem: Problem, predicted: npt.NDArray[Any]) -> dict[str, float]:
    """Held-out scores: log loss and accuracy of classes, RMSE and R2 of numbers."""
    y, p = problem.y, predicted.astype(np.float64)
    if problem.task == "regression":
        error = float(np.mean((y - p) ** 2))
        return {"RMSE": error**0.5, "R2": 1.0 - error / float(np.var(y))}
    p = np.column_stack([1.0 - p, p]) if p.ndim == 1 else p
    of_truth = p[np.arange(len(y)), y.astype(np.int64)]
    return {
        "log loss": float(-np.log(np.maximum(of_truth, 1e-15)).mean()),
        "accuracy": float(np.mean(p.argmax(axis=1) == y)),
    }


def run_pygbt(fit: Problem, held: Problem, rounds: int, n_threads: int) -> tuple[Outcome, Booster]:
    """Train pygbt on `fit`, score it on `held`."""
    params = {**SETTINGS, "objective": fit.objective, "n_threads": n_threads}
    if fit.classes is not None and fit.task == "multiclass":
        params["n_classes"] = len(fit.classes)
    begin = time.perf_counter()
    booster = train(params, Dataset(fit.X, fit.y, n_threads=n_threads), rounds)
    seconds = time.perf_counter() - begin
    return Outcome(scores_of(held, booster.predict(held.X)), seconds), booster


def run_xgboost(fit: Problem, held: Problem, rounds: int) -> Outcome | None:
    """The same with XGBoost; None where it is not installed."""
    try:
        import xgboost
    except ImportError:
        return None
    objective = {"binary": "binary:logistic", "multiclass": "multi:softprob", "regression": "reg:squarederror"}
    # XGBoost starts a thread for every CPU of the machine, even where this process may use fewer.
    n_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    params = {**SETTINGS, "objective": objective[fit.task], "tree_method": "hist", "verbosity": 0, "nthread": n_threads}
    if fit.classes is not None and fit.task == "multiclass":
        params["num_class"] = len(fit.classes)
    begin = time.perf_counter()
    data = xgboost.QuantileDMatrix(fit.X, label=fit.y, enable_categorical=True, nthread=n_threads)
    booster = xgboost.train(params, data, rounds)
    seconds = time.perf_counter() - begin
    return Outcome(scores_of(held, booster.predict(xgboost.DMatrix(held.X, enable_categorical=True))), seconds)


def run_demo(data: str | None = None, target: str | None = None, *, task: str = "auto", rounds: int = 100) -> int:
    """Run the demonstration and print its tables.

    Parameters
    ----------
    data : str, optional
        CSV or Parquet file to use instead of the built-in tables.
    target : str, optional
        Its column to predict.
    task : {"auto", "binary", "multiclass", "regression"}, default "auto"
    rounds : int, default 100

    Returns
    -------
    int
        0, or 1 where one and all threads gave different models.
    """
    if data is not None and target is not None:
        problems: Iterator[tuple[str, Problem]] = iter(
            [(data, Problem.from_frame(read_table(data), target, task=task))]
        )
    else:
        problems = built_in()
    scores: list[list[str]] = []
    digests: list[list[str]] = []
    all_equal, peer_missing = True, False
    for name, problem in problems:
        kept, held_out = split_rows(len(problem.y), HELD_OUT, seed=0)
        fit, held = problem.rows(kept), problem.rows(held_out)
        _, single = run_pygbt(fit, held, rounds, n_threads=1)
        ours, booster = run_pygbt(fit, held, rounds, n_threads=0)
        peer = run_xgboost(fit, held, rounds)
        peer_missing |= peer is None
        for i, (metric, score) in enumerate(ours.scores.items()):
            table = f"{name} ({len(problem.y):,} x {problem.X.shape[1]})" if i == 0 else ""
            scores.append(
                [
                    table,
                    metric,
                    f"{score:.4f}",
                    "-" if peer is None else f"{peer.scores[metric]:.4f}",
                    f"{ours.seconds:.2f} s" if i == 0 else "",
                    ("-" if peer is None else f"{peer.seconds:.2f} s") if i == 0 else "",
                ]
            )
        one, every = single.digest(), booster.digest()
        all_equal &= one == every
        digests.append([name, one[:16], every[:16], "equal" if one == every else "DIFFERENT"])
    print_table(
        f"Scores on {HELD_OUT:.0%} held-out rows, {rounds} rounds, and time from table to model",
        ["data", "score", "pygbt", "XGBoost", "pygbt time", "XGBoost time"],
        scores,
    )
    if peer_missing:
        print("XGBoost is not installed: pip install xgboost-cpu shows its scores beside these.")
    print_table("Digest of the model (SHA-256, first 16 digits)", ["data", "1 thread", "all threads", ""], digests)
    if not all_equal:
        print("The digests differ: this is a bug in pygbt, please report it.")
        return DIGESTS_DIFFER
    print("The models of one and of all threads are equal, byte for byte.")
    return OK
