# SPDX-License-Identifier: Apache-2.0
"""The rounds of a finished teacher replayed as the hints of a student's rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..booster import Booster
from ..callbacks import Callback, EarlyStopping, PrintEvaluation, ProgressBar
from ..data import Dataset
from ..metric_choice import as_metrics
from ..training import as_evals, as_rounds, run_rounds
from .cotrain import _params
from .hinted_run import HintedRun
from .hints import Hint
from .probabilities import log_of

__all__ = ["curriculum", "staged_margins"]

Singles = npt.NDArray[np.float32]


def staged_margins(teacher: Any, X: Any, stages: Sequence[int]) -> Iterator[Singles]:
    """Margins of a teacher for a table after each of some numbers of rounds.

    Parameters
    ----------
    teacher : Booster, estimator, sequence of arrays or callable
        See `curriculum`.
    X : table
    stages : ascending list of int
        Numbers of rounds, from 1; repeats are allowed.

    Yields
    ------
    ndarray of float32, shape (n, K)
    """
    booster = teacher if isinstance(teacher, Booster) else getattr(teacher, "booster_", None)
    if booster is not None:
        margins: Any = None
        done = 0
        for stage in stages:
            if margins is None or stage > done:
                margins = booster.predict(X, "margin", iteration_range=(done, stage), base_margin=margins)
                done = stage
            yield _matrix(margins)
        return
    source = _stages_of(teacher, X)
    done, current = 0, None
    for stage in stages:
        while done < stage:
            current = next(source, None)
            if current is None:
                raise ValueError(f"the teacher has {done} stages, but stage {stage} was asked for; lower n_stages")
            done += 1
        yield _matrix(current)


def _stages_of(teacher: Any, X: Any) -> Iterator[Any]:
    """Margins after each round, of whatever has them."""
    if hasattr(teacher, "staged_decision_function"):
        return iter(teacher.staged_decision_function(X))
    if hasattr(teacher, "staged_predict_proba"):
        return (log_of(np.asarray(p, dtype=np.float64)) for p in teacher.staged_predict_proba(X))
    if hasattr(teacher, "staged_predict") and not hasattr(teacher, "classes_"):
        return iter(teacher.staged_predict(X))
    if callable(teacher):
        return iter(teacher(X))
    if isinstance(teacher, Iterable):
        return iter(teacher)
    raise TypeError(
        "teacher must be a Booster, an estimator with staged_decision_function, staged_predict_proba or "
        f"staged_predict, a sequence of margins, or a callable that returns one; got {type(teacher).__name__}"
    )


def _n_stages(teacher: Any) -> int | None:
    booster = teacher if isinstance(teacher, Booster) else getattr(teacher, "booster_", None)
    if booster is not None:
        return booster.n_iterations if booster.best_iteration is None else booster.best_iteration + 1
    if isinstance(teacher, Sequence):
        return len(teacher)
    members = getattr(teacher, "estimators_", None)
    return None if members is None else len(members)


def _matrix(margins: Any) -> Singles:
    array = np.ascontiguousarray(margins, dtype=np.float32)
    if array.ndim == 1:
        array = array[:, np.newaxis]
    if array.ndim != 2 or not np.isfinite(array).all():
        raise ValueError("the teacher's staged margins must be finite numbers of shape (n,) or (n, K)")
    return array


def curriculum(
    teacher: Any,
    student: Mapping[str, Any],
    X: Any,
    y: Any,
    num_boost_round: int = 100,
    *,
    hint: str = "logits",
    hint_weight: float = 0.03,
    T: float = 1.0,
    n_stages: int | None = None,
    weight: Any = None,
    evals: Iterable[tuple[Dataset, str]] = (),
    metric: Any = None,
    early_stopping_rounds: int | None = None,
    callbacks: Iterable[Callback] = (),
    verbose_eval: bool | int = False,
    progress: bool = False,
    **dataset_options: Any,
) -> Booster:
    """Train a student whose round m has the teacher's margins after a share of its rounds as a hint.

    The student sees the whole way of the teacher: of n rounds, round m (from 1) is drawn towards what the teacher said
    after ``ceil(m M / n)`` of its M rounds, so the last round has the finished teacher. Loss and hints are those of
    `pygbt.distill.cotrain`.

    Parameters
    ----------
    teacher : Booster, estimator, sequence of arrays, or callable
        A finished model with staged margins: a `Booster` or GBT estimator (by ``iteration_range``), an estimator with
        ``staged_decision_function``, ``staged_predict_proba`` (its logarithms) or ``staged_predict``; a sequence of
        arrays of shape (n,) or (n, K), one a stage; or a callable that returns an iterable of them for a table.
    student : dict
        Parameters of `pygbt.train`, with the objective of the teacher.
    X : table, shape (n, n_features)
    y : array-like, shape (n,)
        Labels: class numbers or values. NaN: the row has the hint only.
    num_boost_round : int, default 100
    hint, hint_weight, T
        See `pygbt.distill.cotrain`.
    n_stages : int, optional
        M; by default all rounds of the teacher (up to its best one under early stopping). Needed where the teacher is a
        callable.
    weight, **dataset_options
        Of `pygbt.Dataset`: row weights; max_bin, categorical_features and so on.
    evals, metric, early_stopping_rounds, callbacks, verbose_eval, progress
        As in `pygbt.train`.

    Returns
    -------
    Booster

    Raises
    ------
    ValueError, TypeError
        The message names the argument.
    TrainingInterrupted
        Ctrl-C; its ``booster`` holds the rounds done.
    """
    rounds = as_rounds("num_boost_round", num_boost_round)
    most = _n_stages(teacher) if n_stages is None else as_rounds("n_stages", n_stages)
    if not most:
        raise ValueError("n_stages: say how many stages the teacher has")
    ds = Dataset(X, y, weight=weight, **dataset_options)
    params = _params("student", student)
    metrics = as_metrics(metric, params)
    run = HintedRun(params, ds, as_evals(evals, ds), metrics=metrics)
    stages = [-(-m * most // rounds) for m in range(1, rounds + 1)]
    source = staged_margins(teacher, X, stages)
    run.prepare(Hint(hint, hint_weight, T), _following(source))
    hooks: list[Callback] = []
    if verbose_eval:
        hooks.append(PrintEvaluation(1 if verbose_eval is True else int(verbose_eval)))
    if progress:
        hooks.append(ProgressBar())
    if early_stopping_rounds:
        hooks.append(EarlyStopping(as_rounds("early_stopping_rounds", early_stopping_rounds)))
    return run_rounds(run, rounds, [*hooks, *callbacks])


def _following(source: Iterator[Singles]) -> Callable[[], Singles]:
    return lambda: next(source)
