# SPDX-License-Identifier: Apache-2.0
"""Laws of `train` and `cv`: resuming changes nothing, a custom objective is the built-in one, Ctrl-C keeps trees."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pygbt

RNG = np.random.default_rng(7)
N = 600
X = RNG.normal(size=(N, 8)).astype(np.float32)
X[RNG.random(X.shape) < 0.05] = np.nan
SIGNAL = np.where(np.isnan(X[:, 0]), 0.5, X[:, 0]) + np.nan_to_num(X[:, 1]) ** 2 - np.nan_to_num(X[:, 2])
Y_NUMBER = SIGNAL + 0.3 * RNG.normal(size=N)
Y_BINARY = (Y_NUMBER > 0.7).astype(float)
Y_CLASS = np.digitize(Y_NUMBER, [0.0, 1.0, 2.0]).astype(float)
SAMPLED = {"subsample": 0.6, "colsample_bytree": 0.7, "colsample_bylevel": 0.8, "colsample_bynode": 0.8, "seed": 11}

PROBLEMS = {
    "squared_error": ({"objective": "squared_error"}, Y_NUMBER),
    "logistic": ({"objective": "logistic"}, Y_BINARY),
    "softmax": ({"objective": "softmax"}, Y_CLASS),
    "quantile": ({"objective": "quantile", "quantile_alpha": [0.1, 0.9]}, Y_NUMBER),
    "vector_leaf": ({"objective": "softmax", "multi_strategy": "vector_leaf"}, Y_CLASS),
    "lossguide": ({"objective": "squared_error", "grow_policy": "lossguide", "max_leaves": 10}, Y_NUMBER),
}


def halves(y: np.ndarray) -> tuple[pygbt.Dataset, pygbt.Dataset]:
    ds = pygbt.Dataset(X[::2], y[::2])
    return ds, pygbt.Dataset(X[1::2], y[1::2], reference=ds)


def file_bytes(booster: pygbt.Booster, path: Path) -> bytes:
    booster.save(path)
    return path.read_bytes()


@pytest.mark.parametrize("name", PROBLEMS)
def test_resumed_training_is_uninterrupted_training_byte_for_byte(name: str, tmp_path: Path) -> None:
    params, y = PROBLEMS[name]
    params = {**params, **SAMPLED}
    ds, valid = halves(y)
    evals = [(ds, "train"), (valid, "valid")]
    whole = pygbt.train(params, ds, 11, evals=evals)
    pygbt.train(params, ds, 4, evals=evals).save(tmp_path / "part.pygbt")
    fresh, fresh_valid = halves(y)  # another process would bin the table again
    resumed = pygbt.train(
        params, fresh, 7, evals=[(fresh, "train"), (fresh_valid, "valid")], init_model=tmp_path / "part.pygbt"
    )
    assert resumed.evals_result == whole.evals_result
    assert file_bytes(resumed, tmp_path / "a.pygbt") == file_bytes(whole, tmp_path / "b.pygbt")
    assert len(whole) == 11
    assert whole.digest() != pygbt.train({**params, "seed": 12}, ds, 11).digest(), "sampling must depend on the seed"


def test_resumed_training_from_other_edges_continues_the_same_function() -> None:
    first = pygbt.train({"max_depth": 3}, pygbt.Dataset(X[:300], Y_NUMBER[:300]), 5)
    other = pygbt.Dataset(X[300:], Y_NUMBER[300:], max_bin=16)
    none_added = pygbt.train({"max_depth": 3}, other, 0, init_model=first)
    np.testing.assert_array_equal(none_added.predict(X), first.predict(X))
    more = pygbt.train({"max_depth": 3}, other, 5, init_model=first)
    np.testing.assert_array_equal(more.predict(X, iteration_range=(0, 5)), first.predict(X))
    before, after = (np.mean((b.predict(X[300:]) - Y_NUMBER[300:]) ** 2) for b in (first, more))
    assert after < before


def test_resume_refuses_another_objective_and_other_features() -> None:
    ds = pygbt.Dataset(X, Y_BINARY)
    model = pygbt.train({"objective": "logistic"}, ds, 2)
    with pytest.raises(ValueError, match="init_model"):
        pygbt.train({"objective": "squared_error"}, ds, 2, init_model=model)
    with pytest.raises(ValueError, match="init_model|feature|column"):
        pygbt.train({"objective": "logistic"}, pygbt.Dataset(X[:, :5], Y_BINARY), 2, init_model=model)
    with pytest.raises(TypeError, match="init_model"):
        pygbt.train({"objective": "logistic"}, ds, 2, init_model=3)  # type: ignore[arg-type]


def test_custom_objective_equals_the_built_in_one() -> None:
    ds = pygbt.Dataset(X, Y_NUMBER, weight=RNG.integers(0, 3, size=N))

    def squared(margins: np.ndarray, data: pygbt.Dataset) -> tuple[np.ndarray, np.ndarray]:
        assert margins.shape == (N,)
        return margins - np.asarray(data.label, dtype=np.float32).reshape(-1), np.ones(N)

    built_in = pygbt.train({"base_score": 0.0, **SAMPLED}, ds, 10)
    custom = pygbt.train({"base_score": 0.0, **SAMPLED}, ds, 10, objective=squared)
    assert custom.objective == "custom"
    np.testing.assert_array_equal(custom.predict(X), built_in.predict(X))


def test_custom_objective_of_several_outputs_sees_rows_by_outputs() -> None:
    Y = np.column_stack([Y_NUMBER, -Y_NUMBER]).astype(np.float32)
    ds = pygbt.Dataset(X, Y)
    shapes = set()

    def squared(margins: np.ndarray, data: pygbt.Dataset) -> tuple[np.ndarray, np.ndarray]:
        shapes.add(margins.shape)
        return margins - Y, np.ones_like(margins)

    custom = pygbt.train({"base_score": 0.0}, ds, 5, objective=squared)
    assert shapes == {(N, 2)}
    np.testing.assert_array_equal(custom.predict(X), pygbt.train({"base_score": 0.0}, ds, 5).predict(X))


@pytest.mark.parametrize(
    "returned, message",
    [
        (lambda m: m, "two arrays"),
        (lambda m: (m[:-1], m), "gradient must have shape"),
        (lambda m: (m, np.full(len(m), np.nan)), "hessian must be finite"),
        (lambda m: (m, np.full(len(m), -1.0)), "hessian must not be negative"),
    ],
)
def test_custom_objective_returning_nonsense_is_refused(returned: Any, message: str) -> None:
    ds = pygbt.Dataset(X, Y_NUMBER)
    with pytest.raises(ValueError, match=message):
        pygbt.train({}, ds, 2, objective=lambda margins, data: returned(margins))
    assert len(pygbt.train({}, ds, 2)) == 2


def test_objective_given_twice_or_missing_is_refused() -> None:
    ds = pygbt.Dataset(X, Y_BINARY)
    with pytest.raises(ValueError, match="objective is given twice"):
        pygbt.train({"objective": "logistic"}, ds, 1, objective=lambda m, d: (m, m))
    with pytest.raises(ValueError, match="needs a callable"):
        pygbt.train({"objective": "custom"}, ds, 1)


def test_custom_metric_equals_the_built_in_one() -> None:
    ds, valid = halves(Y_BINARY)

    def brier(p: np.ndarray, data: pygbt.Dataset) -> tuple[str, float, bool]:
        assert ((p > 0) & (p < 1)).all(), "a metric sees probabilities, not margins"
        return "minus_rmse", -float(np.sqrt(np.mean((p.astype(float) - np.asarray(data.label).ravel()) ** 2))), True

    bst = pygbt.train({"objective": "logistic"}, ds, 8, evals=[(valid, "valid")], metric=[brier, "rmse"])
    assert list(bst.evals_result["valid"]) == ["minus_rmse", "rmse"]
    np.testing.assert_allclose(-np.array(bst.evals_result["valid"]["minus_rmse"]), bst.evals_result["valid"]["rmse"])


def test_evals_result_is_the_score_of_the_predictions() -> None:
    ds, valid = halves(Y_BINARY)
    bst = pygbt.train(
        {"objective": "binary:logistic", "eval_metric": ["auc", "logloss"]}, ds, 6, [(ds, "train"), (valid, "valid")]
    )
    assert list(bst.evals_result) == ["train", "valid"]
    assert list(bst.evals_result["valid"]) == ["auc", "logloss"]
    for name, rows in (("train", slice(0, None, 2)), ("valid", slice(1, None, 2))):
        for i in range(6):
            p = bst.predict(X[rows], iteration_range=(0, i + 1)).astype(np.float64)
            y = Y_BINARY[rows]
            loss = -np.mean(y * np.log(p) + (1 - y) * np.log1p(-p))
            assert bst.evals_result[name]["logloss"][i] == pytest.approx(loss, rel=1e-5)


def test_evals_with_edges_of_their_own_are_binned_again() -> None:
    ds = pygbt.Dataset(X[::2], Y_NUMBER[::2])
    shared = pygbt.Dataset(X[1::2], Y_NUMBER[1::2], reference=ds)
    own = pygbt.Dataset(X[1::2], Y_NUMBER[1::2], max_bin=5)
    bst = pygbt.train({}, ds, 5, [(shared, "shared"), (own, "own")])
    assert bst.evals_result["own"] == bst.evals_result["shared"]


def test_dictionaries_of_other_libraries_give_the_same_model() -> None:
    ds = pygbt.Dataset(X, Y_BINARY)
    ours = pygbt.train({"objective": "logistic", "learning_rate": 0.2, "max_depth": 4, "reg_lambda": 2.0}, ds, 5)
    theirs = pygbt.train({"objective": "binary:logistic", "eta": 0.2, "max_depth": 4, "lambda": 2.0}, ds, 5)
    lgb = pygbt.train({"objective": "binary", "shrinkage_rate": 0.2, "max_depth": 4, "lambda_l2": 2.0, "n_iter": 5}, ds)
    assert ours.digest() == theirs.digest() == lgb.digest()


def test_threads_and_device_do_not_change_a_byte(tmp_path: Path, n_threads: int) -> None:
    params = {"objective": "softmax", **SAMPLED}
    files = {
        file_bytes(pygbt.train({**params, **how}, pygbt.Dataset(X, Y_CLASS), 4), tmp_path / "m.pygbt")
        for how in ({"n_threads": n_threads}, {"n_threads": 1}, {"device": "naive"})
    }
    assert len(files) == 1


def test_weight_is_repetition() -> None:
    weight = RNG.integers(0, 4, size=N)
    weighted = pygbt.train({}, pygbt.Dataset(X, Y_NUMBER, weight=weight), 8)
    repeated = pygbt.train({}, pygbt.Dataset(X.repeat(weight, axis=0), Y_NUMBER.repeat(weight)), 8)
    np.testing.assert_array_equal(weighted.predict(X), repeated.predict(X))


# --- interruption ---------------------------------------------------------------------------------------------------


def test_keyboard_interrupt_keeps_the_rounds_done() -> None:
    ds, valid = halves(Y_NUMBER)

    def interrupt(state: pygbt.callbacks.TrainingState) -> None:
        if state.iteration == 4:
            raise KeyboardInterrupt

    with pytest.raises(pygbt.TrainingInterrupted) as caught:
        pygbt.train({}, ds, 20, [(valid, "valid")], callbacks=[interrupt])
    assert isinstance(caught.value, KeyboardInterrupt)
    kept = caught.value.booster
    assert len(kept) == 5
    assert kept.digest() == pygbt.train({}, ds, 5).digest()
    assert len(kept.evals_result["valid"]["rmse"]) == 5
    rest = pygbt.train({}, ds, 15, init_model=kept)
    assert rest.digest() == pygbt.train({}, ds, 20).digest()


def test_an_interrupted_metric_leaves_whole_rounds() -> None:
    ds = pygbt.Dataset(X, Y_NUMBER)
    calls = []

    def metric(p: np.ndarray, data: pygbt.Dataset) -> tuple[str, float]:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return "m", 0.0

    with pytest.raises(pygbt.TrainingInterrupted) as caught:
        pygbt.train({}, ds, 20, [(ds, "train")], metric=metric)
    assert len(caught.value.booster) == 3
    assert caught.value.booster.digest() == pygbt.train({}, ds, 3).digest()


SIGINT_SCRIPT = """
    import sys
    import numpy as np
    import pygbt

    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 20)).astype(np.float32)
    ds = pygbt.Dataset(X, X[:, 0] ** 2)

    def ready(state):
        if state.iteration == 2:
            print("ready", flush=True)

    try:
        pygbt.train({"max_depth": 8, "n_threads": 2}, ds, 1_000_000, callbacks=[ready])
    except KeyboardInterrupt as interrupt:
        kept = interrupt.booster
        assert len(kept) >= 3
        assert kept.predict(X).shape == (20_000,)
        assert kept.digest() == pygbt.train({"max_depth": 8}, ds, len(kept)).digest()
        print("kept", len(kept), flush=True)
        sys.exit(130)
    sys.exit(1)
