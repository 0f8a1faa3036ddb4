# SPDX-License-Identifier: Apache-2.0
"""Pruning: every rule that makes a grown tree smaller, for single trees and for boosted models."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _core
from ..batch_checks import as_threads
from ..booster import Booster
from ..data import Dataset
from ..table_estimator import check_weight, label_codes
from .base import TreeEstimator
from .decision_tree import DecisionTree

# isort: split
from sklearn.utils.validation import check_is_fitted

__all__ = ["PruningReport", "prune"]

Floats = npt.NDArray[np.float64]

# Of every node, in the order of src/cpp/prune/pruning.h; from FIRST_CUT on the node became a leaf.
VERDICTS = (
    "split",
    "leaf",
    "below a node that became a leaf",
    "became a leaf: no worse than its sub-tree",
    "became a leaf: the split lowers the validation accuracy",
    "became a leaf: the split does not raise the validation accuracy",
    "became a leaf: at max_depth",
    "became a leaf: fewer than min_count rows",
    "became a leaf: improves by less than min_improvement",
)
FIRST_CUT = 3


@dataclass(frozen=True)
class PruningReport:
    """What a pruning rule said of every node of the tree it was given.

    Attributes
    ----------
    method : str
        Name of the rule.
    verdict : ndarray of str, shape (n_nodes,)
        Why a node is what it is: "split" and "leaf" stay as they were.
    as_leaf, with_split : ndarray of float64, shape (n_nodes,)
        What the rule compared: the node as a leaf, and with what is below it; NaN where it compared nothing.
    cut : ndarray of int64
        The nodes that became leaves.
    """

    method: str
    verdict: npt.NDArray[np.str_]
    as_leaf: Floats
    with_split: Floats
    cut: npt.NDArray[np.int64]


Judged = tuple[npt.NDArray[np.uint8], Floats, Floats]
Outcome = tuple[DecisionTree, PruningReport]


def _apply(tree: DecisionTree, method: str, judged: Judged) -> Outcome:
    codes, as_leaf, with_split = judged
    cut = np.flatnonzero(codes >= FIRST_CUT)
    report = PruningReport(method, np.array(VERDICTS)[codes], as_leaf, with_split, cut)
    return (tree.cut_below(cut) if len(cut) else tree), report


@dataclass(frozen=True)
class _Held:
    """Held-out rows as they were given; `estimator`: whose `X` they are like, if one is pruned."""

    estimator: Any
    X: Any
    y: Any
    sample_weight: Any
    n_threads: int


def held_out(tree: DecisionTree, rows: _Held, method: str) -> Any:
    """Losses of held-out rows in every node, as a `_core.prune.HeldOut`: errors, or squared errors."""
    if rows.X is None or rows.y is None:
        raise ValueError(f'method="{method}" needs held-out rows: prune(model, "{method}", X_val, y_val)')
    X = rows.X if rows.estimator is None else rows.estimator._rows(rows.X)
    y = np.asarray(rows.y)
    weight = check_weight(rows.sample_weight, len(y), "sample_weight")
    if tree.classes is None:
        try:
            targets = np.ascontiguousarray(y.reshape(len(y), -1), dtype=np.float64)
        except ValueError as error:
            raise ValueError(f"y must hold numbers, as in training; {error}") from None
        response = _core.Response.targets(targets, weight, rows.n_threads)
    else:
        response = _core.Response.classes(_codes(tree.classes, y), len(tree.classes), weight, rows.n_threads)
    return _core.prune.HeldOut(tree._core, tree._encoded(X), tree.wide, response, n_threads=rows.n_threads)


def _codes(classes: npt.NDArray[Any], y: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Codes of labels. A class that training did not have is -1: an error of every pruning, which changes nothing."""
    if y.ndim != 1:
        raise ValueError(f"y must have shape (n,), got {y.shape}")
    codes, known = label_codes(classes, y)
    if not np.any(known):
        raise ValueError(f"y holds none of the classes of the tree, {classes[:5].tolist()}; pass labels as in training")
    return np.where(known, codes, -1).astype(np.int32)


# --- rules ----------------------------------------------------------------------------------------------------------


def _cost_complexity(
    tree: DecisionTree, rows: _Held, *, ccp_alpha: float | None = None, cp: float | None = None
) -> Outcome:
    if (ccp_alpha is None) == (cp is None):
        raise ValueError('method="cost_complexity" needs either ccp_alpha or cp, and not both')
    unit = tree.weight[0] if cp is None else tree.risk[0]
    alpha = _number(ccp_alpha if cp is None else cp, "ccp_alpha" if cp is None else "cp") * float(unit)
    alpha += 4.0 * float(np.spacing(alpha))  # a link's own cp, divided and multiplied again, reaches the link
    strength = _core.prune.link_strength(tree._core, tree.risk)
    return _apply(tree, "cost_complexity", _core.prune.by_strength(tree._core, tree.risk, strength, alpha))


