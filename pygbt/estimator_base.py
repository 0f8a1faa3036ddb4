# SPDX-License-Identifier: Apache-2.0
"""What the scikit-learn estimators of boosting share: the constructor, `fit`, the checks of tables and weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .table_estimator import TableEstimator, check_weight, on_host, seed_of, take_rows  # first: says what is missing

# isort: split
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from . import device_arrays, devices
from ._params import PARAMETERS
from .booster import Booster
from .callbacks import Callback
from .data import Dataset
from .device_arrays import DeviceArray, like, view
from .device_predict import check_matrix
from .queries import rows_of_groups, whole_groups
from .training import train

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["LEFT_OUT", "OWN", "RANKING", "SKLEARN_NAMES", "EstimatorBase", "parameter_docs"]

# Where the name that scikit-learn users expect differs from the table's.
SKLEARN_NAMES = {"num_boost_round": "n_estimators", "seed": "random_state", "n_threads": "n_jobs"}
# Parameters of the table for rankers alone.
RANKING = (*(p.name for p in PARAMETERS if p.group == "Ranking"), "eval_at")
# Parameters of the table that the other estimators have no use for: they know their classes.
LEFT_OUT = frozenset({"n_classes", *RANKING})
# Constructor arguments that are no training parameters.
OWN = ("validation_fraction", "categorical_features", "feature_groups", "importance_type")

_OWN_TEXT = """\
validation_fraction : float, default=0.1
    Share of the rows held out for early stopping where `fit` is given no eval_set.
categorical_features : "auto" or list of int or str, default="auto"
    Categorical columns; "auto" takes the columns of a categorical type of a data frame.
feature_groups : dict of str to list, optional
    Named groups of columns; see `Dataset`.
importance_type : str, default="gain"
    Kind of `feature_importances_`: gain, cover, split_count, total_gain or total_cover.
