# SPDX-License-Identifier: Apache-2.0
"""A tree of classes: its paths, the task of every class that has sub-classes, and how their answers multiply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .labels import missing_cells

__all__ = ["ClassTree"]

Path = tuple[Any, ...]
Values = npt.NDArray[np.float64]
Objects = npt.NDArray[np.object_]

ROOT = "all"


@dataclass(frozen=True)
class ClassTree:
    """Classes within classes.

    Attributes
    ----------
    paths : tuple of tuple
        Labels from the first level on, of every class of every level, sorted.
    """

    paths: tuple[Path, ...]

    @classmethod
    def of_labels(cls, levels: Objects) -> ClassTree:
        """The classes of labels (n, n_levels).

        Raises
        ------
        ValueError
            A label stands below a missing one, types are mixed, or no class has two sub-classes.
        """
        found = {path[:depth] for path in _paths(levels) for depth in range(1, len(path) + 1)}
        try:
            tree = cls(tuple(sorted(found)))
        except TypeError:
            raise ValueError("y mixes labels of several types; make them all text") from None
        if not tree.losses():
            raise ValueError("y has one class only; a classifier needs at least two")
        return tree

    @cached_property
    def n_levels(self) -> int:
        """Number of levels."""
        return max(len(path) for path in self.paths)

    def level(self, level: int) -> list[Path]:
        """The classes of a level, from 0, sorted."""
        return [path for path in self.paths if len(path) == level + 1]

    @cached_property
    def children(self) -> dict[Path, list[Path]]:
        """Sub-classes by class; those of () are the first level."""
        result: dict[Path, list[Path]] = {}
        for path in self.paths:
            result.setdefault(path[:-1], []).append(path)
        return result

    @cached_property
    def _asked(self) -> dict[str, Path]:
        """Classes with two sub-classes or more, by the name of their task."""
        return {self._name(parent): parent for parent, own in self.children.items() if len(own) > 1}

    @staticmethod
    def _name(path: Path) -> str:
        return " / ".join([ROOT, *(str(label) for label in path)])

    def losses(self) -> dict[str, str]:
        """Loss of every task."""
        return {name: "logistic" if self.n_children(name) == 2 else "softmax" for name in self._asked}

    def n_children(self, task: str) -> int:
        """Number of classes that a task tells apart."""
        return len(self.children[self._asked[task]])

    def task_labels(self, levels: Objects) -> dict[str, npt.NDArray[np.float64]]:
        """Labels of every task: the number of the sub-class, NaN outside its parent, shape (n,).

        Raises
        ------
        ValueError
            A path is not one of the tree.
        """
        number = {path: i for own in self.children.values() for i, path in enumerate(own)}
        result = {name: np.full(len(levels), np.nan) for name in self._asked}
        name_of = {parent: name for name, parent in self._asked.items()}
        rows_of: dict[Path, list[int]] = {}
        for row, path in enumerate(_paths(levels)):
            rows_of.setdefault(path, []).append(row)
        for path, rows in rows_of.items():
            for depth in range(1, len(path) + 1):
                step = path[:depth]
                if step not in number:
                    raise ValueError(f"y has the class {step!r}, which training had not")
                if step[:-1] in name_of:
                    result[name_of[step[:-1]]][rows] = number[step]
        return result

    def path_probabilities(self, given: Mapping[str, Values]) -> list[Values]:
        """Probabilities of the classes of each level from those of the tasks."""
        n = len(next(iter(given.values())))
        of_class: dict[Path, Values] = {(): np.ones(n)}
        name_of = {parent: name for name, parent in self._asked.items()}
        for parent, own in sorted(self.children.items(), key=lambda item: len(item[0])):
            for i, path in enumerate(own):
                step = given[name_of[parent]][:, i] if parent in name_of else 1.0
                of_class[path] = of_class[parent] * step
        return [np.column_stack([of_class[path] for path in self.level(k)]) for k in range(self.n_levels)]

    def best_paths(self, probabilities: list[Values]) -> Objects:
        """The most probable path to an end, by row, shape (n, n_levels); None beyond it."""
        ends = [path for path in self.paths if path not in self.children]
        place = {path: (k, i) for k in range(self.n_levels) for i, path in enumerate(self.level(k))}
        shares = np.column_stack([probabilities[k][:, i] for k, i in (place[path] for path in ends)])
        table = np.full((len(ends), self.n_levels), None, dtype=object)
        for i, path in enumerate(ends):
            table[i, : len(path)] = path
        best: Objects = table[shares.argmax(axis=1)]
        return best


def _paths(levels: Objects) -> list[Path]:
    """The path of every row, without what is missing.

    Raises
    ------
    ValueError
        A label stands below a missing one.
    """
    missing = missing_cells(levels)
    bad = np.flatnonzero((missing[:, :-1] & ~missing[:, 1:]).any(axis=1))
    if len(bad):
        raise ValueError(f"y: row {bad[0]} has a label below a level where it has none")
    depth = (~missing).sum(axis=1)
    return [tuple(row[:d]) for row, d in zip(levels.tolist(), depth.tolist(), strict=True)]
