# SPDX-License-Identifier: Apache-2.0
"""`train_batch`: many models at once over one binned table."""

from __future__ import annotations

import contextlib
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import batch_memory, devices
from .batch_checks import (
    WRONG,
    as_bytes,
    as_dictionaries,
    as_metric_list,
    as_rates,
    as_threads,
    check_arguments,
    check_columns,
    check_labels,
    check_params,
)
from .batch_jobs import Bins, Evals, Folds, Job, PartTables, make_jobs, make_parts
from .batch_results import Batch, BatchError, BatchInterrupted, told
from .batch_schedule import Stopped, Tables, Task, run_tasks
from .booster import Booster
from .callbacks import Callback, LearningRateSchedule
from .custom import CustomObjective
from .data import Dataset
from .grids import generator
from .metric_choice import MetricLike
from .training import as_evals, as_rounds, prepare, rebinned, run_rounds

__all__ = ["Batch", "BatchError", "BatchInterrupted", "bootstrap_weights", "train_batch"]


def bootstrap_weights(n_rows: int, n_replicas: int, seed: int = 0) -> list[npt.NDArray[np.float64]]:
    """Weights of bootstrap replicas: how often each row is among n_rows drawn with replacement.

    Parameters
    ----------
    n_rows, n_replicas : int
    seed : int, default 0

    Returns
    -------
    list of ndarray, shape (n_rows,)
        For the `weights` of `train_batch`: weight 2 is exactly the row twice, weight 0 leaves it out. Rows that a
        Dataset weighs already need its weights as a factor.
    """
    n_rows, n_replicas = as_rounds("n_rows", n_rows), as_rounds("n_replicas", n_replicas)
    draws = generator(seed)
    return [
        np.bincount(draws.randint(0, n_rows, n_rows), minlength=n_rows).astype(np.float64) for _ in range(n_replicas)
    ]


