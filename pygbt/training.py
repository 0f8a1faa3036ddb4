# SPDX-License-Identifier: Apache-2.0
"""`train` and its rounds: the loop over `_core.Trainer`, evaluation, callbacks, interruption."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from . import _core, custom, devices, parameters
from .booster import Booster, load
from .callbacks import (
    Callback,
    EarlyStopping,
    Evaluations,
    LearningRateSchedule,
    PrintEvaluation,
    ProgressBar,
    TrainingState,
)
from .custom import CustomMetric, CustomObjective
from .data import Dataset
from .metric_choice import MetricLike, as_deciding, as_metrics

__all__ = ["CustomMetric", "CustomObjective", "TrainingInterrupted", "train"]


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C during training; ``booster`` holds the rounds finished before it.

    Attributes
    ----------
    booster : Booster
    """

    def __init__(self, booster: Booster) -> None:
        super().__init__(f"training interrupted after {booster.n_iterations} rounds; they are in the booster attribute")
        self.booster = booster

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.booster,)


class Run:
    """One model in training: a `_core.Trainer`, its evaluation sets and its scores so far."""

    def __init__(
        self,
        params: Mapping[str, Any],
        dataset: Dataset,
        evals: Sequence[tuple[Dataset, str]],
        *,
        init_model: Booster | None = None,
        objective: CustomObjective | None = None,
        metrics: Sequence[MetricLike] = (),
        tasks: Sequence[Mapping[str, Any]] = (),
        sharing: Mapping[str, Any] | None = None,
    ) -> None:
        check_labelled(dataset)
        if init_model is not None:
            dataset = dataset.rebin(init_model)
        self.params = resolved(params, dataset, objective)
        if tasks:
            self.params["objective"] = "tasks"
        self.dataset = dataset
        self.objective = objective
        self.ordinal = devices.parse(self.params["device"])[1]
        self.trainer = _core.Trainer(
            _core.Params(parameters.core_values(self.params)),
            dataset.core,
            None if init_model is None else init_model._model,
            tasks=[dict(task) for task in tasks],
            sharing=dict(sharing or {}),
        )
        default = (
            [] if tasks else parameters.with_cutoffs([self.trainer.default_metric], self.params.pop("eval_at", []))
        )
        self.metrics: list[MetricLike] = list(metrics) or default
        for metric in self.metrics:
            if isinstance(metric, str):
                self.trainer.check_metric(metric)
        self.larger_is_better = {m: _core.metric_larger_is_better(m) for m in self.metrics if isinstance(m, str)}
        self.first = self.done = self.trainer.n_iterations
        self.evals = [self._add(data, name, dataset) for data, name in evals]
        self.evaluations: Evaluations = {name: {} for _, name, _ in self.evals}
        self._history = {} if init_model is None else init_model.evals_result

    def _add(self, data: Dataset, name: str, train: Dataset) -> tuple[Dataset, str, int]:
        if data is train:
            return data, name, -1
        if data.label is None:
            raise ValueError(f"evals: data set {name!r} has no label")
        data = rebinned(data, name, train)
        return data, name, self.trainer.add_valid(data.core)

    def _scores_of(self, data: str, metric: str) -> list[float]:
        """The list of scores to append to; begins with those of the model that is continued, where it has all."""
        scores = self.evaluations[data]
        if metric not in scores:
            earlier = self._history.get(data, {}).get(metric, [])
            scores[metric] = list(earlier) if len(earlier) == self.first else []
        return scores[metric]

    def advance(self, learning_rate: float) -> None:
        """Grow the trees of one round and score the evaluation sets."""
        self._grow(learning_rate)
        scores: list[tuple[str, str, float, bool]] = []
        for name, data, i, metric in self._scored():  # a comprehension's frame would keep the tables behind an error
            scores.append((name, *self._score(metric, data, i)))
        for name, metric_name, score, larger in scores:
            self.larger_is_better[metric_name] = larger
            self._scores_of(name, metric_name).append(score)
        self.done += 1

    def _grow(self, learning_rate: float) -> None:
        """The trees of one round."""
        if self.objective is None:
            self.trainer.step(learning_rate)
            return
        shape = (self.dataset.n_rows, self.trainer.n_outputs)
        margins = custom.margins_for(self.objective, self.trainer, shape, self.ordinal)
        custom.step_custom(self.trainer, learning_rate, self.objective(margins, self.dataset), shape, self.ordinal)

    @property
    def observed(self) -> bool:
        """Whether Python has something to do between one round and the next: gradients or metrics of its own."""
        return self.objective is not None or (bool(self.evals) and not all(isinstance(m, str) for m in self.metrics))

    def advance_together(self, learning_rate: float, n_rounds: int) -> Iterator[None]:
        """The same of many rounds, grown in one call of the engine and told one by one."""
        rates = [learning_rate] * n_rounds
        named = [(name, i, str(metric)) for name, _, i, metric in self._scored()]
        if named:
            values = iter(self.trainer.scored_steps(rates, [(i, metric) for _, i, metric in named]))
        else:
            self.trainer.steps(rates)
        for _ in range(n_rounds):
            for name, _, metric in named:
                self._scores_of(name, metric).append(next(values))
            self.done += 1
            yield

    def _scored(self) -> list[tuple[str, Dataset, int, MetricLike]]:
        """What is scored after every round: (name, data set, its number, metric)."""
        return [(name, data, i, metric) for data, name, i in self.evals for metric in self.metrics]

    def _score(self, metric: MetricLike, data: Dataset, i: int) -> tuple[str, float, bool]:
        if isinstance(metric, str):
            return metric, float(self.trainer.metric(metric, i)), self.larger_is_better[metric]
        predictions = custom.predictions_for(metric, self.trainer, i, data.n_rows, self.ordinal)
        result = metric(predictions, data)
        if not isinstance(result, tuple) or len(result) not in (2, 3) or not isinstance(result[0], str):
            raise ValueError("metric must return (name, value) or (name, value, larger_is_better)")
        return result[0], float(result[1]), bool(result[2]) if len(result) == 3 else False

    def booster(self, best_iteration: int | None = None, best_score: float | None = None) -> Booster:
        """The rounds done so far as a model."""
        model = self.trainer.model()
        if model.n_iterations > self.done:
            model = model.slice(0, self.done)
        return Booster(
            model,
            self.dataset.schema,
            params=parameters.recorded(self.params),
            evals_result={
                data: {name: scores[: self.done] for name, scores in metrics.items()}
                for data, metrics in self.evaluations.items()
            },
            best_iteration=best_iteration,
            best_score=best_score,
        )


