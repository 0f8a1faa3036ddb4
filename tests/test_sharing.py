# SPDX-License-Identifier: Apache-2.0
"""Several losses in one model, below `pygbt.multitask`: what sharing is equal to; the same bits on every backend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pygbt
from pygbt.training import Run

N = 800
TASKS: list[dict[str, Any]] = [
    {"objective": "logistic"},
    {"objective": "softmax", "n_targets": 3},
    {"objective": "squared_error"},
    {"objective": "poisson"},
    {"objective": "quantile", "quantile_level": 0.8},
]
FIRST = [0, 1, 4, 5, 6]  # targets of the tasks


def table(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, 6)).astype(np.float32)
    noise = rng.normal(size=(N, 4))
    labels = [
        X[:, 0] + X[:, 1] + noise[:, 0] > 0,
        np.argmax(np.c_[X[:, 0], X[:, 2], X[:, 1]] + noise[:, :3], axis=1),
        10 * X[:, 3] + 5 * X[:, 0] + noise[:, 1],
        rng.poisson(np.exp(X[:, 1] / 2)),
        X[:, 4] + noise[:, 2],
    ]
    return X, np.column_stack(labels).astype(np.float32)


def fit(X: np.ndarray, Y: np.ndarray, rounds: int = 4, tasks: Any = TASKS, teacher: Any = None, **options: Any) -> Any:
    names = ("share", "stem_depth", "own_reg_lambda", "balance", "sketch", "sketch_kind", "feature_penalty", "report")
    sharing = {name: options.pop(name) for name in names if name in options}
    run = Run({"max_depth": 3, **options}, pygbt.Dataset(X, Y, teacher=teacher), [], tasks=tasks, sharing=sharing)
    run.trainer.steps([0.3] * rounds)
    run.done = rounds
    return run


def margins(run: Any, X: np.ndarray) -> np.ndarray:
    return np.asarray(run.booster().predict(X, output="margin"))


SHARINGS: dict[str, dict[str, Any]] = {
    "tree": {"share": "tree"},
    "balanced trees": {"share": "tree", "balance": True, "colsample_bynode": 0.7},
    "none": {"share": "none"},
    "stem": {"share": "stem", "stem_depth": 2},
    "residual": {"share": "residual", "own_reg_lambda": 10.0},
    "balanced": {"share": "residual", "balance": True},
    "lossguide stem": {"share": "stem", "stem_depth": 1, "grow_policy": "lossguide", "max_leaves": 7},
    "projected": {"share": "tree", "sketch": 2},
    "top outputs": {"share": "tree", "sketch": 3, "sketch_kind": "top_outputs", "balance": True},
    "few features": {"share": "residual", "feature_penalty": 30.0},
    "sampled": {"share": "stem", "stem_depth": 2, "subsample": 0.6, "colsample_bytree": 0.7},
}


@pytest.mark.parametrize("name", SHARINGS)
def test_every_backend_gives_the_same_bytes(name: str, cuda: str) -> None:
    X, Y = table()
    Y[np.random.default_rng(1).random(Y.shape) < 0.3] = np.nan
    options = SHARINGS[name]
    digests = {fit(X, Y, n_threads=n, **options).booster().digest() for n in (1, 2, 3)}
    digests.add(fit(X, Y, device="naive", **options).booster().digest())
    digests.add(fit(X, Y, device="cuda", **options).booster().digest())
    assert len(digests) == 1


@pytest.mark.parametrize("share", ["tree", "none", "residual"])
def test_click_and_conversion_have_the_same_bytes_everywhere(share: str, cuda: str) -> None:
    X, Y = table(14)
    click = Y[:, 0]
    conversion = np.where(click == 1, X[:, 2] > 0, np.nan)
    labels = np.c_[click, conversion, Y[:, 2], Y[:, 1]].astype(np.float32)
    tasks = [
        {"objective": "entire_space", "n_targets": 2, "n_labels": 2},
        {"objective": "huber", "huber_delta": 2.0},
        {"objective": "one_vs_rest", "n_targets": 3},
    ]
    digests = {fit(X, labels, tasks=tasks, share=share, balance=True, n_threads=n).booster().digest() for n in (1, 3)}
    digests.add(fit(X, labels, tasks=tasks, share=share, balance=True, device="naive").booster().digest())
    digests.add(fit(X, labels, tasks=tasks, share=share, balance=True, device="cuda").booster().digest())
    assert len(digests) == 1


@pytest.mark.parametrize("task", range(len(TASKS)))
@pytest.mark.parametrize("share", ["tree", "none"])
def test_one_live_task_among_masked_ones_is_the_single_task_model(share: str, task: int) -> None:
    X, Y = table(2)
    alone = np.full_like(Y, np.nan)
    alone[:, task] = Y[:, task]
    width = TASKS[task].get("n_targets", 1)
    mine = margins(fit(X, alone, share=share), X)[:, FIRST[task] : FIRST[task] + width]
    params = {"objective": TASKS[task]["objective"], "max_depth": 3, "learning_rate": 0.3}
    if task == 3:
        params["max_delta_step"] = 0.0  # with several tasks it has no default by objective
    if task == 1:
        params["multi_strategy"] = "vector_leaf"
    if task == 4:
        params["quantile_alpha"] = 0.8
    single = pygbt.train(params, pygbt.Dataset(X, Y[:, task]), 4).predict(X, output="margin")
    np.testing.assert_array_equal(mine, np.reshape(single, mine.shape))


def test_trees_of_their_own_are_models_of_their_own() -> None:
    X, Y = table(3)
    mine = margins(fit(X, Y, share="none"), X)
    for task in (0, 2, 3):
        params = {"objective": TASKS[task]["objective"], "max_depth": 3, "learning_rate": 0.3, "max_delta_step": 0.0}
        single = pygbt.train(params, pygbt.Dataset(X, Y[:, task]), 4).predict(X, output="margin")
        np.testing.assert_array_equal(mine[:, FIRST[task]], single)


def test_a_masked_cell_is_a_row_that_the_task_does_not_have() -> None:
    X, Y = table(4)
    gone = np.random.default_rng(4).random(N) < 0.4
    Y[gone, 2] = np.nan
    mine = margins(fit(X, Y, share="none"), X)[:, 4]
    whole = pygbt.Dataset(X, Y[:, 0])
    left = pygbt.Dataset(X[~gone], Y[~gone, 2], reference=whole)
    single = pygbt.train({"objective": "squared_error", "max_depth": 3, "learning_rate": 0.3}, left, 4)
    np.testing.assert_allclose(mine, single.predict(X), rtol=1e-3, atol=1e-3)


def test_a_stem_is_cut_alike_by_all_tasks() -> None:
    X, Y = table(5)
    trees = fit(X, Y, rounds=2, share="stem", stem_depth=2).booster().trees()
    for first in range(0, len(trees), len(TASKS)):
        tops = {
            tuple((int(t.feature[i]), float(t.threshold[i])) for i in (0, 1, 2) if t.feature[i] >= 0)
            for t in trees[first : first + len(TASKS)]
        }
        assert len(tops) == 1
    below = {tuple(int(f) for f in t.feature[3:]) for t in trees[: len(TASKS)]}
    assert len(below) > 1  # and each by its own below


def test_balance_ignores_the_unit_of_a_label() -> None:
    X, Y = table(6)
    tasks = [{"objective": "squared_error"}, {"objective": "squared_error"}]
    labels = np.c_[Y[:, 2], Y[:, 4]]
    one = fit(X, labels, tasks=tasks, share="tree", balance=True, reg_lambda=0.0)
    other = fit(X, labels * np.float32([1024.0, 1.0]), tasks=tasks, share="tree", balance=True, reg_lambda=0.0)
    np.testing.assert_array_equal(margins(one, X) * np.float32([1024.0, 1.0]), margins(other, X))
    plain = fit(X, labels, tasks=tasks, share="tree", reg_lambda=0.0)
    assert any(
        (a.feature != b.feature).any() for a, b in zip(one.booster().trees(), plain.booster().trees(), strict=True)
    )


def test_a_price_on_new_features_keeps_them_few() -> None:
    X, Y = table(7)

    def used(penalty: float) -> set[int]:
        trees = fit(X, Y, rounds=6, share="none", feature_penalty=penalty).booster().trees()
        return {int(f) for tree in trees for f in tree.feature if f >= 0}

    assert used(0.0) == set(range(6))
    assert 1 <= len(used(200.0)) < 6


def test_a_task_alone_keeps_all_of_its_gain() -> None:
    X, Y = table(8)
    alone = np.full_like(Y, np.nan)
    alone[:, 2] = Y[:, 2]
    sums = fit(X, alone, share="tree", report=True).trainer.transfer()
    assert sums["shared_gain"][2] == pytest.approx(sums["own_gain"][2], rel=1e-9)
    together = fit(X, Y, share="tree", report=True).trainer.transfer()
    assert (together["shared_gain"] <= together["own_gain"] * (1 + 1e-9)).all() and together["n_nodes"] > 0


def test_teachers_for_some_tasks_only() -> None:
    X, Y = table(9)
    teacher = np.full((N, 7), np.nan, dtype=np.float32)
    teacher[:, 4] = 10 * X[:, 3] + 5 * X[:, 0]
    with_teacher = margins(fit(X, Y, rounds=8, share="none", teacher=teacher), X)
    without = margins(fit(X, Y, rounds=8, share="none"), X)
    np.testing.assert_array_equal(np.delete(with_teacher, 4, axis=1), np.delete(without, 4, axis=1))
    blend = pygbt.Dataset(X, (Y[:, 2] + teacher[:, 4]) / 2)
    params = {"objective": "squared_error", "max_depth": 3, "learning_rate": 0.3}
    np.testing.assert_allclose(with_teacher[:, 4], pygbt.train(params, blend, 8).predict(X), atol=2e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": "forest"}, "share must be 'tree', 'none', 'stem' or 'residual'"),
        ({"share": "stem", "stem_depth": 0}, "d of at least 1"),
        ({"share": "stem", "grow_policy": "symmetric"}, "needs grow_policy"),
        ({"sketch": 7}, "sketch must be smaller than the number of targets, 7"),
        ({"sketch": 2, "share": "none"}, 'sketch needs share "tree"'),
        ({"balance": True, "monotone_constraints": [1, 0, 0, 0, 0, 0]}, "do not go together with monotone"),
        ({"feature_penalty": -1.0}, "feature_penalty must be at least 0"),
    ],
)
def test_bad_sharing_is_refused(options: dict[str, Any], message: str) -> None:
    X, Y = table(10)
    with pytest.raises(ValueError, match=message):
        fit(X, Y, **options)


def test_bad_tasks_are_refused() -> None:
    X, Y = table(11)
    with pytest.raises(ValueError, match="task 0: there is no option 'lambda'"):
        fit(X, Y, tasks=[{"objective": "logistic", "lambda": 1.0}])
    with pytest.raises(ValueError, match="label has 5 columns, the tasks need 1"):
        fit(X, Y, tasks=TASKS[:1])
    Y[3, 0] = 2.0
    with pytest.raises(ValueError, match=r"task 0: label: logistic needs labels in \[0, 1\].*row 3"):
        fit(X, Y)


def newton(scores: np.ndarray, y: np.ndarray, reg_lambda: float) -> np.ndarray:
    """One step of all classes on one leaf."""
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    H = np.diag(p.sum(0)) - p.T @ p + reg_lambda * np.eye(p.shape[1])
    return np.linalg.solve(H, -(p - np.eye(p.shape[1])[y]).sum(0))


def test_full_leaves_are_newton_steps(cuda: str) -> None:
    X, Y = table(12)
    y = Y[:, 1].astype(int)
    params = {
        "objective": "softmax", "multi_strategy": "vector_leaf", "max_depth": 2, "learning_rate": 1.0,
        "leaf_solve": "full", "reg_lambda": 0.5,
    }  # fmt: skip
    data = pygbt.Dataset(X, y)
    model = pygbt.train(params, data, 2)
    digests = {pygbt.train({**params, "n_threads": n}, data, 2).digest() for n in (1, 2, 3)}
    digests.add(pygbt.train({**params, "device": "naive"}, data, 2).digest())
    digests.add(pygbt.train({**params, "device": "cuda"}, data, 2).digest())
    assert digests == {model.digest()}
    leaves = np.asarray(model.predict(X, output="leaf"))
    before = np.asarray(model[:1].predict(X, output="margin"), dtype=np.float64)
    moved = np.asarray(model.predict(X, output="margin"), dtype=np.float64) - before
    for leaf in np.unique(leaves[:, 1]):
        rows = leaves[:, 1] == leaf
        np.testing.assert_allclose(moved[rows][0], newton(before[rows], y[rows], 0.5), rtol=1e-4, atol=1e-5)


def test_full_leaves_say_what_they_need() -> None:
    X, Y = table(13)
    data = pygbt.Dataset(X, Y[:, 1])
    with pytest.raises(ValueError, match='needs objective "softmax" and multi_strategy "vector_leaf"'):
        pygbt.train({"objective": "softmax", "leaf_solve": "full"}, data, 1)
    with pytest.raises(ValueError, match="reg_lambda above 0"):
        pygbt.train(
            {"objective": "softmax", "multi_strategy": "vector_leaf", "leaf_solve": "full", "reg_lambda": 0}, data, 1
        )
