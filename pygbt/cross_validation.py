# SPDX-License-Identifier: Apache-2.0
"""`cv`: the folds of a table, one model each, all of them advanced together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from . import _core, parameters
from .batch_jobs import Folds, given_folds
from .batch_schedule import Task, run_tasks
from .callbacks import EarlyStopping, Evaluations, LearningRateSchedule, PrintEvaluation, TrainingState
from .data import Dataset
from .grids import generator
from .metric_choice import MetricLike, as_deciding, as_metrics
from .queries import rows_of_groups
from .training import MOST_ROUNDS, CustomObjective, Run, as_rounds, rounds_ahead

__all__ = ["cv", "folds_of", "make_folds"]

CLASS_OBJECTIVES = ("logistic", "softmax", "one_vs_rest")
SMALL_ROWS = 1 << 17  # of a table whose folds are trained beside each other; larger ones keep all threads busy alone


def make_folds(
    n_rows: int, n_folds: int, *, strata: npt.NDArray[Any] | None = None, shuffle: bool = True, seed: int = 0
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Split rows into folds of nearly equal size.

    Parameters
    ----------
    n_rows, n_folds : int
    strata : ndarray, shape (n_rows,), optional
        Each fold gets its share of every distinct value.
    shuffle : bool, default True
        Draw the rows of a fold; otherwise folds are runs of consecutive rows (within each stratum).
    seed : int, default 0

    Returns
    -------
    list of (ndarray, ndarray)
        Rows to train on and rows to test on, ascending. Every row is tested once.
    """
    if isinstance(n_folds, bool) or not isinstance(n_folds, int | np.integer) or n_folds < 2:
        raise ValueError(f"nfold must be an integer of at least 2, got {n_folds!r}")
    if n_folds > n_rows:
        raise ValueError(f"nfold={n_folds} is more than the {n_rows} rows")
    order = generator(seed).permutation(n_rows) if shuffle else np.arange(n_rows)
    if strata is not None:  # rows of one value next to each other, dealt out in turn
        _, codes = np.unique(strata, return_inverse=True)
        order = order[np.argsort(codes[order], kind="stable")]
        fold_of_place = np.arange(n_rows) % n_folds
    else:
        fold_of_place = np.arange(n_rows) * n_folds // n_rows
    fold_of_row = np.empty(n_rows, dtype=np.int64)
    fold_of_row[order] = fold_of_place
    return [(np.flatnonzero(fold_of_row != k), np.flatnonzero(fold_of_row == k)) for k in range(n_folds)]