def check_labelled(dataset: Dataset) -> None:
    """There is something to learn from."""
    if dataset.label is None and dataset.teacher is None:
        raise ValueError("ds has no label: pass y (or teacher) to Dataset to train on it")


def rebinned(data: Dataset, name: str, reference: Dataset) -> Dataset:
    """An evaluation set in the bins of the training table."""
    try:
        return data.rebin(reference)
    except (ValueError, TypeError) as error:
        raise type(error)(f"evals: data set {name!r} has other columns than the training table: {error}") from None


def resolved(params: Mapping[str, Any], dataset: Dataset, objective: CustomObjective | None) -> dict[str, Any]:
    """Every parameter of training by canonical name, with the objective that is meant."""
    result = parameters.normalise(params, dataset)
    if objective is not None:
        if params.get("objective", "custom") != "custom":
            raise ValueError("objective is given twice: as a callable and by name in params")
        result["objective"] = "custom"
    elif result["objective"] == "custom":
        raise ValueError("objective='custom' needs a callable: train(..., objective=function)")
    return result


def as_booster(init_model: Booster | str | os.PathLike[str] | None) -> Booster | None:
    """`init_model` as a Booster: itself, or loaded from its path."""
    if init_model is None or isinstance(init_model, Booster):
        return init_model
    if isinstance(init_model, str | os.PathLike):
        return load(init_model)
    raise TypeError(f"init_model must be a Booster or a path, got {type(init_model).__name__}")


def as_evals(evals: Any, dataset: Dataset) -> list[tuple[Dataset, str]]:
    """`evals` as a list of (data set, name) with distinct names."""
    result: list[tuple[Dataset, str]] = []
    if isinstance(evals, Dataset) or not isinstance(evals, Iterable):
        raise TypeError('evals must be a list of (Dataset, name) pairs, e.g. evals=[(valid, "valid")]')
    for item in evals:
        if isinstance(item, Dataset):
            item = (item, "train" if item is dataset else f"valid_{len(result)}")
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise TypeError(f"evals must hold (Dataset, name) pairs, got {item!r}")
        data, name = item
        if not isinstance(data, Dataset) or not isinstance(name, str):
            raise TypeError(
                f"evals must hold (Dataset, name) pairs, got ({type(data).__name__}, {type(name).__name__})"
            )
        if name in (other for _, other in result):
            raise ValueError(f"evals: the name {name!r} is used twice")
        result.append((data, name))
    return result


