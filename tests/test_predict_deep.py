# SPDX-License-Identifier: Apache-2.0
"""Models of large trees, whose rows walk together, against the plain walk down the thresholds, bit for bit.

The plain walk itself is tested against a walk written in Python (`test_predict.py`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_models import Feature, RandomModel, add_tree, random_columns, random_model

from pygbt import _core

NODE_ARRAYS = ["left", "feature", "threshold", "default_left", "cat_words", "gain", "cover", "count"]


def grown(
    rng: np.random.Generator,
    features: list[Feature],
    splits: list[int],
    n_outputs: int = 1,
    vector_leaves: bool = False,
) -> RandomModel:
    """A model with a tree of each number of splits over the features given."""
    per_iteration = 1 if vector_leaves else n_outputs
    width = n_outputs if vector_leaves else 1
    made = random_model(
        rng, n_features=1, n_outputs=n_outputs, vector_leaves=vector_leaves, n_iterations=1, max_splits=0
    )
    columns: dict[str, list[Any]] = {name: [] for name in [*NODE_ARRAYS, "cat_bits", "leaf_value"]}
    sizes = [add_tree(rng, columns, features, n, width) for n in splits]
    real = np.float64 if any(f.wide for f in features) else np.float32
    types = {"cat_words": np.int32, "cat_bits": np.uint32, "threshold": real}
    arrays = {name: np.array(columns[name], dtype=types.get(name, made.arrays[name].dtype)) for name in columns}
    if not any(columns["cat_words"]):
        arrays["cat_words"] = np.array([], dtype=np.int32)
    arrays |= {
        "tree_nodes": np.array(sizes, dtype=np.int32),
        "tree_width": np.full(len(sizes), width, dtype=np.int32),
        "tree_target": np.arange(len(sizes), dtype=np.int32) % per_iteration,
        "base_score": rng.normal(size=n_outputs).astype(np.float32),
        "cuts_n_bins": np.array([f.n_bins if f.categorical else 2 for f in features], dtype=np.int32),
        "cuts_flags": np.array([f.categorical + 2 * f.wide for f in features], dtype=np.uint8),
        "cuts_n_edges": np.zeros(len(features), dtype=np.int32),  # as in a forest: thresholds stand in the trees
        "cuts_edges": np.array([], dtype=real),
    }
    return RandomModel(arrays, made.meta, features)


def number(rng: np.random.Generator, n: int, wide: bool) -> Feature:
    """A column with n thresholds or so, among them neighbours, denormal numbers and infinities."""
    real = np.float64 if wide else np.float32
    tiny = np.finfo(real).smallest_subnormal
    values = np.concatenate(
        [rng.normal(size=n).astype(real), np.array([np.inf, -np.inf, 0.0, -0.0, tiny, -tiny], real)]
    )
    with np.errstate(over="ignore", under="ignore"):
        beside = np.nextafter(values[: n // 2], real(np.inf))
    edges = np.unique(np.concatenate([values, beside]))
    return Feature(False, wide, 2 + len(edges), edges.astype(np.float64))


def chain(rng: np.random.Generator, depth: int) -> RandomModel:
    """Trees whose every split has a leaf."""
    features = [number(rng, 50, True), number(rng, 50, False)]
    made = grown(rng, features, [depth, depth])
    left: list[int] = []
    for level in range(depth):
        left += [2 * level + 1] if level == 0 else []
        side = int(rng.integers(2))
        child = 2 * level + 3 if level + 1 < depth else -1
        left += [child, -1] if side == 0 else [-1, child]
    inner = np.array(left) >= 0
    leaves = np.cumsum(~inner) - 1
    made.arrays["left"] = np.tile(np.where(inner, left, ~leaves), 2).astype(np.int32)
    at = np.flatnonzero(np.tile(inner, 2))
    feature = rng.integers(2, size=len(at))
    made.arrays["feature"] = np.full(2 * len(left), -1, dtype=np.int32)
    made.arrays["feature"][at] = feature
    made.arrays["threshold"] = np.zeros(2 * len(left))
    made.arrays["threshold"][at] = [rng.choice(features[f].edges) for f in feature]
    made.arrays["default_left"] = np.zeros(2 * len(left), dtype=np.uint8)
    made.arrays["default_left"][at] = rng.integers(2, size=len(at))
    return made


def few_vectors(rng: np.random.Generator, made: RandomModel) -> RandomModel:
    """Leaves that are mostly pure, as those of a random forest."""
    n = len(made.arrays["leaf_value"]) // made.n_outputs
    pure = np.eye(made.n_outputs, dtype=np.float32)[rng.integers(made.n_outputs, size=n)]
    mixed = rng.random(n) < 0.02
    pure[mixed] = rng.random((int(mixed.sum()), made.n_outputs)).astype(np.float32)
    made.arrays["leaf_value"] = pure.ravel()
    return made


def models() -> list[tuple[str, RandomModel]]:
    rng = np.random.default_rng(7)
    narrow = [number(rng, 40, False) for _ in range(5)]
    mixed = [number(rng, 40, bool(i % 2)) for i in range(5)]
    sets = [*mixed, Feature(True, False, 6), Feature(True, False, 91)]
    vectors = {"n_outputs": 7, "vector_leaves": True}
    return [
        ("narrow", grown(rng, narrow, [900, 2000, 700])),
        ("wide", grown(rng, mixed, [900, 2000, 700])),
        ("categories", grown(rng, sets, [900, 2000, 700])),
        ("small trees among large ones", grown(rng, sets, [1000, 0, 1200, 3, 800])),
        ("a tree a class", grown(rng, narrow, [700] * 6, n_outputs=3)),
        ("vectors", grown(rng, mixed, [900, 2000], **vectors)),
        ("pure vectors", few_vectors(rng, grown(rng, narrow, [900, 2000], **vectors))),
        ("many outputs", grown(rng, narrow, [700, 800], n_outputs=23, vector_leaves=True)),
        ("pure vectors, categories", few_vectors(rng, grown(rng, sets, [900, 2000], n_outputs=2, vector_leaves=True))),
        ("300 thresholds", grown(rng, [number(rng, 200, False), narrow[0]], [1500, 1500])),
        ("a chain", chain(rng, 700)),
    ]


def same(made: RandomModel, columns: list[Any], threads: tuple[int, ...] = (1, 3)) -> None:
    model = _core.Model.from_arrays(made.arrays, made.meta)
    n, last = len(columns[0][1] if isinstance(columns[0], tuple) else columns[0]), model.n_iterations
    margin = np.random.default_rng(0).normal(size=(n, model.n_outputs)).astype(np.float32)
    for begin, end in ((0, last), (last // 2, last)):
        for options in ({"output": "value"}, {"output": "margin", "base_margin": margin}, {"output": "leaf"}):
            plain = model.predict(columns, begin=begin, end=end, plain=True, **options)
            for n_threads in threads:
                deep = model.predict(columns, begin=begin, end=end, n_threads=n_threads, **options)
                assert deep.tobytes() == plain.tobytes(), (n, begin, end, options["output"], n_threads)


def kinds_of_rows(rng: np.random.Generator, made: RandomModel, n: int) -> dict[str, list[Any]]:
    """Columns on their thresholds and beside them, with and without missing values, exact in float32 or not."""
    columns = random_columns(rng, made, n)
    seen = [c if isinstance(c, tuple) else np.nan_to_num(c, nan=0.25) for c in columns]
    with np.errstate(over="ignore", under="ignore"):
        single = [c if isinstance(c, tuple) else c.astype(np.float32) for c in seen]
    double = [c if isinstance(c, tuple) else c.astype(np.float64) for c in single]
    return {"missing": columns, "all seen": seen, "float32": single, "exact float64": double}


def check_all() -> None:
    for name, made in models():
        rng = np.random.default_rng(len(name))
        for n in (1, 15, 16, 17, 100, 700, 2500):
            for kind, columns in kinds_of_rows(rng, made, n).items():
                try:
                    same(made, columns)
                except AssertionError as error:
                    raise AssertionError(f"{name}, {kind}: {error}") from None


@pytest.mark.parametrize("level", _core.build_info()["isa_levels"])
def test_rows_that_walk_together_walk_the_plain_way(level: str) -> None:
    here = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {here!r}); import test_predict_deep; test_predict_deep.check_all()"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYGBT_ISA": level}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("wide", [False, True])
def test_a_tree_too_large_for_small_indices(wide: bool) -> None:
    """More than 65,535 thresholds of a feature, and as many pairs of nodes in a tree."""
    rng = np.random.default_rng(11)
    made = grown(rng, [number(rng, 9, wide)] + [Feature(True, False, 9)] * wide, [150_000 if wide else 80_000])
    made.features[0].edges = number(rng, 600_000, wide).edges
    numeric = made.arrays["feature"] == 0
    made.arrays["threshold"][numeric] = rng.choice(made.features[0].edges, size=int(numeric.sum()))
    assert len(np.unique(made.arrays["threshold"])) > 65_535
    for columns in kinds_of_rows(rng, made, 3000).values():
        same(made, columns, threads=(2,))


def test_many_features_leave_few_rows_to_a_task() -> None:
    """A tree over thousands of columns, some beyond what a small node can name."""
    rng = np.random.default_rng(12)
    made = grown(rng, [number(rng, 3, False) for _ in range(5000)], [2000, 1500])
    for columns in kinds_of_rows(rng, made, 90).values():
        same(made, columns, threads=(2,))


def test_doubles_that_float32_cannot_tell_apart() -> None:
    """Times in seconds since 1970: float32 steps over two minutes, so nearly every row is told by its doubles."""
    rng = np.random.default_rng(13)
    edges = np.unique(1.7e9 + np.round(rng.random(4000) * 600, 1))
    made = grown(rng, [Feature(False, True, 2 + len(edges), edges)], [1500, 1500])
    same(made, [rng.choice(edges, size=5000) + rng.choice([-0.05, 0.0, 0.05], size=5000)])
