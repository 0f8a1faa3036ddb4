# SPDX-License-Identifier: Apache-2.0
"""Four sets: softmax distillation beside squared-error regressors and XGBoost with a custom objective; a job of
benchmarks/distillation.py.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from tables import Split, load_split

import pygbt
from pygbt.distill import Teacher, distill

SETS = {"adult": "binary", "otto": "multiclass", "covertype_92k": "multiclass", "credit_gmsc": "binary"}
METHODS = ("alone", "distilled", "vector_leaf", "regressors", "xgboost")
THREADS = 2
RATE, LEAVES = 0.15, 16


@dataclass(frozen=True)
class Size:
    """Training rows of the student and of its teacher, test rows, rounds of the student and of the teacher."""

    rows: int = 8000
    teacher_rows: int = 24_000
    test_rows: int = 15_000
    rounds: int = 50
    teacher_rounds: int = 200


QUICK = Size(rows=600, teacher_rows=900, test_rows=400, rounds=5, teacher_rounds=8)

#: Leaves of the teacher's trees: what the set bears without over-fitting.
TEACHER_LEAVES = {"adult": 16, "otto": 31, "covertype_92k": 63, "credit_gmsc": 16}

STUDENT: dict[str, Any] = {
    "grow_policy": "lossguide",
    "max_depth": 0,
    "max_leaves": LEAVES,
    "learning_rate": RATE,
    "n_threads": THREADS,
}


@dataclass
class Lesson:
    """What every method is given: the same targets at T, the same weight of the soft part."""

    split: Split
    logits: np.ndarray  # (n, K), of the teacher, which was trained on other rows
    T: float
    alpha: float
    rounds: int


def drawn(name: str, seed: int, size: Size) -> tuple[Split, Any, np.ndarray]:
    """A random split cut to the size; rows and labels for the teacher, which are others."""
    split = load_split(name, seed, SETS[name])
    theirs = slice(size.rows, size.rows + size.teacher_rows)
    own = Split(
        split.task,
        split.X.iloc[: size.rows],
        split.y[: size.rows].astype(int),
        split.X_test.iloc[: size.test_rows],
        split.y_test[: size.test_rows].astype(int),
        split.n_classes,
    )
    return own, split.X.iloc[theirs], split.y[theirs].astype(int)


def teacher_of(name: str, X: Any, y: np.ndarray, seed: int, size: Size) -> Teacher:
    """A large booster, trained on rows that the student does not see."""
    booster = pygbt.GBTClassifier(
        n_estimators=size.teacher_rounds, learning_rate=0.06, grow_policy="lossguide", max_depth=0,
        max_leaves=TEACHER_LEAVES[name], colsample_bytree=0.6, subsample=0.8, min_child_weight=3, random_state=seed,
        n_jobs=THREADS,
    )  # fmt: skip
    return Teacher(booster.fit(X, y), out_of_fold=False, progress=False)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def log_loss(p: np.ndarray, y: np.ndarray) -> float:
    return float(-np.log(np.maximum(p[np.arange(len(y)), y], 1e-15)).mean())


def both_classes(p: np.ndarray) -> np.ndarray:
    p = np.asarray(p, dtype=np.float64)
    return np.column_stack([1 - p, p]) if p.ndim == 1 else p


# --- the methods: (training table to probabilities of the test table, seconds from table to model) --------------------


def engine(lesson: Lesson, *, soft: bool, vector: bool = False) -> tuple[np.ndarray, float]:
    """pygbt's own loss, with or without the teacher."""
    split, n = lesson.split, lesson.split.n_classes
    params = STUDENT | {"objective": "logistic" if n == 2 else "softmax", "num_boost_round": lesson.rounds}
    if n > 2:
        params |= {"n_classes": n, "multi_strategy": "vector_leaf" if vector else "one_tree_per_target"}
    given: dict[str, Any] = {}
    if soft:
        v = lesson.logits
        given = {"teacher": v[:, 1] - v[:, 0] if n == 2 else v, "teacher_form": "logits"}
        params |= {"teacher_alpha": lesson.alpha, "teacher_temperature": lesson.T}
    start = time.perf_counter()
    booster = pygbt.train(params, pygbt.Dataset(split.X, split.y, n_threads=THREADS, **given))
    seconds = time.perf_counter() - start
    return both_classes(booster.predict(split.X_test)), seconds


