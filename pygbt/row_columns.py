# SPDX-License-Identifier: Apache-2.0
"""What a `Dataset` knows of its rows beside the features: labels, weights, margins, groups, a teacher's word."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .columns import numbers_of
from .queries import whole_groups

__all__ = ["TEACHER_FORMS", "RowColumns", "narrow", "row_numbers"]

TEACHER_FORMS = ("probabilities", "logits", "values")

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class RowColumns:
    """Columns of the rows, (n, k) where several are allowed; None where not given."""

    label: Floats | None = None
    weight: npt.NDArray[np.float64] | None = None
    group: npt.NDArray[np.int64] | None = None
    base_margin: Floats | None = None
    teacher: Floats | None = None
    teacher_form: str | None = None
    teacher_temperature: Floats | None = None
    teacher_weight: Floats | None = None

    @classmethod
    def read(
        cls,
        n_rows: int,
        *,
        label: Any,
        weight: Any,
        group: Any,
        base_margin: Any,
        teacher: Any,
        teacher_form: str | None,
        teacher_temperature: Any,
        teacher_weight: Any,
    ) -> RowColumns:
        """Check shapes and types; what the values may be is checked by the core."""
        if teacher_form is not None and teacher_form not in TEACHER_FORMS:
            raise ValueError(f"teacher_form must be one of {', '.join(TEACHER_FORMS)}, got {teacher_form!r}")
        if teacher is None:
            given = {
                "teacher_form": teacher_form,
                "teacher_temperature": teacher_temperature,
                "teacher_weight": teacher_weight,
            }
            for name, value in given.items():
                if value is not None:
                    raise ValueError(f"{name} belongs to a teacher: give teacher=, too")

        def single(value: Any, name: str) -> Floats | None:
            return None if value is None else _vector(value, name, n_rows).astype(np.float32)

        return cls(
            label=None if label is None else _matrix(label, "label", n_rows),
            weight=None if weight is None else _vector(weight, "weight", n_rows),
            group=None if group is None else _sizes(group),
            base_margin=None if base_margin is None else _matrix(base_margin, "base_margin", n_rows),
            teacher=None if teacher is None else _matrix(teacher, "teacher", n_rows),
            teacher_form=teacher_form,
            teacher_temperature=single(teacher_temperature, "teacher_temperature"),
            teacher_weight=single(teacher_weight, "teacher_weight"),
        )

    def take(self, rows: npt.NDArray[np.int64] | None) -> RowColumns:
        """The columns of some rows, in their order; of all where None. Groups must be taken as a whole."""
        if rows is None:
            return self
        names = ("label", "weight", "base_margin", "teacher", "teacher_temperature", "teacher_weight")
        taken: dict[str, Any] = {} if self.group is None else {"group": whole_groups(self.group, rows)}
        for name in names:
            values = getattr(self, name)
            if values is not None:
                taken[name] = np.ascontiguousarray(values[rows])
        return replace(self, **taken)

    def replace(self, n_rows: int, *, y: Any, weight: Any, base_margin: Any) -> RowColumns:
        """The same with those columns that are given instead of the present ones."""
        given: dict[str, Any] = {}
        if y is not None:
            given["label"] = _matrix(y, "label", n_rows)
        if weight is not None:
            given["weight"] = _vector(weight, "weight", n_rows)
        if base_margin is not None:
            given["base_margin"] = _matrix(base_margin, "base_margin", n_rows)
        return replace(self, **given)

    def core_arguments(self) -> dict[str, Any]:
        """Keyword arguments of `_core.Dataset`, groups aside."""
        teacher = None
        if self.teacher is not None:
            form = self.teacher_form or "by_objective"
            teacher = (self.teacher, form, self.teacher_temperature, self.teacher_weight)
        return {"labels": self.label, "weights": self.weight, "base_margin": self.base_margin, "teacher": teacher}


def row_numbers(rows: npt.ArrayLike, n_rows: int, name: str = "rows") -> npt.NDArray[np.int64]:
    """Row numbers from row numbers or a mask (n_rows,), in their order."""
    chosen = np.asarray(rows)
    if chosen.dtype == np.bool_:
        if chosen.shape != (n_rows,):
            raise ValueError(f"{name}: a mask must have shape ({n_rows},), got {chosen.shape}")
        chosen = np.flatnonzero(chosen)
    if chosen.ndim != 1 or (chosen.size > 0 and chosen.dtype.kind not in "iu"):
        raise ValueError(f"{name} must be a list of row numbers or a mask")
    if chosen.size > 0 and (chosen.min() < 0 or chosen.max() >= n_rows):
        raise ValueError(f"{name} must lie between 0 and {n_rows - 1}")
    return chosen.astype(np.int64)


def narrow(values: Floats | None) -> Floats | None:
    """(n, 1) as (n,)."""
    return values[:, 0] if values is not None and values.shape[1] == 1 else values


def _matrix(value: Any, name: str, n_rows: int) -> Floats:
    """Labels, margins or a teacher as float32, shape (n, k); that they are finite is checked by the core."""
    numbers = numbers_of(value, name)
    if numbers.ndim not in (1, 2) or (numbers.ndim == 2 and numbers.shape[1] == 0):
        raise ValueError(f"{name} must have shape (n,) or (n, K), got {numbers.shape}")
    _check_rows(len(numbers), name, n_rows)
    if n_rows == 0:
        raise ValueError("X has no rows; a Dataset needs at least one")
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and refused
        single = numbers.astype(np.float32)
    return np.ascontiguousarray(single.reshape(n_rows, -1))


def _vector(value: Any, name: str, n_rows: int) -> npt.NDArray[np.float64]:
    numbers = numbers_of(value, name)
    if numbers.ndim == 2 and numbers.shape[1] == 1:
        numbers = numbers[:, 0]
    if numbers.ndim != 1:
        raise ValueError(f"{name} must have shape (n,), got {numbers.shape}")
    _check_rows(len(numbers), name, n_rows)
    return np.array(numbers, dtype=np.float64, order="C")  # a copy: the caller's array may change


def _sizes(value: Any) -> npt.NDArray[np.int64]:
    numbers = numbers_of(value, "group")
    if numbers.ndim != 1 or len(numbers) == 0 or numbers.dtype.kind not in "iu":
        raise ValueError("group must be a list of integers, the sizes of consecutive groups of rows")
    return np.array(numbers, dtype=np.int64, order="C")


def _check_rows(n: int, name: str, n_rows: int) -> None:
    if n != n_rows:
        raise ValueError(f"{name} has {n} rows, but X has {n_rows}")