def train_batch(
    params: Mapping[str, Any] | Iterable[Mapping[str, Any]],
    ds: Dataset,
    num_boost_round: int = 100,
    *,
    folds: Folds | None = None,
    weights: Iterable[npt.ArrayLike] | None = None,
    segments: npt.ArrayLike | None = None,
    targets: bool | npt.ArrayLike | None = None,
    bins: Bins = "shared",
    evals: Iterable[tuple[Dataset, str]] | Callable[[Any], Iterable[tuple[Dataset, str]]] = (),
    early_stopping_rounds: int | None = None,
    objective: CustomObjective | None = None,
    metric: MetricLike | Sequence[MetricLike] | None = None,
    early_stopping_metric: str | None = None,
    min_delta: float = 0.0,
    learning_rates: Sequence[float] | Callable[[int], float] | None = None,
    device: str | None = None,
    n_threads: int = 0,
    models_on_device: int = 32,
    max_memory: int | None = None,
    on_error: str = "raise",
    progress: bool = False,
) -> Batch:
    """Train many models at once: every dictionary of `params` on every part of the table.

    Each model equals, byte for byte, the one that `train` gives alone with the same parameters and tables. Without
    folds, weights, segments or targets there is one part, the whole table.

    Parameters
    ----------
    params : dict or iterable of dict
        As for `train`, one dictionary a model; `pygbt.grid` makes them from lists of values. Seeds are parameters.
    ds : Dataset
        The table.
    num_boost_round : int, default 100
        Rounds of each model; a dictionary may hold its own.
    folds : iterable of (train rows, test rows), optional
        One part a fold, as for `cv`; its test rows are the evaluation set "test".
    weights : iterable of array-like, shape (n,), optional
        One part an array, which takes the place of the weights of `ds`: bootstrap replicas (`bootstrap_weights`).
    segments : array-like, shape (n,), optional
        The segment of every row; one part a segment, in the order of their ids.
    targets : True or array-like, shape (n, K), optional
        One part a label column, of `ds` or of the array. Rows whose label is NaN are not of that part.
    bins : {"shared", "own"}, default "shared"
        Whether parts have the bin edges of `ds` or edges found on their own rows and weights.
    evals : list of (Dataset, str) or callable, optional
        Tables to score every model on, or ``evals(key)`` that gives those of a part by its key. With targets a table
        of K label columns is scored by the model's own.
    early_stopping_rounds, objective, metric, early_stopping_metric, min_delta, learning_rates
        As for `train`, of each model by itself. Callables are called from several threads.
    device : str, optional
        Where all models train, in place of the parameter of that name.
    n_threads : int, default 0
        Threads of all models together; 0 = all that the process may use. `n_threads` of a dictionary bounds its model.
    models_on_device : int, default 32
        Models on a GPU at a time, each on a queue of its own.
    max_memory : int, optional
        Bytes of the models in training and the tables made for them, where they train; by default half of the
        memory that is available there. Counted by shape: scores, gradients and orders of the rows, histograms of the
        widest level, trees; bins of parts that do not share those of `ds`. `ds`, its copy on a GPU and `evals` are
        not counted.
    on_error : {"raise", "keep"}, default "raise"
        What becomes of models that fail: `BatchError` once all others are trained, or their place in `Batch.errors`.
    progress : bool, default False
        Show a bar of all rounds on standard error, where they take more than two seconds.

    Returns
    -------
    Batch
        A sequence of models: dictionary by dictionary, of each the parts in their order.

    Raises
    ------
    ValueError, TypeError
        An argument is wrong, or `max_memory` holds not even one of the models; nothing has been trained. (Whether
        labels and weights suit the objective shows as each model begins, and fails it alone.)
    BatchError
        Models failed; the others are in its ``batch``.
    BatchInterrupted
        Ctrl-C; a KeyboardInterrupt whose ``batch`` holds the finished models.
    """
    if not isinstance(ds, Dataset):
        raise TypeError(f"ds must be a pygbt.Dataset, got {type(ds).__name__}")
    if on_error not in ("raise", "keep"):
        raise ValueError(f'on_error must be "raise" or "keep", got {on_error!r}')
    models_on_device = as_rounds("models_on_device", models_on_device)
    if models_on_device == 0:
        raise ValueError("models_on_device must be at least 1, got 0")
    budget, threads = as_bytes(max_memory), as_threads(n_threads)
    given = as_dictionaries(params, device)
    tables: Evals | Callable[[Any], Any] = evals if callable(evals) else as_evals(evals, ds)
    scored = folds is not None or bool(tables)
    metrics = as_metric_list(metric)
    common = {
        "num_boost_round": as_rounds("num_boost_round", num_boost_round),
        "early_stopping_rounds": early_stopping_rounds,
        "objective": objective,
        "metric": metrics,
        "early_stopping_metric": early_stopping_metric,
        "min_delta": min_delta,
    }
    rates = as_rates(learning_rates)
    check_arguments(early_stopping_rounds, objective, metrics, min_delta, scored=scored)
    if targets is None or targets is False:
        check_labels(ds, [] if callable(tables) else tables, folds=folds is not None)
    if not callable(tables):
        if bins == "shared":
            tables = [(rebinned(data, name, ds), name) for data, name in tables]
        else:
            check_columns(ds, tables)
    parts = make_parts(ds, folds=folds, weights=weights, segments=segments, targets=targets, bins=bins, evals=tables)
    batch = Batch(make_jobs(given, parts))
    plan = _Plan(batch, parts, ds, common, rates)
    plan.read(
        given,
        on_error,
        evals=[] if callable(tables) else tables,
        scored=scored,
        one_target=not (targets is None or targets is False),
    )
    tasks = plan.tasks(budget)
    here = batch_memory.available_bytes() // 2 if budget is None else budget
    there = plan.free_on_devices() // 2 if budget is None else budget
    try:
        batch.most_bytes = run_tasks(
            tasks,
            n_threads=threads,
            on_device=models_on_device,
            budget=here,
            device_budget=there,
            progress=progress,
            title="training models",
        )
    except KeyboardInterrupt as interrupt:
        raise BatchInterrupted(batch) from interrupt
    batch.errors = dict(sorted(batch.errors.items()))
    plan.forget_locals()
    if batch.errors and on_error == "raise":
        first = next(iter(batch.errors))
        more = f" (and {len(batch.errors) - 1} more)" if len(batch.errors) > 1 else ""
        message = (
            f"{batch.jobs[first]} failed: {told(batch.errors[first])}{more}; the others are in the batch attribute"
        )
        raise BatchError(message, batch) from batch.errors[first]
    return batch


