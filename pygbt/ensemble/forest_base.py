# SPDX-License-Identifier: Apache-2.0
"""What the forests share: growing, predicting, out-of-bag rows, proximity, files."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..table_estimator import TableEstimator, check_weight  # first: says what is missing

# isort: split
from sklearn.utils.validation import check_is_fitted

from .. import _core
from ..data import Dataset
from ..estimator_files import FileParts, SavedEstimator
from ..schema import Schema
from ..tree.base import is_told, read_training_table, threads
from .base import choice, seed
from .forest_growth import grow_trees, table_columns
from .forest_model import ForestModel, ForestTrees, TargetScale
from .forest_options import features_of_node, integer, number, rows_of_tree, share_below_half
from .forest_proximity import dense_proximity, nearest_proximity

__all__ = ["ForestEstimator"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]


class ForestEstimator(SavedEstimator, TableEstimator):
    """Base of the forests: the parameters are attributes of the subclasses."""

    forest_: ForestModel
    n_estimators: Any
    criterion: Any
    max_depth: Any
    min_split: Any
    min_bucket: Any
    min_weight_fraction_leaf: Any
    max_features: Any
    max_leaves: Any
    bootstrap: Any
    max_samples: Any
    oob_score: Any
    random_state: Any
    n_jobs: Any
    verbose: Any
    warm_start: Any
    max_bin: Any
    categorical_features: Any

    _criteria: Sequence[str] = ()
    _flat: bool
    _seed: int
    _random_thresholds = False

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Grow the trees.

        Parameters
        ----------
        X : array, sparse matrix, data frame or Dataset, shape (n, n_features)
            NaN is a missing value and learns its side. A `Dataset` is searched over its bins.
        y : array-like, shape (n,), or (n, K) for a regressor of K targets
        sample_weight : array-like, shape (n,), optional
            Rows are drawn in proportion to them: weight 3 is the same as the row three times, weight 0 the same as
            leaving it out.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            The message names the argument.
        KeyboardInterrupt
            Ctrl-C was pressed. Trees of an earlier `fit` are kept with ``warm_start=True``, else there are none.
        """
        self._require_y(y)
        told = is_told(self.verbose)
        for name in ("bootstrap", "warm_start"):
            choice(name, getattr(self, name), (False, True))
        if not callable(self.oob_score):
            choice("oob_score", self.oob_score, (False, True))
        before = self.forest_ if self.warm_start and hasattr(self, "forest_") else None
        if before is None and hasattr(self, "forest_"):
            del self.forest_  # a fit that fails leaves none that does not fit the rest
        n_trees = integer("n_estimators", self.n_estimators, 1)
        if before is not None and n_trees < before.n_trees:
            raise ValueError(
                f"n_estimators={n_trees} must not be less than the {before.n_trees} trees that there are, as "
                "warm_start=True keeps them"
            )
        X = self._check_training_X(X, before)
        target = self._training_target(y, before)
        weight = check_weight(sample_weight, len(target), "sample_weight")
        schema, table = self._training_table(X, weight)
        if table.n_rows != len(target):
            raise ValueError(f"X and y must have the same number of rows, got {table.n_rows} and {len(target)}")
        options = self._options(table.n_features, weight)
        response, scale = self._response(target, weight, before, options)
        if before is None or not hasattr(self, "_seed"):
            self._seed = seed(self.random_state)
        options["seed"] = self._seed
        if self.max_samples is not None and not self.bootstrap:
            raise ValueError("max_samples is the size of a bootstrap sample: use it with bootstrap=True, or leave it")
        if self.oob_score and not self.bootstrap:
            raise ValueError("oob_score needs rows that trees did not draw: use it with bootstrap=True")
        n_threads = threads(self.n_jobs)
        trainer = _core.ForestTrainer(
            table,
            response,
            options,
            bootstrap=bool(self.bootstrap),
            n_draws=rows_of_tree(self.max_samples, _core.natural_draws(response)),
            votes=self._votes(),
            balanced=self._balanced(),
            least_share=share_below_half("min_weight_fraction_leaf", self.min_weight_fraction_leaf),
            start=None if before is None else before.core,
            n_threads=n_threads,
        )
        if before is not None and n_trees == before.n_trees:
            warnings.warn("warm_start: there are n_estimators trees already; none is added", stacklevel=2)
        grow_trees(trainer, n_trees - trainer.n_trees, n_threads, verbose=told)
        self.forest_ = ForestModel(trainer.model(), schema, scale)
        if self.oob_score:
            columns = table_columns(table, schema.n_categories) if isinstance(X, Dataset) else schema.encode(X)
            sums, n_left_out = trainer.out_of_bag(self.forest_.core, columns, n_threads)
            self._set_out_of_bag(target, weight, sums, n_left_out)
        return self

    # --- what it is fitted to ---------------------------------------------------------------------------------------

    def _check_training_X(self, X: Any, before: ForestModel | None) -> Any:
        if not isinstance(X, Dataset):
            return self._check_X(X, reset=before is None)
        if self.max_bin is not None:
            raise ValueError("X is a Dataset, which has its bins: leave max_bin=None")
        if before is not None and X.n_features != self.n_features_in_:
            raise ValueError(f"X has {X.n_features} features, the trees so far {self.n_features_in_}")
        self._take_columns_of(X)
        return X

    def _training_table(self, X: Any, weight: Floats | None) -> tuple[Schema, Any]:
        if self.max_bin is None or isinstance(X, Dataset):
            return read_training_table(X, self.categorical_features, self.n_jobs)
        data = Dataset(
            X,
            weight=weight,
            max_bin=self.max_bin,
            categorical_features=self.categorical_features,
            n_threads=threads(self.n_jobs),
        )
        return data.schema, _core.CodedTable.of_bins(data.core)

    def _options(self, n_features: int, weight: Floats | None) -> dict[str, Any]:
        """Checked options of `_core.ForestTrainer`."""
        options: dict[str, Any] = {
            "criterion": choice("criterion", self.criterion, self._criteria),
            "min_split": number("min_split", self.min_split, 0),
            "min_bucket": number("min_bucket", self.min_bucket, 0),
            "max_features": features_of_node(self.max_features, n_features),
            "random_thresholds": self._random_thresholds,
            "nominal": "ordered",
            # A unit of weight is a case as long as weights are whole: the row so many times.
            "count_rows": weight is not None and not self.bootstrap and bool((weight != np.floor(weight)).any()),
        }
        if self.max_depth is not None:
            options["max_depth"] = integer("max_depth", self.max_depth, 0)
        if self.max_leaves is not None:
            options["max_leaves"] = integer("max_leaves", self.max_leaves, 1)
        return options

    def _training_target(self, y: Any, before: ForestModel | None) -> npt.NDArray[Any]:
        return self._encode_y(y, fitting=True)

    def _encode_y(self, y: Any, *, fitting: bool) -> npt.NDArray[Any]:
        raise NotImplementedError

    def _response(
        self, target: npt.NDArray[Any], weight: Floats | None, before: ForestModel | None, options: dict[str, Any]
    ) -> tuple[Any, TargetScale | None]:
        raise NotImplementedError

    def _votes(self) -> bool:
        return False

    def _balanced(self) -> bool:
        return False

    def _set_out_of_bag(
        self, target: npt.NDArray[Any], weight: Floats | None, sums: Floats, n_left_out: npt.NDArray[np.int32]
    ) -> None:
        """Out-of-bag answers and their score over the rows that some tree left out."""
        known = n_left_out > 0
        if not known.all():
            warnings.warn(
                f"{int((~known).sum())} rows were drawn by every tree and have no out-of-bag prediction; grow more "
                "trees (n_estimators)",
                stacklevel=3,
            )
        mean = np.divide(sums, n_left_out[:, np.newaxis], out=np.zeros_like(sums), where=known[:, np.newaxis])
        answers = self.forest_.answers(mean)
        answers[~known] = np.nan
        counted = known if weight is None else known & (weight > 0)
        self.oob_score_ = self._score_left_out(target, answers, counted, weight)

    def _score_left_out(
        self, target: npt.NDArray[Any], answers: Floats, counted: npt.NDArray[np.bool_], weight: Floats | None
    ) -> float:
        raise NotImplementedError

    # --- rows -------------------------------------------------------------------------------------------------------

    def _rows(self, X: Any) -> Any:
        check_is_fitted(self)
        return self._check_X(X, reset=False)

    def apply(self, X: Any) -> Ints:
        """Number of the leaf that each tree puts a row in, shape (n, n_trees)."""
        rows = self._rows(X)
        return self.forest_.leaves(rows, threads(self.n_jobs))

    def decision_path(self, X: Any) -> tuple[Any, npt.NDArray[np.int64]]:
        """Nodes that rows pass.

        Returns
        -------
        indicator : CSR matrix of int64, shape (n, nodes of all trees)
        n_nodes_ptr : ndarray of int64, shape (n_trees + 1,)
            Nodes of tree i are the columns ``n_nodes_ptr[i] : n_nodes_ptr[i + 1]``.
        """
        rows = self._rows(X)
        return self.forest_.decision_path(rows, threads(self.n_jobs))

    def proximity(self, X: Any, to: Any = None, *, top: int | None = None) -> Any:
        """Shares of the trees in which two rows fall into one leaf.

        Parameters
        ----------
        X : array, sparse matrix or data frame, shape (n, n_features)
        to : the same, shape (m, n_features), optional
            The other rows; by default those of `X`, each of which has proximity 1 to itself.
        top : int, optional
            Only so many largest shares of each row, as a sparse matrix.

        Returns
        -------
        ndarray of float64 or CSR matrix, shape (n, m)
        """
        of = self.apply(X)
        other = of if to is None else self.apply(to)
        return dense_proximity(of, other) if top is None else nearest_proximity(of, other, integer("top", top, 1))

    # --- parts ------------------------------------------------------------------------------------------------------

    @property
    def estimators_(self) -> ForestTrees:
        """The trees as a sequence of `pygbt.Tree`."""
        check_is_fitted(self)
        return self.forest_.trees()

    @property
    def feature_importances_(self) -> Floats:
        """Mean decrease in impurity by column, shape (n_features,): shares of each tree, averaged over the trees."""
        check_is_fitted(self)
        return self.forest_.importances()

    def __len__(self) -> int:
        check_is_fitted(self)
        return self.forest_.n_trees

    def __getitem__(self, index: Any) -> Any:
        return self.estimators_[index]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "forest_")

    # --- files ------------------------------------------------------------------------------------------------------

    def _file_parts(self) -> FileParts:
        arrays, meta = self.forest_.core.to_arrays()
        named = {f"model.{name}": array for name, array in arrays.items()}
        state: dict[str, Any] = {"model": meta, "seed": str(self._seed)}
        scale = self.forest_.scale
        if scale is not None:
            named["target_offset"] = scale.offset
            state |= {"unit": scale.unit, "loss_unit": scale.loss_unit, "flat": self._flat}
        return FileParts(named, state, self.forest_.schema)

    def _from_file_parts(self, parts: FileParts) -> None:
        arrays = dict(parts.arrays)
        scale = self._read_scale(arrays.pop("target_offset", None), parts)
        parts.require(all(name.startswith("model.") for name in arrays), "unknown arrays")
        core = _core.Model.from_arrays(
            {name.removeprefix("model."): array for name, array in arrays.items()}, parts.state["model"]
        )
        parts.require(core.n_features == parts.schema.n_features, "columns and trees do not fit")
        for feature, levels in enumerate(parts.schema.categories):
            parts.require(core.cuts.is_categorical(feature) == (levels is not None), "kinds of columns do not fit")
        outputs = len(self.classes_) if scale is None else len(scale.offset)
        parts.require(core.n_outputs == outputs and core.trees_per_iteration == 1, "outputs do not fit")
        parts.require(core.n_trees >= 1 and not core.base_score.any(), "these are no trees of a forest")
        self.forest_ = ForestModel(core, parts.schema, scale)
        self._seed = int(parts.text("seed"))

    def _read_scale(self, offset: Any, parts: FileParts) -> TargetScale | None:
        parts.require(offset is None, "a classifier has no targets")
        return None
