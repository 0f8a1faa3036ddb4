# SPDX-License-Identifier: Apache-2.0
"""Random sound models as arrays of a model file, rows that sit on their thresholds, and a second, obvious predictor.

Nothing here calls the engine: the walk is Python over the arrays, one row at a time, from the rules of the format.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MISSING_CODE = -1


@dataclass
class Feature:
    """A column: number (edges) or category (codes)."""

    categorical: bool
    wide: bool
    n_bins: int
    edges: np.ndarray = field(default_factory=lambda: np.empty(0))


@dataclass
class RandomModel:
    """Arrays and scalars for ``_core.Model.from_arrays``, and what they were made of."""

    arrays: dict[str, np.ndarray]
    meta: dict[str, Any]
    features: list[Feature]

    @property
    def n_outputs(self) -> int:
        return len(self.arrays["base_score"])


def random_edges(rng: np.random.Generator, wide: bool) -> np.ndarray:
    n = int(rng.integers(0, 12))
    special = [math.inf, -math.inf, 0.0, 5e-324 if wide else 1.401298464324817e-45, 3.4028234663852886e38]
    values = np.concatenate([rng.normal(size=n), rng.choice(special, size=int(rng.integers(0, 4)))])
    return np.unique(values if wide else values.astype(np.float32).astype(np.float64))


def random_features(rng: np.random.Generator, n: int, wide: bool, categories: bool) -> list[Feature]:
    features = []
    for _ in range(n):
        if categories and rng.random() < 0.4:
            features.append(Feature(True, False, 1 + int(rng.integers(1, 80))))
            continue
        is_wide = wide and rng.random() < 0.5
        edges = random_edges(rng, is_wide)
        features.append(Feature(False, is_wide, 2 + len(edges), edges))
    return features


def random_model(
    rng: np.random.Generator,
    *,
    n_features: int = 4,
    n_outputs: int = 1,
    n_iterations: int = 3,
    vector_leaves: bool = False,
    wide: bool = True,
    categories: bool = True,
    objective: str = "squared_error",
    max_splits: int = 12,
) -> RandomModel:
    """Any sound model: children in pairs after their parent, leaves numbered in node order, cuts at edges or +inf."""
    features = random_features(rng, n_features, wide, categories)
    per_iteration = 1 if vector_leaves else n_outputs
    width = n_outputs if vector_leaves else 1
    node_arrays = ["left", "feature", "threshold", "default_left", "cat_words", "gain", "cover", "count"]
    columns: dict[str, list[Any]] = {name: [] for name in [*node_arrays, "cat_bits", "leaf_value"]}
    tree_nodes, tree_target = [], []
    for t in range(n_iterations * per_iteration):
        tree_nodes.append(add_tree(rng, columns, features, int(rng.integers(0, max_splits + 1)), width))
        tree_target.append(0 if vector_leaves else t % n_outputs)
    stored_wide = any(f.wide for f in features)
    real = np.float64 if stored_wide else np.float32
    any_category = any(columns["cat_words"])
    arrays = {
        "tree_nodes": np.array(tree_nodes, dtype=np.int32),
        "tree_width": np.full(len(tree_nodes), width, dtype=np.int32),
        "tree_target": np.array(tree_target, dtype=np.int32),
        "left": np.array(columns["left"], dtype=np.int32),
        "feature": np.array(columns["feature"], dtype=np.int32),
        "threshold": np.array(columns["threshold"], dtype=real),
        "default_left": np.array(columns["default_left"], dtype=np.uint8),
        "cat_words": np.array(columns["cat_words"] if any_category else [], dtype=np.int32),
        "gain": np.array(columns["gain"], dtype=np.float32),
        "cover": np.array(columns["cover"], dtype=np.float64),
        "count": np.array(columns["count"], dtype=np.int64),
        "cat_bits": np.array(columns["cat_bits"], dtype=np.uint32),
        "leaf_value": np.array(columns["leaf_value"], dtype=np.float32),
        "base_score": rng.normal(size=n_outputs).astype(np.float32),
        "cuts_n_bins": np.array([f.n_bins for f in features], dtype=np.int32),
        "cuts_flags": np.array([f.categorical + 2 * f.wide for f in features], dtype=np.uint8),
        "cuts_n_edges": np.array([len(f.edges) for f in features], dtype=np.int32),
        "cuts_edges": np.concatenate([f.edges for f in features]).astype(real),
    }
    meta = {
        "objective": objective,
        "trees_per_iteration": per_iteration,
        "softmax_hessian": "auto",
        "huber_delta": 1.0,
        "tweedie_variance_power": 1.5,
        "scale_pos_weight": 1.0,
        "quantile_alpha": [0.5],
    }
    return RandomModel(arrays, meta, features)


def add_tree(
    rng: np.random.Generator, columns: dict[str, list[Any]], features: list[Feature], n_splits: int, width: int
) -> int:
    """Append a tree that splits a random leaf `n_splits` times; returns its number of nodes."""
    left: list[int] = [-1]
    splits: dict[int, dict[str, Any]] = {}
    open_leaves = [0]
    for _ in range(n_splits):
        node = open_leaves.pop(int(rng.integers(len(open_leaves))))
        f = int(rng.integers(len(features)))
        feature = features[f]
        split: dict[str, Any] = {"feature": f, "threshold": 0.0, "words": []}
        if feature.categorical:
            n_codes = feature.n_bins - 1
            bits = rng.integers(0, 2, size=n_codes)
            split["words"] = [
                int(sum(int(bits[c]) << (c - 32 * w) for c in range(32 * w, min(n_codes, 32 * w + 32))))
                for w in range((n_codes + 31) // 32)
            ]
        else:
            split["threshold"] = float(rng.choice(np.append(feature.edges, math.inf)))
        splits[node] = split
        left[node] = len(left)
        open_leaves += [len(left), len(left) + 1]
        left += [-1, -1]
    n_leaves = 0
    for node, child in enumerate(left):
        split = splits.get(node, {"feature": -1, "threshold": 0.0, "words": []})
        columns["left"].append(child if child >= 0 else ~n_leaves)
        columns["feature"].append(split["feature"])
        columns["threshold"].append(split["threshold"])
        columns["default_left"].append(int(rng.integers(2)) if child >= 0 else 0)
        columns["cat_words"].append(len(split["words"]))
        columns["cat_bits"] += split["words"]
        columns["gain"].append(rng.random() if child >= 0 else 0.0)
        columns["cover"].append(rng.random() * 10)
        columns["count"].append(int(rng.integers(1000)))
        if child < 0:
            n_leaves += 1
            columns["leaf_value"] += list(rng.normal(size=width))
    return len(left)


def random_columns(rng: np.random.Generator, model: RandomModel, n_rows: int) -> list[Any]:
    """Columns whose values lie on edges, on the floats beside them, or are NaN, infinite, zeros or denormal."""
    columns: list[Any] = []
    for feature in model.features:
        if feature.categorical:
            codes = rng.integers(-2, feature.n_bins + 40, size=n_rows).astype(np.int32)
            columns.append(("codes", codes))
            continue
        dtype = np.float64 if feature.wide else np.float32
        pool = np.append(feature.edges, [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45, -1e-310]).astype(dtype)
        values = rng.choice(pool, size=n_rows)
        step = rng.integers(-1, 2, size=n_rows)
        towards = np.where(step < 0, -np.inf, np.inf).astype(dtype)
        with np.errstate(over="ignore", under="ignore"):
            beside = np.nextafter(values, towards)
        columns.append(np.where(step == 0, values, beside).astype(dtype))
    return columns


def trees_of(model: RandomModel) -> list[dict[str, Any]]:
    """The trees of the arrays, one dictionary a tree, with the set of codes that go left at each categorical node."""
    a = model.arrays
    trees = []
    node = word = leaf = 0
    for n, width, target in zip(a["tree_nodes"], a["tree_width"], a["tree_target"], strict=True):
        tree: dict[str, Any] = {"target": int(target), "width": int(width), "codes": {}}
        for name in ("left", "feature", "threshold", "default_left"):
            tree[name] = a[name][node : node + n].tolist()
        for i in range(int(n)):
            words = int(a["cat_words"][node + i]) if len(a["cat_words"]) else 0
            if words:
                bits = [int(w) for w in a["cat_bits"][word : word + words]]
                tree["codes"][i] = {c for c in range(32 * words) if bits[c // 32] >> (c % 32) & 1}
                word += words
        n_values = (int(n) + 1) // 2 * int(width)
        tree["leaf_value"] = a["leaf_value"][leaf : leaf + n_values].reshape(-1, int(width))
        node += int(n)
        leaf += n_values
        trees.append(tree)
    return trees


def leaf_of(tree: dict[str, Any], row: list[Any], features: list[Feature]) -> int:
    """Leaf of one row: ``x <= threshold`` goes left, missing values and unknown codes follow ``default_left``."""
    node = 0
    while tree["left"][node] >= 0:
        f = tree["feature"][node]
        x = row[f]
        if features[f].categorical:
            missing = x is None or not 0 <= x < features[f].n_bins - 1
            left = bool(tree["default_left"][node]) if missing else x in tree["codes"].get(node, ())
        elif x is None or math.isnan(x):
            left = bool(tree["default_left"][node])
        else:
            left = x <= tree["threshold"][node]
        node = tree["left"][node] + (0 if left else 1)
    return ~tree["left"][node]


def predict_slowly(model: RandomModel, columns: list[Any], margin: np.ndarray | None = None) -> tuple[Any, Any]:
    """Margins (n, n_outputs) float32 and leaves (n, n_trees), row by row. `columns` as of `random_columns`."""
    trees = trees_of(model)
    lists = []
    for feature, column in zip(model.features, columns, strict=True):
        if isinstance(column, tuple):
            lists.append(np.asarray(column[1]).tolist())
        else:  # the training column's type first
            with np.errstate(over="ignore", under="ignore"):
                rounded = np.asarray(column).astype(np.float64 if feature.wide else np.float32)
            lists.append(rounded.astype(np.float64).tolist())
    rows = list(zip(*lists, strict=True))
    leaves = np.array([[leaf_of(tree, list(row), model.features) for tree in trees] for row in rows], dtype=np.int32)
    leaves = leaves.reshape(len(rows), len(trees))
    scores = np.tile(model.arrays["base_score"], (len(rows), 1)) if margin is None else margin.copy()
    for t, tree in enumerate(trees):
        for i in range(len(rows)):
            for k in range(tree["width"]):
                scores[i, tree["target"] + k] += tree["leaf_value"][leaves[i, t], k]  # float32, trees in order
    return scores, leaves
