# SPDX-License-Identifier: Apache-2.0
"""`GBTRanker`: the scikit-learn estimator of the ranking objectives. Imported by `pygbt` on first use."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .estimator_base import RANKING, EstimatorBase, parameter_docs  # first: it says what to install
from .table_estimator import on_host

# isort: split
from sklearn.utils import check_array

from . import device_predict
from .callbacks import Callback
from .device_arrays import like, view
from .queries import group_sizes

if TYPE_CHECKING:
    from os import PathLike

    from .booster import Booster

__all__ = ["GBTRanker"]


def _signature() -> inspect.Signature:
    """The parameters of all estimators, then those of `GBTRanker` alone: what scikit-learn and readers see."""
    own = [p for p in inspect.signature(GBTRanker.__init__).parameters.values() if p.kind != p.VAR_KEYWORD]
    return inspect.Signature([*inspect.signature(EstimatorBase.__init__).parameters.values(), *own[1:]])


class GBTRanker(EstimatorBase):
    __doc__ = f"""Gradient boosted trees that order the rows of a query.

    ``objective="auto"`` is lambdarank. A query is a run of rows: `fit` takes ``group`` (sizes) or ``qid``.

    Parameters
    ----------
    {parameter_docs(RANKING)}

    Attributes
    ----------
    booster_ : Booster
    n_features_in_ : int
    feature_names_in_ : ndarray of str, where `X` has column names
    feature_importances_ : ndarray of float64, shape (n_features,)
    n_iter_, best_iteration_, best_score_, evals_result_
        Rounds used, and the course of early stopping.
    """

    def __init__(
        self,
        *,
        lambdarank_metric: str = "ndcg",
        lambdarank_truncation: int = 30,
        lambdarank_normalize: bool = True,
        lambdarank_gain: str = "exponential",
        rank_teacher: str = "listnet",
        rank_teacher_top: int = 10,
        rank_teacher_weight: str = "uniform",
        rank_teacher_decay: float = 1.0,
        rank_teacher_negatives: float = 1.0,
        eval_at: Sequence[int] | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.lambdarank_metric = lambdarank_metric
        self.lambdarank_truncation = lambdarank_truncation
        self.lambdarank_normalize = lambdarank_normalize
        self.lambdarank_gain = lambdarank_gain
        self.rank_teacher = rank_teacher
        self.rank_teacher_top = rank_teacher_top
        self.rank_teacher_weight = rank_teacher_weight
        self.rank_teacher_decay = rank_teacher_decay
        self.rank_teacher_negatives = rank_teacher_negatives
        self.eval_at = eval_at

    def _objective_name(self) -> str:
        return "lambdarank" if self.objective == "auto" else str(self.objective)

    def _encode_y(self, y: Any, *, fitting: bool) -> npt.NDArray[np.float64]:
        target: npt.NDArray[np.float64] = check_array(
            y, ensure_2d=False, dtype=np.float64, ensure_all_finite="allow-nan", input_name="y"
        )
        if target.ndim == 2 and target.shape[1] == 1:
            target = target[:, 0]
        if target.ndim != 1:
            raise ValueError(f"y must have shape (n,), one relevance a row, got {target.shape}")
        return target

    def fit(  # type: ignore[override]
        self,
        X: Any,
        y: Any = None,
        *,
        group: Any = None,
        qid: Any = None,
        sample_weight: Any = None,
        base_margin: Any = None,
        teacher: Any = None,
        teacher_weight: Any = None,
        eval_set: Sequence[tuple[Any, Any]] | tuple[Any, Any] | None = None,
        eval_group: Sequence[Any] | None = None,
        eval_qid: Sequence[Any] | None = None,
        eval_sample_weight: Sequence[Any] | None = None,
        init_model: Booster | str | PathLike[str] | None = None,
        callbacks: Iterable[Callback] = (),
    ) -> GBTRanker:
        """Train on the rows of many queries.

        Parameters
        ----------
        X : array, sparse matrix or data frame, shape (n, n_features)
            NaN is a missing value.
        y : array-like, shape (n,)
            Relevance >= 0, not only integers. With a teacher it may be None, or hold NaN where a row has no label.
        group : sequence of int
            Sizes of consecutive queries; or
        qid : array-like, shape (n,)
            the query of every row, rows of one query side by side.
        sample_weight : array-like, shape (n_queries,) or (n,), optional
            Weights of queries or of rows; a row of weight 0 is the same as one left out.
        base_margin : array-like, shape (n,), optional
            Score each row starts from.
        teacher : array-like, shape (n,), optional
            Scores of a teacher, NaN where it says nothing; learnt as `rank_teacher` and `teacher_alpha` say.
        teacher_weight : array-like, shape (n_queries,) or (n,), optional
            Trust in it, 0 to 1, one for all rows of a query: a factor on `teacher_alpha`.
        eval_set : list of (X, y), optional
            Tables to score every round, named validation_0, validation_1, ...; the last decides early stopping.
        eval_group, eval_qid : list, optional
            Their queries, one of the two.
        eval_sample_weight : list of array-like, optional
            Their weights.
        init_model : Booster or path, optional
            Model to continue by n_estimators rounds.
        callbacks : list of callables, optional
            See `pygbt.callbacks`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            No query is given, or what is given does not fit.
        """
        if teacher is None:
            self._require_y(y)
        sizes = _sizes_of(group, qid, _length(teacher if y is None else y), "")
        if y is None:
            y = np.full(sizes.sum(), np.nan)
        of_rows = {"teacher": on_host(teacher), "teacher_weight": _of_rows(teacher_weight, sizes)}
        pairs = [eval_set] if isinstance(eval_set, tuple) and len(eval_set) == 2 else list(eval_set or ())
        eval_sizes = []
        for name, given in (("eval_group", eval_group), ("eval_qid", eval_qid)):
            if given is not None and len(given) != len(pairs):
                raise ValueError(f"{name} has {len(given)} entries, eval_set {len(pairs)}")
        for i, pair in enumerate(pairs):
            group_i, qid_i = (None if given is None else given[i] for given in (eval_group, eval_qid))
            eval_sizes.append(_sizes_of(group_i, qid_i, _length(pair[1]), "eval_"))
        if eval_sample_weight is not None and len(eval_sample_weight) == len(pairs):
            eval_sample_weight = [_of_rows(weight, s) for weight, s in zip(eval_sample_weight, eval_sizes, strict=True)]
        self._fit(
            X, y, _of_rows(sample_weight, sizes), base_margin, pairs or None, eval_sample_weight, init_model,
            callbacks, sizes, eval_sizes, {k: np.asarray(v) for k, v in of_rows.items() if v is not None},
        )  # fmt: skip
        return self

    def predict(self, X: Any, *, base_margin: Any = None, iteration_range: tuple[int, int | None] | None = None) -> Any:
        """Scores: the larger, the further up in its query. Only rows of one query compare.

        Parameters
        ----------
        X : array, sparse matrix or data frame, shape (n, n_features)
            An array on a GPU is predicted there, and so is the result; see `Booster.predict`.
        base_margin : array-like, shape (n,), optional
        iteration_range : (int, int or None), optional
            See `Booster.predict`.

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        there = view(X)
        if there is not None:
            values = self._predict_there(there, "margin", base_margin, iteration_range, flat=True)
            return like(device_predict.widen(values), X)
        return self._predict(X, "margin", base_margin, iteration_range)


