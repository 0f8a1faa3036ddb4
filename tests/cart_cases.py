# SPDX-License-Identifier: Apache-2.0
"""Random small problems for CART and its oracle, with ties, gaps, zero weights, priors, losses and costs in them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from cart_oracle import Problem

from pygbt.tree import CARTClassifier, CARTRegressor

CLASS_CRITERIA = ["gini", "entropy", "twoing"]
NUMBER_CRITERIA = ["squared_error", "absolute_error", "poisson"]


@dataclass(frozen=True)
class Case:
    """A problem of the oracle and the same for the estimators."""

    problem: Problem
    X: np.ndarray
    model: Any
    fit: dict[str, Any]  # further arguments of fit

    def fitted(self, **settings: Any) -> Any:
        y = np.array([float(v) for v in self.problem.y])
        return self.model.set_params(**settings).fit(self.X, y.astype(int) if self.problem.n_classes else y, **self.fit)


def random_case(seed: int, criterion: str, *, rows: int = 12, plain: bool = False) -> Case:
    """A case; `plain`: without priors, losses, costs and limits."""
    rng = np.random.default_rng([seed, len(criterion)])
    n, m = int(rng.integers(2, rows + 1)), int(rng.integers(1, 5))
    n_levels = [int(v) for v in rng.choice([0, 0, 2, 3, 5], m)]
    X = np.column_stack([rng.integers(0, k or int(rng.choice([3, 20])), n) / (1 if k else 2) for k in n_levels])
    X[rng.random(X.shape) < rng.choice([0.0, 0.15, 0.3])] = np.nan
    weight = rng.integers(0, 4, n) if rng.random() < 0.5 else np.ones(n, dtype=int)
    weight[rng.integers(n)] += 1
    classes = criterion in CLASS_CRITERIA
    if classes:
        y = np.unique(rng.integers(0, rng.integers(1, 5), n), return_inverse=True)[1]
        n_classes = int(y.max()) + 1
        weight[np.unique(y, return_index=True)[1]] += 1  # every class has some
        y_exact = [int(v) for v in y]
    else:
        y_exact = [Fraction(int(v), int(rng.choice([1, 2]))) for v in rng.integers(0, 6, n)]
        n_classes = 0
        if criterion == "poisson" and not any(v * int(w) for v, w in zip(y_exact, weight, strict=True)):
            y_exact[int(np.flatnonzero(weight)[0])] = Fraction(1)
    more: dict[str, Any] = {
        "min_split": int(rng.integers(2, 6)),
        "min_bucket": int(rng.integers(1, 3)),
        "max_depth": int(rng.integers(1, 5)),
        "cp": float(rng.choice([0.0, 0.0, 0.125])),
        "counting": str(rng.choice(["rows", "weight"])),
        "missing": str(rng.choice(["surrogate", "surrogate", "direction"])),
        "max_surrogates": int(rng.integers(0, 5)),
        "use_surrogates": int(rng.choice([0, 1, 2, 2])),
        "surrogate_style": int(rng.integers(0, 2)),
    }
    if plain:
        more |= {"min_split": 2, "min_bucket": 1, "cp": 0.0, "max_depth": 20}
    if classes and n_classes > 1 and not plain:
        if rng.random() < 0.4:
            shares = rng.multinomial(16 - n_classes, np.ones(n_classes) / n_classes) + 1
            more["priors"] = [float(v) / 16 for v in shares]
        if rng.random() < 0.4:
            more["losses"] = (rng.integers(1, 5, (n_classes, n_classes)) * (1 - np.eye(n_classes, dtype=int))).tolist()
    costs = [float(v) for v in rng.choice([0.5, 1.0, 1.0, 2.0], m)] if not plain and rng.random() < 0.3 else []
    fit: dict[str, Any] = {"sample_weight": weight.astype(float)}
    own: dict[str, Any] = {}
    if criterion == "poisson":
        own["shrink"] = float(rng.choice([0.0, 1.0, 2.0]))
        exposure = rng.integers(1, 4, n) / 2
        fit["exposure"] = exposure
    nominal = str(rng.choice(["auto", "auto", "exhaustive", "one_vs_rest", "ordered"]))
    one_order = criterion != "absolute_error" and n_classes <= 2  # then the best of an order is the best of all
    problem = Problem(
        [
            [None if np.isnan(v) else (int(v) if k else float(v)) for v in column]
            for column, k in zip(X.T, n_levels, strict=True)
        ],
        y_exact,
        criterion=criterion,
        n_levels=n_levels,
        n_classes=n_classes,
        weight=[int(v) for v in weight],
        exposure=[Fraction(float(v)) for v in fit.get("exposure", ())],
        costs=costs,
        nominal=nominal if nominal != "auto" else "ordered" if one_order else "exhaustive",
        **more,
        **own,
    )
    settings = more | own | {"max_competitors": m, "criterion": criterion, "nominal": nominal}
    settings["categorical_features"] = [f for f in range(m) if n_levels[f]]
    if costs:
        settings["feature_costs"] = costs
    return Case(problem, X, (CARTClassifier if classes else CARTRegressor)(**settings), fit)
