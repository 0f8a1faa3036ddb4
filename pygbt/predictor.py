# SPDX-License-Identifier: Apache-2.0
"""`Predictor`: a model made ready for single rows, where the cost of a call is all there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from . import _core

if TYPE_CHECKING:
    from .booster import Booster

__all__ = ["Predictor"]


class Predictor:
    """Predicts single rows and small batches with the least delay. Made by `Booster.predictor`; immutable, thread-safe.

    A float32 or float64 array goes straight to the trees: nothing is converted, copied or allocated but the result,
    and no other thread takes part. Everything else that `Booster.predict` reads is accepted too, at its speed. The
    numbers are those of `Booster.predict`, bit for bit.

    Attributes
    ----------
    n_features : int
        Values of a row.
    n_outputs : int
        Outputs of a row.
    predict : callable
        The same as calling the object, without the cost of a Python function: ``predict = predictor.predict`` before
        a loop is the fastest way.
    """

    __slots__ = ("_booster", "_options", "n_features", "n_outputs", "predict")

    predict: Callable[[Any], Any]

    def __init__(
        self, booster: Booster, output: Literal["value", "margin"] = "value", iterations: tuple[int, int] = (0, 0)
    ) -> None:
        self._booster = booster
        self._options: dict[str, Any] = {"output": output, "iteration_range": iterations}
        self.n_features = booster.n_features
        self.n_outputs = booster.n_outputs
        begin, end = iterations
        self.predict = _core.row_predictor(
            booster._model, begin=begin, end=end, value=output == "value", otherwise=self._read_and_predict
        )

    def __call__(self, X: npt.ArrayLike) -> float | npt.NDArray[np.float32]:
        """Predict one row or several.

        Parameters
        ----------
        X : array-like, shape (n_features,) or (n, n_features)

        Returns
        -------
        float, or ndarray of float32
            For one row: its value as a float, or shape (n_outputs,) where there are several outputs. For rows: as
            `Booster.predict`.

        Raises
        ------
        ValueError
            X has another number of values than the model has features, or holds text in place of numbers.
        """
        return self.predict(X)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return (
            f"Predictor(n_features={self.n_features}, n_outputs={self.n_outputs}, output={self._options['output']!r})"
        )

    def _read_and_predict(self, X: Any) -> Any:
        """Whatever is no float array of the right shape: other types, tables, categories, mistakes."""
        array = np.asarray(X) if isinstance(X, list | tuple) else X
        if not isinstance(array, np.ndarray) or array.ndim != 1:
            return self._booster.predict(array, **self._options)
        if len(array) != self.n_features:
            raise ValueError(f"X has {len(array)} values, but a row of this model has n_features={self.n_features}")
        if array.dtype.kind in "biuf" and (array is not X or array.dtype not in (np.float32, np.float64)):
            return self.predict(array.astype(np.float64))
        rows = [X] if isinstance(X, list | tuple) and array.dtype.kind not in "biuf" else array[np.newaxis]
        result = self._booster.predict(rows, **self._options)[0]
        return float(result) if self.n_outputs == 1 else result
