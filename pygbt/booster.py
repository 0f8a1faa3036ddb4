# SPDX-License-Identifier: Apache-2.0
"""`Booster`: a trained model with the names, categories and history of the table it was trained on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import numpy.typing as npt

from . import _core, archive, device_predict, devices, parameters
from .data import Dataset, Schema
from .device_arrays import DeviceArray, like, view
from .errors import ModelFileError
from .inspect import Tree, make_tree, nodes_table
from .predictor import Predictor

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Booster", "load"]

IMPORTANCE_KINDS = ("gain", "cover", "split_count", "total_gain", "total_cover")
Output = Literal["value", "margin", "leaf", "contrib"]


class Booster:
    """A trained model. Made by `pygbt.train` and `pygbt.load`; immutable, safe to use from many threads at once.

    ``bst[3]`` and ``bst[10:20]`` are models of some of the rounds, ``len(bst)`` is the number of rounds.

    Attributes
    ----------
    params : dict
        Parameters of training by canonical name.
    best_iteration : int or None
        Round with the best score, where early stopping was used.
    best_score : float or None
        That score.
    evals_result : dict of dict of list of float
        ``evals_result[data set][metric][round]``.
    extra : dict
        JSON data of the caller, kept in the file.
    """

    def __init__(
        self,
        model: _core.Model,
        schema: Schema,
        *,
        params: Mapping[str, Any],
        evals_result: Mapping[str, Mapping[str, list[float]]] | None = None,
        best_iteration: int | None = None,
        best_score: float | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self._model = model
        self._schema = schema
        self._category_tables: tuple[list[device_predict.CategoryTable] | None] | None = None  # made when asked for
        self.params: dict[str, Any] = dict(params)
        self.evals_result: dict[str, dict[str, list[float]]] = {
            data: {name: list(scores) for name, scores in metrics.items()}
            for data, metrics in (evals_result or {}).items()
        }
        self.best_iteration = best_iteration
        self.best_score = best_score
        self.extra: dict[str, Any] = dict(extra or {})

    # --- what it is -------------------------------------------------------------------------------------------------

    @property
    def n_iterations(self) -> int:
        """Number of boosting rounds."""
        return self._model.n_iterations

    @property
    def n_trees(self) -> int:
        """Number of trees: rounds times trees a round."""
        return self._model.n_trees

    @property
    def n_features(self) -> int:
        """Number of columns of the table."""
        return self._model.n_features

    @property
    def n_outputs(self) -> int:
        """Outputs of a row: targets, classes (softmax) or quantile levels; 1 for one target."""
        return self._model.n_outputs

    @property
    def feature_names(self) -> list[str]:
        """Names of the columns, in the order of training."""
        return list(self._schema.feature_names)

    @property
    def categorical_features(self) -> list[str]:
        """Names of the categorical columns."""
        cuts = self._model.cuts
        return [name for f, name in enumerate(self.feature_names) if cuts.is_categorical(f)]

    @property
    def objective(self) -> str:
        """Canonical name of the objective; "custom" for a callable."""
        return self._model.objective

    @property
    def base_score(self) -> npt.NDArray[np.float32]:
        """Margin before the first tree, shape (n_outputs,)."""
        return np.array(self._model.base_score, dtype=np.float32)

    def __len__(self) -> int:
        return self.n_iterations

    def __repr__(self) -> str:
        return (
            f"Booster(objective={self.objective!r}, n_iterations={self.n_iterations}, n_trees={self.n_trees}, "
            f"n_features={self.n_features}, n_outputs={self.n_outputs})"
        )

    # --- prediction -------------------------------------------------------------------------------------------------

    def predict(
        self,
        X: Any,
        output: Output = "value",
        *,
        iteration_range: tuple[int, int | None] | None = None,
        n_threads: int = 0,
        base_margin: npt.ArrayLike | None = None,
        device: str = "cpu",
    ) -> Any:
        """Predict rows of a table.

        Parameters
        ----------
        X : array, sparse matrix or data frame, shape (n, n_features)
            Columns of a frame are matched by name; an unseen category counts as missing. An array on a GPU (cupy,
            torch, jax, or any with ``__cuda_array_interface__`` or ``__dlpack__``) is predicted there; its numbers
            mean what those of a NumPy array mean.
        output : {"value", "margin", "leaf"}, default "value"
            "value" is in units of the label (a mean, a probability), "margin" the sum of the trees, "leaf" the number
            of the leaf that each tree puts the row in.
        iteration_range : (int, int or None), optional
            Rounds ``a .. b - 1`` to use. All of them by default; up to the best one where early stopping was used.
        n_threads : int, default 0
            Threads of this call; 0 is all this process may use. It never changes a result.
        base_margin : array-like, shape (n,) or (n, n_outputs), optional
            Replaces the model's starting margin, row by row. On the host or on a GPU.
        device : str, default "cpu"
            Where a table on the host is predicted: ``"cpu"``, or ``"cuda"`` (``"cuda:1"``: the second), where the
            package was built with it. It never changes a result, wherever the model was trained.

        Returns
        -------
        ndarray of float32, shape (n,) for one output, else (n, n_outputs)
            For "leaf": int32 of shape (n, trees in the range). Where X lies on a GPU, an array there, of the library
            of X.

        Raises
        ------
        ValueError
            A column is missing, a shape does not fit, or text stands in a numeric column. X on a GPU is of a type that
            is not read there, or `device` is another GPU.
        NotImplementedError
            ``output="contrib"``; a device that this build or machine lacks.
        """
        on_device = None if isinstance(X, np.ndarray) else view(X)
        if on_device is not None:
            return like(self._predict_there(on_device, output, iteration_range, base_margin, device), X)
        _check_output(output)
        if isinstance(X, Dataset):
            raise TypeError("X must be the raw table (array or data frame), not a Dataset: a Dataset holds bins only")
        begin, end = self._iterations(iteration_range)
        kind, ordinal = _device(device)
        columns = self._schema.encode(X)
        margin = None if base_margin is None else self._base_margin(base_margin)
        result = self._model.predict(
            columns,
            output=output,
            begin=begin,
            end=end,
            n_threads=_thread_count(n_threads),
            base_margin=margin,
            device=kind,
            device_ordinal=ordinal,
        )
        if output != "leaf" and self.n_outputs == 1:
            return result[:, 0]
        return result

    def _predict_there(
        self,
        X: DeviceArray,
        output: Output,
        iteration_range: tuple[int, int | None] | None,
        base_margin: Any,
        device: str = "cpu",
        *,
        flat: bool = True,
    ) -> DeviceArray:
        """`predict` of an array on a device, there; `flat`: one output has shape (n,)."""
        _check_output(output)
        kind, ordinal = _device(device)
        if kind == "cuda" and ":" in device and ordinal != X.ordinal:
            raise ValueError(f"device={device!r}, but X lies on cuda:{X.ordinal}; move one of them")
        if self._category_tables is None:
            self._category_tables = (device_predict.category_tables(self._schema),)
        result = device_predict.predict(
            self, X, output, self._iterations(iteration_range), base_margin, self._category_tables[0]
        )
        return device_predict.as_column(result) if flat and output != "leaf" and self.n_outputs == 1 else result

    def predictor(
        self, output: Literal["value", "margin"] = "value", *, iteration_range: tuple[int, int | None] | None = None
    ) -> Predictor:
        """Make the model ready for single rows and small batches, where the cost of a call counts.

        Parameters
        ----------
        output, iteration_range
            As in `predict`.

        Returns
        -------
        Predictor
            A function of one row, shape (n_features,), or of rows, shape (n, n_features). The numbers are those of
            `predict`; for one row of a model with one output it returns a float.

        Examples
        --------
        >>> predict = bst.predictor()
        >>> predict(X[0])
        """
        if output not in ("value", "margin"):
            raise ValueError(f'output must be "value" or "margin", got {output!r}')
        return Predictor(self, output, self._iterations(iteration_range))

    def _iterations(self, given: tuple[int, int | None] | None) -> tuple[int, int]:
        n = self.n_iterations
        if given is None:
            return 0, n if self.best_iteration is None else min(n, self.best_iteration + 1)
        try:
            begin, end = given
            first, last = int(begin), n if end is None else int(end)
        except (TypeError, ValueError):
            raise ValueError(f"iteration_range must be a pair (first, end) of rounds, got {given!r}") from None
        if not 0 <= first <= last <= n:
            raise ValueError(f"iteration_range must lie within 0 .. {n}, got {given!r}")
        return first, last

    def _base_margin(self, given: Any) -> npt.NDArray[np.float32]:
        there = view(given)
        margin = np.asarray(given if there is None else there.numpy(), dtype=np.float32)
        if margin.ndim == 1:
            margin = margin[:, np.newaxis]
        if margin.ndim != 2 or margin.shape[1] != self.n_outputs:
            raise ValueError(f"base_margin must have shape (n, {self.n_outputs}), got {np.shape(given)}")
        if not np.isfinite(margin).all():
            raise ValueError("base_margin must be finite")
        return np.ascontiguousarray(margin)

    # --- parts ------------------------------------------------------------------------------------------------------

    @overload
    def __getitem__(self, index: int) -> Booster: ...
    @overload
    def __getitem__(self, index: slice) -> Booster: ...
    def __getitem__(self, index: int | slice) -> Booster:
        n = self.n_iterations
        if isinstance(index, slice):
            begin, end, step = index.indices(n)
            if step < 1:
                raise ValueError("slices of a Booster must go forward: step must be positive")
        else:
            begin = int(index) + (n if index < 0 else 0)
            if not 0 <= begin < n:
                raise IndexError(f"round {index} of a Booster of {n} rounds")
            end, step = begin + 1, 1
        rounds = slice(begin, max(begin, end), step)
        evals = {
            data: {name: scores[rounds] for name, scores in metrics.items() if len(scores) == n}
            for data, metrics in self.evals_result.items()
        }
        return Booster(
            self._model.slice(begin, max(begin, end), step),
            self._schema,
            params=self.params,
            evals_result=evals,
            extra=self.extra,
        )

    def trees(self) -> list[Tree]:
        """All trees as arrays over their nodes, in the order they were grown."""
        per_round = max(1, self._model.trees_per_iteration)
        names = self.feature_names
        return [make_tree(self._model.tree(i), i, i // per_round, names) for i in range(self.n_trees)]

    def to_dataframe(self) -> pd.DataFrame:
        """All nodes of all trees as a pandas frame, one row a node.

        Raises
        ------
        ImportError
            pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise ImportError("to_dataframe needs pandas (pip install pandas); trees() does not") from None
        return pandas.DataFrame(nodes_table(self))

    def feature_importance(self, kind: str = "gain", *, groups: bool = True) -> dict[str, float]:
        """How much the trees use each feature.

        Parameters
        ----------
        kind : {"gain", "cover", "split_count", "total_gain", "total_cover"}, default "gain"
            Mean loss reduction of a split on the feature, mean hessian sum of the nodes split, number of splits; the
            totals are sums instead of means.
        groups : bool, default True
            Report the features of a named group (see `Dataset`) as one, under the group's name.

        Returns
        -------
        dict of str to float
            In the order of the columns; a feature that is never used has 0.
        """
        if kind not in IMPORTANCE_KINDS:
            raise ValueError(f"kind must be one of {', '.join(IMPORTANCE_KINDS)}, got {kind!r}")
        members = self._group_members() if groups else {}
        if not members:
            scores = self._model.feature_importance(kind)
            return dict(zip(self.feature_names, scores.tolist(), strict=True))
        total = self._model.feature_importance({"gain": "total_gain", "cover": "total_cover"}.get(kind, kind))
        counts = self._model.feature_importance("split_count") if kind in ("gain", "cover") else None
        result: dict[str, float] = {}
        group_of = {feature: name for name, features in members.items() for feature in features}
        for feature, name in enumerate(self.feature_names):
            group = group_of.get(feature)
            if group in result:
                continue
            rows = members[group] if group is not None else [feature]
            score = float(total[rows].sum())
            if counts is not None:
                score /= max(1.0, float(counts[rows].sum()))
            result[group if group is not None else name] = score
        return result

    def _group_members(self) -> dict[str, list[int]]:
        return {name: list(features) for name, features in self._schema.groups.items()}

    # --- files ------------------------------------------------------------------------------------------------------

    def digest(self) -> str:
        """SHA-256 of the model's content as 64 hex digits.

        Equal for equal data, parameters and seed, whatever the number of threads, instruction set or device.
        """
        return archive.digest(self._content())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file, atomically: on any failure the old file stays as it was.

        Raises
        ------
        OSError
            The file cannot be written, for example because the disk is full.
        """
        archive.save(path, self._content())

    def _content(self) -> archive.Content:
        arrays, model_meta = self._model.to_arrays()
        return archive.Content(
            arrays=arrays,
            model=model_meta,
            schema=self._schema.to_json(),
            params=self.params,
            history={
                "best_iteration": self.best_iteration,
                "best_score": self.best_score,
                "evals_result": self.evals_result,
            },
            extra=self.extra,
        )

    @classmethod
    def _from_content(cls, content: archive.Content) -> Booster:
        return cls(
            _core.Model.from_arrays(dict(content.arrays), dict(content.model)),
            Schema.from_json(content.schema),
            params=content.params,
            evals_result=content.history.get("evals_result"),
            best_iteration=content.history.get("best_iteration"),
            best_score=content.history.get("best_score"),
            extra=content.extra,
        )

    def __getstate__(self) -> dict[str, Any]:
        return {"bytes": archive.dumps(self._content())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(self._from_content(archive.loads(state["bytes"])).__dict__)


def _check_output(output: str) -> None:
    if output == "contrib":
        raise NotImplementedError('output="contrib" is not available in this version')
    if output not in ("value", "margin", "leaf"):
        raise ValueError(f'output must be "value", "margin" or "leaf", got {output!r}')


def _device(given: str) -> tuple[str, int]:
    """Checked, and loaded: ("cuda", 1)."""
    kind, ordinal = devices.parse(parameters.canonical({"device": given}).get("device", "cpu"))
    if kind == "naive":
        raise ValueError('device must be "cpu" or "cuda" to predict, got "naive"')
    return kind, ordinal


def _thread_count(n_threads: int) -> int:
    if isinstance(n_threads, bool) or not isinstance(n_threads, int | np.integer) or n_threads < -1:
        raise ValueError(f"n_threads must be an integer of at least 0, got {n_threads!r}")
    return max(0, int(n_threads))


def load(path: str | os.PathLike[str]) -> Booster:
    """Read a model file written by `Booster.save`.

    Raises
    ------
    ModelFileError
        The file is truncated, altered, of a newer format version, or no model file of a Booster.
    OSError
        The file cannot be read.
    """
    content = archive.load(path)
    kind = archive.estimator_kind(content)
    if kind is not None:
        raise ModelFileError(f"{os.fspath(path)} holds a {kind}, not a Booster; read it with pygbt.load")
    return Booster._from_content(content)
