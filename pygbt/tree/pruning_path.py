# SPDX-License-Identifier: Apache-2.0
"""The nested prunings of a tree as tables: by cost-complexity and by entropy."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _core
from .decision_tree import DecisionTree
from .pruning import FIRST_CUT

__all__ = ["CostComplexityPath", "EntropyPath", "entropy_path"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class _Path:
    """Nested prunings of one tree, from the root alone to the largest."""

    def __init__(self, tree: DecisionTree, cost: Floats, least: float) -> None:
        """`least`: the last alpha, in units of the cost."""
        self._full = tree
        self._cost = np.ascontiguousarray(cost)
        self._strength = _core.prune.link_strength(tree._core, self._cost)
        alphas = _core.prune.path_alphas(tree._core, self._strength)
        self._alphas: Floats = np.append(alphas[alphas > least], least)
        ones = np.ones(tree.n_nodes)
        self.n_leaves: Ints = self._sums(ones).astype(np.int64)
        inner = np.where(tree.first_child < 0, 0.0, ones)
        self.n_splits: Ints = self._sums(np.zeros(tree.n_nodes), inner).astype(np.int64)

    def _sums(self, as_leaf: Floats, while_split: Floats | None = None) -> Floats:
        sums: Floats = _core.prune.path_sums(self._full._core, self._strength, self._alphas, as_leaf, while_split)
        return sums

    def __len__(self) -> int:
        return len(self._alphas)

    def tree(self, row: int) -> DecisionTree:
        """The pruning of a row; each is nested in the next."""
        alpha = self._alphas[row]
        codes, _, _ = _core.prune.by_strength(self._full._core, self._cost, self._strength, alpha)
        cut = np.flatnonzero(codes >= FIRST_CUT)
        return self._full.cut_below(cut) if len(cut) else self._full


class CostComplexityPath(_Path):
    """The table of prunings that minimise risk + alpha x leaves, one row each, from the root alone to the largest tree.

    Attributes
    ----------
    cp : ndarray of float64, shape (n,)
        Smallest alpha of the row's tree as a share of the root's risk, descending; the last one is that of the
        estimator.
    alpha : ndarray of float64, shape (n,)
        The same for risks of one unit of training weight, as ``ccp_alpha``.
    n_splits, n_leaves : ndarray of int64, shape (n,)
    rel_error : ndarray of float64, shape (n,)
        Risk on the training rows as a share of the root's.
    xerror, xstd : ndarray of float64, shape (n,), or None
        Cross-validated risk as a share of the root's, and its standard error; None without folds.
    estimator : estimator
        Fitted on all rows.
    fold : ndarray of int64 or None
        Number of the fold that each row (with a response) was left out in.
    """

    def __init__(self, estimator: Any, least: float) -> None:
        tree = estimator.tree_
        root = float(tree.risk[0])
        self.root_risk = root if root > 0 else 1.0
        super().__init__(tree, tree.risk, least * root)
        self.estimator = estimator
        self.cp: Floats = self._alphas / self.root_risk
        self.cp[-1] = least
        self.alpha: Floats = self._alphas / float(tree.weight[0])
        self.rel_error: Floats = self._sums(tree.risk) / self.root_risk
        self.xerror: Floats | None = None
        self.xstd: Floats | None = None
        self.fold: Ints | None = None

    def best(self) -> int:
        """Row of the smallest cross-validated error; of equal ones the smallest tree."""
        return int(np.argmin(self._validated()[0]))

    def one_se(self) -> int:
        """Row of the smallest tree whose cross-validated error is within one standard error of the smallest."""
        xerror, xstd = self._validated()
        least = int(np.argmin(xerror))
        return int(np.argmax(xerror <= xerror[least] + xstd[least]))

    def _validated(self) -> tuple[Floats, Floats]:
        if self.xerror is None or self.xstd is None:
            raise ValueError("the path has no cross-validated errors; give cost_complexity_path its folds")
        return self.xerror, self.xstd

    def estimator_at(self, row: int) -> Any:
        """A copy of the fitted estimator with the tree of a row."""
        result = copy.copy(self.estimator)
        result.tree_ = self.tree(row)
        return result

    def table(self) -> dict[str, npt.NDArray[Any]]:
        """The columns by name."""
        columns: dict[str, npt.NDArray[Any]] = {
            "cp": self.cp,
            "n_splits": self.n_splits,
            "n_leaves": self.n_leaves,
            "rel_error": self.rel_error,
        }
        if self.xerror is not None and self.xstd is not None:
            columns |= {"xerror": self.xerror, "xstd": self.xstd}
        return columns

    def __str__(self) -> str:
        columns = self.table()
        cells = [[name, *(f"{x:d}" if x.dtype.kind == "i" else f"{x:.6g}" for x in c)] for name, c in columns.items()]
        widths = [max(map(len, column)) for column in cells]
        rows = zip(*cells, strict=True)
        return "\n".join("  ".join(x.rjust(width) for x, width in zip(row, widths, strict=True)) for row in rows)

    def plot(self, ax: Any = None) -> Any:
        """Draw the cross-validated error (or the training error) against cp, with the line of one standard error.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            A new one by default.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            matplotlib is not installed.
        """
        try:
            import matplotlib.pyplot as plt
        except ImportError:
            raise ImportError("plot needs matplotlib (pip install matplotlib); table() has the numbers") from None
        if ax is None:
            _, ax = plt.subplots(figsize=(7.0, 4.5), layout="constrained")
        at = np.arange(len(self))
        ax.plot(at, self.rel_error, "o--", color="0.6", markersize=4, label="training")
        if self.xerror is not None and self.xstd is not None:
            ax.errorbar(at, self.xerror, yerr=self.xstd, fmt="o-", color="C0", capsize=3, label="cross-validated")
            least = self.best()
            ax.axhline(self.xerror[least] + self.xstd[least], color="C3", linestyle=":", label="least + 1 SE")
            chosen = self.one_se()
            ax.plot(at[chosen], self.xerror[chosen], "s", color="C3", markersize=9, fillstyle="none", label="1-SE rule")
        shown = at[:: -(-len(self) // 10)]  # at most ten labels
        beta = scored_at(self.cp)
        ax.set_xticks(shown, ["inf" if not np.isfinite(beta[i]) else f"{beta[i]:.2g}" for i in shown])
        ax.set_xlabel("cp (geometric mean of the row and the one above)")
        ax.set_ylabel("error relative to the root")
        above = ax.secondary_xaxis("top")
        above.set_xticks(shown, [str(self.n_leaves[i]) for i in shown])
        above.set_xlabel("leaves")
        ax.legend()
        return ax


class EntropyPath(_Path):
    """The prunings that minimise the sum over leaves of cases x entropy in bits, + alpha x leaves.

    Attributes
    ----------
    alpha : ndarray of float64, shape (n,)
        Smallest alpha of the row's tree, descending; the last one is 0.
    n_splits, n_leaves : ndarray of int64, shape (n,)
    cost : ndarray of float64, shape (n,)
        The sum over leaves of cases x entropy, in bits.
    """

    def __init__(self, tree: DecisionTree) -> None:
        super().__init__(tree, _core.prune.entropy_cost(tree._core), 0.0)
        self.alpha = self._alphas
        self.cost: Floats = self._sums(self._cost)

    def table(self) -> dict[str, npt.NDArray[Any]]:
        """The columns by name."""
        return {"alpha": self.alpha, "n_splits": self.n_splits, "n_leaves": self.n_leaves, "cost": self.cost}


def entropy_path(model: Any) -> EntropyPath:
    """All prunings of a grown classification tree by entropy, see `EntropyPath`.

    Parameters
    ----------
    model : fitted classifier of `pygbt.tree`, or DecisionTree
    """
    tree = model if isinstance(model, DecisionTree) else getattr(model, "tree_", None)
    if not isinstance(tree, DecisionTree):
        raise TypeError(f"entropy_path needs a fitted classifier of pygbt.tree, got {type(model).__name__}")
    return EntropyPath(tree)


def scored_at(cp: Floats) -> Floats:
    """Where each row is scored: infinity, then the geometric mean of the row and the one above."""
    kept = np.maximum(cp, 0.0)
    betas: Floats = np.append(np.inf, np.sqrt(kept[:-1] * kept[1:]))
    return betas
