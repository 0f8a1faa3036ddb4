# SPDX-License-Identifier: Apache-2.0
"""Callbacks: callables that see the state of training after every round and may end it.

A callback is any callable ``callback(state) -> bool | None``; a true return value ends training after this round.
An object may also have ``start(state)``, called once before the first round, ``finish(state)``, called once when
training ends for whatever reason, and ``rounds_ahead(state)``, the number of rounds (at least 1) that may be grown
before it must be called for the first of them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .booster import Booster

__all__ = [
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "LearningRateSchedule",
    "PrintEvaluation",
    "ProgressBar",
    "TrainingState",
]

Evaluations = dict[str, dict[str, list[float]]]


class Callback(Protocol):
    """What `pygbt.train` calls after every round."""

    def __call__(self, state: TrainingState, /) -> bool | None:
        """Return True to end training."""


class TrainingState:
    """What a callback sees; one object lives through a whole call of `pygbt.train`.

    Attributes
    ----------
    iteration : int
        Index of the round just finished, counted from the first round of the model: with ``init_model`` it starts
        at that model's number of rounds. One less than that in ``start``.
    first_iteration, end_iteration : int
        The rounds asked for are ``first_iteration .. end_iteration - 1``.
    evaluations : dict of dict of list of float
        ``evaluations[data set][metric][round]``, the rounds of ``init_model`` included where it was evaluated alike.
    larger_is_better : dict of str to bool
        Direction of every metric.
    params : dict
        Parameters by canonical name; a copy.
    learning_rate : float
        Used by the next round; may be set, must stay positive and finite.
    best_iteration : int or None
        Round with the best score so far, set by `EarlyStopping`; kept in the model.
    best_score : float or None
        That score.
    """

    def __init__(
        self,
        *,
        first_iteration: int,
        end_iteration: int,
        evaluations: Evaluations,
        larger_is_better: Mapping[str, bool],
        params: Mapping[str, Any],
        learning_rate: float,
        snapshot: Callable[[], Booster],
    ) -> None:
        self.iteration = first_iteration - 1
        self.first_iteration = first_iteration
        self.end_iteration = end_iteration
        self.evaluations = evaluations
        self.larger_is_better = larger_is_better
        self.params = dict(params)
        self.best_iteration: int | None = None
        self.best_score: float | None = None
        self._learning_rate = learning_rate
        self._snapshot = snapshot

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next round."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        rate = float(value)
        if not (math.isfinite(rate) and rate > 0):
            raise ValueError(f"learning_rate must be a positive finite number, got {value!r}")
        self._learning_rate = rate

    @property
    def booster(self) -> Booster:
        """The model so far, as a new `Booster` (made when asked for)."""
        return self._snapshot()

    @property
    def last(self) -> dict[str, dict[str, float]]:
        """The newest score of every data set and metric."""
        return {
            data: {name: scores[-1] for name, scores in metrics.items() if scores}
            for data, metrics in self.evaluations.items()
        }


class EarlyStopping:
    """Ends training when a score has not improved for a number of rounds.

    Parameters
    ----------
    rounds : int
        Rounds without improvement after which training ends.
    metric : str, optional
        Name of the metric; by default the last one.
    data : str, optional
        Name of the evaluation set; by default the last one.
    min_delta : float, default 0
        An improvement must be larger than this, in units of the metric.
    """

    def __init__(
        self, rounds: int, *, metric: str | None = None, data: str | None = None, min_delta: float = 0.0
    ) -> None:
        if isinstance(rounds, bool) or int(rounds) != rounds or rounds < 1:
            raise ValueError(f"early_stopping_rounds must be a positive integer, got {rounds!r}")
        if not (math.isfinite(min_delta) and min_delta >= 0):
            raise ValueError(f"min_delta must be a finite number of at least 0, got {min_delta!r}")
        self.rounds = int(rounds)
        self.metric = metric
        self.data = data
        self.min_delta = float(min_delta)

    def start(self, state: TrainingState) -> None:
        """Check that there is something to stop by."""
        self._best: float | None = None
        self._best_iteration = -1
        self._metric: str | None = None
        if not state.evaluations:
            raise ValueError("early_stopping_rounds needs an evaluation set: pass evals=[(dataset, name)]")
        self._data = self.data if self.data is not None else list(state.evaluations)[-1]
        if self._data not in state.evaluations:
            raise ValueError(f"early stopping: no evaluation set named {self._data!r}; have {list(state.evaluations)}")

    def __call__(self, state: TrainingState) -> bool:
        """Compare the newest score with the best one."""
        scores = state.evaluations[self._data]
        if self._metric is None:
            self._metric = self._resolve(list(scores))
            known = scores[self._metric]  # more than one where a model is continued
            for iteration, score in enumerate(known, start=state.iteration + 1 - len(known)):
                self._see(iteration, score, state)
        else:
            self._see(state.iteration, scores[self._metric][-1], state)
        return state.iteration - self._best_iteration >= self.rounds

    def rounds_ahead(self, state: TrainingState) -> int:
        """Rounds before the first one that may be the last: a new best score only moves it on."""
        return 1 if self._metric is None else self._best_iteration + self.rounds - state.iteration

    def _resolve(self, names: list[str]) -> str:
        if self.metric is None:
            return names[-1]
        if self.metric not in names:
            raise ValueError(f"early stopping: no metric named {self.metric!r} on {self._data!r}; have {names}")
        return self.metric

    def _see(self, iteration: int, score: float, state: TrainingState) -> None:
        assert self._metric is not None
        sign = 1.0 if state.larger_is_better[self._metric] else -1.0
        if math.isnan(score) and self._best is not None:
            return
        if self._best is None or math.isnan(self._best) or sign * score > sign * self._best + self.min_delta:
            self._best, self._best_iteration = score, iteration
            state.best_iteration, state.best_score = iteration, score


class LearningRateSchedule:
    """Sets the learning rate of every round.

    Parameters
    ----------
    rates : sequence of float or callable
        ``rates[i]`` or ``rates(i)`` is the learning rate of round ``i``, counted from the first round of the model,
        so that a continued training sees the same rates as an uninterrupted one.
    """

    def __init__(self, rates: Sequence[float] | Callable[[int], float]) -> None:
        if not callable(rates):
            rates = [float(r) for r in rates]
        self._rates = rates

    def _set(self, state: TrainingState, iteration: int) -> None:
        if callable(self._rates):
            state.learning_rate = self._rates(iteration)
        elif iteration < len(self._rates):
            state.learning_rate = self._rates[iteration]
        elif iteration < state.end_iteration:
            raise ValueError(
                f"learning_rates has {len(self._rates)} values, but rounds up to {state.end_iteration} were asked for"
            )

    def start(self, state: TrainingState) -> None:
        """Set the rate of the first round."""
        if not callable(self._rates) and len(self._rates) < state.end_iteration:
            raise ValueError(
                f"learning_rates has {len(self._rates)} values, but rounds up to {state.end_iteration} were asked for"
            )
        self._set(state, state.first_iteration)

    def __call__(self, state: TrainingState) -> None:
        """Set the rate of the next round."""
        if state.iteration + 1 < state.end_iteration:
            self._set(state, state.iteration + 1)


class Checkpoint:
    """Saves the model every few rounds, and when training ends.

    Parameters
    ----------
    path : str or path
        File to write. ``{iteration}`` in it is replaced by the number of rounds done, to keep every checkpoint;
        without it one file is replaced atomically, so that an interrupted save leaves the previous checkpoint.
    every : int, default 10
        Rounds between two checkpoints.
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 10) -> None:
        if isinstance(every, bool) or int(every) != every or every < 1:
            raise ValueError(f"every must be a positive integer, got {every!r}")
        self.path = os.fspath(path)
        self.every = int(every)

    def start(self, state: TrainingState) -> None:
        """Check that the folder exists before any round is spent."""
        self._saved = state.iteration
        folder = Path(self.path).parent
        if not folder.is_dir():
            raise ValueError(f"checkpoint path: no folder {str(folder)!r}")

    def __call__(self, state: TrainingState) -> None:
        """Save if a multiple of `every` rounds is done."""
        if (state.iteration + 1) % self.every == 0:
            self._save(state)

    def finish(self, state: TrainingState) -> None:
        """Save the rounds since the last checkpoint."""
        if state.iteration > self._saved:
            self._save(state)

    def _save(self, state: TrainingState) -> None:
        state.booster.save(self.path.replace("{iteration}", str(state.iteration + 1)))
        self._saved = state.iteration