class _Plan:
    """How the models of a batch become tasks."""

    def __init__(
        self, batch: Batch, parts: Sequence[PartTables], ds: Dataset, common: Mapping[str, Any], rates: Any
    ) -> None:
        self.batch, self.parts, self.ds, self.common, self.rates = batch, parts, ds, common, rates
        self._canonical: dict[int, dict[str, Any]] = {}  # by number of the dictionary
        self._placed: dict[tuple[str, int], Dataset] = {}
        self._lock = threading.Lock()

    def read(self, given: Sequence[Any], on_error: str, **tables: Any) -> None:
        """Check the parameters, before anything is trained where a wrong one raises."""
        for i, params in enumerate(given):
            try:
                self._canonical[i] = check_params(params, self.ds, self.common, self.rates, **tables)
            except WRONG as error:
                if on_error == "raise":
                    raise type(error)(f"params[{i}]: {error}") from error
                error.with_traceback(None)  # its frames, and those behind it, are the caller's
                self.batch.errors |= {job.index: error for job in self.batch.jobs if job.params_index == i}

    def tasks(self, max_memory: int | None) -> list[Task]:
        """One a model; those of a part follow each other, so that few parts are in memory at a time."""
        jobs = sorted(
            (job for job in self.batch.jobs if job.params_index in self._canonical),
            key=lambda job: (job.part_index, job.params_index),
        )
        places = {i: devices.parse(str(p.get("device", "cpu"))) for i, p in self._canonical.items()}
        n_users: dict[tuple[int, tuple[str, int]], int] = {}
        for job in jobs:
            key = (job.part_index, places[job.params_index])
            n_users[key] = n_users.get(key, 0) + 1
        n_there = {place: sum(n for (_, of), n in n_users.items() if of == place) for place in places.values()}
        shared: dict[tuple[int, tuple[str, int]], Tables] = {}
        tasks = []
        for job in jobs:
            place = places[job.params_index]
            key = (job.part_index, place)
            if key not in shared:
                part = self.parts[job.part_index]
                build = self._build_tables(part, place, n_there[place])
                shared[key] = Tables(build, batch_memory.part_bytes(self.ds, part), n_users[key])
            tasks.append(self._task(job, shared[key], place[0] == "cuda", max_memory))
        return tasks

    def forget_locals(self) -> None:
        """Let go of what the threads of failed models held, now that they have ended."""
        for i, error in self.batch.errors.items():
            if self.batch.jobs[i].params_index in self._canonical:
                _forget_locals(error)

    def free_on_devices(self) -> int:
        """Free bytes of the GPU that has the fewest."""
        places = {devices.parse(str(p.get("device", "cpu"))) for p in self._canonical.values()}
        ordinals = [ordinal for name, ordinal in places if name == "cuda"]
        return min((int(devices.load_cuda().free_bytes(i)) for i in ordinals), default=0)

    def _task(self, job: Job, tables: Tables, on_device: bool, max_memory: int | None) -> Task:
        params = self._canonical[job.params_index]
        n_rounds = as_rounds("num_boost_round", params.get("num_boost_round", self.common["num_boost_round"]))
        n_bytes = batch_memory.model_bytes(params, self.ds, self.parts[job.part_index], n_rounds)
        if max_memory is not None and n_bytes + tables.bytes > max_memory:
            raise ValueError(
                f"max_memory={max_memory} is less than {job} takes: {n_bytes + tables.bytes} bytes with its table; "
                "give more, or make trees smaller"
            )
        return Task(
            lambda n_threads, step: self._train(job, tables, n_threads, step), n_rounds, n_bytes, tables, on_device
        )

    def _build_tables(
        self, part: PartTables, place: tuple[str, int], n_models: int
    ) -> Callable[[int], tuple[Dataset, Evals]]:
        return lambda n_threads: part.build(self._table_on(place, n_models, n_threads), n_threads)

    def _table_on(self, place: tuple[str, int], n_models: int, n_threads: int) -> Dataset:
        """The whole table; on the device where several models read it there."""
        if place[0] != "cuda" or self.ds.device != "cpu" or n_models < 2:
            return self.ds
        with self._lock:
            if place not in self._placed:
                try:
                    self._placed[place] = self.ds.on_device(place, n_threads=n_threads)
                except MemoryError:  # each model sends its own bins, then
                    self._placed[place] = self.ds
            return self._placed[place]

    def _train(self, job: Job, tables: Tables, n_threads: int, step: Callable[[int], None]) -> None:
        try:
            booster, larger_is_better = self._trained(job, tables, n_threads, step)
        except Stopped:
            raise
        except Exception as error:
            _forget_locals(error)  # a table and a trainer that the budget no longer counts
            self.batch.errors[job.index] = error
            return
        self.batch._boosters[job.index] = booster
        self.batch.larger_is_better.update(larger_is_better)

    def _trained(
        self, job: Job, tables: Tables, n_threads: int, step: Callable[[int], None]
    ) -> tuple[Booster, dict[str, bool]]:
        table, evals = tables.get(n_threads)
        run, n_rounds, hooks = prepare(job.params, table, evals=evals, n_threads=n_threads, **self.common)
        schedule: list[Callback] = [] if self.rates is None else [LearningRateSchedule(self.rates)]
        return run_rounds(run, n_rounds, [*schedule, *hooks], step), run.larger_is_better


def _forget_locals(error: BaseException) -> None:
    """Let go of what the finished frames behind an error hold; their lines stay for its traceback."""
    behind: list[BaseException] = [error]
    for seen in behind:
        frame = None if seen.__traceback__ is None else seen.__traceback__.tb_frame
        traceback.clear_frames(seen.__traceback__)
        while frame is not None:
            with contextlib.suppress(RuntimeError):  # it is not finished
                frame.clear()
            frame = frame.f_back
        behind += [e for e in (seen.__cause__, seen.__context__) if e is not None and e not in behind]
