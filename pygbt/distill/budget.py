# SPDX-License-Identifier: Apache-2.0
"""A size that a student must not exceed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import parameters
from ..booster import Booster
from .footprint import count_leaves, file_bytes, microseconds_a_row

__all__ = ["Budget"]


@dataclass(frozen=True)
class Budget:
    """Limits of a student; None is no limit. They are met by construction: rounds, trees and leaves a tree are bounded
    before training, then the model is cut to the longest run of its first trees that fits.

    Attributes
    ----------
    trees : int, optional
        Trees in all.
    leaves : int, optional
        Leaves in all.
    bytes : int, optional
        Bytes of the model's file.
    microseconds : float, optional
        Time of prediction a row, measured in batches of up to 1,024 rows on this machine, the call included; so what
        fits differs from machine to machine.
    """

    trees: int | None = None
    leaves: int | None = None
    bytes: int | None = None
    microseconds: float | None = None

    def __post_init__(self) -> None:
        for name, least in (("trees", 1), ("leaves", 2), ("bytes", 1), ("microseconds", 0)):
            value = getattr(self, name)
            whole = name != "microseconds"
            kinds = int | np.integer if whole else int | float | np.number
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, kinds) or not value >= least or value == 0:
                raise ValueError(
                    f"budget: {name} must be {'an integer' if whole else 'a number'} of at least {least}"
                    f"{'' if whole else ', above 0'}, got {value!r}"
                )

    @classmethod
    def of(cls, given: Any) -> Budget | None:
        """From a Budget, a dictionary or None."""
        if given is None or isinstance(given, Budget):
            return given
        if not isinstance(given, Mapping):
            raise TypeError(f"budget must be a Budget or a dictionary, got {type(given).__name__}")
        unknown = set(given) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"budget: unknown {sorted(unknown)}; it has trees, leaves, bytes and microseconds")
        return cls(**given)

    # --- before training --------------------------------------------------------------------------------------------

    def bounded_params(self, params: dict[str, Any], n_outputs: int) -> dict[str, Any]:
        """Parameters of `pygbt.train` that cannot make more trees, or more leaves in one round."""
        bounded = dict(params)
        vector = bounded.get("multi_strategy", parameters.default("multi_strategy")) == "vector_leaf"
        a_round = 1 if vector else n_outputs
        hint = f"; multi_strategy='vector_leaf' has one tree a round instead of {a_round}" if a_round > 1 else ""
        if self.trees is not None:
            most = self.trees // a_round
            if most < 1:
                raise ValueError(f"budget: {self.trees} trees are less than one round of {a_round}{hint}")
            bounded["num_boost_round"] = min(bounded.get("num_boost_round", 100), most)
        if self.leaves is not None:
            most = self.leaves // a_round
            if most < 2:
                raise ValueError(f"budget: {self.leaves} leaves are less than 2 for each of {a_round} trees{hint}")
            given = bounded.get("max_leaves", 0)
            depth = bounded.get("max_depth", parameters.default("max_depth"))
            if not given and not (depth and 2**depth <= most):
                bounded["max_leaves"] = most
            elif given:
                bounded["max_leaves"] = min(given, most)
        return bounded

    def bounded_estimator(self, estimator: Any) -> Any:
        """The estimator with fewer trees, or leaves a tree, where its parameters allow more."""
        names = estimator.get_params(deep=False)
        n_trees = 1
        if "n_estimators" in names:
            n_trees = int(names["n_estimators"])
            if self.trees is not None:
                n_trees = min(n_trees, self.trees)
            if self.leaves is not None:
                n_trees = min(n_trees, self.leaves // 2)
            estimator.set_params(n_estimators=n_trees)
        name = next((n for n in ("max_leaves", "max_leaf_nodes") if n in names), None)
        if self.leaves is not None and name is not None:
            most = self.leaves // n_trees
            estimator.set_params(**{name: most if names[name] is None else min(int(names[name]), most)})
        return estimator

    # --- after training ---------------------------------------------------------------------------------------------

    def problems(self, model: Any, answer: Callable[[Any], Any], X: Any) -> list[str]:
        """What the model exceeds, as text; empty if it fits."""
        trees, leaves = count_leaves(model)
        found = []
        if self.trees is not None and (trees is None or trees > self.trees):
            found.append(f"{trees} trees of {self.trees}")
        if self.leaves is not None and (leaves is None or leaves > self.leaves):
            found.append(f"{leaves} leaves of {self.leaves}")
        if self.bytes is not None:
            size = file_bytes(model)
            if size is None or size > self.bytes:
                found.append(f"{size} bytes of {self.bytes}")
        if self.microseconds is not None and not found:
            took = microseconds_a_row(answer, X)
            if took > self.microseconds:
                found.append(f"{took:.3g} microseconds a row of {self.microseconds:g}")
        return found

    def trimmed(self, model: Any, answer: Callable[[Any, Any], Any], X: Any, refit: Callable[[Budget], Any]) -> Any:
        """The longest run of the model's first trees (rounds of a booster) that fits; a single tree is grown again with
        the most leaves that fit.

        Parameters
        ----------
        model : Booster or estimator
        answer : callable
            ``answer(model, X)``, to be timed.
        X : table
        refit : callable
            ``refit(budget)``: the model trained again within another budget.

        Raises
        ------
        ValueError
            Not even the smallest fits, or the model cannot be cut.
        """

        def problems(candidate: Any) -> list[str]:
            return self.problems(candidate, lambda rows: answer(candidate, rows), X)

        missed = problems(model)
        if not missed:
            return model
        n = _length(model)
        if n is not None:
            found = _largest(lambda size: _first(model, size), problems, 1, n)
            smallest = "one round (or tree) alone"
        elif "max_leaves" in model.get_params(deep=False):
            leaves = count_leaves(model)[1] or 2
            found = _largest(lambda size: refit(replace(self, leaves=size)), problems, 2, leaves)
            smallest = "a tree of two leaves"
        else:
            raise ValueError(
                f"budget: {type(model).__name__} needs {', '.join(missed)}, and cannot be cut; limit it by its own "
                "parameters"
            )
        if found is None:
            raise ValueError(f"budget: {smallest} is more than {self}")
        return found


def _largest(make: Callable[[int], Any], problems: Callable[[Any], list[str]], least: int, most: int) -> Any:
    """The model of the largest size below `most` that has no problems; None where not even `least` has none."""
    low, high = least - 1, most  # of size `low` it fits (or is not made), of size `high` it does not
    fits: dict[int, Any] = {}
    while high - low > 1:
        middle = (low + high) // 2
        candidate = make(middle)
        if problems(candidate):
            high = middle
        else:
            low, fits[middle] = middle, candidate
    for size in sorted(fits, reverse=True):  # times differ from call to call: asked again
        if not problems(fits[size]):
            return fits[size]
    return None


def _length(model: Any) -> int | None:
    """Rounds or trees that a model can be cut to; None where it cannot."""
    if isinstance(model, Booster):
        return model.n_iterations
    if isinstance(getattr(model, "booster_", None), Booster):
        return int(model.booster_.n_iterations)
    return int(model.forest_.n_trees) if hasattr(model, "forest_") else None


def _first(model: Any, n: int) -> Any:
    """A model of the first n rounds or trees."""
    if isinstance(model, Booster):
        return model[:n]
    import copy

    part = copy.copy(model)
    if hasattr(model, "forest_"):
        from ..ensemble.forest_model import ForestModel

        forest = model.forest_
        part.forest_ = ForestModel(forest.core.slice(0, n), forest.schema, forest.scale)
        part.n_estimators = n
    else:
        part.booster_ = model.booster_[:n]
        part.n_estimators = n
    return part
