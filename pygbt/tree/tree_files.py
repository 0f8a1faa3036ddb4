# SPDX-License-Identifier: Apache-2.0
"""Decision trees as the arrays of a model file: every array of all trees back to back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _core
from ..estimator_files import FileParts
from ..schema import Schema
from .decision_tree import DecisionTree

__all__ = ["pack_trees", "read_trees"]


def pack_trees(trees: Sequence[DecisionTree], name: str = "tree") -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays and state of trees of one kind; trees of one schema, which the file has besides."""
    each = [tree._core.to_arrays() for tree in trees]
    flat = [{key: value for key, value in arrays.items() if isinstance(value, np.ndarray)} for arrays in each]
    keys = sorted(flat[0]) if flat else []
    packed = {f"{name}.{key}": np.concatenate([arrays[key] for arrays in flat]) for key in keys}
    lengths = np.array([[len(arrays[key]) for key in keys] for arrays in flat], dtype=np.int64)
    packed[f"{name}.lengths"] = lengths.reshape(len(flat), len(keys))
    state = {
        f"{name}.classifier": [bool(arrays["classifier"]) for arrays in each],
        f"{name}.n_values": [int(arrays["n_values"]) for arrays in each],
        f"{name}.wide": [bool(wide) for wide in trees[0].wide] if trees else [],
    }
    return packed, state


def read_trees(
    parts: FileParts, classes: npt.NDArray[Any] | None, name: str = "tree", schema: Schema | None = None
) -> list[DecisionTree]:
    """The trees of `pack_trees`, proven sound: those of a classifier have a value for each of `classes`.

    Raises
    ------
    ModelFileError
        They are damaged.
    """
    schema = parts.schema if schema is None else schema
    wide = parts.list_of(f"{name}.wide")
    kinds, widths = parts.list_of(f"{name}.classifier"), parts.list_of(f"{name}.n_values")
    prefix = f"{name}."
    named = {key.removeprefix(prefix): array for key, array in parts.arrays.items() if key.startswith(prefix)}
    lengths = named.pop("lengths", None)
    keys = sorted(named)
    shape = (len(kinds), len(keys))
    parts.require(lengths is not None and lengths.dtype == np.int64 and lengths.shape == shape, "trees do not fit")
    assert lengths is not None
    parts.require(
        len(widths) == len(kinds) and all(type(w) is int and 0 < w < 2**31 for w in widths), "trees do not fit"
    )
    parts.require(all(type(kind) is bool and kind == (classes is not None) for kind in kinds), "kinds do not fit")
    parts.require(not kinds or len(wide) == schema.n_features, "columns do not fit")
    parts.require(all(type(mark) is bool for mark in wide), "columns do not fit")
    parts.require(classes is None or all(width == len(classes) for width in widths), "classes do not fit")
    parts.require(bool((lengths >= 0).all()), "a length is negative")
    ends = np.cumsum(lengths, axis=0)
    for i, key in enumerate(keys):
        parts.require(named[key].ndim == 1, f"array {key!r} is not one-dimensional")
        parts.require(int(lengths[:, i].astype(object).sum()) == len(named[key]), f"array {key!r} has a wrong length")
    trees = []
    for tree in range(len(kinds)):
        arrays: dict[str, Any] = {"classifier": kinds[tree], "n_values": widths[tree]}
        for i, key in enumerate(keys):
            arrays[key] = named[key][ends[tree, i] - lengths[tree, i] : ends[tree, i]]
        core = _core.DecisionTree.from_arrays(arrays, schema.n_features)
        nominal = [categories is not None for categories in schema.categories]
        fits = np.array_equal(arrays["question_branch_begin"] >= 0, np.array(nominal)[arrays["question_feature"]])
        parts.require(fits, "a question does not fit its column")
        trees.append(DecisionTree(core, schema, wide, classes))
    return trees