def cv(
    params: Mapping[str, Any] | None,
    ds: Dataset,
    num_boost_round: int = 100,
    *,
    nfold: int = 5,
    stratified: bool | Literal["auto"] = "auto",
    shuffle: bool = True,
    seed: int = 0,
    folds: Folds | None = None,
    bins: Literal["shared", "per_fold"] = "shared",
    early_stopping_rounds: int | None = None,
    early_stopping_metric: str | None = None,
    min_delta: float = 0.0,
    objective: CustomObjective | None = None,
    metric: MetricLike | Sequence[MetricLike] | None = None,
    learning_rates: Sequence[float] | Callable[[int], float] | None = None,
    verbose_eval: bool | int = False,
    return_boosters: bool = False,
) -> dict[str, Any]:
    """Cross-validate.

    Parameters
    ----------
    params, num_boost_round, objective, metric, learning_rates
        As for `train`.
    ds : Dataset
        All rows, with labels.
    nfold : int, default 5
        Of rows; of whole groups where `ds` has groups of rows.
    stratified : bool or "auto", default "auto"
        Give each fold its share of every class; "auto" does so for the objectives of classes.
    shuffle : bool, default True
    seed : int, default 0
        Draws the folds; independent of the seed in `params`.
    folds : iterable of (train rows, test rows), optional
        Used instead of nfold, stratified, shuffle and seed; for example ``KFold().split(X)`` of scikit-learn.
    bins : {"shared", "per_fold"}, default "shared"
        "shared" uses the bin edges of `ds`, found on all rows (faster; the edges have seen the test rows, without
        their labels). "per_fold" finds edges on the training rows of each fold.
    early_stopping_rounds : int, optional
        End when the mean test score has not improved for so many rounds; the result ends with the best round.
    early_stopping_metric, min_delta, verbose_eval
        As for `train`.
    return_boosters : bool, default False
        Add the models under the key "boosters".

    Returns
    -------
    dict
        ``"train-<metric>-mean"``, ``"train-<metric>-std"``, ``"test-<metric>-mean"``, ``"test-<metric>-std"`` ->
        list of float, one a round: mean and standard deviation over the folds.
    """
    if not isinstance(ds, Dataset):
        raise TypeError(f"ds must be a pygbt.Dataset, got {type(ds).__name__}")
    if bins not in ("shared", "per_fold"):
        raise ValueError(f'bins must be "shared" or "per_fold", got {bins!r}')
    given = parameters.canonical(params or {})
    rounds = as_rounds("num_boost_round", given.pop("num_boost_round", num_boost_round))
    early_stopping_rounds = given.pop("early_stopping_rounds", early_stopping_rounds)
    metrics = as_metrics(metric, given)
    chosen = folds_of(ds, given, nfold, stratified, shuffle, seed, folds)
    n_threads = _core.resolve_threads(given.get("n_threads", 0))
    if ds.n_rows <= SMALL_ROWS:
        given["n_threads"] = max(1, n_threads // len(chosen))
    runs = []
    for fit_rows, test_rows in chosen:
        fit, test = _fold_tables(ds, fit_rows, test_rows, bins)
        runs.append(Run(given, fit, [(fit, "train"), (test, "test")], objective=objective, metrics=metrics))

    means: Evaluations = {"train": {}, "test": {}}
    deviations: Evaluations = {"train": {}, "test": {}}
    state = TrainingState(
        first_iteration=0,
        end_iteration=rounds,
        evaluations=means,
        larger_is_better=runs[0].larger_is_better,
        params=runs[0].params,
        learning_rate=float(runs[0].params["learning_rate"]),
        snapshot=runs[0].booster,
    )
    hooks: list[Any] = []
    if learning_rates is not None:
        hooks.append(LearningRateSchedule(learning_rates))
    if verbose_eval:
        hooks.append(PrintEvaluation(1 if verbose_eval is True else int(verbose_eval)))
    if early_stopping_rounds:
        decides = as_deciding(early_stopping_metric, runs[0].metrics)
        hooks.append(EarlyStopping(early_stopping_rounds, metric=decides, min_delta=min_delta))
    for hook in hooks:
        if hasattr(hook, "start"):
            hook.start(state)
    portion = 1
    while state.iteration + 1 < rounds:
        n_rounds = min(portion, rounds - state.iteration - 1, min(rounds_ahead(run, state, hooks) for run in runs))
        ended = False
        for _ in _advance(runs, state.learning_rate, n_rounds, n_threads if ds.n_rows <= SMALL_ROWS else 1):
            _summarise(runs, means, deviations)
            state.iteration += 1
            ends = [hook(state) for hook in hooks]  # every hook runs
            if ended := any(ends):
                break
        if ended:
            break
        portion = min(2 * portion, MOST_ROUNDS)

    end = rounds if state.best_iteration is None else state.best_iteration + 1
    result: dict[str, Any] = {}
    for table in means:
        for name in means[table]:
            result[f"{table}-{name}-mean"] = means[table][name][:end]
            result[f"{table}-{name}-std"] = deviations[table][name][:end]
    if return_boosters:
        result["boosters"] = [run.booster(state.best_iteration, state.best_score) for run in runs]
    return result


def _advance(runs: Sequence[Run], learning_rate: float, n_rounds: int, n_threads: int) -> Iterator[None]:
    """Yields after every round of all runs; the rounds are grown before the first one is told."""
    if any(run.observed for run in runs):  # what users wrote is called here, fold by fold
        for run in runs:
            run.advance(learning_rate)
        yield
        return
    told = [run.advance_together(learning_rate, n_rounds) for run in runs]

    def grow(rounds: Iterator[None]) -> Callable[..., None]:
        return lambda n_threads, step: next(rounds)

    run_tasks([Task(grow(rounds), n_rounds) for rounds in told], n_threads=n_threads)
    yield
    for _ in range(n_rounds - 1):
        for rounds in told:
            next(rounds)
        yield


def folds_of(
    ds: Dataset,
    params: Mapping[str, Any],
    nfold: int,
    stratified: bool | Literal["auto"],
    shuffle: bool,
    seed: int,
    folds: Folds | None,
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """The folds that the arguments of `cv` ask for; `params` by canonical name."""
    if folds is not None:
        return given_folds(folds, ds.n_rows)
    if ds.group is not None:
        if stratified is True:
            raise ValueError("stratified=True: a Dataset with groups of rows is split by whole groups; leave it out")
        chosen = make_folds(len(ds.group), nfold, shuffle=shuffle, seed=seed)
        return [(rows_of_groups(ds.group, fit), rows_of_groups(ds.group, test)) for fit, test in chosen]
    if ds.label is None:
        raise ValueError("ds has no label: pass y to Dataset to train on it")
    label = np.asarray(ds.label)
    one_column = label.ndim == 1 or label.shape[1] == 1
    if stratified == "auto":
        numbered = one_column and bool(np.all(label == np.round(label)))  # class numbers, not probabilities
        stratified = numbered and params.get("objective") in CLASS_OBJECTIVES
    elif stratified and not one_column:
        raise ValueError("stratified=True needs one label a row")
    return make_folds(ds.n_rows, nfold, strata=label.ravel() if stratified else None, shuffle=shuffle, seed=seed)


def _fold_tables(
    ds: Dataset, fit_rows: npt.NDArray[np.int64], test_rows: npt.NDArray[np.int64], bins: str
) -> tuple[Dataset, Dataset]:
    if bins == "shared":
        return ds.subset(fit_rows), ds.subset(test_rows)
    fit = ds.subset(fit_rows, new_edges=True)
    return fit, ds.subset(test_rows).rebin(fit)


def _summarise(runs: Sequence[Run], means: Evaluations, deviations: Evaluations) -> None:
    for table in means:
        for name in runs[0].evaluations[table]:
            last = [run.evaluations[table][name][-1] for run in runs]
            means[table].setdefault(name, []).append(float(np.mean(last)))
            deviations[table].setdefault(name, []).append(float(np.std(last)))
