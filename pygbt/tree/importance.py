# SPDX-License-Identifier: Apache-2.0
"""How much the features of a tree matter: what their questions gain, asked first or as surrogates."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .decision_tree import DecisionTree
from .questions import tree_of

__all__ = ["importance_text", "variable_importance"]

RELATIVE = ("squared_error",)  # criteria whose improvement is a share of the node's risk
A_CASE = ("gain", "gain_ratio")  # criteria whose improvement is meant for one case


def variable_importance(tree: Any, surrogates: bool = True, *, criterion: str | None = None) -> npt.NDArray[np.float64]:
    """Importance of every feature, shape (n_features,); sums to 1, or is 0 everywhere if the tree asks nothing.

    A question adds its goodness to the feature it asks for, and goodness x adjusted agreement to the feature of each
    of its surrogates. Goodness is the improvement of the criterion over the cases of the node; in a least squares
    regression what the sum of squares loses.

    Parameters
    ----------
    tree : fitted estimator or DecisionTree
    surrogates : bool
        Whether surrogates count.
    criterion : str, optional
        Criterion the tree was grown by; that of the estimator unless given, else ``"squared_error"`` of a regression.
    """
    if criterion is None:
        criterion = getattr(tree, "criterion", None)
    tree = tree_of(tree)
    if criterion is None and not tree.classifier:
        criterion = RELATIVE[0]
    total = _goodness(tree, surrogates, criterion)
    return total / total.sum() if total.sum() > 0 else total


def _goodness(tree: DecisionTree, surrogates: bool, criterion: str | None) -> npt.NDArray[np.float64]:
    total = np.zeros(tree.schema.n_features)
    for node in np.flatnonzero(tree.n_children > 0):
        begin = int(tree.question_begin[node])
        goodness = float(tree.question_improvement[begin])
        if criterion in RELATIVE:
            goodness *= float(tree.risk[node])
        elif criterion in A_CASE:
            goodness *= float(tree.weight[node])
        total[tree.question_feature[begin]] += goodness
        if surrogates:
            for q in range(begin + 1, begin + 1 + int(tree.n_surrogates[node])):
                total[tree.question_feature[q]] += goodness * float(tree.question_adjusted[q])
    return total


def importance_text(tree: Any, surrogates: bool = True) -> str:
    """The features that matter, most important first, as shares of 100."""
    importance = variable_importance(tree, surrogates)
    names = tree_of(tree).feature_names
    order = np.argsort(-importance, kind="stable")
    shown = [place for place in order.tolist() if importance[place] > 0]
    width = max((len(names[place]) for place in shown), default=0)
    return "\n".join(f"{names[place]:<{width}}  {100 * importance[place]:3.0f}" for place in shown)