def format_scores(last: Mapping[str, Mapping[str, float]]) -> str:
    """One line of scores, ``train rmse 0.1234  valid rmse 0.2345``."""
    return "  ".join(f"{data} {name} {score:.6g}" for data, metrics in last.items() for name, score in metrics.items())


class PrintEvaluation:
    """Prints the scores every few rounds.

    Parameters
    ----------
    every : int, default 1
        Rounds between two lines; the last round is always printed.
    write : callable, optional
        Takes one line of text; `print` by default.
    """

    def __init__(self, every: int = 1, write: Callable[[str], object] = print) -> None:
        if isinstance(every, bool) or int(every) != every or every < 1:
            raise ValueError(f"every must be a positive integer, got {every!r}")
        self.every = int(every)
        self.write = write

    def __call__(self, state: TrainingState) -> None:
        """Print one line if it is due."""
        done = state.iteration + 1
        if done % self.every == 0 or done == state.end_iteration:
            self.write(f"[{state.iteration}]  {format_scores(state.last)}")


class ProgressBar:
    """A progress bar on standard error, by rich or tqdm, whichever is installed; nothing where neither is.

    Parameters
    ----------
    title : str, default "training"
        What stands before the bar.
    """

    def __init__(self, title: str = "training") -> None:
        self.title = title
        self._close: Callable[[], None] | None = None
        self._advance: Callable[[int, str], None] | None = None

    def start(self, state: TrainingState) -> None:
        """Open the bar."""
        self.open(state.end_iteration - state.first_iteration)

    def open(self, total: int) -> None:
        """Open a bar of `total` steps."""
        try:
            self._open_rich(total)
        except ImportError:
            try:
                self._open_tqdm(total)
            except ImportError:
                self._advance = self._close = None

    def _open_rich(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        bar = Progress(
            TextColumn("{task.fields[title]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=Console(stderr=True),
        )
        task = bar.add_task("", total=total, title=self.title)
        bar.start()

        def advance(steps: int, text: str) -> None:
            bar.update(task, advance=steps, description=text)

        self._advance, self._close = advance, bar.stop

    def _open_tqdm(self, total: int) -> None:
        from tqdm import tqdm

        bar = tqdm(total=total, desc=self.title)

        def advance(steps: int, text: str) -> None:
            bar.set_postfix_str(text, refresh=False)
            bar.update(steps)

        self._advance, self._close = advance, bar.close

    def __call__(self, state: TrainingState) -> None:
        """Advance by one round."""
        self.advance(1, format_scores(state.last))

    def advance(self, steps: int, text: str = "") -> None:
        """Advance by some steps."""
        if self._advance is not None:
            self._advance(steps, text)

    def finish(self, state: TrainingState | None = None) -> None:
        """Close the bar."""
        if self._close is not None:
            self._close()
        self._advance = self._close = None
