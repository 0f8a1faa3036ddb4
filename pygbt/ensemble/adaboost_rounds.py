# SPDX-License-Identifier: Apache-2.0
"""The rounds of AdaBoost, which its classifier and its regressor share."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _core

__all__ = ["PERFECT_FIT", "Rounds", "run_rounds"]

Floats = npt.NDArray[np.float64]

MOST_DRAWS = 10  # fresh samples for a learner that does no better than chance

PERFECT_FIT = """\
perfect_fit : {"cap", "stop", "resample"}, default="cap"
        A learner without an error on the training rows would have an infinite vote and leave the weights as they are,
        so that the next one would be the same. "cap": errors count as no less than half a case (0.5 over the sum of the
        weights, at most 1/4), which bounds every vote; boosting goes on where the next learner differs (drawn samples,
        a learner with a `random_state`), else it ends. "resample": the same bound, and from then on every learner is
        trained on a fresh sample drawn by the weights: use it with trees that fit perfectly, which otherwise stay
        alone. "stop": boosting ends, the learner has vote 1 (as in scikit-learn), and no other vote is bounded.
    resample : bool, default=False
        Train each learner on a sample of the rows, drawn by the weights with replacement, as many as there are, instead
        of on the weighted rows. A learner that does no better than chance is trained on up to 10 fresh samples."""


@dataclass
class Rounds:
    """What the rounds leave: learners, their votes, their weighted errors."""

    members: list[Any] = field(default_factory=list)
    votes: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)


def run_rounds(
    learner: Any,
    losses: Callable[[Any], Floats],
    weight: Floats | None,
    *,
    n_rounds: int,
    chance: float,
    bonus: float,
    learning_rate: float,
    perfect_fit: str,
    resample: bool,
    seed: int,
    n_threads: int,
    n_rows: int,
    remedy: str,
) -> Rounds:
    """Boost: `losses(member)` are those of the rows, in [0, 1]; vote = rate (log((1 - error) / error) + bonus).

    Learners whose weighted mean loss reaches `chance` end the rounds; the first one stays, with vote 1, and a warning
    says so and names the `remedy`.
    """
    rounds = Rounds()
    weights = _core.BoostWeights(weight, n_rows, n_threads)
    least = 0.0 if perfect_fit == "stop" else min(0.25, 0.5 / weights.total)
    drawing = resample
    hashes = None
    n_draws = _natural_draws(weight, n_rows)
    draw = 0
    for _ in range(n_rounds):
        for _ in range(MOST_DRAWS if drawing else 1):
            counts = None
            if drawing:
                hashes = learner.hashes() if hashes is None else hashes
                counts = _core.bootstrap_counts(hashes, weights.units(), n_draws=n_draws, seed=seed, index=draw)
            draw += 1
            member = learner.fit(weights, counts, seed + draw)
            loss = losses(member)
            error = weights.mean_loss(loss)
            if error < chance:
                break
        if error >= chance:
            if not rounds.members:
                _take(rounds, member, 1.0, error)
                warnings.warn(
                    f"estimator: the first learner has the weighted error {error:.3g}, which is not below "
                    f"{chance:.3g}: boosting ends with it alone; {remedy}",
                    UserWarning,
                    stacklevel=3,
                )
            break
        if error == 0.0 and perfect_fit == "stop":
            _take(rounds, member, 1.0, error)
            break
        bounded = max(error, least)
        vote = learning_rate * (_core.log_odds(1.0 - bounded) + bonus)
        _take(rounds, member, vote, error)
        if error > 0.0:
            weights.update(loss, vote)
        elif perfect_fit == "resample":
            drawing = True
        elif not drawing and not learner.random:
            break  # the next learner would be this one
    return rounds


def _take(rounds: Rounds, member: Any, vote: float, error: float) -> None:
    rounds.members.append(member)
    rounds.votes.append(vote)
    rounds.errors.append(error)


def _natural_draws(weight: Floats | None, n_rows: int) -> int:
    """Rows of a sample: the sum of whole weights, else the number of rows that count."""
    if weight is None:
        return n_rows
    whole = bool((weight == np.floor(weight)).all()) and weight.sum() <= 16 * n_rows
    return int(weight.sum()) if whole else int((weight > 0).sum())
