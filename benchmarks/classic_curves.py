# SPDX-License-Identifier: Apache-2.0
"""Test error against the number of trees: bagging, boosting, a forest."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from typing import Any

import classic_methods
import classic_sets
import numpy as np
from classic_sets import Cases

from pygbt.ensemble import AdaBoostClassifier, BaggingClassifier, RandomForestClassifier
from pygbt.tree import C45Classifier

SETS = ("glass", "diabetes")
SIZES = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200)
TITLES = {
    "bagging": "bagged C4.5",
    "boosting": "boosted C4.5 (AdaBoost.M1, samples)",
    "forest": "random forest (sqrt M)",
}


def errors(train: Cases, test: Cases, seed: int, sizes: tuple[int, ...] = SIZES) -> dict[str, list[float]]:
    """Test error in per cent of the first n trees, for every n of `sizes`."""
    found: dict[str, list[float]] = {}
    most = max(sizes)
    bag = BaggingClassifier(C45Classifier(), n_estimators=most, random_state=seed, n_jobs=1).fit(train.X, train.y)
    parts = [classic_methods.first_members(bag, n) for n in sizes]
    found["bagging"] = [classic_methods.error(part, test) for part in parts]
    boost = AdaBoostClassifier(C45Classifier(), n_estimators=most, resample=True, random_state=seed, n_jobs=1)
    staged = [100 * float(np.mean(y != test.y)) for y in boost.fit(train.X, train.y).staged_predict(test.X)]
    found["boosting"] = [staged[min(n, len(staged)) - 1] for n in sizes]
    forest = RandomForestClassifier(warm_start=True, random_state=seed, n_jobs=1)
    found["forest"] = [
        classic_methods.error(forest.set_params(n_estimators=n).fit(train.X, train.y), test) for n in sizes
    ]
    return found


def repetition(data: str, number: int) -> list[dict[str, list[float]]]:
    """A ten-fold cross-validation."""
    folds = classic_sets.stratified_folds(classic_sets.load(data), number)
    return [errors(train, test, 1000 * number + fold) for fold, (train, test) in enumerate(folds)]


def run(data: str, pool: ProcessPoolExecutor, repeats: int = 6) -> dict[str, Any]:
    """Mean over all folds and repetitions, method by method."""
    parts = [part for job in [pool.submit(repetition, data, i) for i in range(repeats)] for part in job.result()]
    means = {method: np.mean([part[method] for part in parts], axis=0).round(4).tolist() for method in TITLES}
    print(f"{data} by number of trees: {means}", flush=True)
    return {"set": data, "repeats": repeats, "sizes": list(SIZES), "errors": means}
