# SPDX-License-Identifier: Apache-2.0
"""Early stopping, schedules, checkpoints, progress and the callback protocol."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pygbt
from pygbt.callbacks import (
    Checkpoint,
    EarlyStopping,
    LearningRateSchedule,
    PrintEvaluation,
    ProgressBar,
    TrainingState,
)

RNG = np.random.default_rng(3)
N = 400
X = RNG.normal(size=(N, 5)).astype(np.float32)
Y = X[:, 0] + 0.5 * X[:, 1] + RNG.normal(size=N)
TRAIN = pygbt.Dataset(X[::2], Y[::2])
VALID = pygbt.Dataset(X[1::2], Y[1::2], reference=TRAIN)
OVERFIT = {"learning_rate": 0.5, "max_depth": 6}


def stopping_round(
    scores: list[float], rounds: int, *, larger: bool = False, min_delta: float = 0.0
) -> tuple[int, int]:
    """The oracle: (round after which training ends, best round)."""
    best = 0
    for i, score in enumerate(scores):
        gain = (score - scores[best]) * (1 if larger else -1)
        if i > 0 and gain > min_delta:
            best = i
        if i - best >= rounds:
            return i, best
    return len(scores) - 1, best


@pytest.mark.parametrize("metric, larger", [("rmse", False), ("mae", False), ("r2", True)])
@pytest.mark.parametrize("min_delta", [0.0, 0.002])
def test_early_stopping_ends_where_the_scores_say(metric: str, larger: bool, min_delta: float) -> None:
    full = pygbt.train(OVERFIT, TRAIN, 60, [(VALID, "valid")], metric=metric)
    end, best = stopping_round(full.evals_result["valid"][metric], 5, larger=larger, min_delta=min_delta)
    assert end < 59, "the set must overfit for the test to mean anything"
    stopped = pygbt.train(
        OVERFIT, TRAIN, 60, [(VALID, "valid")], early_stopping_rounds=5, metric=metric, min_delta=min_delta
    )
    assert (len(stopped), stopped.best_iteration) == (end + 1, best)
    assert stopped.best_score == full.evals_result["valid"][metric][best]
    np.testing.assert_array_equal(stopped.predict(X), full.predict(X, iteration_range=(0, best + 1)))
    np.testing.assert_array_equal(stopped.predict(X, iteration_range=(0, None)), full[: end + 1].predict(X))


def test_early_stopping_takes_the_last_set_and_metric_unless_told() -> None:
    evals = [(VALID, "valid"), (TRAIN, "train")]
    by_train = pygbt.train(OVERFIT, TRAIN, 40, evals, early_stopping_rounds=3, metric=["mae", "rmse"])
    assert len(by_train) == 40  # the training score always improves
    evals.reverse()
    last = pygbt.train(OVERFIT, TRAIN, 40, evals, early_stopping_rounds=3, metric=["mae", "rmse"])
    assert last.best_score == min(last.evals_result["valid"]["rmse"])
    named = pygbt.train(
        OVERFIT, TRAIN, 40, evals, early_stopping_rounds=3, metric=["mae", "rmse"], early_stopping_metric="mae"
    )
    assert named.best_score == min(named.evals_result["valid"]["mae"])


def test_early_stopping_continues_through_a_file(tmp_path: Path) -> None:
    whole = pygbt.train(OVERFIT, TRAIN, 60, [(VALID, "valid")], early_stopping_rounds=6)
    cut = whole.best_iteration + 3  # between the best round and the end
    pygbt.train(OVERFIT, TRAIN, cut, [(VALID, "valid")], early_stopping_rounds=6).save(tmp_path / "m.pygbt")
    resumed = pygbt.train(
        OVERFIT, TRAIN, 60 - cut, [(VALID, "valid")], early_stopping_rounds=6, init_model=tmp_path / "m.pygbt"
    )
    assert resumed.digest() == whole.digest()
    assert (resumed.best_iteration, resumed.best_score) == (whole.best_iteration, whole.best_score)
    assert resumed.evals_result == whole.evals_result


def fake_state(scores: list[float]) -> TrainingState:
    def no_model() -> Any:
        raise AssertionError

    return TrainingState(
        first_iteration=0,
        end_iteration=len(scores),
        evaluations={"valid": {"m": []}},
        larger_is_better={"m": False},
        params={},
        learning_rate=0.1,
        snapshot=no_model,
    )


@pytest.mark.parametrize("scores, best", [([math.nan, 3.0, 2.0, math.nan, 2.5], 2), ([math.nan] * 5, 0)])
def test_early_stopping_never_takes_nan_for_an_improvement(scores: list[float], best: int) -> None:
    state, hook = fake_state(scores), EarlyStopping(2)
    hook.start(state)
    ended = None
    for i, score in enumerate(scores):
        state.evaluations["valid"]["m"].append(score)
        state.iteration = i
        if hook(state):
            ended = i
            break
    assert state.best_iteration == best
    assert ended == best + 2


def test_early_stopping_needs_something_to_stop_by() -> None:
    with pytest.raises(ValueError, match="early_stopping_rounds needs an evaluation set"):
        pygbt.train({}, TRAIN, 5, early_stopping_rounds=2)
    with pytest.raises(ValueError, match="early_stopping_metric='auc' is none of the metrics"):
        pygbt.train({}, TRAIN, 5, [(VALID, "valid")], early_stopping_rounds=2, early_stopping_metric="auc")
    with pytest.raises(ValueError, match="no evaluation set named 'x'"):
        pygbt.train({}, TRAIN, 5, [(VALID, "valid")], callbacks=[EarlyStopping(2, data="x")])
    for bad in (-1, 1.5, True):
        with pytest.raises(ValueError, match="early_stopping_rounds"):
            pygbt.train({}, TRAIN, 5, [(VALID, "valid")], early_stopping_rounds=bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="min_delta"):
        pygbt.train({}, TRAIN, 5, [(VALID, "valid")], early_stopping_rounds=2, min_delta=math.nan)


def test_callbacks_see_every_round_and_may_end_training() -> None:
    seen = []

    def watch(state: TrainingState) -> bool:
        seen.append((state.iteration, state.last["valid"]["rmse"], state.booster.n_iterations))
        return state.iteration == 6

    bst = pygbt.train({"max_depth": 3}, TRAIN, 50, [(VALID, "valid")], callbacks=[watch])
    assert len(bst) == 7
    assert [s[0] for s in seen] == list(range(7))
    assert [s[1] for s in seen] == bst.evals_result["valid"]["rmse"]
    assert [s[2] for s in seen] == list(range(1, 8))


def test_every_callback_runs_in_the_round_that_ends_training() -> None:
    calls = []
    hooks = [lambda state: True, lambda state: calls.append(state.iteration)]
    pygbt.train({}, TRAIN, 5, callbacks=hooks)
    assert calls == [0]


def test_a_hook_that_fails_to_start_is_not_finished() -> None:
    events: list[str] = []

    class Good:
        def __call__(self, state: TrainingState) -> None:
            events.append("round")

        def finish(self, state: TrainingState) -> None:
            events.append("finish good")

    class Bad(Good):
        def start(self, state: TrainingState) -> None:
            raise RuntimeError("no start")

    with pytest.raises(RuntimeError, match="no start"):
        pygbt.train({}, TRAIN, 5, callbacks=[Good(), Bad()])
    assert events == ["finish good"]


def test_start_and_finish_frame_the_rounds_even_when_one_fails() -> None:
    events: list[str] = []

    class Hook:
        def start(self, state: TrainingState) -> None:
            events.append(f"start {state.iteration}")

        def __call__(self, state: TrainingState) -> None:
            events.append(f"round {state.iteration}")
            if state.iteration == 1:
                raise RuntimeError("from the callback")

        def finish(self, state: TrainingState) -> None:
            events.append("finish")

    with pytest.raises(RuntimeError, match="from the callback"):
        pygbt.train({}, TRAIN, 5, callbacks=[Hook()])
    assert events == ["start -1", "round 0", "round 1", "finish"]


def test_a_schedule_is_the_learning_rate_of_each_round() -> None:
    rates = [0.5, 0.25, 0.125, 0.0625]
    scheduled = pygbt.train({}, TRAIN, 4, learning_rates=rates)
    assert scheduled.digest() == pygbt.train({}, TRAIN, 4, learning_rates=lambda i: 0.5 / 2**i).digest()
    assert scheduled.digest() == pygbt.train({}, TRAIN, 4, callbacks=[LearningRateSchedule(rates)]).digest()
    step_by_step = None
    for rate in rates:
        step_by_step = pygbt.train({"learning_rate": rate}, TRAIN, 1, init_model=step_by_step)
    np.testing.assert_array_equal(scheduled.predict(X), step_by_step.predict(X))
    first, rest = pygbt.train({}, TRAIN, 1, learning_rates=rates), pygbt.train({}, TRAIN, 4)
    resumed = pygbt.train({}, TRAIN, 3, learning_rates=rates, init_model=first)
    assert resumed.digest() == scheduled.digest() != rest.digest()


def test_a_constant_schedule_is_the_plain_parameter() -> None:
    plain = pygbt.train({"learning_rate": 0.3}, TRAIN, 5)
    assert plain.digest() == pygbt.train({}, TRAIN, 5, learning_rates=[0.3] * 5).digest()


@pytest.mark.parametrize("rates", [[0.1, 0.1], [0.1, 0.1, 0.0, 0.1], [0.1, math.nan, 0.1, 0.1], lambda i: -1.0])
def test_bad_schedules_are_refused(rates: Any) -> None:
    with pytest.raises(ValueError, match="learning_rate"):
        pygbt.train({}, TRAIN, 4, learning_rates=rates)


def test_checkpoints_are_the_models_of_their_rounds(tmp_path: Path) -> None:
    pygbt.train({}, TRAIN, 7, callbacks=[Checkpoint(tmp_path / "m{iteration}.pygbt", every=3)])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m3.pygbt", "m6.pygbt", "m7.pygbt"]
    for k in (3, 6, 7):
        assert pygbt.load(tmp_path / f"m{k}.pygbt").digest() == pygbt.train({}, TRAIN, k).digest()


def test_a_checkpoint_survives_a_failing_run(tmp_path: Path) -> None:
    path = tmp_path / "m.pygbt"

    def fail(state: TrainingState) -> None:
        if state.iteration == 5:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        pygbt.train({}, TRAIN, 20, callbacks=[Checkpoint(path, every=4), fail])
    resumed = pygbt.train({}, TRAIN, 10 - len(pygbt.load(path)), init_model=path)
    assert resumed.digest() == pygbt.train({}, TRAIN, 10).digest()


def test_checkpoint_refuses_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="checkpoint path"):
        pygbt.train({}, TRAIN, 2, callbacks=[Checkpoint(tmp_path / "none" / "m.pygbt")])
    with pytest.raises(ValueError, match="every"):
        Checkpoint(tmp_path / "m.pygbt", every=0)


def test_scores_are_printed_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    pygbt.train({}, TRAIN, 5, [(VALID, "valid")], verbose_eval=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("]")[0] for line in lines] == ["[1", "[3", "[4"]
    assert all("valid rmse" in line for line in lines)
    pygbt.train({}, TRAIN, 5, [(VALID, "valid")])
    assert capsys.readouterr() == ("", "")
    with pytest.raises(ValueError, match="every"):
        PrintEvaluation(0)


def test_a_progress_bar_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rich")
    pygbt.train({}, TRAIN, 5, [(VALID, "valid")], progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "5/5" in err


def test_no_progress_bar_without_rich_and_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in ("rich", "rich.console", "rich.progress", "tqdm"):
        monkeypatch.setitem(sys.modules, name, None)
    assert len(pygbt.train({}, TRAIN, 3, callbacks=[ProgressBar()])) == 3
