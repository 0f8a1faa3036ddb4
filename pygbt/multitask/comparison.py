# SPDX-License-Identifier: Apache-2.0
"""Ways to share trees, compared task by task on rows held out; and the choice among them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .group import Group, Rows
from .metrics import LabelledRows, relative_score
from .options import ENTIRE_SPACE
from .sharing import Sharing
from .task import Task

__all__ = ["Comparison", "Plan", "alone", "choose_plan", "compared_alone", "held_out_parts"]

#: Which tasks are learnt together, and how.
Plan = list[tuple[tuple[Task, ...], Sharing]]
Fit = Callable[[Plan, Rows], list[Group]]

#: Below so many rows every row is held out once, in three parts, or in five.
FEW_ROWS = 5_000
FEWER_ROWS, MORE_PARTS, PARTS = 1_000, 5, 3
#: Blocks of held-out rows that are scored each by itself, in all parts together.
BLOCKS = 10
#: Quantiles of Student's t at 97.5 % for 1, 2, .. degrees of freedom.
T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)

JOINT = ("tree", "stem:2", "residual")


def compared_alone(tasks: Sequence[Task], sharing: Sharing, stops: bool) -> Plan:
    """The same models as those of `alone`, in one booster where none stops by itself: one pass over the table."""
    if stops or any(task.loss == ENTIRE_SPACE for task in tasks):
        return alone(tasks, sharing)
    own = sharing.having("none").balanced(False)
    return [(tuple(task for task in tasks if not task.options.auxiliary), own)]


def alone(tasks: Sequence[Task], sharing: Sharing) -> Plan:
    """Every task by itself; auxiliary ones have nobody to help and are left out."""
    own = (sharing if sharing.share == "none" else sharing.having("tree")).balanced(False)
    return [((task,), own) for task in tasks if not task.options.auxiliary]


def held_out_parts(n: int, seed: int, share: float) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Pairs (rows to train on, rows to score): one with a share of the rows held out; of a small table a partition."""
    order = np.random.RandomState(seed % 2**32).permutation(n)
    n_parts = min(n, MORE_PARTS if n < FEWER_ROWS else PARTS)
    chunks = np.array_split(order, n_parts) if n < FEW_ROWS else [order[: round(share * n)]]
    parts = []
    for chunk in chunks:
        held = np.zeros(n, dtype=bool)
        held[chunk] = True
        parts.append((np.flatnonzero(~held), np.flatnonzero(held)))
    return parts


