# SPDX-License-Identifier: Apache-2.0
"""Model files of ensembles of decision trees: the trees, what their rounds found, and the columns of each."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..estimator_files import FileParts
from ..tree import DecisionTree
from ..tree.tree_files import pack_trees, read_trees
from ..typed_json import pack, unpack

__all__ = ["pack_ensemble", "read_ensemble"]

_NUMBERS = ("init_", "estimator_weights_", "estimator_errors_", "train_score_")  # float64, shape (n,)
_DECIDING = ("learning_rate", "loss", "voting", "algorithm")  # parameters that predictions read


def pack_ensemble(ensemble: Any) -> FileParts:
    """What an ensemble of trees learnt.

    Raises
    ------
    ValueError
        Its members are no trees of pygbt.
    """
    members = ensemble.estimators_
    foreign = [member for member in members if not isinstance(member, DecisionTree)]
    if foreign:
        raise ValueError(
            f"a model file holds ensembles of pygbt.tree; the members of this one are {type(foreign[0]).__name__}: use "
            "pickle or joblib"
        )
    arrays, state = pack_trees(members)
    for name in _NUMBERS:
        if hasattr(ensemble, name):
            arrays[name] = np.asarray(getattr(ensemble, name), dtype=np.float64)
    if hasattr(ensemble, "estimators_features_"):
        columns = ensemble.estimators_features_
        arrays["member_columns"] = np.concatenate(columns).astype(np.int64)
        arrays["member_n_columns"] = np.array([len(own) for own in columns], dtype=np.int64)
    params = ensemble.get_params(deep=False)
    state["params"] = {name: pack(params[name]) for name in _DECIDING if name in params}
    for name in ("_flat", "_loss"):
        if hasattr(ensemble, name):
            state[name] = pack(getattr(ensemble, name))
    return FileParts(arrays, state, members[0].schema)


def read_ensemble(ensemble: Any, parts: FileParts) -> None:
    """Set what `pack_ensemble` wrote, on an ensemble that has its parameters and classes.

    Raises
    ------
    ModelFileError
        It is damaged.
    """
    kinds = parts.list_of("tree.classifier")
    parts.require(len(kinds) >= 1, "there are no trees")
    classes = getattr(ensemble, "classes_", None)
    parts.require(not kinds[0] or classes is not None, "classes are missing")
    ensemble.estimators_ = read_trees(parts, classes if kinds[0] else None)
    n = len(kinds)
    for name in _NUMBERS:
        if name in parts.arrays:
            numbers = parts.array(name, np.float64)
            parts.require(numbers.ndim == 1 and bool(np.isfinite(numbers).all()), f"array {name!r} holds no numbers")
            setattr(ensemble, name, numbers.copy())
    if "member_columns" in parts.arrays:
        columns, n_columns = parts.array("member_columns", np.int64), parts.array("member_n_columns", np.int64, (n,))
        sound = columns.ndim == 1 and bool((n_columns > 0).all()) and sum(n_columns.tolist()) == len(columns)
        parts.require(
            sound and bool(((columns >= 0) & (columns < parts.schema.n_features)).all()), "columns do not fit"
        )
        ensemble.estimators_features_ = np.split(columns.copy(), np.cumsum(n_columns)[:-1])
    params = ensemble.get_params(deep=False)
    for name in _DECIDING:
        if name in params:
            parts.require(repr(unpack(parts.state["params"][name])) == repr(params[name]), f"{name} does not fit")
    for name, kind in (("_flat", bool), ("_loss", str)):
        if name in parts.state:
            setattr(ensemble, name, parts.take(name, kind))
    ensemble._check_read(parts)
