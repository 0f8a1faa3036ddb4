# SPDX-License-Identifier: Apache-2.0
"""fashion_mnist: a student of 100 vector-leaf trees beside its teachers; a job of benchmarks/distillation.py."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tables  # makes ../shared/data importable
from sklearn.neural_network import MLPClassifier

import pygbt
from pygbt.distill import Teacher, distill

assert tables.DATA

BINS = 64  # of a pixel
STUDENT: dict[str, Any] = {
    "objective": "softmax",
    "multi_strategy": "vector_leaf",
    "max_depth": 4,
    "colsample_bytree": 0.3,
    "learning_rate": 0.2,
    "num_boost_round": 100,
    "max_bin": BINS,
}
LEFT_OUT = 3  # dresses
TEMPERATURES, WEIGHTS = [1, 2, 4, 8], [0.4, 0.7]  # tried, all pairs


@dataclass(frozen=True)
class Size:
    """Training images of the student, more of them without labels, those of its teachers, test images, networks and
    their passes, rounds of the booster and of the student.
    """

    rows: int = 6000
    unlabeled: int = 24_000
    teacher_rows: int = 16_000
    test_rows: int = 10_000
    networks: int = 3
    passes: int = 25
    rounds: int = 200
    student_rounds: int = 100


QUICK = Size(rows=400, unlabeled=200, teacher_rows=400, test_rows=300, networks=2, passes=5, rounds=4, student_rounds=8)


@dataclass
class Images:
    """Pixels in [0, 1], float32, and classes 0 .. 9: of the student, without labels, of its teachers, of the test."""

    X: np.ndarray
    y: np.ndarray
    X_more: np.ndarray
    X_teacher: np.ndarray
    y_teacher: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def images(seed: int, size: Size) -> Images:
    """Training images drawn by seed, in equal shares of every class, and the first test images."""
    import datasets  # of ../shared/data

    table = datasets.load("fashion_mnist")
    X = (table.X.to_numpy(dtype=np.float32) / 255.0).astype(np.float32)
    y = table.y.astype(int).to_numpy()
    train, test = (np.flatnonzero((table.split == name).to_numpy()) for name in ("train", "test"))
    rng = np.random.default_rng([1, seed])
    cuts = np.cumsum([size.rows // 10, size.unlabeled // 10, size.teacher_rows // 10])
    drawn = [np.split(rng.permutation(train[y[train] == k])[: cuts[2]], cuts[:2]) for k in range(10)]
    rows, more, others = (rng.permutation(np.concatenate(part)) for part in zip(*drawn, strict=True))
    kept = test[: size.test_rows]
    return Images(X[rows], y[rows], X[more], X[others], y[others], X[kept], y[kept])


def teachers(data: Images, seed: int, size: Size) -> dict[str, Teacher]:
    """Fitted on images that the student does not see."""
    networks = [
        MLPClassifier((256,), max_iter=size.passes, random_state=100 * seed + i).fit(data.X_teacher, data.y_teacher)
        for i in range(size.networks)
    ]
    options: dict[str, Any] = {"max_depth": 5, "learning_rate": 0.1, "colsample_bytree": 0.3, "max_bin": BINS}
    booster = pygbt.GBTClassifier(n_estimators=size.rounds, random_state=seed, **options)
    booster.fit(data.X_teacher, data.y_teacher)
    seen: dict[str, Any] = {"trained_on": data.X_teacher, "progress": False}
    return {"networks": Teacher(networks, **seen), "booster": Teacher(booster, **seen)}


def scores(p: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Log loss and accuracy in per cent."""
    own = np.maximum(p[np.arange(len(y)), y], 1e-15)
    return {"log_loss": float(-np.log(own).mean()), "accuracy": 100 * float((p.argmax(axis=1) == y).mean())}


def student(size: Size) -> dict[str, Any]:
    return STUDENT | {"num_boost_round": size.student_rounds, "n_classes": 10}


def alone(data: Images, rows: np.ndarray, size: Size) -> dict[str, float]:
    """Scores of the student trained on the labels of some rows."""
    booster = pygbt.train(student(size), pygbt.Dataset(data.X[rows], data.y[rows], max_bin=BINS))
    return judged(booster.predict, data, rows)


