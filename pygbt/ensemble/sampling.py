# SPDX-License-Identifier: Apache-2.0
"""The samples of bagging: rows by their content, columns by number; every draw follows from (seed, member) alone."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _core

__all__ = ["Sampler", "column_draws"]

Floats = npt.NDArray[np.float64]

_MOST_DRAWS = 2**31 - 1
_MOST_UNITS = 2**24  # of a weight that is not whole
_COLUMNS, _ROWS = 1, 2  # what a generator draws


def _share(name: str, value: Any, whole: int) -> int:
    """A number of things out of `whole`: itself, or a share of them (at least one)."""
    if not isinstance(value, bool) and isinstance(value, numbers.Integral) and int(value) >= 1:
        return min(int(value), _MOST_DRAWS)
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 < float(value) <= 1:
        raise ValueError(f"{name} must be a share above 0 and at most 1, or a number >= 1, got {value!r}")
    return max(1, round(float(value) * whole))


def column_draws(max_features: Any, n_features: int, n_members: int, seed: int) -> list[npt.NDArray[np.int64] | None]:
    """Ascending columns of each member; None where all are taken."""
    n = _share("max_features", max_features, n_features)
    if n > n_features:
        raise ValueError(f"max_features must be at most {n_features}, the number of columns, got {max_features!r}")
    if n == n_features:
        return [None] * n_members
    draws: list[npt.NDArray[np.int64] | None] = []
    for i in range(n_members):
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, _COLUMNS, i])))
        draws.append(np.sort(generator.choice(n_features, n, replace=False)).astype(np.int64))
    return draws


class Sampler:
    """How often each member sees each row."""

    def __init__(
        self, hashes: npt.NDArray[np.uint64], weight: Floats | None, max_samples: Any, *, bootstrap: bool, seed: int
    ) -> None:
        self.n_rows = len(hashes)
        self.hashes = hashes
        self.weight = weight
        self.seed = seed
        self.bootstrap = bootstrap
        self.counted = np.ones(self.n_rows, dtype=np.bool_) if weight is None else weight > 0
        self.whole = weight is None or bool((weight == np.floor(weight)).all() and weight.sum() < 2**31)
        rows = int(self.counted.sum())
        total = int(weight.sum()) if weight is not None and self.whole else rows
        self.n_draws = _share("max_samples", max_samples, total)
        if not bootstrap and self.n_draws > total:
            raise ValueError(f"max_samples must be at most {total} without bootstrap, got {max_samples!r}")
        self.everything = not bootstrap and self.n_draws == total
        self.units = self._units()

    def _units(self) -> npt.NDArray[np.uint32] | None:
        if self.weight is None:
            return None
        if self.whole:
            return self.weight.astype(np.uint32)
        units = np.rint(self.weight * (_MOST_UNITS / self.weight.max())).astype(np.uint32)
        return np.where(self.counted, np.maximum(units, 1), 0).astype(np.uint32)

    def weights(self, i: int) -> Floats | None:
        """What every row weighs for member i; None: 1 each."""
        if self.everything:
            return self.weight
        if self.bootstrap:
            counts = _core.bootstrap_counts(self.hashes, self.units, n_draws=self.n_draws, seed=self.seed, index=i)
            return counts.astype(np.float64)
        return self._without_replacement(i)

    def _without_replacement(self, i: int) -> Floats:
        """Copies of rows where weights are whole, else rows with their weights; in the order of their content."""
        rows = np.flatnonzero(self.counted)
        rows = rows[np.argsort(self.hashes[rows], kind="stable")]
        copies = rows
        if self.whole and self.weight is not None:
            copies = np.repeat(rows, self.weight[rows].astype(np.int64))
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, _ROWS, i])))
        drawn = copies[generator.permutation(len(copies))[: self.n_draws]]
        counts = np.bincount(drawn, minlength=self.n_rows).astype(np.float64)
        return counts if self.whole or self.weight is None else counts * self.weight

    def left_out(self, i: int) -> npt.NDArray[np.bool_]:
        """Rows that member i did not see."""
        weights = self.weights(i)
        assert weights is not None
        out: npt.NDArray[np.bool_] = weights == 0
        return out

    def given(self, rows: npt.NDArray[np.bool_]) -> Floats | None:
        """The sample weights of some rows."""
        return None if self.weight is None else self.weight[rows]
