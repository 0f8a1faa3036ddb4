# SPDX-License-Identifier: Apache-2.0
"""Trainings that between them run every kernel of the CUDA backend, at small size: for test_cuda.py and, on any device,
benchmarks/cuda_digests.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

import pygbt
from pygbt.training import Run

#: Whatever decides which kernels run and on what, by name.
CONFIGS: dict[str, dict[str, Any]] = {
    "squared_error": {"objective": "squared_error"},
    "absolute_error": {"objective": "absolute_error", "max_depth": 3},
    "huber": {"objective": "huber", "huber_delta": 0.7},
    "quantile": {"objective": "quantile", "quantile_alpha": [0.2, 0.8], "max_depth": 3},
    "poisson": {"objective": "poisson"},
    "gamma": {"objective": "gamma"},
    "tweedie": {"objective": "tweedie", "tweedie_variance_power": 1.3},
    "logistic": {"objective": "logistic", "scale_pos_weight": 2.0},
    "softmax": {"objective": "softmax", "max_depth": 3},
    "one_vs_rest": {"objective": "one_vs_rest", "max_depth": 3},
    "vector_leaf": {"objective": "softmax", "multi_strategy": "vector_leaf", "max_depth": 3},
    "soft_labels": {"objective": "softmax", "max_depth": 3},
    "lossguide": {"objective": "squared_error", "grow_policy": "lossguide", "max_leaves": 20, "max_depth": 0},
    "lossguide_by_depth": {"objective": "huber", "grow_policy": "lossguide", "max_depth": 4, "colsample_bylevel": 0.6},
    "symmetric": {"objective": "squared_error", "grow_policy": "symmetric", "max_depth": 4},
    "symmetric_vector": {
        "objective": "softmax", "grow_policy": "symmetric", "max_depth": 3, "multi_strategy": "vector_leaf",
    },
    "symmetric_budget": {"objective": "logistic", "grow_policy": "symmetric", "max_depth": 5, "max_leaves": 13},
    "wide": {"objective": "squared_error", "histogram_precision": "wide"},
    "monotone": {"objective": "squared_error", "monotone_constraints": {"f0": 1, "f1": -1}},
    "monotone_quantile": {
        "objective": "absolute_error", "max_depth": 3, "monotone_constraints": {"f0": 1, "f1": -1},
    },
    "monotone_vector": {
        "objective": "softmax", "max_depth": 3, "multi_strategy": "vector_leaf", "monotone_constraints": {"f0": 1},
    },
    "interaction": {"objective": "squared_error", "interaction_constraints": [["f0", "f1"], ["f2", "f3", "f4"]]},
    "sampled_rows": {"objective": "logistic", "subsample": 0.6, "colsample_bytree": 0.7, "colsample_bylevel": 0.8},
    "sampled": {"objective": "logistic", "subsample": 0.6, "colsample_bytree": 0.7, "colsample_bynode": 0.8},
    "counted": {"objective": "squared_error", "min_child_samples": 20},
    "counted_vector": {
        "objective": "softmax", "max_depth": 3, "multi_strategy": "vector_leaf", "min_child_samples": 9,
    },
    "penalised": {"objective": "squared_error", "reg_alpha": 0.5, "max_delta_step": 0.3, "min_split_gain": 0.1},
    "max_leaves": {"objective": "squared_error", "max_leaves": 11, "max_depth": 5},
    "max_leaves_alone": {"objective": "poisson", "max_leaves": 9, "max_depth": 0},
}  # fmt: skip

#: The same of ranking.
RANK_CONFIGS: dict[str, dict[str, Any]] = {
    "lambdarank": {"objective": "lambdarank"},
    "lambdarank_map": {"objective": "lambdarank", "lambdarank_metric": "map", "lambdarank_truncation": 4},
    "rank_pairwise": {"objective": "rank_pairwise", "lambdarank_truncation": 0, "subsample": 0.7},
    "rank_xendcg": {"objective": "rank_xendcg", "lambdarank_gain": "linear", "min_child_weight": 0.1},
    "rank_listnet": {"objective": "lambdarank", "rank_teacher": "listnet", "teacher_temperature": 2.0},
    "rank_listmle": {"objective": "rank_xendcg", "rank_teacher": "listmle", "rank_teacher_weight": "inverse"},
    "rank_teacher_pairs": {
        "objective": "rank_pairwise", "rank_teacher": "pairwise", "rank_teacher_weight": "ndcg", "teacher_alpha": 0.8,
    },
    "rank_pointwise": {
        "objective": "lambdarank", "rank_teacher": "pointwise", "rank_teacher_top": 3, "rank_teacher_negatives": 0.6,
        "rank_teacher_weight": "exponential", "rank_teacher_decay": 2.0,
    },
}  # fmt: skip
#: The same of columns that a node draws, or that its path leaves it, and of bounds on quantiles.
COLUMN_CONFIGS: dict[str, dict[str, Any]] = {
    "draws_lossguide": {
        "objective": "squared_error", "grow_policy": "lossguide", "max_leaves": 14, "max_depth": 0,
        "colsample_bynode": 0.5,
    },
    "draws_symmetric": {"objective": "logistic", "grow_policy": "symmetric", "colsample_bynode": 0.4},
    "draws_by_level": {"objective": "poisson", "colsample_bylevel": 0.7, "colsample_bynode": 0.6, "max_leaves": 11},
    "draws_weighted": {
        "objective": "squared_error", "colsample_bynode": 0.7, "colsample_bytree": 0.9,
        "feature_weights": [0.5, 2.0, 0.0, 1.0, 3.0, 0.0],
    },
    "draws_vector": {
        "objective": "softmax", "multi_strategy": "vector_leaf", "max_depth": 3, "colsample_bynode": 0.5,
        "min_child_samples": 9,
    },
    "interaction_lossguide": {
        "objective": "squared_error", "grow_policy": "lossguide", "max_leaves": 15, "max_depth": 0,
        "interaction_constraints": [["f0", "f1"], ["f1", "f2", "f3"], ["f5", "f0"]],
    },
    "interaction_symmetric": {
        "objective": "squared_error", "grow_policy": "symmetric",
        "interaction_constraints": [["f0", "f3"], ["f1", "f2"]],
    },
    "interaction_draws": {
        "objective": "softmax", "interaction_constraints": [["f0", "f3"], ["f1", "f2", "f4"]], "max_depth": 3,
        "colsample_bynode": 0.8, "monotone_constraints": {"f0": 1},
    },
    "monotone_quantile_lossguide": {
        "objective": "quantile", "quantile_alpha": 0.7, "grow_policy": "lossguide", "max_leaves": 12, "max_depth": 0,
        "monotone_constraints": {"f0": 1, "f2": -1},
    },
    "monotone_quantile_vector": {
        "objective": "quantile", "quantile_alpha": [0.2, 0.8], "multi_strategy": "vector_leaf", "max_depth": 3,
        "monotone_constraints": {"f0": 1, "f1": -1},
    },
}  # fmt: skip
#: The same of several tasks in one model and how they share trees ("sharing"), and of leaves by their whole curvature.
SHARED_CONFIGS: dict[str, dict[str, Any]] = {
    "tasks_together": {"sharing": {"share": "tree"}, "max_depth": 3},
    "tasks_balanced": {"sharing": {"share": "tree", "balance": True}, "max_depth": 3, "colsample_bynode": 0.7},
    "tasks_apart": {"sharing": {"share": "none"}, "max_depth": 3},
    "tasks_apart_lossguide": {
        "sharing": {"share": "none"}, "grow_policy": "lossguide", "max_leaves": 9, "max_depth": 0,
        "min_child_samples": 9,
    },
    "residual": {"sharing": {"share": "residual", "own_reg_lambda": 10.0}, "max_depth": 3},
    "residual_balanced": {
        "sharing": {"share": "residual", "balance": True}, "max_depth": 3, "subsample": 0.7, "colsample_bylevel": 0.7,
    },
    "stem": {"sharing": {"share": "stem", "stem_depth": 2}, "max_depth": 4},
    "stem_of_all_levels": {"sharing": {"share": "stem", "stem_depth": 5}, "max_depth": 3, "max_leaves": 7},
    "stem_lossguide": {
        "sharing": {"share": "stem", "stem_depth": 4, "own_reg_lambda": 5.0}, "grow_policy": "lossguide",
        "max_leaves": 24, "max_depth": 0,
    },
    "stem_sampled": {
        "sharing": {"share": "stem", "stem_depth": 2}, "max_depth": 4, "subsample": 0.6, "colsample_bytree": 0.7,
        "colsample_bylevel": 0.8, "colsample_bynode": 0.8, "min_child_samples": 9,
    },
    "stem_bounded": {
        "sharing": {"share": "stem", "stem_depth": 1}, "max_depth": 3, "monotone_constraints": {"f0": 1},
        "interaction_constraints": [["f0", "f3"], ["f1", "f2", "f4"]],
    },
    "sketched": {"sharing": {"share": "tree", "sketch": 2}, "max_depth": 3},
    "sketched_symmetric": {
        "sharing": {"share": "tree", "sketch": 3}, "grow_policy": "symmetric", "max_depth": 3, "subsample": 0.7,
    },
    "sketched_top": {
        "sharing": {"share": "tree", "sketch": 3, "sketch_kind": "top_outputs", "balance": True}, "max_depth": 3,
    },
    "priced": {"sharing": {"share": "residual", "feature_penalty": 20.0}, "max_depth": 3},
    "priced_lossguide": {
        "sharing": {"share": "none", "feature_penalty": 9.0}, "grow_policy": "lossguide", "max_leaves": 14,
        "max_depth": 0,
    },
    "priced_stem": {"sharing": {"share": "stem", "stem_depth": 2, "feature_penalty": 15.0}, "max_depth": 4},
    "reported": {"sharing": {"share": "tree", "report": True}, "max_depth": 3},
    "reported_lossguide": {
        "sharing": {"share": "residual", "report": True, "feature_penalty": 9.0}, "grow_policy": "lossguide",
        "max_leaves": 12, "max_depth": 0, "min_child_samples": 9,
    },
    "reported_symmetric": {
        "sharing": {"share": "tree", "report": True, "balance": True}, "grow_policy": "symmetric", "max_depth": 3,
        "colsample_bynode": 0.8,
    },
    "reported_stem": {
        "sharing": {"share": "stem", "stem_depth": 2, "report": True}, "max_depth": 3,
        "monotone_constraints": {"f0": 1},
    },
    "full_leaves": {
        "objective": "softmax", "multi_strategy": "vector_leaf", "max_depth": 3, "leaf_solve": "full",
    },
    "full_leaves_sampled": {
        "objective": "softmax", "multi_strategy": "vector_leaf", "leaf_solve": "full", "subsample": 0.7,
        "grow_policy": "lossguide", "max_leaves": 9, "max_depth": 0,
    },
}  # fmt: skip
#: Widths 1, 3, 1 and 1; the last one's leaves are quantiles.
TASKS: list[dict[str, Any]] = [
    {"objective": "logistic"},
    {"objective": "softmax", "n_targets": 3},
    {"objective": "squared_error"},
    {"objective": "quantile", "quantile_level": 0.7},
]
ALL_CONFIGS = {**CONFIGS, **RANK_CONFIGS, **COLUMN_CONFIGS, **SHARED_CONFIGS}
RANKING = ("lambdarank", "rank_pairwise", "rank_xendcg")

#: Tables, by name: dense with missing values, categories (few and many), weights, sparse, features of 600 bins.
TABLES = ["dense", "categories", "weighted", "sparse", "two_byte", "flags"]


def signal(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 6)).astype(np.float32)
    X[:, 3] = rng.integers(0, 5, n)
    X[:, 4] = np.where(rng.random(n) < 0.9, 0.0, X[:, 4])
    z = X[:, 0] + np.sin(2 * X[:, 1]) * X[:, 2] + 0.5 * X[:, 3] + 0.3 * rng.standard_normal(n)
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, z


def labels(name: str, z: np.ndarray) -> np.ndarray:
    if "sharing" in ALL_CONFIGS[name]:
        return labels_of_tasks(z)
    objective = ALL_CONFIGS[name]["objective"]
    if name == "soft_labels":
        raw = np.exp(np.column_stack([z, -z, np.sin(z)]))
        return (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)
    if objective == "logistic":
        return (z > np.median(z)).astype(np.float32)
    if objective in RANKING:
        return np.digitize(z, np.quantile(z, [0.5, 0.7, 0.9])).astype(np.float32) + (z > 2) * np.float32(0.5)
    if objective in ("softmax", "one_vs_rest"):
        return np.digitize(z, np.quantile(z, [0.3, 0.7])).astype(np.float32)
    if objective in ("poisson", "gamma", "tweedie"):
        return np.round(np.exp(np.clip(z / 3, -2, 2)) + 0.5).astype(np.float32)
    return z.astype(np.float32)


def labels_of_tasks(z: np.ndarray) -> np.ndarray:
    """A column a task, some missing."""
    rng = np.random.default_rng(11)
    columns = [z > 0.3, np.digitize(np.sin(z), [-0.4, 0.5]), 3 * z + rng.standard_normal(len(z)), np.abs(z)]
    Y = np.column_stack(columns).astype(np.float32)
    Y[rng.random(Y.shape) < 0.2] = np.nan
    return Y


def query_sizes(n: int) -> list[int]:
    """1, 2, .., 40, 1, 2, .. rows a query; the rest is the last."""
    sizes: list[int] = []
    while n > 0:
        sizes.append(min(n, len(sizes) % 40 + 1))
        n -= sizes[-1]
    return sizes


def queries(name: str, y: np.ndarray, z: np.ndarray) -> dict[str, Any]:
    """Sizes of the queries; for a teacher its scores, some missing, and labels that go missing in `y`."""
    sizes = query_sizes(len(y))
    if "rank_teacher" not in ALL_CONFIGS[name]:
        return {"group": sizes}
    rng = np.random.default_rng(7)
    number = np.repeat(np.arange(len(sizes)), sizes)
    y[(rng.random(len(y)) < 0.1) | (number % 5 == 0)] = np.nan
    teacher = z + 0.1 * rng.standard_normal(len(y))
    teacher[(rng.random(len(y)) < 0.1) | (number % 7 == 0)] = np.nan
    trust = rng.random(len(sizes))[number]
    return {"group": sizes, "teacher": teacher, "teacher_weight": trust}


def dataset(kind: str, name: str, n: int = 700, seed: int = 0, **arguments: Any) -> pygbt.Dataset:
    X, z = signal(n, seed)
    y = arguments.pop("label", None)
    y = labels(name, z) if y is None else y
    rng = np.random.default_rng(seed + 1)
    names = [f"f{i}" for i in range(6)]
    more = queries(name, y, z) if ALL_CONFIGS[name].get("objective") in RANKING else {}
    more |= arguments
    if kind == "categories":
        X[:, 3] = rng.integers(0, 3, n)
        X[:, 5] = rng.zipf(1.6, n) % 90
        return pygbt.Dataset(X, y, feature_names=names, categorical_features=["f3", "f5"], **more)
    if kind == "weighted":
        return pygbt.Dataset(X, y, weight=rng.integers(0, 4, n).astype(float), feature_names=names, **more)
    if kind == "sparse":
        few = csr_matrix(np.nan_to_num(X) * (rng.random(X.shape) < 0.2))
        return pygbt.Dataset(few, y, feature_names=names, **more)
    if kind == "two_byte":
        return pygbt.Dataset(X, y, max_bin=600, feature_names=names, **more)
    if kind == "flags":  # few values: features that share a code
        X[:, 1], X[:, 4], X[:, 5] = X[:, 1] > 0.3, X[:, 4] > 0.5, X[:, 3] > 2
        X[:, 2] = np.round(X[:, 2])
    return pygbt.Dataset(X, y, feature_names=names, **more)


def fit(params: dict[str, Any], data: pygbt.Dataset, device: str, rounds: int = 3) -> pygbt.Booster:
    if "sharing" in params:
        run = tasks_run(params, data, device)
        run.trainer.steps([0.3] * rounds)
        run.done = rounds
        return run.booster()
    return pygbt.train({"max_depth": 4, **params, "device": device}, data, rounds)


def tasks_run(params: dict[str, Any], data: pygbt.Dataset, device: str, init: pygbt.Booster | None = None) -> Run:
    """A training of several tasks that is about to begin."""
    own = {name: value for name, value in params.items() if name != "sharing"}
    return Run({**own, "device": device}, data, [], init_model=init, tasks=TASKS, sharing=params["sharing"])
