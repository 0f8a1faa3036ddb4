# SPDX-License-Identifier: Apache-2.0
"""Conversion rates on the entire space (ESMM: Ma et al., SIGIR 2018), on real rows whose selection is known.

The real label of a row, known for all, is its conversion; who clicks is drawn by us: log odds rise with three real
columns (those of SETS, as ranks), at a rate of about one in eight. Training sees conversions of clicked rows alone, as
in a shop. CVR is scored against the real label of every held-out row, CTCVR against click and conversion.

BASE: conversion on clicked rows. UNBIAS: the same, rows weighted by 1 / P(click). DIVISION: P(click and conversion)
over P(click), cut at 1. ES-NS and ES: `EntireSpace` with a tree for each factor, and with shared trees.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tables import load_split

ROWS = ("BASE", "UNBIAS", "DIVISION", "ES-NS", "ES")
PARAMS: dict[str, Any] = {"n_estimators": 100, "max_depth": 4, "learning_rate": 0.1, "n_jobs": 2}
#: Columns that decide who clicks; the first counts double.
SETS = {"adult": (0, 4, 12), "bank_additional": (0, 10, 12), "churn_telco": (4, 17, 18)}
STRENGTH, RATE, FLOOR = 1.2, 0.125, 0.01


def keys() -> list[str]:
    """Sets, one a row."""
    return list(SETS)


def click_odds(X: Any, columns: tuple[int, ...]) -> np.ndarray:
    """Log odds of a click, up to a constant: ranks of the numeric columns among those named, the first doubled."""
    chosen = [X.iloc[:, c] for c in columns if X.dtypes.iloc[c].kind == "f"]
    chosen = chosen or [X[c] for c in X.columns if X[c].dtype.kind == "f"][:3]
    ranks = [np.asarray(column.rank(pct=True, na_option="top")) - 0.5 for column in chosen]
    return STRENGTH * 3.4 * (2 * ranks[0] + sum(ranks[1:], np.zeros(len(X))))


def intercept(odds: np.ndarray) -> float:
    """The constant at which a click in eight is drawn, by bisection."""
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 / (1 + np.exp(-(odds + middle)))).mean() < RATE else (low, middle)
    return low


def measure(name: str, seeds: int, rounds: int | None) -> dict[str, Any]:
    """AUC of CVR and CTCVR by method and seed."""
    from sklearn.metrics import roc_auc_score

    params = PARAMS if rounds is None else {**PARAMS, "n_estimators": rounds}
    scores: dict[str, dict[str, list[float]]] = {row: {"cvr": [], "ctcvr": []} for row in ROWS}
    facts = {}
    for seed in range(seeds):
        split = load_split(name, seed, "binary")
        rng = np.random.default_rng(1000 + seed)
        odds, odds_test = click_odds(split.X, SETS[name]), click_odds(split.X_test, SETS[name])
        constant = intercept(odds)
        click = (rng.random(len(odds)) < 1 / (1 + np.exp(-(odds + constant)))).astype(np.float64)
        click_test = rng.random(len(odds_test)) < 1 / (1 + np.exp(-(odds_test + constant)))
        seen = np.where(click == 1, split.y, np.nan)  # all that a shop knows
        facts = {
            "impressions": len(odds),
            "clicks": int(click.sum()),
            "conversions": int(np.nansum(seen)),
            "cvr_clicked": float(np.nanmean(seen)),
            "cvr_all": float(split.y.mean()),
        }
        for row, (cvr, ctcvr) in rates(split, click, seen, {**params, "random_state": seed}).items():
            scores[row]["cvr"].append(float(roc_auc_score(split.y_test, cvr)))
            scores[row]["ctcvr"].append(float(roc_auc_score(click_test * split.y_test, ctcvr)))
    return {**facts, "auc": scores}


def rates(split: Any, click: np.ndarray, seen: np.ndarray, params: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """CVR and CTCVR of the held-out rows by every method."""
    import pygbt
    from pygbt.multitask import EntireSpace

    def classifier(X: Any, y: np.ndarray, weight: Any = None) -> Any:
        return pygbt.GBTClassifier(**params).fit(X, y, weight)

    def yes(model: Any, X: Any) -> np.ndarray:
        return np.asarray(model.predict_proba(X)[:, 1])

    clicked = np.flatnonzero(click == 1)
    ctr = classifier(split.X, click)
    p_click = yes(ctr, split.X_test)
    base = classifier(split.X.iloc[clicked], seen[clicked])
    weight = 1 / np.maximum(yes(ctr, split.X.iloc[clicked]), FLOOR)
    unbias = classifier(split.X.iloc[clicked], seen[clicked], weight / weight.mean())
    both = classifier(split.X, np.where(click == 1, seen, 0.0))
    p_both = yes(both, split.X_test)
    found = {
        "BASE": (yes(base, split.X_test), yes(base, split.X_test) * p_click),
        "UNBIAS": (yes(unbias, split.X_test), yes(unbias, split.X_test) * p_click),
        "DIVISION": (np.minimum(p_both / p_click, 1.0), p_both),
    }
    for row, share in (("ES-NS", "none"), ("ES", "tree")):
        answer = EntireSpace(share=share, **params).fit(split.X, click, seen).predict(split.X_test)
        found[row] = answer["cvr"], answer["ctcvr"]
    return found
