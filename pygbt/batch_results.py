# SPDX-License-Identifier: Apache-2.0
"""What `train_batch` gives: the models there are, and what became of the others."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from typing import Any

from .batch_jobs import Job
from .booster import Booster

__all__ = ["Batch", "BatchError", "BatchInterrupted", "told"]


class Batch(Sequence[Booster]):
    """The models of `train_batch`: ``batch[i]`` is a `Booster`, ``len(batch)`` counts those that failed, too.

    Attributes
    ----------
    jobs : list of Job
        What each model is: `params`, `params_index`, `part_index` and its `part` (`kind`, `key`).
    errors : dict of int to Exception
        What ended the models that failed, by index.
    larger_is_better : dict of str to bool
        Direction of every metric that was scored.
    most_bytes : int
        Most memory in use at a time, as the budget counts it.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = list(jobs)
        self.errors: dict[int, Exception] = {}
        self.larger_is_better: dict[str, bool] = {}
        self.most_bytes = 0
        self._boosters: list[Booster | None] = [None] * len(self.jobs)

    def __len__(self) -> int:
        return len(self.jobs)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        booster = self._boosters[index]
        if booster is None:
            at = range(len(self))[index]
            error = self.errors.get(at)
            raise BatchError(f"{self.jobs[at]} " + (f"failed: {told(error)}" if error else "was not trained"), self)
        return booster

    def __iter__(self) -> Iterator[Booster]:
        return (self[i] for i in range(len(self)))

    def get(self, index: int) -> Booster | None:
        """The model, or None where it failed or was not trained."""
        return self._boosters[index]

    @property
    def finished(self) -> list[int]:
        """Indices of the models there are."""
        return [i for i, booster in enumerate(self._boosters) if booster is not None]

    @property
    def shape(self) -> tuple[int, int]:
        """(dictionaries of parameters, parts of the table)."""
        if not self.jobs:
            return 0, 0
        return self.jobs[-1].params_index + 1, self.jobs[-1].part_index + 1

    @property
    def keys(self) -> list[Any]:
        """Keys of the parts: numbers of folds, replicas or targets, ids of segments; [None] for the whole table."""
        return [job.part.key for job in self.jobs[: self.shape[1]]]

    def of(self, params: int = 0, part: int = 0) -> Booster:
        """The model of a dictionary of parameters and a part, both by number."""
        n_params, n_parts = self.shape
        if not (0 <= params < n_params and 0 <= part < n_parts):
            raise IndexError(f"params and part must lie below {n_params} and {n_parts}, got {params} and {part}")
        booster: Booster = self[params * n_parts + part]
        return booster

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "errors": {i: _picklable(error) for i, error in self.errors.items()}}

    def __repr__(self) -> str:
        failed = f", {len(self.errors)} failed" if self.errors else ""
        return f"Batch({len(self.finished)} of {len(self)} models{failed})"


class BatchError(RuntimeError):
    """Models of a batch failed; ``batch`` holds the others.

    Attributes
    ----------
    batch : Batch
        Its `errors` hold what happened, by index.
    """

    def __init__(self, message: str, batch: Batch) -> None:
        super().__init__(message)
        self.batch = batch

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.batch)


class BatchInterrupted(KeyboardInterrupt):
    """Ctrl-C; ``batch`` holds the models that were finished before it.

    Attributes
    ----------
    batch : Batch
    """

    def __init__(self, batch: Batch) -> None:
        n = len(batch.finished)
        super().__init__(f"interrupted after {n} of {len(batch)} models; they are in the batch attribute")
        self.batch = batch

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.batch,)


def told(error: BaseException) -> str:
    """Type and message."""
    return f"{type(error).__name__}: {error}"


def _picklable(error: Exception) -> Exception:
    """The error, or its text where its own class cannot be read back."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever the class of a user raises
        return RuntimeError(told(error))
    return error
