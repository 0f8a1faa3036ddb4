# SPDX-License-Identifier: Apache-2.0
"""`MultiTask`: masks, mixed losses, single-task models as the oracle, labels of every kind, files."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from multitask_tables import MIXED, mixed_labels, mixed_model, table
from sklearn.base import clone
from sklearn.metrics import log_loss, mean_pinball_loss

import pygbt
from pygbt.multitask import MultiTask
from pygbt.training import Run

PARAMS = {"learning_rate": 0.3, "max_depth": 3, "max_delta_step": 0.0, "n_threads": 1}
PARAMS_OF_MODEL = {"learning_rate": 0.3, "max_depth": 3, "n_jobs": 1}


def margins_of(params: dict[str, Any], data: pygbt.Dataset, X: np.ndarray, n_rounds: int = 10) -> np.ndarray:
    return pygbt.train({**PARAMS, **params}, data, n_rounds).predict(X, "margin")


# --- laws -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", ["tree", "residual", "stem", "none"])
def test_one_live_task_among_masked_ones_is_the_single_task_model(share: str) -> None:
    X, signal = table()
    y = (signal > 0).astype(np.float32)
    labels = np.column_stack([np.full(len(y), np.nan), y, np.full((len(y), 1), np.nan)])
    tasks = [{"objective": "squared_error"}, {"objective": "logistic"}, {"objective": "poisson"}]
    sharing = {"share": share, "balance": False, **({"stem_depth": 2} if share == "stem" else {})}
    run = Run({**PARAMS, "objective": "tasks"}, pygbt.Dataset(X, labels), [], tasks=tasks, sharing=sharing)
    rounds = 5 if share == "residual" else 10  # a round has two trees of the live task
    for _ in range(rounds):
        run.trainer.step(0.3)
        run.done += 1
    found = run.booster().predict(X, "margin")
    expected = margins_of({"objective": "logistic"}, pygbt.Dataset(X, y), X)
    np.testing.assert_array_equal(found[:, 1], expected)


@pytest.mark.parametrize("loss", ["logistic", "squared_error", "poisson", "quantile"])
def test_masked_cell_is_the_row_absent_for_that_task(loss: str) -> None:
    X, signal = table()
    y = (signal > 0).astype(np.float64) if loss == "logistic" else np.abs(signal)
    masked = np.random.default_rng(3).random(len(y)) < 0.3
    model = MultiTask(
        {"a": loss, "b": "squared_error"}, share="none", balance=False, n_estimators=10, **PARAMS_OF_MODEL
    )
    model.fit(X, {"a": np.where(masked, np.nan, y), "b": signal})
    alone = pygbt.Dataset(X, y).subset(~masked)  # the same edges
    np.testing.assert_array_equal(model.predict_margin(X)["a"][:, 0], margins_of({"objective": loss}, alone, X))


def test_nothing_shared_is_one_model_a_task() -> None:
    X, signal = table()
    y = {"a": (signal > 0).astype(np.float64), "b": np.digitize(signal, [-0.5, 0.5]), "c": signal}
    tasks = {"a": "logistic", "b": "softmax", "c": "squared_error"}
    model = MultiTask(tasks, share="none", balance=False, n_estimators=10, **PARAMS_OF_MODEL).fit(X, y)
    margins = model.predict_margin(X)
    for name, loss in tasks.items():
        own = {"objective": loss, "multi_strategy": "vector_leaf"}
        expected = margins_of(own, pygbt.Dataset(X, y[name]), X).reshape(len(X), -1)
        np.testing.assert_array_equal(margins[name], expected)


def test_mixed_losses_share_one_tree_a_round_and_all_are_learnt() -> None:
    X, signal = table(1500)
    y = mixed_labels(signal)
    model = mixed_model().fit(X, y)
    assert model.boosters_[0].n_trees == 20
    assert model.boosters_[0].n_outputs == 1 + 3 + 1 + 1 + 2
    fresh, signal = table(1000, seed=5)
    truth = mixed_labels(signal, seed=6, missing=0.0)
    shares, values = model.predict_proba(fresh), model.predict(fresh)
    assert list(shares) == ["bought", "kind"] and list(values) == list(MIXED)
    for name in shares:
        constant = np.tile([np.mean(truth[name] == c) for c in model.classes_[name]], (len(fresh), 1))
        assert log_loss(truth[name], shares[name]) < 0.9 * log_loss(truth[name], constant)
        np.testing.assert_allclose(shares[name].sum(axis=1), 1.0, atol=1e-9)
        assert set(values[name]) <= set(model.classes_[name])
    assert np.corrcoef(values["amount"], truth["amount"])[0, 1] > 0.9
    assert np.corrcoef(values["visits"], np.exp(0.5 * signal))[0, 1] > 0.8
    assert (values["range"][:, 0] < values["range"][:, 1]).mean() > 0.99
    inside = (truth["range"] >= values["range"][:, 0]) & (truth["range"] <= values["range"][:, 1])
    assert 0.65 < inside.mean() < 0.9


@pytest.mark.parametrize("share", ["tree", "stem:1", "residual", "none"])
def test_digest_is_that_of_any_number_of_threads_and_of_the_oracle(share: str) -> None:
    X, signal = table(300)
    y = mixed_labels(signal)
    params = {"share": share, "n_estimators": 4, "feature_penalty": 0.01, "subsample": 0.8}
    digests = {mixed_model(**params, n_jobs=jobs).fit(X, y).digest() for jobs in (1, 2, 3)}
    digests.add(mixed_model(**params, n_jobs=1, device="naive").fit(X, y).digest())
    assert len(digests) == 1


def test_weight_two_is_the_row_twice() -> None:
    X, signal = table(200)
    y = mixed_labels(signal)
    twice = np.random.default_rng(0).random(len(X)) < 0.3
    rows = np.concatenate([np.arange(len(X)), np.flatnonzero(twice)])
    weighted = mixed_model(n_estimators=5).fit(X, y, np.where(twice, 2.0, 1.0))
    repeated = mixed_model(n_estimators=5).fit(X[rows], {name: values[rows] for name, values in y.items()})
    for name, margins in weighted.predict_margin(X).items():  # counts of rows differ
        np.testing.assert_array_equal(margins, repeated.predict_margin(X)[name])


# --- tasks ------------------------------------------------------------------------------------------------------------


def test_auxiliary_tasks_are_trained_and_not_predicted() -> None:
    X, signal = table()
    y = mixed_labels(signal)
    alone = mixed_model().fit(X, y)
    model = mixed_model(auxiliary=["amount", "kind"]).fit(X, y)
    assert model.tasks_ == ["bought", "visits", "range"] and list(model.predict(X)) == model.tasks_
    assert list(model.predict_proba(X)) == ["bought"] and list(model.classes_) == ["bought"]
    np.testing.assert_array_equal(model.predict_margin(X)["bought"], alone.predict_margin(X)["bought"])
    own = MultiTask({"a": "logistic", "b": {"loss": "squared_error", "auxiliary": True}}, n_estimators=2)
    assert own.fit(X, {"a": signal > 0, "b": signal}).tasks_ == ["a"]


def test_teachers_of_some_tasks() -> None:
    X, signal = table(600)
    rng = np.random.default_rng(0)
    p = 1 / (1 + np.exp(-2 * signal))
    hard = (rng.random(len(p)) < p).astype(np.float64)
    few = np.where(np.arange(len(p)) < 60, hard, np.nan)
    tasks = {"a": "logistic", "b": "squared_error"}
    y = {"a": few, "b": signal}
    without = MultiTask(tasks, n_estimators=30, max_depth=3).fit(X, y)
    taught = MultiTask(tasks, n_estimators=30, max_depth=3).fit(X, y, teachers={"a": p})
    error = [np.abs(m.predict_proba(X)["a"][:, 1] - p).mean() for m in (taught, without)]
    assert error[0] < 0.6 * error[1]
    both = MultiTask(tasks, n_estimators=5).fit(X, y, teachers={"a": np.column_stack([1 - p, p])})
    assert both.digest() == MultiTask(tasks, n_estimators=5).fit(X, y, teachers={"a": lambda _: p}).digest()
    one_hot = MultiTask(tasks, n_estimators=5).fit(X, {"a": hard, "b": signal}, teachers={"a": hard})
    assert one_hot.digest() == MultiTask(tasks, n_estimators=5).fit(X, {"a": hard, "b": signal}).digest()
    unlabelled = MultiTask({"a": "softmax", "b": "squared_error"}, n_estimators=5)
    unlabelled.fit(X, {"b": signal}, teachers={"a": np.column_stack([1 - p, p])})
    assert np.corrcoef(unlabelled.predict_proba(X)["a"][:, 1], p)[0, 1] > 0.9


def test_labels_of_every_kind_give_the_same_model() -> None:
    X, signal = table(300)
    text = np.where(signal > 0, "yes", "no").astype(object)
    number = signal.copy()
    text[:20], number[10:40] = None, np.nan
    tasks = {"a": "logistic", "b": "squared_error"}
    frame = pd.DataFrame({"b": number, "a": pd.array(text, dtype="string")})
    given: list[Any] = [
        {"a": text, "b": number},
        {"a": list(text), "b": list(number)},
        frame,
        frame.astype({"a": "category"}),
        np.column_stack([text, number.astype(object)]),
        {"a": pd.Series(text == "yes", dtype="boolean").where(pd.notna(text)), "b": number[:, np.newaxis]},
    ]
    models = [MultiTask(tasks, n_estimators=3).fit(X, y) for y in given]
    for model in models[1:]:
        np.testing.assert_array_equal(model.predict_margin(X)["a"], models[0].predict_margin(X)["a"])
        np.testing.assert_array_equal(model.predict_margin(X)["b"].ravel(), models[0].predict_margin(X)["b"].ravel())
    assert models[2].classes_["a"].tolist() == ["no", "yes"]
    assert models[-1].classes_["a"].tolist() == [False, True]
    assert set(models[0].predict(X)["a"]) == {"no", "yes"}


def test_tasks_of_several_columns() -> None:
    X, signal = table()
    y = pd.DataFrame({"l0": signal > 0, "l1": signal > 1, "t0": signal, "t1": -signal}).astype(float)
    y.iloc[:30, 1] = np.nan
    y.iloc[20:50, 3] = np.nan
    tasks = {
        "labels": {"loss": "logistic", "columns": ["l0", "l1"]},
        "targets": {"loss": "squared_error", "columns": ["t0", "t1"]},
    }
    model = MultiTask(tasks, n_estimators=30).fit(X, y)
    assert model.predict_proba(X)["labels"].shape == model.predict(X)["targets"].shape == (len(X), 2)
    assert (model.predict(X)["labels"][:, 0] == (signal > 0)).mean() > 0.95
    assert np.corrcoef(model.predict(X)["targets"][:, 1], -signal)[0, 1] > 0.95


def test_each_task_has_its_exact_metric_over_its_labelled_rows() -> None:
    X, signal = table(500)
    y, held = mixed_labels(signal), slice(300, None)
    model = mixed_model(early_stopping_rounds=5, n_estimators=60, learning_rate=0.3)
    model.fit(X[:300], {k: v[:300] for k, v in y.items()}, eval_set=(X[held], {k: v[held] for k, v in y.items()}))
    history = model.evals_result_["validation_0"]
    best = model.best_iterations_["bought"]
    assert len(set(model.best_iterations_.values())) == 1 and best < 59
    seen = np.array([v is not None for v in y["bought"][held]])
    shares = model.predict_proba(X[held])["bought"][seen]
    expected = log_loss(y["bought"][held][seen].astype(str), shares, labels=["no", "yes"])
    assert history["bought"][best] == pytest.approx(expected, rel=1e-5)
    seen = np.isfinite(y["range"][held])
    values, truth = model.predict(X[held])["range"][seen], y["range"][held][seen]
    expected = np.mean([mean_pinball_loss(truth, values[:, i], alpha=a) for i, a in enumerate((0.1, 0.9))])
    assert history["range"][best] == pytest.approx(expected, rel=1e-5)
    mean = model.boosters_[0].evals_result["validation_0"]["mean"]
    assert int(np.argmin(mean)) == best
    weighted = mixed_model(
        early_stopping_rounds=5, weights={"amount": 1e-6, "visits": 1e-6, "range": 1e-6, "kind": 1e-6}
    )
    weighted.fit(X, y)
    assert set(weighted.evals_result_) == {"validation"}


def test_tasks_that_share_nothing_stop_by_themselves() -> None:
    X, signal = table(800)
    rng = np.random.default_rng(0)
    y = {"easy": signal, "noise": rng.normal(size=len(X))}
    tasks = {"easy": "squared_error", "noise": "squared_error"}
    model = MultiTask(tasks, share="none", early_stopping_rounds=5, n_estimators=80, learning_rate=0.3).fit(X, y)
    assert model.groups_ == [["easy"], ["noise"]]
    assert model.best_iterations_["noise"] < model.best_iterations_["easy"]


def test_feature_penalty_keeps_features_out_of_all_tasks() -> None:
    X, signal = table(400, n_features=20)
    y = mixed_labels(signal)

    def n_used(penalty: float) -> int:
        return int((mixed_model(feature_penalty=penalty, balance=False).fit(X, y).feature_importances_ > 0).sum())

    few, all_ = n_used(200.0), n_used(0.0)
    assert few < all_


def test_sketches_learn_nearly_as_well() -> None:
    X, signal = table(1000)
    rng = np.random.default_rng(0)
    Y = np.outer(signal, rng.normal(size=20)) + rng.normal(size=(1000, 20))
    full = MultiTask({"y": "squared_error"}, n_estimators=30).fit(X, {"y": Y})
    for kind in ("random_projection", "top_outputs"):
        model = MultiTask({"y": "squared_error"}, n_estimators=30, sketch=2, sketch_kind=kind).fit(X, {"y": Y})
        error = [((m.predict(X)["y"] - Y) ** 2).mean() for m in (model, full)]
        assert error[0] < 1.15 * error[1] and model.digest() != full.digest()


# --- the estimator ----------------------------------------------------------------------------------------------------


def test_parameters_clones_and_files(tmp_path: Any) -> None:
    X, signal = table(200)
    y = mixed_labels(signal)
    model = mixed_model(share="stem:1", weights={"kind": 2.0}, auxiliary=("amount",), eta=0.2, early_stopping_rounds=3)
    assert model.get_params()["eta"] == 0.2 and model.get_params()["max_depth"] == 3
    copy = clone(model).set_params(max_depth=2, share="tree")
    assert copy.get_params() == {**model.get_params(), "max_depth": 2, "share": "tree"}
    with pytest.raises(ValueError, match="max_depht"):
        copy.set_params(max_depht=2)
    assert "share='stem:1'" in repr(model)
    model.fit(X, y)
    path = tmp_path / "model.pygbt"
    model.save(path)
    loaded = pygbt.load(path)
    for other in (loaded, pickle.loads(pickle.dumps(model))):
        assert other.digest() == model.digest() and other.groups_ == model.groups_
        assert other.best_iterations_ == model.best_iterations_
        for name, values in model.predict(X).items():
            np.testing.assert_array_equal(other.predict(X)[name], values)
        for name, shares in model.predict_proba(X).items():
            np.testing.assert_array_equal(other.predict_proba(X)[name], shares)
    assert loaded.get_params() == model.get_params()
    assert loaded.set_params(n_estimators=2).fit(X, y).boosters_[0].n_iterations == 2


def test_frames_keep_their_columns() -> None:
    X, signal = table(200)
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(g=pd.Categorical(np.where(signal > 0, "u", "v")))
    model = MultiTask({"y": "squared_error", "z": "logistic"}, n_estimators=3).fit(
        frame, {"y": signal, "z": signal > 0}
    )
    assert model.feature_names_in_.tolist() == list(frame.columns)
    shuffled = frame[list("gfedcba")]
    np.testing.assert_array_equal(model.boosters_[0].predict(frame), model.boosters_[0].predict(shuffled))
    assert model.feature_importances_.sum() == pytest.approx(1.0)


X10, Y10 = table(10)[0], {"a": np.arange(10.0), "b": np.arange(10) % 2}
TASKS = {"a": "squared_error", "b": "logistic"}


@pytest.mark.parametrize(
    "params, y, match",
    [
        ({"tasks": {}}, Y10, "tasks must be a dictionary"),
        ({"tasks": {"a": "squared_eror"}}, Y10, "task 'a'.*squared_error"),
        ({"tasks": {"a": {"weight": 1.0}}}, Y10, "task 'a' has no loss"),
        ({"tasks": {"a": {"loss": "logistic", "max_depth": 3}}}, Y10, "belongs to the whole model"),
        ({"tasks": {"a": {"loss": "squared_error", "weight": 0.0}}}, Y10, "weight must be a positive"),
        ({"weights": {"c": 1.0}}, Y10, "weights: there is no task 'c'"),
        ({"auxiliary": ["a", "b"]}, Y10, "nothing is left to predict"),
        ({"auxiliary": "a"}, Y10, "auxiliary must be a list"),
        ({"share": "stem"}, Y10, "a stem has a depth"),
        ({"share": "stem:0"}, Y10, "a stem has a depth"),
        ({"share": "trees"}, Y10, "did you mean 'tree'"),
        ({"sketch": -1}, Y10, "sketch must be"),
        ({"feature_penalty": -1.0}, Y10, "feature_penalty must be"),
        ({"balance": 1}, Y10, "balance must be True or False"),
        ({"objective": "logistic"}, Y10, "objective is not for the whole model"),
        ({"num_boost_round": 3}, Y10, "is called n_estimators here"),
        ({"max_depht": 3}, Y10, "max_depth"),
        ({}, None, "requires y to be passed"),
        ({}, {"a": np.arange(10.0)}, "no labels for task 'b'"),
        ({}, {**Y10, "c": np.arange(10)}, "there is no task 'c'"),
        ({}, {**Y10, "a": np.arange(9.0)}, "different numbers of rows"),
        ({}, {"a": np.arange(9.0), "b": np.arange(9) % 2}, "X has 10 rows, but y has 9"),
        ({}, {**Y10, "b": np.arange(10) % 3}, "has 3 classes"),
        ({}, {**Y10, "b": np.zeros(10)}, "one class only"),
        ({}, {**Y10, "b": np.linspace(-1, 0.5, 10)}, r"must lie in \[0, 1\]"),
        ({}, {**Y10, "a": np.array(list("abcdefghij"))}, "task 'a': labels must be numbers"),
        ({}, {**Y10, "a": np.full(10, np.nan)}, "no label and no teacher"),
        ({}, pd.DataFrame({"a": np.arange(10.0)}), "no column 'b'"),
        ({}, np.zeros((10, 3)), r"shape \(n, 2\)"),
        ({"validation_fraction": 1.5, "early_stopping_rounds": 2}, Y10, "validation_fraction must lie"),
    ],
)
def test_what_does_not_fit_is_named(params: dict[str, Any], y: Any, match: str) -> None:
    with pytest.raises((ValueError, TypeError), match=match):
        MultiTask(**{"tasks": TASKS, "n_estimators": 2, **params}).fit(X10, y)


@pytest.mark.parametrize(
    "teachers, match",
    [
        ({"c": np.zeros(10)}, "there is no task 'c'"),
        ({"b": np.zeros((10, 3))}, "needs shape"),
        ({"b": np.zeros(9)}, "teachers has 9"),
        ({"b": np.full(10, 2.0)}, "no probability"),
        ([np.zeros(10)], "dictionary by task"),
    ],
)
def test_teachers_that_do_not_fit_are_named(teachers: Any, match: str) -> None:
    with pytest.raises((ValueError, TypeError), match=match):
        MultiTask(TASKS, n_estimators=2).fit(X10, Y10, teachers=teachers)


def test_new_classes_and_damaged_tables_at_evaluation() -> None:
    model = MultiTask(TASKS, n_estimators=2)
    with pytest.raises(ValueError, match="labels that training had not"):
        model.fit(X10, Y10, eval_set=(X10, {**Y10, "b": np.arange(10)}))
    with pytest.raises(ValueError, match="has no label of a, b"):
        model.fit(X10, Y10, eval_set=(X10, {"a": np.full(10, np.nan)}))
    with pytest.raises(ValueError, match="there is no task 'x'"):
        model.fit(X10, Y10).booster_of("x")
