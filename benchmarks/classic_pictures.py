# SPDX-License-Identifier: Apache-2.0
"""The pictures of docs/results/classic.md: two trees drawn by the package, and error against the number of trees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import classic_curves
import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import NullLocator

#: Distinct in brightness, too, with marks of their own.
STYLES = {"bagging": ("s", "#1b4f72"), "boosting": ("^", "#c1272d"), "forest": ("o", "#2e8b57")}


def draw_iris(path: Path) -> None:
    """C4.5's tree of iris."""
    import classic_sets

    from pygbt.tree import C45Classifier, draw

    cases = classic_sets.load("iris")
    labels = np.array([label.removeprefix("Iris-") for label in cases.y])
    axes = draw(C45Classifier().fit(cases.X, labels), title="C4.5, iris")
    axes.figure.savefig(path, dpi=110)
    plt.close(axes.figure)


def draw_kyphosis(tree_path: Path, path_path: Path) -> str:
    """CART's tree of kyphosis, and its cross-validated path. Returns the table of the path."""
    import classic_sets

    from pygbt.tree import CARTClassifier, cost_complexity_path, draw

    cases = classic_sets.load("kyphosis")
    axes = draw(CARTClassifier().fit(cases.X, cases.y), title="CART, kyphosis")
    axes.figure.savefig(tree_path, dpi=110)
    plt.close(axes.figure)
    path = cost_complexity_path(CARTClassifier(), cases.X, cases.y, folds=10, random_state=0)
    axes = path.plot()
    axes.figure.savefig(path_path, dpi=110)
    plt.close(axes.figure)
    return str(path)


def draw_curves(curves: list[dict[str, Any]], path: Path) -> None:
    """Test error against the number of trees, a panel a set."""
    figure, panels = plt.subplots(1, len(curves), figsize=(5.2 * len(curves), 4.0), layout="constrained", squeeze=False)
    for axis, curve in zip(panels[0], curves, strict=True):
        for method, errors in curve["errors"].items():
            mark, colour = STYLES[method]
            axis.plot(curve["sizes"], errors, marker=mark, color=colour, label=classic_curves.TITLES[method])
        axis.set_xscale("log")
        ticks = [n for n in (1, 2, 5, 10, 20, 50, 100, 200) if n in curve["sizes"]]
        axis.set_xticks(ticks, [str(n) for n in ticks])
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set_title(curve["set"])
        axis.set_xlabel("trees")
        axis.set_ylabel("test error, %")
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    panels[0][0].legend(frameon=False, fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)
