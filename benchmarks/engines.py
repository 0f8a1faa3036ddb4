# SPDX-License-Identifier: Apache-2.0
"""pygbt and its peers behind one function each: fit at equal settings, return predictions for the held-out rows.

Equal settings: 100 rounds, learning rate 0.1, L2 of 1, least hessian of 1 a child, 256 bins, no sampling, no early
stopping, categories native everywhere. depthwise: depth 6. lossguide: 31 leaves, no depth limit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tables import Split

ROUNDS = 100
OBJECTIVES = {
    "pygbt": {"binary": "logistic", "multiclass": "softmax", "regression": "squared_error", "count": "poisson"},
    "xgboost": {
        "binary": "binary:logistic",
        "multiclass": "multi:softprob",
        "regression": "reg:squarederror",
        "count": "count:poisson",
    },
    "lightgbm": {"binary": "binary", "multiclass": "multiclass", "regression": "regression", "count": "poisson"},
}


def pygbt(split: Split, policy: str, n_threads: int = 2, **more: object) -> np.ndarray:
    import pygbt

    params = {
        "objective": OBJECTIVES["pygbt"][split.task],
        "grow_policy": policy,
        "max_depth": 6 if policy == "depthwise" else 0,
        "max_leaves": 0 if policy == "depthwise" else 31,
        "n_threads": n_threads,
        **more,
    }
    return pygbt.train(params, pygbt.Dataset(split.X, split.y), ROUNDS).predict(split.X_test)


def xgboost(split: Split, policy: str, n_threads: int = 2) -> np.ndarray:
    import xgboost

    params = {
        "objective": OBJECTIVES["xgboost"][split.task],
        "grow_policy": policy,
        "max_depth": 6 if policy == "depthwise" else 0,
        "max_leaves": 0 if policy == "depthwise" else 31,
        "learning_rate": 0.1,
        "nthread": n_threads,
        **({"num_class": split.n_classes} if split.task == "multiclass" else {}),
    }
    train = xgboost.DMatrix(split.X, split.y, enable_categorical=True)
    model = xgboost.train(params, train, ROUNDS)
    return model.predict(xgboost.DMatrix(split.X_test, enable_categorical=True))


def lightgbm(split: Split, policy: str, n_threads: int = 2) -> np.ndarray:
    import lightgbm

    params = {
        "objective": OBJECTIVES["lightgbm"][split.task],
        "num_leaves": 64 if policy == "depthwise" else 31,
        "max_depth": 6 if policy == "depthwise" else -1,
        "learning_rate": 0.1,
        "lambda_l2": 1.0,
        "min_sum_hessian_in_leaf": 1.0,
        "min_data_in_leaf": 1,
        "max_bin": 256,
        "num_threads": n_threads,
        "verbosity": -1,
        **({"num_class": split.n_classes} if split.task == "multiclass" else {}),
    }
    return lightgbm.train(params, lightgbm.Dataset(split.X, split.y), ROUNDS).predict(split.X_test)


def sklearn(split: Split, policy: str, n_threads: int = 2) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    settings = {
        "max_iter": ROUNDS,
        "learning_rate": 0.1,
        "l2_regularization": 1.0,
        "min_samples_leaf": 1,
        "max_leaf_nodes": 64 if policy == "depthwise" else 31,
        "max_depth": 6 if policy == "depthwise" else None,
        "early_stopping": False,
        "categorical_features": "from_dtype",
    }
    X, X_test = split.X.copy(), split.X_test.copy()
    for column in X.select_dtypes("category"):
        if len(X[column].cat.categories) > 255:  # more than it takes: codes as numbers
            X[column], X_test[column] = X[column].cat.codes, X_test[column].cat.codes
    if split.task in ("binary", "multiclass"):
        proba = HistGradientBoostingClassifier(**settings).fit(X, split.y).predict_proba(X_test)
        return proba[:, 1] if split.task == "binary" else proba
    loss = "poisson" if split.task == "count" else "squared_error"
    return HistGradientBoostingRegressor(loss=loss, **settings).fit(X, split.y).predict(X_test)


ENGINES: dict[str, Callable[..., np.ndarray]] = {
    "pygbt": pygbt,
    "xgboost": xgboost,
    "lightgbm": lightgbm,
    "sklearn": sklearn,
}


def score(split: Split, prediction: np.ndarray) -> float:
    """Held-out loss, smaller is better: log loss, RMSE, or mean Poisson deviance."""
    from sklearn.metrics import log_loss, mean_poisson_deviance, root_mean_squared_error

    if split.task == "count":
        return float(mean_poisson_deviance(split.y_test, np.maximum(prediction, 1e-9)))
    if split.task == "regression":
        return float(root_mean_squared_error(split.y_test, prediction))
    prediction = np.asarray(prediction, dtype=np.float64)
    if prediction.ndim == 2:
        prediction = prediction / prediction.sum(axis=1, keepdims=True)
    return float(log_loss(split.y_test, np.clip(prediction, 1e-15, 1), labels=np.arange(max(split.n_classes, 2))))