@dataclass
class Comparison:
    """Relative scores of plans on the same held-out rows; less is better.

    Attributes
    ----------
    tasks : list of Task
        Those that are predicted.
    parts : list of (Rows, Rows)
        To train on, and to score.
    fit : callable
        Trains the groups of a plan on a table.
    stops : bool
        Whether training stops early.
    scores : dict of str to ndarray of float64, shape (n_blocks, n_tasks)
        By plan. NaN where a block has no label of a task.
    metrics : dict of str to ndarray of float64, shape (n_blocks, n_tasks)
        The same in units of each task's metric.
    gains : dict of str to ndarray of float64, shape (n_features,)
        Total gain of every feature in the single-task models.
    """

    tasks: list[Task]
    parts: list[tuple[Rows, Rows]]
    fit: Fit
    stops: bool
    scores: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    metrics: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    gains: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    _labelled: dict[tuple[int, int, str], LabelledRows] = field(default_factory=dict, repr=False)

    def add(self, name: str, plan: Plan) -> None:
        """Train and score a plan on every part."""
        relative, given = [], []
        for part, (train, test) in enumerate(self.parts):
            groups = self.fit(plan, train)
            margins: dict[str, Any] = {}
            starts: dict[str, Any] = {}
            for group in groups:
                margins |= group.margins(test.X)
                starts |= group.start()
                if name == "none":
                    for task, gain in group.gains().items():
                        self.gains[task] = self.gains.get(task, 0.0) + gain
            for block, rows in enumerate(np.array_split(np.arange(test.n), self._blocks(test.n))):
                pair = [
                    self._score(task, (part, block), test, rows, margins.get(task.name), starts.get(task.name))
                    for task in self.tasks
                ]
                relative.append([r for r, _ in pair])
                given.append([m for _, m in pair])
        self.scores[name], self.metrics[name] = np.array(relative), np.array(given)

    def _blocks(self, n: int) -> int:
        return max(1, min(BLOCKS // len(self.parts), n // 20))

    def _score(
        self, task: Task, block: tuple[int, int], test: Rows, rows: Any, margins: Any, start: Any
    ) -> tuple[float, float]:
        """Relative score and metric of a block of held-out rows."""
        if margins is None:
            return math.nan, math.nan
        key = (*block, task.name)
        if key not in self._labelled:
            weight = None if test.weight is None else test.weight[rows]
            self._labelled[key] = LabelledRows(task, test.labels[task.name][rows], weight)
        labelled = self._labelled[key]
        score = labelled.score(margins[rows])
        constant = labelled.score(np.tile(start, (len(rows), 1)))
        return relative_score(task, score, constant), score

    def difference(self, plan: str, base: str) -> dict[str, tuple[float, float, float]]:
        """Of each task the mean of paired differences of relative scores, and its 95 % interval; positive: `plan` is
        worse. Blocks of the same rows are paired. Of a single block the interval is unbounded.
        """
        result = {}
        for k, task in enumerate(self.tasks):
            paired = self.scores[plan][:, k] - self.scores[base][:, k]
            paired = paired[np.isfinite(paired)]
            mean, half = _interval(paired.tolist())
            result[task.name] = (mean, mean - half, mean + half)
        return result

    def mean_of_better(self, plan: str, base: str) -> float:
        """Weighted mean over the tasks of their mean scores by `plan`, or by `base` where that is better."""
        total = weights = 0.0
        for k, task in enumerate(self.tasks):
            means = [_interval(self._finite(name, k))[0] for name in (plan, base)]
            known = [mean for mean in means if math.isfinite(mean)]
            if known:
                total += task.options.weight * min(known)
                weights += task.options.weight
        return total / weights if weights else math.inf

    def not_worse(self, plan: str, base: str, names: Sequence[str]) -> list[str]:
        """Those of the tasks whose mean score by `plan` is not above that by `base`."""
        difference = self.difference(plan, base)
        return [name for name in names if not difference[name][0] > 0.0]

    def _finite(self, plan: str, task: int) -> list[float]:
        return [x for x in self.scores[plan][:, task].tolist() if math.isfinite(x)]


def _interval(values: list[float]) -> tuple[float, float]:
    """Mean, and half the length of its 95 % interval."""
    n = len(values)
    if n == 0:
        return math.nan, math.nan
    mean = math.fsum(values) / n
    if n == 1:
        return mean, math.inf
    spread = math.sqrt(math.fsum((x - mean) ** 2 for x in values) / (n - 1) / n)
    return mean, (T_975[n - 2] if n - 2 < len(T_975) else 2.0) * spread


def choose_plan(comparison: Comparison, tasks: Sequence[Task], sharing: Sharing) -> tuple[str, Plan]:
    """The best way to share on the held-out rows, tasks that do better alone apart.

    Every joint way is scored as if the tasks that lose by it had left. Of the best one they do leave, and the others
    are trained again without them; those that lose then leave, too.

    Returns
    -------
    (name of the best joint way, plan)
        The plan shares nothing where fewer than two tasks stay.
    """
    comparison.add("none", compared_alone(tasks, sharing, comparison.stops))
    for share in JOINT:
        comparison.add(share, [(tuple(tasks), sharing.having(share))])
    names = [task.name for task in comparison.tasks]
    best = min(JOINT, key=lambda share: comparison.mean_of_better(share, "none"))
    stays = comparison.not_worse(best, "none", names)
    if 2 <= len(stays) < len(names):
        comparison.add("apart", [(_with_auxiliary(tasks, stays), sharing.having(best))])
        stays = comparison.not_worse("apart", "none", stays)
    if len(stays) < 2:
        return best, alone(tasks, sharing)
    together = _with_auxiliary(tasks, stays)
    others = [task for task in tasks if all(task is not other for other in together)]
    return best, [(together, sharing.having(best)), *alone(others, sharing)]


def _with_auxiliary(tasks: Sequence[Task], names: Sequence[str]) -> tuple[Task, ...]:
    return tuple(task for task in tasks if task.options.auxiliary or task.name in names)