def as_rounds(name: str, value: Any) -> int:
    """A number of rounds as an int of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise ValueError(f"{name} must be an integer of at least 0, got {value!r}")
    return int(value)


def train(
    params: Mapping[str, Any] | None,
    ds: Dataset,
    num_boost_round: int = 100,
    evals: Iterable[tuple[Dataset, str]] = (),
    early_stopping_rounds: int | None = None,
    init_model: Booster | str | os.PathLike[str] | None = None,
    callbacks: Iterable[Callback] = (),
    objective: CustomObjective | None = None,
    metric: MetricLike | Sequence[MetricLike] | None = None,
    *,
    early_stopping_metric: str | None = None,
    min_delta: float = 0.0,
    learning_rates: Sequence[float] | Callable[[int], float] | None = None,
    verbose_eval: bool | int = False,
    progress: bool = False,
) -> Booster:
    """Train a model.

    Parameters
    ----------
    params : dict
        Parameters by name; the names of XGBoost and LightGBM are understood. See ``docs/parameters.md``.
    ds : Dataset
        Training table with labels.
    num_boost_round : int, default 100
        Rounds to train, in addition to those of `init_model`.
    evals : list of (Dataset, str)
        Tables to score after every round, with their names. A table with other bin edges is binned again with those
        of `ds`.
    early_stopping_rounds : int, optional
        End training when the last metric on the last table of `evals` has not improved for so many rounds. The model
        keeps all rounds and predicts with those up to the best one.
    init_model : Booster or path, optional
        Model to continue. k rounds, saved, loaded and continued by n - k rounds are equal to n rounds, byte for byte.
    callbacks : list of callables
        Called as ``callback(state)`` after every round; True ends training. See `pygbt.callbacks`.
    objective : callable, optional
        ``objective(margins, ds) -> (gradient, hessian)`` with margins and both results of shape (n,) for one output,
        else (n, K); without weights, which the engine applies. Marked with `on_device` it is given the margins where
        they lie on a GPU.
    metric : str, callable or list of them, optional
        Metrics of the tables in `evals`; by default the objective's own. A callable
        ``metric(predictions, ds) -> (name, value)`` or ``(name, value, larger_is_better)`` gets values in units of the
        label, or margins under a custom objective; marked with `on_device`, on a GPU.
    early_stopping_metric : str, optional
        Name of the metric that decides, instead of the last one.
    min_delta : float, default 0
        Least improvement that counts, in units of that metric.
    learning_rates : sequence or callable, optional
        Learning rate of every round, counted from the first round of the model.
    verbose_eval : bool or int, default False
        Print the scores every round, or every so many rounds.
    progress : bool, default False
        Show a progress bar on standard error, where rich or tqdm is installed.

    Returns
    -------
    Booster

    Raises
    ------
    ValueError, TypeError
        A parameter is unknown or out of range, or the labels do not fit the objective.
    TrainingInterrupted
        Ctrl-C; a KeyboardInterrupt whose ``booster`` holds the rounds done.
    """
    hooks: list[Callback] = []
    if learning_rates is not None:
        hooks.append(LearningRateSchedule(learning_rates))
    if verbose_eval:
        hooks.append(PrintEvaluation(1 if verbose_eval is True else int(verbose_eval)))
    if progress:
        hooks.append(ProgressBar())
    run, n_rounds, stopping = prepare(
        params,
        ds,
        num_boost_round,
        evals,
        early_stopping_rounds,
        init_model,
        objective,
        metric,
        early_stopping_metric=early_stopping_metric,
        min_delta=min_delta,
    )
    return run_rounds(run, n_rounds, [*hooks, *stopping, *callbacks])


def prepare(
    params: Mapping[str, Any] | None,
    ds: Dataset,
    num_boost_round: int,
    evals: Iterable[tuple[Dataset, str]],
    early_stopping_rounds: int | None,
    init_model: Booster | str | os.PathLike[str] | None = None,
    objective: CustomObjective | None = None,
    metric: MetricLike | Sequence[MetricLike] | None = None,
    *,
    early_stopping_metric: str | None = None,
    min_delta: float = 0.0,
    n_threads: int | None = None,
) -> tuple[Run, int, list[Callback]]:
    """What the arguments of `train` come to: a model about to begin, its rounds, its early stopping if any.

    `n_threads` bounds those of `params`.
    """
    if not isinstance(ds, Dataset):
        raise TypeError(f"ds must be a pygbt.Dataset, got {type(ds).__name__}")
    given = parameters.canonical(params or {})
    num_boost_round = as_rounds("num_boost_round", given.pop("num_boost_round", num_boost_round))
    early_stopping_rounds = given.pop("early_stopping_rounds", early_stopping_rounds)
    if early_stopping_rounds is not None:
        early_stopping_rounds = as_rounds("early_stopping_rounds", early_stopping_rounds)
    previous = as_booster(init_model)
    metrics = as_metrics(metric, given)
    if n_threads is not None:
        given["n_threads"] = min(given.get("n_threads") or n_threads, n_threads)
    run = Run(given, ds, as_evals(evals, ds), init_model=previous, objective=objective, metrics=metrics)
    stopping: list[Callback] = []
    if early_stopping_rounds:
        decides = as_deciding(early_stopping_metric, run.metrics)
        stopping.append(EarlyStopping(early_stopping_rounds, metric=decides, min_delta=min_delta))
    return run, num_boost_round, stopping


#: Rounds at a time where nobody looks on: as many as take about so long, so that Ctrl-C is heard.
SECONDS_UNHEARD = 0.1
MOST_ROUNDS = 64


def run_rounds(
    run: Run, n_rounds: int, hooks: Sequence[Callback], after: Callable[[int], object] | None = None
) -> Booster:
    """Advance `run` by up to `n_rounds` rounds, with callbacks and Ctrl-C.

    ``after(n)`` is called after every portion of n rounds; what it raises ends training.
    """

    def snapshot() -> Booster:
        return run.booster(state.best_iteration, state.best_score)

    state = TrainingState(
        first_iteration=run.first,
        end_iteration=run.first + n_rounds,
        evaluations=run.evaluations,
        larger_is_better=run.larger_is_better,
        params=run.params,
        learning_rate=float(run.params["learning_rate"]),
        snapshot=snapshot,
    )
    started: list[Callback] = []
    try:
        for hook in hooks:
            if hasattr(hook, "start"):
                hook.start(state)
            started.append(hook)
        _advance(run, state, hooks, after)
    except KeyboardInterrupt as interrupt:
        raise TrainingInterrupted(snapshot()) from interrupt
    finally:
        for hook in started:
            if hasattr(hook, "finish"):
                hook.finish(state)
    return snapshot()


def _advance(run: Run, state: TrainingState, hooks: Sequence[Callback], after: Callable[[int], object] | None) -> None:
    """All rounds of `state`, in growing portions, until a hook ends it."""
    portion = 1
    while run.done < state.end_iteration:
        n_rounds = min(portion, state.end_iteration - run.done, rounds_ahead(run, state, hooks))
        before, start = run.done, time.perf_counter()
        if n_rounds == 1:
            run.advance(state.learning_rate)
            ended = _tell(run, state, hooks)
        else:
            for _ in run.advance_together(state.learning_rate, n_rounds):
                if ended := _tell(run, state, hooks):
                    break
        if n_rounds == portion and time.perf_counter() - start < SECONDS_UNHEARD / 2:
            portion = min(2 * portion, MOST_ROUNDS)
        if after is not None:
            after(run.done - before)
        if ended:
            return


def _tell(run: Run, state: TrainingState, hooks: Sequence[Callback]) -> bool:
    """Whether a hook ends training; every hook is called."""
    state.iteration = run.done - 1
    ends = [hook(state) for hook in hooks]
    return any(ends)


def rounds_ahead(run: Run, state: TrainingState, hooks: Sequence[Callback]) -> int:
    """Rounds that may be grown before anybody must see the first of them."""
    if run.observed:
        return 1
    known = [hook.rounds_ahead(state) if hasattr(hook, "rounds_ahead") else 1 for hook in hooks]
    return min(known, default=MOST_ROUNDS)
