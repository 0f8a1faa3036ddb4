# SPDX-License-Identifier: Apache-2.0
"""`search`: parameters chosen by cross-validation, every combination and fold a model of one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from . import parameters
from .batch import Batch, BatchError, train_batch
from .batch_checks import WRONG
from .batch_jobs import Bins, Folds
from .booster import Booster
from .cross_validation import folds_of
from .custom import CustomObjective
from .data import Dataset
from .grids import Space, draw, grid
from .metric_choice import MetricLike
from .search_metrics import deciding_metric, no_such, not_alike
from .training import as_rounds, train

__all__ = ["SearchResult", "search"]


@dataclass(frozen=True)
class SearchResult:
    """What `search` found.

    Attributes
    ----------
    table : dict of str to list
        Columns with one entry a combination, as ``cv_results_`` of scikit-learn: ``params``, ``param_<name>``,
        ``split<k>_test_score``, ``mean_test_score``, ``std_test_score``, ``rank_test_score`` (1 is best),
        ``best_iteration`` and ``error`` (None, or what ended a fold's model; its scores are NaN).
    metric : str
        What is scored.
    larger_is_better : bool
    best_index : int
        The best combination; of equal ones the first.
    best_params : dict
    best_score : float
        Mean over the folds of the test score in round `best_iteration`.
    best_iteration : int
        Round of the best mean score where early stopping was used, else the last one.
    booster : Booster or None
        `best_params` trained on all rows, `best_iteration` + 1 rounds; None with ``refit=False``.
    folds : list of (ndarray, ndarray)
        Train rows and test rows.
    batch : Batch
        All models: combination by combination, of each the folds.
    """

    table: dict[str, list[Any]]
    metric: str
    larger_is_better: bool
    best_index: int
    best_params: dict[str, Any]
    best_score: float
    best_iteration: int
    booster: Booster | None
    folds: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]
    batch: Batch


def search(
    space: Space,
    ds: Dataset,
    num_boost_round: int = 100,
    *,
    params: Mapping[str, Any] | None = None,
    n_iter: int | None = None,
    seed: int = 0,
    nfold: int = 5,
    stratified: bool | Literal["auto"] = "auto",
    shuffle: bool = True,
    folds: Folds | None = None,
    bins: Bins = "shared",
    early_stopping_rounds: int | None = None,
    objective: CustomObjective | None = None,
    metric: MetricLike | Sequence[MetricLike] | None = None,
    score: str | None = None,
    min_delta: float = 0.0,
    refit: bool = True,
    n_threads: int = 0,
    max_memory: int | None = None,
    progress: bool = False,
) -> SearchResult:
    """Choose parameters by cross-validation.

    Parameters
    ----------
    space : dict, or list of them
        Values to choose from by name, see `grid`; with `n_iter` also distributions.
    ds : Dataset
        All rows, with labels.
    num_boost_round : int, default 100
        Most rounds of a model.
    params : dict, optional
        Parameters of all combinations.
    n_iter : int, optional
        Draw so many combinations instead of taking all of them.
    seed : int, default 0
        Draws the combinations and the folds; independent of the seed in `params`.
    nfold, stratified, shuffle, folds
        As for `cv`.
    bins : {"shared", "own"}, default "shared"
        Edges of `ds`, or edges found on the training rows of each fold.
    early_stopping_rounds : int, optional
        End each model when its test score has not improved for so many rounds.
    objective, metric, min_delta
        As for `train`.
    score : str, optional
        Name of the metric that decides, instead of the last one; it is the only metric where no other is given.
        Combinations are compared by one metric, so where objectives or metrics are varied, give `metric` or `score`.
    refit : bool, default True
        Train the best parameters on all rows.
    n_threads, max_memory, progress
        As for `train_batch`.

    Returns
    -------
    SearchResult
        The same for any number of threads.

    Raises
    ------
    ValueError, TypeError
        An argument is wrong.
    BatchError
        No combination has a model of every fold or a score that is a number, or scores cannot be compared.
    """
    if not isinstance(ds, Dataset):
        raise TypeError(f"ds must be a pygbt.Dataset, got {type(ds).__name__}")
    if not isinstance(params, Mapping | None):
        raise TypeError(f"params must be a dictionary, got {type(params).__name__}")
    fixed = dict(params or {})
    every = grid(space, **fixed) if n_iter is None else draw(space, n_iter, seed, **fixed)
    if not every:
        raise ValueError("space is empty: give names with values to choose from")
    read = [_canonical(one, i) for i, one in enumerate(every)]
    objectives = {one.get("objective") for one in read}
    known = {"objective": objectives.pop()} if len(objectives) == 1 else {}
    chosen = folds_of(ds, known, nfold, stratified, shuffle, seed, folds)
    rounds = as_rounds("num_boost_round", num_boost_round)
    if rounds == 0:
        raise ValueError("num_boost_round must be at least 1, got 0: there is nothing to compare")
    for i, one in enumerate(read):
        if one.get("num_boost_round") == 0:
            raise ValueError(f"combination {i}: num_boost_round must be at least 1, got 0")
    metric, score = deciding_metric(metric, score, read, objective)
    batch = train_batch(
        every,
        ds,
        rounds,
        folds=chosen,
        bins=bins,
        early_stopping_rounds=early_stopping_rounds,
        objective=objective,
        metric=metric,
        early_stopping_metric=score,
        min_delta=min_delta,
        n_threads=n_threads,
        max_memory=max_memory,
        on_error="keep",
        progress=progress,
    )
    curves = [_test_curves(batch, i, len(chosen), score) for i in range(len(every))]
    names = {name for name, curve in curves if curve is not None}
    if not names:
        batch[min(batch.errors)]  # raises what became of it
        raise AssertionError("a failed model is there")
    if len(names) > 1:
        raise BatchError(not_alike(names), batch)
    name = names.pop()
    larger = batch.larger_is_better[name]
    stopping = [bool(one.get("early_stopping_rounds", early_stopping_rounds)) for one in read]
    table = _table(every, batch, [curve for _, curve in curves], larger, stopping)
    best = table["rank_test_score"].index(1)
    if np.isnan(table["mean_test_score"][best]):
        raise BatchError(f"{name} is NaN for every combination, so that none is best; the models are in batch", batch)
    iteration = table["best_iteration"][best]
    booster = None
    if refit:
        again = {k: v for k, v in every[best].items() if parameters.ALIASES.get(k) not in _NOT_OF_REFIT}
        again["n_threads"] = n_threads
        booster = train(again, ds, iteration + 1, objective=objective, metric=metric)
    return SearchResult(
        table, name, larger, best, every[best], table["mean_test_score"][best], iteration, booster, chosen, batch
    )


_NOT_OF_REFIT = ("num_boost_round", "early_stopping_rounds", "n_threads")


def _canonical(params: Mapping[str, Any], i: int) -> dict[str, Any]:
    try:
        return parameters.canonical(params)
    except WRONG as error:
        raise type(error)(f"combination {i}: {error}") from error


def _test_curves(batch: Batch, i: int, n_folds: int, score: str | None) -> tuple[str, npt.NDArray[np.float64] | None]:
    """Name of the deciding metric and its test scores [fold][round], as many rounds as all folds have."""
    models = [batch.get(i * n_folds + k) for k in range(n_folds)]
    if any(model is None for model in models):
        return "", None
    scores = [model.evals_result["test"] for model in models if model is not None]
    name = score if score is not None else list(scores[0])[-1]
    if name not in scores[0]:
        raise BatchError(no_such(name, list(scores[0])), batch)
    n_rounds = min(len(of[name]) for of in scores)
    return name, np.array([of[name][:n_rounds] for of in scores])


def _table(
    every: Sequence[Mapping[str, Any]],
    batch: Batch,
    curves: Sequence[npt.NDArray[np.float64] | None],
    larger: bool,
    stopping: Sequence[bool],
) -> dict[str, list[Any]]:
    n_folds = batch.shape[1]
    names = list(dict.fromkeys(name for one in every for name in one))
    table: dict[str, list[Any]] = {"params": [dict(one) for one in every]}
    for name in names:
        table[f"param_{name}"] = [one.get(name) for one in every]
    at_best, iterations = np.full((len(every), n_folds), np.nan), [-1] * len(every)
    for i, curve in enumerate(curves):
        if curve is None or curve.shape[1] == 0:
            continue
        means = curve.mean(axis=0) if larger else -curve.mean(axis=0)
        at = int(np.argmax(np.where(np.isnan(means), -np.inf, means))) if stopping[i] else curve.shape[1] - 1
        at_best[i], iterations[i] = curve[:, at], at
    means = at_best.mean(axis=1)
    for k in range(n_folds):
        table[f"split{k}_test_score"] = at_best[:, k].tolist()
    table["mean_test_score"] = means.tolist()
    with np.errstate(invalid="ignore"):  # infinite scores
        table["std_test_score"] = at_best.std(axis=1).tolist()
    order = np.argsort(-means if larger else means, kind="stable")  # NaN lies last
    ranks = np.empty(len(every), dtype=np.int64)
    ranks[order] = np.arange(1, len(every) + 1)
    table["rank_test_score"] = ranks.tolist()
    table["best_iteration"] = iterations
    failed = [[batch.errors.get(i * n_folds + k) for k in range(n_folds)] for i in range(len(every))]
    table["error"] = [next((f"{type(e).__name__}: {e}" for e in of if e is not None), None) for of in failed]
    return table
