# SPDX-License-Identifier: Apache-2.0
"""The work of the classical comparison: a table, and the same estimator of pygbt and of scikit-learn on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from tables import Split, dense, dense_regression, load_split

THREADS = 2


@dataclass(frozen=True)
class Shape:
    """One row: `table(share)` and `model(engine, seed)`; the first engine is pygbt's main one, the last scikit-learn.

    Bars: scikit-learn's time over that of an engine, by engine; the same for prediction.
    """

    key: str
    title: str
    table: Callable[[float], Split]
    model: Callable[[str, int], Any]
    bars: dict[str, float]
    predict_bar: float | None = None

    @property
    def engines(self) -> list[str]:
        return [*self.bars, "sklearn"]


def real(name: str, task: str) -> Callable[[float], Split]:
    """A set of ../shared/data as float32 arrays, 70 % for training; categories as their codes."""

    def table(share: float) -> Split:
        split = load_split(name, 0, task)
        n, m = max(200, int(share * len(split.y))), max(100, int(share * len(split.y_test)))
        X, X_test = (_numbers(part)[:k] for part, k in ((split.X, n), (split.X_test, m)))
        return Split(task, X, _labels(split.y[:n], task), X_test, _labels(split.y_test[:m], task), split.n_classes)

    return table


def made(task: str, n: int = 200_000, f: int = 20) -> Callable[[float], Split]:
    """Dense float32 rows, half as many again for the test."""

    def table(share: float) -> Split:
        rows = max(200, int(share * n))
        X, y = (dense if task == "binary" else dense_regression)(rows + rows // 2, f, 0)
        y = _labels(y.astype(np.float64), task)
        return Split(task, X[:rows].copy(), y[:rows], X[rows:].copy(), y[rows:], 2 if task == "binary" else 1)

    return table


def _numbers(frame: pd.DataFrame) -> np.ndarray:
    columns = [
        frame[c].cat.codes if isinstance(frame[c].dtype, pd.CategoricalDtype) else frame[c] for c in frame.columns
    ]
    return np.ascontiguousarray(np.column_stack(columns), dtype=np.float32)


def _labels(y: np.ndarray, task: str) -> np.ndarray:
    return y.astype(np.float64) if task == "regression" else y.astype(np.int64)


def tree(regression: bool) -> Callable[[str, int], Any]:
    """One tree of unlimited depth."""

    def model(engine: str, seed: int) -> Any:
        if engine == "sklearn":
            from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

            return (DecisionTreeRegressor if regression else DecisionTreeClassifier)(random_state=seed)
        from pygbt.tree import CARTClassifier, CARTRegressor

        exact = {"min_split": 2, "min_bucket": 1, "cp": None, "missing": "direction", "max_competitors": 0}
        return (CARTRegressor if regression else CARTClassifier)(**exact, n_jobs=THREADS)

    return model


def forest(regression: bool, extra: bool = False) -> Callable[[str, int], Any]:
    """100 trees; engines "exact", "256 bins" and "1024 bins" are pygbt's."""

    def model(engine: str, seed: int) -> Any:
        name = f"{'ExtraTrees' if extra else 'RandomForest'}{'Regressor' if regression else 'Classifier'}"
        if engine == "sklearn":
            import sklearn.ensemble

            return getattr(sklearn.ensemble, name)(n_estimators=100, random_state=seed, n_jobs=THREADS)
        import pygbt.ensemble

        bins = None if engine == "exact" else int(engine.split()[0])
        return getattr(pygbt.ensemble, name)(n_estimators=100, max_bin=bins, random_state=seed, n_jobs=THREADS)

    return model


def stumps(engine: str, seed: int) -> Any:
    """AdaBoost over 200 stumps."""
    if engine == "sklearn":
        from sklearn.ensemble import AdaBoostClassifier

        return AdaBoostClassifier(n_estimators=200, random_state=seed)
    from pygbt.ensemble import AdaBoostClassifier as Ours

    return Ours(n_estimators=200, algorithm="SAMME", random_state=seed, n_jobs=THREADS)


FOREST_BARS = {"exact": 3.0, "256 bins": 8.0, "1024 bins": 8.0}

SHAPES = {
    shape.key: shape
    for shape in (
        Shape(
            "tree-covertype", "a tree, covertype_92k", real("covertype_92k", "multiclass"), tree(False), {"exact": 3.0}
        ),
        Shape("tree-dense", "a tree, 200,000 x 20, two classes", made("binary"), tree(False), {"exact": 3.0}),
        Shape(
            "tree-dense-regression", "a tree, 200,000 x 20, regression", made("regression"), tree(True), {"exact": 3.0}
        ),
        Shape(
            "forest-covertype",
            "random forest, covertype_92k",
            real("covertype_92k", "multiclass"),
            forest(False),
            FOREST_BARS,
            5.0,
        ),
        Shape("forest-otto", "random forest, otto", real("otto", "multiclass"), forest(False), FOREST_BARS, 5.0),
        Shape(
            "forest-california",
            "random forest, california_housing",
            real("california_housing", "regression"),
            forest(True),
            FOREST_BARS,
            5.0,
        ),
        Shape("extra-adult", "extra trees, adult", real("adult", "binary"), forest(False, extra=True), {"exact": 3.0}),
        Shape(
            "extra-covertype",
            "extra trees, covertype_92k",
            real("covertype_92k", "multiclass"),
            forest(False, extra=True),
            {"exact": 3.0},
        ),
        Shape("stumps-adult", "AdaBoost, 200 stumps, adult", real("adult", "binary"), stumps, {"exact": 3.0}),
    )
}