GBTRanker.__init__.__signature__ = _signature()  # type: ignore[attr-defined]


def _length(y: Any) -> int:
    return int(on_host(y).shape[0]) if hasattr(y, "shape") else len(y)


def _sizes_of(group: Any, qid: Any, n: int, prefix: str) -> npt.NDArray[np.int64]:
    """Sizes of the queries of n rows."""
    if (group is None) == (qid is None):
        raise ValueError(
            f"GBTRanker needs the queries of the rows: pass {prefix}group (sizes of consecutive queries) or "
            f"{prefix}qid (a query a row)" + (", not both" if group is not None else "")
        )
    if qid is not None:
        return group_sizes(on_host(qid), n)
    sizes = np.asarray(on_host(group))
    if sizes.ndim != 1 or sizes.dtype.kind not in "iu" or (sizes <= 0).any() or sizes.sum() != n:
        raise ValueError(f"{prefix}group must hold positive integers, the sizes of queries, that add up to {n} rows")
    return sizes.astype(np.int64)


def _of_rows(weight: Any, sizes: npt.NDArray[np.int64]) -> Any:
    """Weights of rows from weights of queries; others as they are."""
    if weight is None or not hasattr(weight, "__len__"):
        return weight
    weight = on_host(weight)
    return np.repeat(np.asarray(weight), sizes) if len(weight) == len(sizes) != sizes.sum() else weight