def _entropy(tree: DecisionTree, rows: _Held, *, alpha: float) -> Outcome:
    return _apply(tree, "entropy", _core.prune.by_entropy(tree._core, _number(alpha, "alpha")))


def _reduced_error(tree: DecisionTree, rows: _Held) -> Outcome:
    return _apply(tree, "reduced_error", _core.prune.reduced_error(tree._core, held_out(tree, rows, "reduced_error")))


def _pessimistic(tree: DecisionTree, rows: _Held) -> Outcome:
    return _apply(tree, "pessimistic", _core.prune.pessimistic(tree._core))


def _error_based(tree: DecisionTree, rows: _Held, *, cf: float = 0.25, ebp: str = "c45") -> Outcome:
    if ebp not in ("c45", "exact"):
        raise ValueError(f'ebp must be "c45" or "exact", got {ebp!r}')
    return _apply(tree, "error_based", _core.prune.error_based(tree._core, _number(cf, "cf"), ebp == "exact"))


def _validation(tree: DecisionTree, rows: _Held, *, tie: str = "keep") -> Outcome:
    if tie not in ("keep", "cut"):
        raise ValueError(f'tie must be "keep" or "cut", got {tie!r}')
    held = held_out(tree, rows, "validation")
    return _apply(tree, "validation", _core.prune.by_validation(tree._core, held, tie == "cut"))


def _thresholds(
    tree: DecisionTree,
    rows: _Held,
    *,
    min_improvement: float | None = None,
    min_count: int | None = None,
    max_depth: int | None = None,
) -> Outcome:
    if min_improvement is None and min_count is None and max_depth is None:
        raise ValueError('method="thresholds" needs min_improvement, min_count or max_depth')
    least = -np.inf if min_improvement is None else _number(min_improvement, "min_improvement")
    count = 0 if min_count is None else _whole(min_count, "min_count")
    depth = -1 if max_depth is None else _whole(max_depth, "max_depth")
    judged = _core.prune.by_thresholds(tree._core, least, count, min(depth, np.iinfo(np.int32).max))
    return _apply(tree, "thresholds", judged)


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < np.inf:
        raise ValueError(f"{name} must be a finite number >= 0, got {value!r}")
    return float(value)


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise ValueError(f"{name} must be an integer >= 0, got {value!r}")
    return min(int(value), np.iinfo(np.int64).max)


_RULES: dict[str, Callable[..., Outcome]] = {
    "cost_complexity": _cost_complexity,
    "entropy": _entropy,
    "reduced_error": _reduced_error,
    "pessimistic": _pessimistic,
    "error_based": _error_based,
    "validation": _validation,
    "thresholds": _thresholds,
}
_HELD_OUT = ("reduced_error", "validation")
_CROSS_VALIDATED = ("best", "one_se")


# --- the one function -----------------------------------------------------------------------------------------------


