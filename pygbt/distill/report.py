# SPDX-License-Identifier: Apache-2.0
"""What distillation gained: the student alone, the student distilled and the teacher side by side."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .fidelity import Reliability, class_measures, gap_closed, reliability, value_measures

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Report"]

Floats = npt.NDArray[np.float64]

#: Rows of the table: measure, title, format.
ROWS: dict[str, tuple[str, str]] = {
    "log_loss": ("log loss", "{:.5f}"),
    "accuracy": ("accuracy", "{:.4f}"),
    "calibration_error": ("calibration error (ECE, 15 bins)", "{:.4f}"),
    "rmse": ("RMSE", "{:.5g}"),
    "r2": ("R2", "{:.4f}"),
    "kl": ("KL(teacher || model), nats", "{:.5f}"),
    "teacher_rmse": ("RMSE to the teacher", "{:.5g}"),
    "agreement": ("agreement with the teacher", "{:.4f}"),
    "trees": ("trees", "{:,.0f}"),
    "leaves": ("leaves", "{:,.0f}"),
    "bytes": ("bytes of the file", "{:,.0f}"),
    "microseconds": ("microseconds a row, in batches", "{:.4g}"),
    "microseconds_alone": ("microseconds for one row alone", "{:.4g}"),
}
SCORES = {"log_loss": False, "accuracy": True, "rmse": False, "r2": True}  # whether larger is better
#: Columns of the table: title.
MODELS = {"alone": "student alone", "distilled": "student distilled", "teacher": "teacher"}


class Report:
    """Measures of three models on rows that none of them was trained on.

    ``print(report)`` shows a table, ``report.draw("report.png")`` a picture, `to_dict` and `to_frame` give the numbers.

    Attributes
    ----------
    measures : dict of dict of float
        ``measures[model][measure]``; models are "alone" (the student trained on labels alone, where there are labels),
        "distilled" and "teacher"; measures log_loss, accuracy, calibration_error, kl, agreement for classes, rmse, r2,
        teacher_rmse, agreement for values; trees, leaves, bytes, microseconds, microseconds_alone.
    gap_closed : dict of float
        For each score the share of the way from the student alone to the teacher that the distilled student went; NaN
        where the teacher is no better.
    T, alpha : float
        Used for the distilled student.
    how : str
        How the teacher reached the student, and which part alpha weights.
    rows : str
        Which rows were judged.
    """

    def __init__(self, T: float, alpha: float, how: str, rows: str) -> None:
        self.T = T
        self.alpha = alpha
        self.how = how
        self.rows = rows
        self.measures: dict[str, dict[str, float]] = {}
        self.reliability: dict[str, Reliability] = {}

    def add(
        self,
        model: str,
        answer: Floats,
        label: Floats | None,
        teacher: Floats | None,
        size: Mapping[str, float],
        *,
        classify: bool,
    ) -> None:
        """Judge one model by its answers; rows without a label count for the teacher's measures only."""
        known = None if label is None else ~np.isnan(label.reshape(len(label), -1)).any(axis=1)
        found: dict[str, float] = {}
        if label is not None and known is not None and known.any():
            if classify:
                codes = label[known].astype(np.int64)
                found |= class_measures(answer[known], codes, None)
                self.reliability[model] = reliability(codes, answer[known])
            else:
                found |= value_measures(answer[known], label[known].reshape(int(known.sum()), -1), None)
        if teacher is not None and model != "teacher":
            found |= class_measures(answer, None, teacher) if classify else value_measures(answer, None, teacher)
        self.measures[model] = found | dict(size)

    @property
    def gap_closed(self) -> dict[str, float]:
        """Share of the gap closed, by score."""
        if not {"alone", "teacher"} <= set(self.measures):
            return {}
        alone, distilled, teacher = (self.measures[m] for m in ("alone", "distilled", "teacher"))
        return {
            name: gap_closed(alone[name], distilled[name], teacher[name], larger_is_better=larger)
            for name, larger in SCORES.items()
            if name in alone and name in distilled and name in teacher
        }

    def _lines(self) -> tuple[list[str], list[list[str]]]:
        models = [m for m in MODELS if m in self.measures]
        gaps = self.gap_closed
        columns = ["", *(MODELS[m] for m in models), *(["gap closed"] if gaps else [])]
        rows = []
        for name, (title, form) in ROWS.items():
            if not any(name in self.measures[m] for m in models):
                continue
            cells = [form.format(self.measures[m][name]) if name in self.measures[m] else "" for m in models]
            share = gaps.get(name, math.nan)
            rows.append([title, *cells, *([f"{share:.0%}" if math.isfinite(share) else ""] if gaps else [])])
        return columns, rows

    def __str__(self) -> str:
        columns, rows = self._lines()
        widths = [max(len(line[i]) for line in [columns, *rows]) for i in range(len(columns))]
        lines = [f"Distillation, judged on {self.rows}", self.how]
        for line in [columns, *rows]:
            cells = [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Report(T={self.T:g}, alpha={self.alpha:g}, models={list(self.measures)})"

    def to_dict(self) -> dict[str, Any]:
        """All numbers, as JSON can hold them: NaN as None."""

        def plain(values: Mapping[str, float]) -> dict[str, float | None]:
            return {k: v if math.isfinite(v) else None for k, v in values.items()}

        return {
            "T": self.T,
            "alpha": self.alpha,
            "alpha_weights": "the soft part",
            "how": self.how,
            "rows": self.rows,
            "measures": {model: plain(found) for model, found in self.measures.items()},
            "gap_closed": plain(self.gap_closed),
        }

    def to_frame(self) -> pd.DataFrame:
        """The table as a pandas frame: a row a measure, a column a model, and the share of the gap closed."""
        import pandas

        frame = pandas.DataFrame(self.measures).reindex([name for name in ROWS if self._has(name)])
        frame = frame[[m for m in MODELS if m in self.measures]]
        if self.gap_closed:
            frame["gap_closed"] = pandas.Series(self.gap_closed)
        return frame

    def _has(self, name: str) -> bool:
        return any(name in found for found in self.measures.values())

    def draw(self, path: str | os.PathLike[str] | None = None) -> Any:
        """A picture: scores, calibration, and what each model costs.

        Parameters
        ----------
        path : path, optional
            File to write, by its ending; None: none is written.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            matplotlib is not installed.
        """
        from .report_picture import draw_report

        return draw_report(self, path)


def trials_frame(trials: Sequence[Any]) -> pd.DataFrame:
    """Trials as a pandas frame, best first."""
    import pandas

    rows = [{"T": t.T, "alpha": t.alpha, "score": t.score, "seconds": t.seconds} for t in trials]
    return pandas.DataFrame(rows).sort_values("score", ignore_index=True, kind="stable")
