# SPDX-License-Identifier: Apache-2.0
"""Teachers on half the tasks, in the shape of the table of MT-DNN-KD (Liu, He, Chen, Gao 2019).

Single-task models, tasks in shared trees without teachers, the same with teachers on every second task, and the
teachers themselves. A teacher is the mean of three models. Where rows are few it is trained in five folds and speaks of
the rows it has not seen; for the health insurance data it is trained on other rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from multitask_sets import Tasks, load, relative_losses, take_rows, values_of

SETS = ("multilabel_yeast", "multilabel_scene", "eu_health")
STUDENT: dict[str, Any] = {
    "n_estimators": 300,
    "early_stopping_rounds": 15,
    "validation_fraction": 0.15,
    "max_depth": 5,
    "learning_rate": 0.15,
    "subsample": 0.8,
    "max_bin": 64,
    "n_jobs": 2,
}
ALPHA = 0.5
FOLDS = 5


def keys() -> list[str]:
    """Sets, one a row."""
    return list(SETS)


def teach(loss: str, X: Any, y: np.ndarray, to: list[Any], seed: int, small: bool) -> list[np.ndarray]:
    """Mean of three models fitted to (X, y), on some tables: boosted trees and two forests, or boosted trees thrice."""
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    import pygbt

    n = 10 if small else 80
    boosted = {"learning_rate": 0.1, "max_depth": 5, "subsample": 0.7, "colsample_bytree": 0.5, "n_jobs": 2}
    if loss != "logistic":
        models = [
            pygbt.GBTRegressor(objective=loss, n_estimators=n, random_state=seed + i, **boosted) for i in range(3)
        ]
        fitted = [model.fit(X, y) for model in models]
        return [np.mean([model.predict(other) for model in fitted], axis=0) for other in to]
    options = {"min_samples_leaf": 2, "max_features": "sqrt", "n_jobs": 2, "random_state": seed}
    models = [
        pygbt.GBTClassifier(n_estimators=n, random_state=seed, **boosted),
        RandomForestClassifier(n, **options),
        ExtraTreesClassifier(n, **options),
    ]
    fitted = [model.fit(X, y) for model in models]
    return [np.mean([model.predict_proba(other)[:, 1] for model in fitted], axis=0) for other in to]


def teachers_of(split: Tasks, taught: list[str], seed: int, small: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """What teachers say of the training rows they have not seen, and of the held-out rows."""
    speak, held_out = {}, {}
    for task in taught:
        loss = split.losses[task]
        if split.X_other is not None and split.y_other is not None:
            speak[task], held_out[task] = teach(
                loss, split.X_other, split.y_other[task], [split.X, split.X_test], seed, small
            )
            continue
        y = split.y[task]
        fold = np.random.default_rng(seed).permutation(len(y)) % FOLDS
        speak[task], tests = np.empty(len(y)), []
        for k in range(FOLDS):
            seen, unseen = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
            speak[task][unseen], test = teach(
                loss, take_rows(split.X, seen), y[seen], [take_rows(split.X, unseen), split.X_test], seed, small
            )
            tests.append(test)
        held_out[task] = np.mean(tests, axis=0)
    return speak, held_out


def measure(name: str, seeds: int, rounds: int | None) -> dict[str, Any]:
    """Relative loss by row of the table, task and seed."""
    from pygbt.multitask import MultiTask

    params = STUDENT if rounds is None else {**STUDENT, "n_estimators": rounds}
    rows: dict[str, list[dict[str, float]]] = {row: [] for row in ("single", "shared", "shared_kd", "teacher")}
    for seed in range(seeds):
        split = load(name, seed)
        taught = list(split.losses)[::2]
        speak, held_out = teachers_of(split, taught, seed, rounds is not None)
        labels = {task: split.y[task] for task in split.losses}
        for row, share in (("single", "none"), ("shared", "tree"), ("shared_kd", "tree")):
            model = MultiTask(split.losses, share=share, teacher_alpha=ALPHA, random_state=seed, **params)
            model.fit(split.X, labels, teachers=speak if row == "shared_kd" else None)
            rows[row].append(relative_losses(split, values_of(model, split.X_test, split.losses)))
        known = {task: held_out.get(task, np.full(len(split.X_test), np.nanmean(y))) for task, y in labels.items()}
        rows["teacher"].append({t: x for t, x in relative_losses(split, known).items() if t in held_out})
    return {"tasks": list(split.losses), "taught": taught, "rows": rows}