def prune(
    model: Any,
    method: str,
    X: Any = None,
    y: Any = None,
    *,
    sample_weight: Any = None,
    return_report: bool = False,
    n_threads: int = 0,
    **options: Any,
) -> Any:
    """Make a tree smaller.

    Parameters
    ----------
    model : fitted estimator of `pygbt.tree`, DecisionTree, or Booster
        It stays as it is. For "best" and "one_se" an estimator, fitted or not.
    method : str
        - "cost_complexity": the smallest pruning that minimises risk + alpha x leaves. Options: ``cp``, alpha as a
          share of the root's risk, or ``ccp_alpha``, alpha for risks of one unit of training weight.
        - "entropy": minimises the sum over leaves of cases x entropy in bits, + ``alpha`` x leaves.
        - "reduced_error": the smallest of the prunings with the fewest errors (or the smallest squared error) on the
          held-out rows `X`, `y`.
        - "pessimistic": top-down on the training cases, with 1/2 error more a leaf and one standard error (Quinlan
          1987).
        - "error_based": bottom-up on the training cases, by the upper limit of the errors at confidence ``cf``
          (default 0.25), as C4.5 without raising branches; ``ebp="exact"``: with J48's constants.
        - "validation": pre-pruning. The tree is grown again, breadth first, with its own questions; one stays only if
          it does not lower the accuracy on the rows `X`, `y` (``tie="keep"``), or raises it (``tie="cut"``). Below one
          that does not stay nothing is looked at.
        - "thresholds": a question stays if it improves the criterion by ``min_improvement``, its node has
          ``min_count`` training rows and lies above ``max_depth``.
        - "best", "one_se": fit on `X`, `y` and prune by the cross-validated cost-complexity path; options are those of
          `cost_complexity_path`.

        A Booster takes "reduced_error": tree by tree, sub-trees that do not improve the loss on `X`, `y` become leaves
        of their cover-weighted mean; only the rounds that ``predict`` uses are kept. Options: ``metric``, compared in
        place of the loss, if it is a sum over rows; ``base_margin`` of the rows.
    X, y : table and labels
        The held-out rows, or for "best" and "one_se" the rows to fit.
    sample_weight : array-like, shape (n,), optional
        Weights of these rows.
    return_report : bool, default False
        Return what the rule said of every node, too (single trees).
    n_threads : int, default 0
        Threads of this call; 0 is all this process may use. It never changes a result.
    **options
        Those of the method.

    Returns
    -------
    Of the type of `model`: a copy of the estimator with the pruned ``tree_``, a DecisionTree, or a Booster
        With ``return_report`` a pair of it and a `PruningReport`.

    Raises
    ------
    ValueError
        No such method, an option that it needs is missing, or rows that do not fit the model.
    TypeError
        An option that the method does not have, or a model that is no tree.

    Examples
    --------
    >>> smaller = prune(CARTClassifier(cp=0).fit(X, y), "reduced_error", X_val, y_val)
    >>> chosen = prune(CARTClassifier(cp=0), "one_se", X, y)
    """
    n_threads = as_threads(n_threads)
    if isinstance(model, Booster):
        return _prune_booster(model, method, X, y, sample_weight, return_report, n_threads, **options)
    if isinstance(method, str) and method in _CROSS_VALIDATED:
        return _cross_validated(model, method, X, y, sample_weight, return_report, options)
    if not isinstance(method, str) or method not in _RULES:
        known = ", ".join(f'"{name}"' for name in (*_RULES, *_CROSS_VALIDATED))
        raise ValueError(f"method must be one of {known}, got {method!r}")
    single = isinstance(model, DecisionTree)
    tree = model if single else getattr(model, "tree_", None)
    if not isinstance(tree, DecisionTree):
        if isinstance(model, TreeEstimator):
            check_is_fitted(model)
        raise TypeError(
            f"prune needs a fitted estimator of pygbt.tree, a DecisionTree or a Booster, got {type(model).__name__}"
        )
    _check_options(_RULES[method], method, options)
    if method not in _HELD_OUT and not (X is None and y is None and sample_weight is None):
        raise ValueError(f'method="{method}" reads the tree alone; leave X, y and sample_weight out')
    rows = _Held(None if single else model, X, y, sample_weight, n_threads)
    pruned, report = _RULES[method](tree, rows, **options)
    result: Any = pruned
    if not single:
        result = copy.copy(model)
        result.tree_ = pruned
    return (result, report) if return_report else result


def _check_options(rule: Callable[..., Any], method: str, options: dict[str, Any]) -> None:
    parameters = inspect.signature(rule).parameters.values()
    own = {p.name: p.default is p.empty for p in parameters if p.kind is p.KEYWORD_ONLY}
    for name in options:
        if name not in own:
            raise TypeError(f'method="{method}" has no option {name!r}; it has {", ".join(own) or "none"}')
    for name, needed in own.items():
        if needed and name not in options:
            raise ValueError(f'method="{method}" needs {name}')


def _cross_validated(
    model: Any, method: str, X: Any, y: Any, sample_weight: Any, return_report: bool, options: dict[str, Any]
) -> Any:
    from .complexity_path import cost_complexity_path

    if return_report:
        raise ValueError(f'return_report: method="{method}" has a table instead, see cost_complexity_path')
    if X is None or y is None:
        raise ValueError(f'method="{method}" needs the rows to fit: prune(estimator, "{method}", X, y)')
    path = cost_complexity_path(model, X, y, sample_weight, **options)
    return path.estimator_at(path.best() if method == "best" else path.one_se())


def _prune_booster(
    booster: Booster,
    method: str,
    X: Any,
    y: Any,
    sample_weight: Any,
    return_report: bool,
    n_threads: int,
    *,
    metric: str | None = None,
    base_margin: Any = None,
) -> Booster:
    if method != "reduced_error":
        raise ValueError(f'a Booster is pruned by method="reduced_error" only, got {method!r}')
    if return_report:
        raise ValueError("return_report is for single trees; compare booster.trees() before and after")
    if X is None or y is None:
        raise ValueError('method="reduced_error" needs held-out rows: prune(booster, "reduced_error", X_val, y_val)')
    labels = np.asarray(y)
    place = np.zeros((len(labels), 1), dtype=np.float32)  # labels, weights and margins are read; bins are not
    data = Dataset(place, labels, weight=sample_weight, base_margin=base_margin)
    model = booster._model.slice(*booster._iterations(None))
    columns = booster._schema.encode(X)
    model = _core.prune.boosted(model, columns, data.core, "" if metric is None else metric, n_threads)
    return Booster(model, booster._schema, params=booster.params, extra=booster.extra)