def judged(predict: Callable[[np.ndarray], np.ndarray], data: Images, rows: np.ndarray) -> dict[str, float]:
    """Scores on the test images, and the accuracy on the training images that were learnt from."""
    seen = scores(predict(data.X[rows]), data.y[rows])["accuracy"]
    return scores(predict(data.X_test), data.y_test) | {"train_accuracy": seen}


def soft(answers: np.ndarray, data: Images, rows: np.ndarray, T: Any, size: Size) -> Any:
    """The student trained on the teacher's answers to some rows, without labels."""
    teacher = Teacher(logits=answers[rows], classes=np.arange(10))
    return distill(teacher, student(size), data.X[rows], T=T, report=False)


def run(seed: int, size: Size) -> dict[str, Any]:
    """Everything of one seed."""
    warnings.filterwarnings("ignore")  # networks that have not converged
    start = time.perf_counter()
    data = images(seed, size)
    everything = np.arange(len(data.y))
    few = _few(data.y, 0.03, seed)
    result: dict[str, Any] = {
        "seed": seed,
        "rows": len(data.y),
        "test_rows": len(data.y_test),
        "few": len(few),
        "alone": alone(data, everything, size),
        "hard_few": alone(data, few, size),
        "teachers": {},
    }
    for name, teacher in teachers(data, seed, size).items():
        options = {"T": TEMPERATURES, "alpha": WEIGHTS, "random_state": seed, "report": False}
        found = distill(teacher, student(size), data.X, data.y, **options)
        chosen = {"T": found.T_, "alpha": found.alpha_, "unlabeled": data.X_more, "report": False}
        more = distill(teacher, student(size), data.X, data.y, **chosen)
        answers = teacher.answers(data.X).logits()
        part = {
            "teacher": scores(teacher.answers(data.X_test).probabilities(), data.y_test),
            "distilled": judged(found.predict_proba, data, everything),
            "T": found.T_,
            "alpha": found.alpha_,
            "trials": [[t.T, t.alpha, round(t.score, 5)] for t in found.trials_],
            "with_unlabeled": judged(more.predict_proba, data, everything),
            "soft_few": judged(soft(answers, data, few, TEMPERATURES, size).predict_proba, data, few),
            "soft_few_all_rows": scores(_few_labels(teacher, data, few, found, size), data.y_test),
            "left_out": left_out(answers, data, found.T_, size),
        }
        result["teachers"][name] = part
    result["seconds"] = round(time.perf_counter() - start, 1)
    return result


def _few(y: np.ndarray, share: float, seed: int) -> np.ndarray:
    """A share of the rows of every class."""
    rng = np.random.default_rng([2, seed])
    parts = [rng.permutation(np.flatnonzero(y == k))[: round(share * (y == k).sum())] for k in np.unique(y)]
    return np.sort(np.concatenate(parts))


def _few_labels(teacher: Teacher, data: Images, few: np.ndarray, found: Any, size: Size) -> np.ndarray:
    """The teacher's answers to all images of the student, labels for a few."""
    labels = np.full(len(data.y), np.nan)
    labels[few] = data.y[few]
    chosen = {"T": found.T_, "alpha": found.alpha_, "report": False}
    return distill(teacher, student(size), data.X, labels, **chosen).predict_proba(data.X_test)


def left_out(answers: np.ndarray, data: Images, T: float, size: Size) -> dict[str, float]:
    """No row of one class in the transfer set; then its margin raised by what is best on every second test row. Scores
    are of the others.
    """
    p = soft(answers, data, np.flatnonzero(data.y != LEFT_OUT), T, size).predict_proba(data.X_test)
    z = np.log(np.maximum(p, 1e-15))
    choose, judge = np.arange(len(z)) % 2 == 0, np.arange(len(z)) % 2 == 1

    def right(shift: float, rows: np.ndarray) -> np.ndarray:
        moved = z[rows].copy()
        moved[:, LEFT_OUT] += shift
        return moved.argmax(axis=1) == data.y_test[rows]

    shifts = np.arange(0.0, 12.01, 0.1)
    best = float(max(shifts, key=lambda shift: right(shift, choose).mean()))
    of_class = data.y_test[judge] == LEFT_OUT
    found = {"shift": round(best, 1)}
    for name, shift in (("before", 0.0), ("after", best)):
        hits = right(shift, judge)
        found[f"accuracy_{name}"] = 100 * float(hits.mean())
        found[f"class_{name}"] = 100 * float(hits[of_class].mean())
    return found