def regressors(lesson: Lesson) -> tuple[np.ndarray, float]:
    """K squared-error regressors on the blended probabilities, clipped at 0 and divided by their sum (T = 1)."""
    split, n = lesson.split, lesson.split.n_classes
    target = lesson.alpha * softmax(lesson.logits) + (1 - lesson.alpha) * np.eye(n)[split.y]
    params = STUDENT | {"objective": "squared_error", "num_boost_round": lesson.rounds}
    start = time.perf_counter()
    booster = pygbt.train(params, pygbt.Dataset(split.X, target, n_threads=THREADS))
    seconds = time.perf_counter() - start
    p = np.maximum(booster.predict(split.X_test).astype(np.float64), 1e-6)
    return p / p.sum(axis=1, keepdims=True), seconds


def xgboost(lesson: Lesson) -> tuple[np.ndarray, float]:
    """One tree a class and round (one for two classes) on gradients and curvatures of the same loss from NumPy; start
    scores are the logarithms of the class shares, curvature 2 p (1 - p) as XGBoost's own softmax has it.
    """
    import xgboost as xgb

    split, n = lesson.split, lesson.split.n_classes
    T, alpha = lesson.T, lesson.alpha
    hard, q = np.eye(n)[split.y], softmax(lesson.logits / T)
    prior = np.log(hard.mean(axis=0))
    binary = n == 2

    def scores(margins: np.ndarray) -> np.ndarray:
        return np.column_stack([np.zeros(len(margins)), margins]) if binary else margins.reshape(len(hard), n)

    def objective(margins: np.ndarray, data: Any) -> tuple[np.ndarray, np.ndarray]:
        z = scores(margins)
        p, s = softmax(z), softmax(z / T)
        g = alpha * T * (s - q) + (1 - alpha) * (p - hard)
        h = 2 * (alpha * s * (1 - s) + (1 - alpha) * p * (1 - p))
        if binary:
            return g[:, 1], np.maximum(h[:, 1] / 2, 1e-16)
        return g, np.maximum(h, 1e-16)

    def margin(rows: int) -> np.ndarray:
        return np.full(rows, prior[1] - prior[0]) if binary else np.tile(prior, (rows, 1))

    params = {
        "tree_method": "hist", "grow_policy": "lossguide", "max_depth": 0, "max_leaves": LEAVES, "eta": RATE,
        "nthread": THREADS, "disable_default_eval_metric": 1,
    } | ({} if binary else {"num_class": n})  # fmt: skip
    start = time.perf_counter()
    X = xgb.DMatrix(split.X, split.y, enable_categorical=True, base_margin=margin(len(split.X)), nthread=THREADS)
    booster = xgb.train(params, X, lesson.rounds, obj=objective)
    seconds = time.perf_counter() - start
    test = xgb.DMatrix(split.X_test, enable_categorical=True, base_margin=margin(len(split.X_test)), nthread=THREADS)
    z = booster.predict(test, output_margin=True)
    z = np.column_stack([np.zeros(len(z)), z]) if binary else z.reshape(len(split.X_test), n)
    return softmax(z), seconds


def run(name: str, seed: int, size: Size, repeats: int = 3) -> dict[str, Any]:
    """One set, one seed: held-out log losses and, for methods that are timed, the least of some training times."""
    warnings.filterwarnings("ignore")
    start = time.perf_counter()
    split, X_teacher, y_teacher = drawn(name, seed, size)
    teacher = teacher_of(name, X_teacher, y_teacher, seed, size)
    params = STUDENT | {"num_boost_round": size.rounds}
    found = distill(teacher, params, split.X, split.y, report=False, random_state=seed)
    logits = teacher.answers(split.X).logits()
    lesson = Lesson(split, logits, found.T_, found.alpha_, size.rounds)
    methods = {
        "alone": lambda: engine(lesson, soft=False),
        "distilled": lambda: engine(lesson, soft=True),
        "regressors": lambda: regressors(lesson),
        "xgboost": lambda: xgboost(lesson),
    }
    if split.n_classes > 2:
        methods["vector_leaf"] = lambda: engine(lesson, soft=True, vector=True)
    losses = {"teacher": log_loss(teacher.answers(split.X_test).probabilities(), split.y_test)}
    seconds: dict[str, float] = {}
    for _ in range(repeats):  # in turn, so that what else the machine does hits all alike
        for method, fit in methods.items():
            p, took = fit()
            losses[method] = log_loss(p, split.y_test)
            seconds[method] = round(min(took, seconds.get(method, took)), 4)
    return {
        "set": name,
        "seed": seed,
        "classes": split.n_classes,
        "rows": len(split.X),
        "teacher_rows": len(y_teacher),
        "test_rows": len(split.X_test),
        "features": split.X.shape[1],
        "T": found.T_,
        "alpha": found.alpha_,
        "losses": losses,
        "seconds": seconds,
        "took": round(time.perf_counter() - start, 1),
    }