"""


def parameter_docs(also: Sequence[str] = ()) -> str:
    """The numpydoc entries of the constructor, from the table of parameters; `also`: of those that are left out."""
    lines: list[str] = []
    for p in PARAMETERS:
        if p.scope == "internal" or (p.name in LEFT_OUT and p.name not in also):
            continue
        default = "auto" if p.name == "objective" else None if p.default in ([], {}) else p.default
        lines += [f"{SKLEARN_NAMES.get(p.name, p.name)} : {p.type}, default={default!r}", f"    {p.text}"]
    return "\n    ".join(lines + _OWN_TEXT.splitlines())


class EstimatorBase(TableEstimator):
    def __init__(
        self,
        *,
        n_estimators: int = 100,
        objective: str | Callable[..., Any] = "auto",
        learning_rate: float = 0.1,
        grow_policy: str = "depthwise",
        max_depth: int = 6,
        max_leaves: int = 0,
        min_child_weight: float = 1.0,
        min_child_samples: int = 1,
        min_split_gain: float = 0.0,
        reg_lambda: float = 1.0,
        reg_alpha: float = 0.0,
        max_delta_step: float | str = "auto",
        multi_strategy: str = "one_tree_per_target",
        leaf_solve: str = "diagonal",
        subsample: float = 1.0,
        colsample_bytree: float = 1.0,
        colsample_bylevel: float = 1.0,
        colsample_bynode: float = 1.0,
        feature_weights: Any = None,
        group_rates: dict[str, float] | None = None,
        max_bin: int = 256,
        categorical_features: Any = "auto",
        feature_groups: Any = None,
        max_cat_to_onehot: int = 4,
        max_cat_threshold: int = 64,
        cat_smooth: float = 10.0,
        cat_l2: float = 10.0,
        min_cat_weight: float = 10.0,
        monotone_constraints: Any = None,
        interaction_constraints: Any = None,
        softmax_hessian: str = "auto",
        scale_pos_weight: float = 1.0,
        teacher_alpha: float = 0.5,
        teacher_temperature: float = 1.0,
        teacher_match: str = "loss",
        teacher_bound: float = 0.0,
        teacher_scale_t2: bool = True,
        huber_delta: float = 1.0,
        tweedie_variance_power: float = 1.5,
        quantile_alpha: float | Sequence[float] = 0.5,
        base_score: float | str = "auto",
        histogram_precision: str = "auto",
        eval_metric: Any = None,
        early_stopping_rounds: int | None = None,
        validation_fraction: float = 0.1,
        importance_type: str = "gain",
        random_state: Any = 0,
        n_jobs: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.n_estimators = n_estimators
        self.objective = objective
        self.learning_rate = learning_rate
        self.grow_policy = grow_policy
        self.max_depth = max_depth
        self.max_leaves = max_leaves
        self.min_child_weight = min_child_weight
        self.min_child_samples = min_child_samples
        self.min_split_gain = min_split_gain
        self.reg_lambda = reg_lambda
        self.reg_alpha = reg_alpha
        self.max_delta_step = max_delta_step
        self.multi_strategy = multi_strategy
        self.leaf_solve = leaf_solve
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.colsample_bylevel = colsample_bylevel
        self.colsample_bynode = colsample_bynode
        self.feature_weights = feature_weights
        self.group_rates = group_rates
        self.max_bin = max_bin
        self.categorical_features = categorical_features
        self.feature_groups = feature_groups
        self.max_cat_to_onehot = max_cat_to_onehot
        self.max_cat_threshold = max_cat_threshold
        self.cat_smooth = cat_smooth
        self.cat_l2 = cat_l2
        self.min_cat_weight = min_cat_weight
        self.monotone_constraints = monotone_constraints
        self.interaction_constraints = interaction_constraints
        self.softmax_hessian = softmax_hessian
        self.scale_pos_weight = scale_pos_weight
        self.teacher_alpha = teacher_alpha
        self.teacher_temperature = teacher_temperature
        self.teacher_match = teacher_match
        self.teacher_bound = teacher_bound
        self.teacher_scale_t2 = teacher_scale_t2
        self.huber_delta = huber_delta
        self.tweedie_variance_power = tweedie_variance_power
        self.quantile_alpha = quantile_alpha
        self.base_score = base_score
        self.histogram_precision = histogram_precision
        self.eval_metric = eval_metric
        self.early_stopping_rounds = early_stopping_rounds
        self.validation_fraction = validation_fraction
        self.importance_type = importance_type
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.device = device

    # --- the contract -----------------------------------------------------------------------------------------------

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "booster_")

    def _encode_y(self, y: Any, *, fitting: bool) -> npt.NDArray[Any]:
        raise NotImplementedError

    def _objective_name(self) -> str:
        raise NotImplementedError

    def _training_params(self) -> dict[str, Any]:
        """The parameters of `train` (and max_bin), None left out; nothing else is checked here."""
        own = {*OWN, "eval_metric"}
        back = {ours: theirs for theirs, ours in SKLEARN_NAMES.items()}
        params = {back.get(k, k): v for k, v in self.get_params(deep=False).items() if k not in own and v is not None}
        params.pop("objective")
        if not callable(self.objective):
            params["objective"] = self._objective_name()
        if "seed" in params:
            params["seed"] = seed_of(params["seed"])
        if isinstance(params.get("n_threads"), int) and params["n_threads"] < 0:
            params["n_threads"] = 0
        return params

    # --- fitting ----------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        base_margin: Any = None,
        teacher: Any = None,
        teacher_form: str | None = None,
        teacher_weight: Any = None,
        eval_set: Sequence[tuple[Any, Any]] | tuple[Any, Any] | None = None,
        eval_sample_weight: Sequence[Any] | None = None,
        init_model: Booster | str | PathLike[str] | None = None,
        callbacks: Iterable[Callback] = (),
    ) -> Any:
        """Train on a table.

        Parameters
        ----------
        X : array, sparse matrix or data frame, shape (n, n_features)
            NaN is a missing value. Entries that a sparse matrix does not hold are zeros. An array on a GPU (cupy,
            torch, jax) is read where it lies, with `device` that GPU.
        y : array-like, shape (n,), or (n, K) for a regressor of K targets
        sample_weight : array-like, shape (n,), optional
            Weight 2 is the same as the row twice, weight 0 the same as leaving it out.
        base_margin : array-like, shape (n,) or (n, K), optional
            Margin each row starts from.
        teacher : array-like, shape (n,) or (n, K), optional
            What a teacher says of every row, NaN where it says nothing: probabilities of the classes in the order of
            ``classes_`` (of two classes also those of the second alone), or values in units of `y`. Learnt beside `y`
            as `teacher_alpha`, `teacher_temperature` and `teacher_match` say; `pygbt.distill` chooses these and asks
            the teacher.
        teacher_form : {"probabilities", "logits", "values"}, optional
            What `teacher` holds, if not that.
        teacher_weight : array-like, shape (n,), optional
            Trust in it, 0 to 1: a factor on `teacher_alpha`.
        eval_set : list of (X, y), optional
            Tables to score every round, named validation_0, validation_1, ...; the last decides early stopping.
        eval_sample_weight : list of array-like, optional
            Weights of those tables.
        init_model : Booster or path, optional
            Model to continue by n_estimators rounds.
        callbacks : list of callables, optional
            See `pygbt.callbacks`.

        Returns
        -------
        self
        """
        of_rows = {"teacher": on_host(teacher), "teacher_weight": on_host(teacher_weight)}
        return self._fit(
            X, y, sample_weight, base_margin, eval_set, eval_sample_weight, init_model, callbacks,
            of_rows={k: np.asarray(v) for k, v in of_rows.items() if v is not None}, teacher_form=teacher_form,
        )  # fmt: skip

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        base_margin: Any,
        eval_set: Any,
        eval_sample_weight: Any,
        init_model: Any,
        callbacks: Iterable[Callback],
        group: npt.NDArray[np.int64] | None = None,
        eval_group: Sequence[npt.NDArray[np.int64]] | None = None,
        of_rows: Mapping[str, npt.NDArray[Any]] | None = None,
        teacher_form: Any = None,
    ) -> Any:
        """`fit`; group: sizes of the queries of the training rows, eval_group: of the evaluation tables; of_rows: what
        else a Dataset is told of the training rows, by argument.
        """
        self._require_y(y)
        y, sample_weight, base_margin = (on_host(values) for values in (y, sample_weight, base_margin))
        X = self._check_X(X, reset=True)
        target = self._encode_y(y, fitting=True)
        n = len(target)
        if X.shape[0] != n:
            raise ValueError(f"X and y must have the same number of rows, got {X.shape[0]} and {n}")
        weight = check_weight(sample_weight, n, "sample_weight")
        self._check_target(target, weight)
        margin = None if base_margin is None else np.asarray(base_margin)
        given = {"weight": weight, "base_margin": margin, **(of_rows or {})}
        columns: dict[str, Any] = {name: values for name, values in given.items() if values is not None}
        for name, values in columns.items():
            if values.ndim == 0 or len(values) != n:
                raise ValueError(f"{name} must have one entry or row for each of the {n} rows, got {values.shape}")
        tables = self._eval_tables(eval_set, eval_sample_weight)
        params = self._training_params()
        params["num_boost_round"] = params.get("num_boost_round", 100)
        options = {
            "categorical_features": self.categorical_features,
            "feature_groups": self.feature_groups,
            "max_bin": params.pop("max_bin", 256),
            "n_threads": params.get("n_threads", 0),
            "device": None if device_arrays.view(X) is not None else devices.home_of(params.get("device")),
        }

        def table(rows: npt.NDArray[np.int64] | None, **kwargs: Any) -> Dataset:
            kwargs["teacher_form"] = teacher_form
            if rows is None:
                return Dataset(X, target, group=group, **columns, **kwargs)
            taken = {name: values[rows] for name, values in columns.items()}
            sizes = None if group is None else whole_groups(group, rows)
            return Dataset(take_rows(X, rows), target[rows], group=sizes, **taken, **kwargs)

        if self.early_stopping_rounds and not tables:
            kept, held_out = self._hold_out(target, group)
            ds = table(kept, **options)
            evals = [(table(held_out, reference=ds), "validation")]
        else:
            ds = table(None, **options)
            sizes = [None] * len(tables) if eval_group is None else list(eval_group)
            evals = [
                (Dataset(Xv, yv, weight=wv, group=sizes[i], reference=ds), f"validation_{i}")
                for i, (Xv, yv, wv) in enumerate(tables)
            ]
        self.booster_ = train(
            params,
            ds,
            evals=evals,
            init_model=init_model,
            callbacks=callbacks,
            objective=self.objective if callable(self.objective) else None,
            metric=self.eval_metric,
        )
        return self

    def _check_target(self, target: npt.NDArray[Any], weight: npt.NDArray[np.float64] | None) -> None:
        """Hook for what only one of the estimators can check."""

    def _eval_tables(self, eval_set: Any, weights: Sequence[Any] | None) -> list[tuple[Any, npt.NDArray[Any], Any]]:
        if eval_set is None:
            return []
        pairs = [eval_set] if isinstance(eval_set, tuple) and len(eval_set) == 2 else list(eval_set)
        if weights is not None and len(weights) != len(pairs):
            raise ValueError(f"eval_sample_weight has {len(weights)} entries, eval_set {len(pairs)}")
        tables = []
        for i, pair in enumerate(pairs):
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise ValueError("eval_set must be a list of (X, y) pairs")
            X = self._check_X(pair[0], reset=False)
            y = self._encode_y(on_host(pair[1]), fitting=False)
            if X.shape[0] != len(y):
                raise ValueError(f"eval_set[{i}]: X and y must have the same number of rows")
            weight = None if weights is None else on_host(weights[i])
            tables.append((X, y, check_weight(weight, len(y), f"eval_sample_weight[{i}]")))
        return tables

    def _hold_out(
        self, target: npt.NDArray[Any], group: npt.NDArray[np.int64] | None
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Rows to train on and rows to stop by; drawn within each class for a classifier, by queries for a ranker."""
        share = self.validation_fraction
        if not isinstance(share, int | float) or not 0.0 < share < 1.0:
            raise ValueError(f"validation_fraction must lie between 0 and 1, got {share!r}")
        if group is not None:
            kept, held_out = self._hold_out(np.zeros(len(group)), None)
            return rows_of_groups(group, kept), rows_of_groups(group, held_out)
        n = len(target)
        held = np.zeros(n, dtype=bool)
        rng = np.random.RandomState(self._training_params().get("seed", 0) % 2**32)
        strata = target if is_classifier(self) else np.zeros(n)
        for stratum in np.unique(strata):
            rows = rng.permutation(np.flatnonzero(strata == stratum))
            held[rows[: round(share * len(rows))]] = True
        if not held.any() or held.all():
            raise ValueError(f"validation_fraction={share} of {n} rows leaves no row to train on or to stop by")
        return np.flatnonzero(~held), np.flatnonzero(held)

    # --- what it knows after fit ------------------------------------------------------------------------------------

    def _predict(self, X: Any, output: Any, base_margin: Any, iteration_range: Any) -> npt.NDArray[np.float64]:
        check_is_fitted(self)
        X = self._check_X(X, reset=False)
        jobs = 0 if self.n_jobs is None or self.n_jobs < 0 else self.n_jobs
        booster: Booster = self.booster_
        result = booster.predict(X, output, iteration_range=iteration_range, n_threads=jobs, base_margin=base_margin)
        scores: npt.NDArray[np.float64] = result.astype(np.float64)
        return scores

    def _predict_there(
        self, X: DeviceArray, output: Any, base_margin: Any, iteration_range: Any, *, flat: bool = False
    ) -> DeviceArray:
        """Scores of an array on a device, float32, there; `flat`: one output has shape (n,)."""
        check_is_fitted(self)
        booster: Booster = self.booster_
        check_matrix(X, booster.n_features, type(self).__name__)
        return booster._predict_there(X, output, iteration_range, base_margin, flat=flat)

    def apply(self, X: Any) -> Any:
        """Number of the leaf of every row in every tree, int32 of shape (n, n_trees); on a GPU where X lies on one."""
        check_is_fitted(self)
        booster: Booster = self.booster_
        there = view(X)
        if there is not None:
            return like(self._predict_there(there, "leaf", None, None), X)
        return booster.predict(self._check_X(X, reset=False), "leaf")

    @property
    def feature_importances_(self) -> npt.NDArray[np.float64]:
        """Importance of every feature, shape (n_features,); sums to 1 unless no tree has a split."""
        check_is_fitted(self)
        scores = self.booster_.feature_importance(self.importance_type, groups=False)
        values = np.array(list(scores.values()), dtype=np.float64)
        total = values.sum()
        return values / total if total > 0 else values

    @property
    def n_iter_(self) -> int:
        """Number of rounds that `predict` uses."""
        check_is_fitted(self)
        best = self.booster_.best_iteration
        return int(self.booster_.n_iterations if best is None else best + 1)

    @property
    def best_iteration_(self) -> int | None:
        """Round with the best score under early stopping, else None."""
        check_is_fitted(self)
        return self.booster_.best_iteration

    @property
    def best_score_(self) -> float | None:
        """That score."""
        check_is_fitted(self)
        return self.booster_.best_score

    @property
    def evals_result_(self) -> dict[str, dict[str, list[float]]]:
        """``evals_result_[table][metric][round]``."""
        check_is_fitted(self)
        return self.booster_.evals_result
