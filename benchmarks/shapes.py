# SPDX-License-Identifier: Apache-2.0
"""The shapes of table that pygbt is measured on, A to I: data, recipe, and which engines can take them.

`share` scales the number of rows (and, for the wide table, of columns), so that a test can run every shape in a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import tables
from engines import Recipe
from tables import Split

EVERYONE = ("pygbt", "xgboost", "lightgbm", "lightgbm_quantised", "catboost", "hessboost", "sklearn")
NOT_SKLEARN = EVERYONE[:-1]


@dataclass(frozen=True)
class Shape:
    """One table and recipe. giant: too long to run engines again that are far behind."""

    key: str
    title: str
    recipe: Recipe
    table: Callable[[float, int], Split]  # (share, seed) -> table
    engines: tuple[str, ...] = EVERYONE
    giant: bool = False
    shared: bool = False  # reads ../shared/data

    def small(self, rounds: int, n_threads: int = 2) -> Recipe:
        """The recipe with few rounds and shallow trees, for the naive backend."""
        few = {"rounds": rounds, "n_threads": n_threads, "depth": min(self.recipe.depth, 4), "leaves": 15}
        return replace(self.recipe, **few)


def dense(n: int, f: int, n_test: int, task: str = "binary") -> Callable[[float, int], Split]:
    """Standard normal features; a response with linear, product and threshold terms, binary or continuous."""

    def table(share: float, seed: int) -> Split:
        rows, test = _scaled(n, share), _scaled(n_test, share)
        columns = f if share >= 1 else min(f, 60)
        if task == "regression":
            X, y = tables.dense_regression(rows + test, columns, seed)
        else:
            X, y = tables.dense(rows + test, columns, seed)
        return Split(task, X[:rows].copy(), y[:rows], X[rows:], y[rows:], 1 if task == "regression" else 2)

    return table


def real(name: str, task: str, repeat: int = 1) -> Callable[[float, int], Split]:
    """A set of ../shared/data, 70 % for training, those rows `repeat` times over; arrays where all is numeric."""

    def table(share: float, seed: int) -> Split:
        split = tables.load_split(name, seed, task)
        for part in ("X", "X_test"):
            X = getattr(split, part)
            if not len(X.select_dtypes("category").columns):
                setattr(split, part, np.ascontiguousarray(X.to_numpy(np.float32)))
        rows = _scaled(len(split.y), share)
        split.X, split.y = split.X[:rows], split.y[:rows]
        if repeat > 1:
            order = np.tile(np.arange(rows), repeat)
            split.X, split.y = split.X.take(order).reset_index(drop=True), split.y[order]
        return split

    return table


def _sparse(n: int, f: int, n_test: int) -> Callable[[float, int], Split]:
    """95 % zeros, the rest 1 to 8, in compressed rows; a binary response with linear and product terms."""

    def table(share: float, seed: int) -> Split:
        rows, test = _scaled(n, share), _scaled(n_test, share)
        X, y = tables.sparse_counts(rows + test, f if share >= 1 else 40, seed)
        return Split("binary", X[:rows], y[:rows], X[rows:], y[rows:], 2)

    return table


def _scaled(n: int, share: float) -> int:
    return n if share >= 1 else max(300, int(n * share))


DEPTH_6 = Recipe("binary")

SHAPES: dict[str, Shape] = {
    shape.key: shape
    for shape in (
        Shape("A", "1,000,000 x 28 dense, binary, 100 trees, depth 6", DEPTH_6, dense(1_000_000, 28, 200_000)),
        Shape(
            "B",
            "1,000,000 x 28 dense, binary, 100 trees, lossguide, 255 leaves",
            Recipe("binary", policy="lossguide", leaves=255),
            dense(1_000_000, 28, 200_000),
            NOT_SKLEARN,
            giant=True,
        ),
        Shape("C1", "100,000 x 28 dense, binary, 100 trees, depth 6", DEPTH_6, dense(100_000, 28, 50_000)),
        Shape("C2", "10,000 x 28 dense, binary, 100 trees, depth 6", DEPTH_6, dense(10_000, 28, 50_000)),
        Shape(
            "D",
            "covertype_92k, 7 classes, 100 rounds, depth 6",
            Recipe("multiclass", 7),
            real("covertype_92k", "multiclass"),
            shared=True,
        ),
        Shape(
            "E",
            "20,000 x 2,000 dense, regression, 50 trees, depth 6",
            Recipe("regression", rounds=50),
            dense(20_000, 2000, 10_000, "regression"),
            NOT_SKLEARN,
            giant=True,
        ),
        Shape(
            "F1",
            "celeba_203k, 39 binary columns, 100 trees, depth 6",
            DEPTH_6,
            real("celeba_203k", "binary"),
            shared=True,
        ),
        Shape(
            "F2",
            "nursery x 20, all categorical, 5 classes, 100 rounds, depth 6",
            Recipe("multiclass", 5),
            real("nursery", "multiclass", repeat=20),
            shared=True,
        ),
        Shape(
            "G",
            "10,000,000 x 8 dense, binary, 50 trees, depth 8",
            Recipe("binary", rounds=50, depth=8),
            dense(10_000_000, 8, 500_000),
            NOT_SKLEARN,
            giant=True,
        ),
        Shape(
            "H1",
            "otto, 93 counts, 9 classes, 50 rounds, depth 6",
            Recipe("multiclass", 9, rounds=50),
            real("otto", "multiclass"),
            shared=True,
        ),
        Shape(
            "H2",
            "200,000 x 500 sparse (95 % zeros, CSR), binary, 100 trees, depth 6",
            DEPTH_6,
            _sparse(200_000, 500, 50_000),
            NOT_SKLEARN,
            giant=True,
        ),
        Shape(
            "I",
            "nycflights13, native categories, regression, 100 trees, depth 6",
            Recipe("regression"),
            real("nycflights13", "regression"),
            shared=True,
        ),
    )
}
