# SPDX-License-Identifier: Apache-2.0
"""Training from a teacher: what it equals, what does not stall, what is refused; the same bits on every backend."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from scipy import special
from sklearn import metrics as sk

import pygbt

N, K = 600, 3


def table(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, a teacher's probabilities and class ids drawn from them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, 5)).astype(np.float32)
    X[rng.random(X.shape) < 0.05] = np.nan
    at = np.nan_to_num(X)
    p = special.softmax(np.c_[at[:, 0], at[:, 1] * at[:, 2], -at[:, 0]], axis=1).astype(np.float32)
    return X, p, (p.cumsum(1) < rng.random((N, 1))).sum(1).clip(max=K - 1)


def fit(data: pygbt.Dataset, rounds: int = 10, **params: Any) -> pygbt.Booster:
    return pygbt.train({"objective": "softmax", "max_depth": 3, **params}, data, rounds)


def logits(model: pygbt.Booster, X: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict(X, output="margin"))


@pytest.mark.parametrize("strategy", ["one_tree_per_target", "vector_leaf"])
def test_without_a_voice_or_with_the_labels_a_teacher_changes_no_bit(strategy: str) -> None:
    X, p, y = table()
    plain = fit(pygbt.Dataset(X, y), multi_strategy=strategy)
    one = np.eye(K, dtype=np.float32)[y]
    silent = fit(pygbt.Dataset(X, y, teacher=p), multi_strategy=strategy, teacher_alpha=0.0, teacher_temperature=3.0)
    same = fit(pygbt.Dataset(X, y, teacher=one), multi_strategy=strategy, teacher_alpha=0.3)
    alone = fit(pygbt.Dataset(X, teacher=one), multi_strategy=strategy)
    assert {m.digest() for m in (silent, same, alone)} == {plain.digest()}


@pytest.mark.parametrize("objective", ["logistic", "squared_error", "poisson", "absolute_error", "one_vs_rest"])
def test_the_same_holds_for_other_objectives(objective: str) -> None:
    X, _, y = table(1)
    label = {"logistic": (y > 0) * 1.0, "one_vs_rest": y}.get(objective, np.exp(np.nan_to_num(X[:, 0])))
    teacher = np.eye(K)[y] if objective == "one_vs_rest" else label
    plain = fit(pygbt.Dataset(X, label), objective=objective)
    for data in (pygbt.Dataset(X, label, teacher=teacher), pygbt.Dataset(X, teacher=teacher)):
        assert fit(data, objective=objective).digest() == plain.digest()
    silent = fit(pygbt.Dataset(X, label, teacher=np.roll(teacher, 1, axis=0)), objective=objective, teacher_alpha=0.0)
    assert silent.digest() == plain.digest()


def test_soft_rows_are_weighted_hard_rows() -> None:
    X, p, _ = table(2)
    soft = fit(pygbt.Dataset(X, teacher=p), 5, softmax_hessian="diag", min_child_weight=0.0)
    rows = np.repeat(np.arange(N), K)
    hard = pygbt.Dataset(X[rows], np.tile(np.arange(K), N), weight=p.ravel().astype(np.float64), max_bin=256)
    expanded = fit(hard, 5, softmax_hessian="diag", min_child_weight=0.0)
    np.testing.assert_allclose(logits(soft, X), logits(expanded, X), atol=2e-3)


@pytest.mark.parametrize("hessian", ["soft", "auto", "gershgorin", "diag"])
def test_soft_labels_do_not_stall(hessian: str) -> None:
    X = np.zeros((50, 1))
    q = np.tile(np.array([0.2, 0.3, 0.5]), (50, 1))
    model = fit(pygbt.Dataset(X, teacher=q), 300, softmax_hessian=hessian, base_score=0.5, reg_lambda=0.0)
    p = np.asarray(model.predict(X[:1]), dtype=np.float64)[0]
    assert (q[0] * np.log(q[0] / p)).sum() < 1e-6


def test_leaf_values_stay_within_the_temperature() -> None:
    X, p, y = table(3)
    for temperature in (1.0, 4.0):
        model = fit(
            pygbt.Dataset(X, y, teacher=p), 3, softmax_hessian="soft", reg_lambda=0.0, learning_rate=1.0,
            teacher_temperature=temperature, min_child_weight=0.0,
        )  # fmt: skip
        assert max(np.nanmax(np.abs(tree.value)) for tree in model.trees()) <= temperature * (1 + 1e-5)


def test_rows_without_label_and_teacher_are_not_there() -> None:
    X, p, y = table(4)
    gone = np.arange(N) % 4 == 0
    label, teacher = y.astype(float), p.copy()
    label[gone] = np.nan
    teacher[gone] = np.nan
    data = pygbt.Dataset(X, label, teacher=teacher)
    left = pygbt.Dataset(X[~gone], y[~gone], teacher=p[~gone], reference=data)
    a, b = fit(data, teacher_temperature=2.0), fit(left, teacher_temperature=2.0)
    np.testing.assert_allclose(logits(a, X), logits(b, X), atol=5e-3)


def test_the_start_fits_a_constant() -> None:
    X, p, y = table(5)
    data = pygbt.Dataset(X, y, teacher=p)
    start = logits(fit(data, 0, teacher_temperature=5.0, teacher_alpha=0.8), X[:1])[0].astype(np.float64)
    q = special.softmax(np.log(p.astype(np.float64)) / 5, axis=1)
    one = np.eye(K)[y]

    def loss(z: np.ndarray) -> float:
        soft = -(q * special.log_softmax(z / 5)).sum(1).mean()
        return float(0.8 * 25 * soft - 0.2 * (one * special.log_softmax(z)).sum(1).mean())

    steps = np.eye(K) * 1e-3
    assert all(loss(start) <= loss(start + sign * step) for step in steps for sign in (-1, 1))


CONFIGS: dict[str, dict[str, Any]] = {
    "blended": {},
    "tempered": {"teacher_temperature": 3.0, "multi_strategy": "vector_leaf"},
    "logits": {"teacher_match": "logits", "teacher_alpha": 0.8},
    "probabilities": {"teacher_match": "probabilities", "softmax_hessian": "soft"},
    "logistic": {"objective": "logistic", "teacher_temperature": 2.0},
    "absolute_error": {"objective": "absolute_error"},
    "quantile": {"objective": "quantile", "quantile_alpha": [0.2, 0.7]},
    "poisson": {"objective": "poisson", "subsample": 0.7},
    "bounded": {"objective": "squared_error", "teacher_match": "bounded", "teacher_bound": 0.2},
}


def masked(config: dict[str, Any]) -> pygbt.Dataset:
    X, p, y = table(6)
    rng = np.random.default_rng(6)
    label, teacher = y.astype(np.float32), p
    objective = config.get("objective", "softmax")
    if objective != "softmax":
        label = (y > 0).astype(np.float32) if objective == "logistic" else np.exp(np.nan_to_num(X[:, 1]))
        teacher = p[:, 0] if objective == "logistic" else np.exp(np.nan_to_num(X[:, 0])).astype(np.float32)
        if objective == "quantile":
            teacher = np.c_[teacher * 0.8, teacher * 1.2]
    label[rng.random(N) < 0.3] = np.nan
    teacher[rng.random(N) < 0.3] = np.nan
    return pygbt.Dataset(
        X, label, weight=rng.integers(0, 4, N), teacher=teacher, teacher_temperature=rng.choice([0.5, 1.0, 2.0], N),
        teacher_weight=rng.random(N),
    )  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_every_backend_gives_the_same_bytes(name: str, cuda: str) -> None:
    config = CONFIGS[name]
    data = masked(config)
    digests = {fit(data, 4, **config, n_threads=n).digest() for n in (1, 2, 3)}
    digests.add(fit(data, 4, **config, device="naive").digest())
    digests.add(fit(data, 4, **config, device="cuda").digest())
    assert len(digests) == 1


def test_metrics_leave_rows_without_label_out() -> None:
    X, p, y = table(7)
    label = y.astype(float)
    label[::3] = np.nan
    data = pygbt.Dataset(X, label, teacher=p)
    params = {"objective": "softmax", "max_depth": 3}
    model = pygbt.train(params, data, 5, evals=[(data, "train")], metric=["mlogloss", "merror"])
    there = ~np.isnan(label)
    predicted = model.predict(X[there])
    scores = model.evals_result["train"]
    assert scores["mlogloss"][-1] == pytest.approx(sk.log_loss(y[there], predicted, labels=range(K)), rel=1e-5)
    assert scores["merror"][-1] == pytest.approx(1 - sk.accuracy_score(y[there], predicted.argmax(1)))


@pytest.mark.parametrize("metric", ["rmse", "mae", "auc", "r2"])
def test_metrics_of_several_columns_leave_cells_out(metric: str) -> None:
    X, p, _ = table(8)
    label = (p > 0.3).astype(float)
    label[np.random.default_rng(8).random(label.shape) < 0.3] = np.nan
    data = pygbt.Dataset(X, label)
    params = {"objective": "logistic", "max_depth": 3}
    model = pygbt.train(params, data, 3, evals=[(data, "train")], metric=metric)
    values = model.predict(X)
    cells = [(label[:, k][there], values[:, k][there]) for k in range(K) for there in [~np.isnan(label[:, k])]]
    if metric in ("rmse", "mae"):
        y, v = (np.concatenate(parts) for parts in zip(*cells, strict=True))
        expected = np.sqrt(sk.mean_squared_error(y, v)) if metric == "rmse" else sk.mean_absolute_error(y, v)
    else:
        of = sk.roc_auc_score if metric == "auc" else sk.r2_score
        expected = np.mean([of(y, v) for y, v in cells])
    assert model.evals_result["train"][metric][-1] == pytest.approx(expected, rel=1e-4)


def test_a_teacher_stays_with_its_rows() -> None:
    X, p, y = table(9)
    data = pygbt.Dataset(X, y, teacher=p, teacher_weight=np.linspace(0, 1, N))
    assert "with a teacher" in repr(data)
    some = np.arange(0, N, 2)
    taken = data.subset(some)
    np.testing.assert_array_equal(taken.teacher, p[some])
    whole = pygbt.Dataset(X[some], y[some], teacher=p[some], teacher_weight=np.linspace(0, 1, N)[some], reference=data)
    assert fit(taken).digest() == fit(whole).digest()


@pytest.mark.parametrize(
    ("teacher", "params", "message"),
    [
        (lambda p: p * 0.9, {}, "teacher: row 0 sums to 0.9.* divide each row by its sum"),
        (lambda p: p[:, :2] / p[:, :2].sum(1, keepdims=True), {"n_classes": 3}, "teacher has 2 columns.* 3 outputs"),
        (lambda p: np.where(np.arange(K) == 1, np.nan, p), {}, "teacher: row 0 is NaN for some classes"),
        (lambda p: np.log(p), {}, r"teacher: row 0 holds -.*teacher_form=\"logits\""),
        (lambda p: p, {"objective": "squared_error"}, "teacher has 3 columns"),
        (lambda p: p, {"teacher_match": "bounded"}, "bounded.* belongs to squared_error"),
        (lambda p: p[:, 0], {"objective": "poisson", "teacher_match": "logits"}, "belong to softmax, logistic"),
        (lambda p: -p[:, 0], {"objective": "gamma"}, "gamma needs means above 0"),
        (lambda p: p, {"teacher_alpha": 1.5}, r"teacher_alpha must be in \[0, 1\]"),
        (lambda p: p, {"teacher_temperature": 0.0}, "teacher_temperature must be in"),
    ],
)
def test_bad_teachers_are_refused(teacher: Any, params: dict[str, Any], message: str) -> None:
    X, p, y = table(10)
    label = y + 1.0 if params.get("objective") in ("poisson", "gamma") else y
    with pytest.raises(ValueError, match=message):
        fit(pygbt.Dataset(X, label, teacher=teacher(p)), 1, **params)


def test_forms_are_checked_against_the_objective() -> None:
    X, p, y = table(11)
    with pytest.raises(ValueError, match=re.escape('teacher_form must be "probabilities" or "logits" for softmax')):
        fit(pygbt.Dataset(X, y, teacher=p, teacher_form="values"), 1)
    with pytest.raises(ValueError, match=re.escape('teacher_form must be "values" or "logits" for poisson')):
        fit(pygbt.Dataset(X, y + 1, teacher=p[:, 0], teacher_form="probabilities"), 1, objective="poisson")
    by_logits = fit(pygbt.Dataset(X, y, teacher=np.log(p), teacher_form="logits"), teacher_temperature=2.0)
    by_probabilities = fit(pygbt.Dataset(X, y, teacher=p), teacher_temperature=2.0)
    np.testing.assert_allclose(logits(by_logits, X), logits(by_probabilities, X), atol=1e-3)


def test_softmax_labels_are_whole_or_missing() -> None:
    X, p, _ = table(12)
    half = p.copy()
    half[7, 1] = np.nan
    with pytest.raises(ValueError, match="row 7 has both"):
        fit(pygbt.Dataset(X, half), 1)
    half[7] = np.nan
    assert np.isfinite(logits(fit(pygbt.Dataset(X, half), 2), X)).all()


def test_training_from_a_teacher_goes_on_where_it_stopped() -> None:
    X, p, y = table(13)
    data = pygbt.Dataset(X, y, teacher=p)
    whole = fit(data, 8, teacher_temperature=2.0)
    params = {"objective": "softmax", "max_depth": 3, "teacher_temperature": 2.0}
    halves = pygbt.train(params, data, 5, init_model=fit(data, 3, teacher_temperature=2.0))
    assert halves.digest() == whole.digest()