"""


def test_ctrl_c_stops_at_the_next_tree_and_keeps_the_others() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SIGINT_SCRIPT)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert out.startswith("kept ")


# --- cross-validation -----------------------------------------------------------------------------------------------


def test_cv_is_one_training_a_fold() -> None:
    ds = pygbt.Dataset(X, Y_NUMBER)
    folds = [(np.arange(N)[np.arange(N) % 3 != k], np.arange(N)[np.arange(N) % 3 == k]) for k in range(3)]
    result = pygbt.cv({"max_depth": 3}, ds, 6, folds=folds, return_boosters=True)
    scores = []
    for booster, (fit, test) in zip(result["boosters"], folds, strict=True):
        alone = pygbt.train({"max_depth": 3}, pygbt.Dataset(X[fit], Y_NUMBER[fit], reference=ds), 6)
        assert alone.digest() == booster.digest()
        scores.append(np.sqrt(np.mean((alone.predict(X[test]) - Y_NUMBER[test]) ** 2)))
    assert result["test-rmse-mean"][-1] == pytest.approx(np.mean(scores), rel=1e-5)
    assert result["test-rmse-std"][-1] == pytest.approx(np.std(scores), rel=1e-3)
    assert len(result["train-rmse-mean"]) == 6


def test_cv_with_edges_of_each_fold_equals_separate_tables() -> None:
    ds = pygbt.Dataset(X, Y_NUMBER, max_bin=32)
    fit, test = np.arange(0, N, 2), np.arange(1, N, 2)
    result = pygbt.cv({}, ds, 4, folds=[(fit, test)], bins="per_fold", return_boosters=True)
    alone = pygbt.train({}, pygbt.Dataset(X[fit], Y_NUMBER[fit], max_bin=32), 4)
    assert result["boosters"][0].digest() == alone.digest()
    shared = pygbt.cv({}, ds, 4, folds=[(fit, test)], return_boosters=True)
    assert shared["boosters"][0].digest() != alone.digest()


def test_cv_folds_cover_the_rows_and_keep_the_shares_of_classes() -> None:
    from pygbt.cross_validation import make_folds

    for strata in (None, Y_CLASS):
        folds = make_folds(N, 4, strata=strata, seed=3)
        np.testing.assert_array_equal(np.sort(np.concatenate([test for _, test in folds])), np.arange(N))
        for fit, test in folds:
            assert len(np.intersect1d(fit, test)) == 0
            assert len(fit) + len(test) == N
            if strata is not None:
                counts = np.bincount(strata[test].astype(int))
                assert np.abs(counts - np.bincount(strata.astype(int)) / 4).max() <= 1
    same = make_folds(N, 4, seed=3)
    other = make_folds(N, 4, seed=4)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(same, make_folds(N, 4, seed=3), strict=True))
    assert not all(np.array_equal(a[1], b[1]) for a, b in zip(same, other, strict=True))
    unshuffled = make_folds(10, 3, shuffle=False)
    assert [test.tolist() for _, test in unshuffled] == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_cv_stops_early_at_the_best_mean() -> None:
    ds = pygbt.Dataset(X, RNG.permutation(Y_NUMBER))  # nothing to learn: the first rounds are the best
    result = pygbt.cv({"learning_rate": 0.5}, ds, 60, nfold=3, early_stopping_rounds=4)
    means = result["test-rmse-mean"]
    assert len(means) < 30
    assert means[-1] == min(means)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"nfold": 1}, "nfold"),
        ({"nfold": N + 1}, "nfold"),
        ({"bins": "none"}, "bins"),
        ({"folds": []}, "folds"),
        ({"folds": [([0, 1], [N])]}, "folds"),
        ({"num_boost_round": -1}, "num_boost_round"),
    ],
)
def test_cv_refuses_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pygbt.cv({}, pygbt.Dataset(X, Y_NUMBER), **arguments)
