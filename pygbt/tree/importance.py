# SPDX-License-Identifier: Apache-2.0
"""How much the features of a tree matter: what their questions gain, asked first or as surrogates."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .decision_tree import SHARED, DecisionTree
from .questions import tree_of

__all__ = ["importance_text", "variable_importance"]

Unit = Literal["total", "share", "case"]


def variable_importance(
    tree: Any, surrogates: bool = True, *, improvement: Unit | None = None
) -> npt.NDArray[np.float64]:
    """Importance of every feature, shape (n_features,); sums to 1, or is 0 everywhere if the tree asks nothing.

    A question adds its goodness to the feature it asks for, and goodness x adjusted agreement to the feature of each
    of its surrogates. Goodness is what the criterion gains over all cases of the node: of classes the decrease of
    impurity, in a regression what the risk loses.

    Parameters
    ----------
    tree : fitted estimator or DecisionTree
    surrogates : bool
        Whether surrogates count.
    improvement : {"total", "share", "case"}, optional
        What ``question_improvement`` of the tree means: the gain over all cases of the node, a share of its risk, or
        the gain a case. Known for estimators. Of a bare `DecisionTree` it is taken to be "share" in a regression,
        "case" in a tree that shares undecided cases, as those of C4.5 and ID3 do, else "total".
    """
    criterion = getattr(tree, "criterion", None)
    tree = tree_of(tree)
    if improvement is None:
        improvement = _unit(tree, criterion)
    if improvement not in ("total", "share", "case"):
        raise ValueError(f'improvement must be "total", "share" or "case", got {improvement!r}')
    total = np.zeros(tree.schema.n_features)
    for node in np.flatnonzero(tree.n_children > 0).tolist():
        begin = int(tree.question_begin[node])
        goodness = float(tree.question_improvement[begin])
        if improvement == "share":
            goodness *= float(tree.risk[node])
        elif improvement == "case":
            goodness *= float(tree.weight[node])
        total[tree.question_feature[begin]] += goodness
        if surrogates:
            for q in range(begin + 1, begin + 1 + int(tree.n_surrogates[node])):
                total[tree.question_feature[q]] += goodness * float(tree.question_adjusted[q])
    return total / total.sum() if total.sum() > 0 else total


def _unit(tree: DecisionTree, criterion: str | None) -> Unit:
    if not tree.classifier:
        return "total" if criterion == "poisson" else "share"
    return "case" if (tree.fallback == SHARED).any() else "total"


def importance_text(tree: Any, surrogates: bool = True) -> str:
    """The features that matter, most important first, as shares of 100."""
    importance = variable_importance(tree, surrogates)
    names = tree_of(tree).feature_names
    order = np.argsort(-importance, kind="stable")
    shown = [place for place in order.tolist() if importance[place] > 0]
    width = max((len(names[place]) for place in shown), default=0)
    return "\n".join(f"{names[place]:<{width}}  {100 * importance[place]:3.0f}" for place in shown)
