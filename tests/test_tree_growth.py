# SPDX-License-Identifier: Apache-2.0
"""A tree that takes long to grow: it tells how far it is, and can be stopped."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from pygbt import callbacks, late_bar
from pygbt.tree import C45Classifier, CARTClassifier, CARTRegressor, ID3Classifier

N = 120_000
EVERY = 0.1  # seconds between two words of the engine


def noise(n: int = N) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, 16)).astype(np.float32), rng.integers(0, 3, n)


def estimator(kind: str, n_jobs: int = 1, **params: Any) -> Any:
    made = {
        "cart": lambda: CARTClassifier(cp=0, min_split=2, min_bucket=1, max_surrogates=0, n_jobs=n_jobs, **params),
        "best_first": lambda: CARTRegressor(cp=0, max_leaves=500, max_surrogates=0, n_jobs=n_jobs, **params),
        "c45": lambda: C45Classifier(min_obj=50, penalty=False, prune=False, n_jobs=n_jobs, **params),
        "id3": lambda: ID3Classifier(n_jobs=n_jobs, **params),
    }
    return made[kind]()


def table(kind: str) -> tuple[np.ndarray, np.ndarray]:
    X, y = noise()
    return (np.floor(4 * X), y) if kind == "id3" else (X, y)


class Stop(Exception):
    pass


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("kind", ["cart", "best_first", "c45", "id3"])
def test_whoever_is_told_may_stop_the_growth(kind: str, n_jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = table(kind)
    told: list[int] = []

    def advance(self: Any, steps: int = 1) -> None:
        told.append(steps)
        raise Stop

    tree = estimator(kind, n_jobs)
    with monkeypatch.context() as patch:
        patch.setattr(late_bar.LateBar, "advance", advance)
        with pytest.raises(Stop):
            tree.fit(X, y)
    assert len(told) == 1 and 0 <= told[0] < N
    with pytest.raises(NotFittedError):
        tree.predict(X[:1])
    few = slice(0, 2_000)
    assert tree.fit(X[few], y[few]).tree_.n_nodes == estimator(kind).fit(X[few], y[few]).tree_.n_nodes > 3


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("kind", ["cart", "c45"])
def test_ctrl_c(kind: str, n_jobs: int) -> None:
    X, y = table(kind)
    tree = estimator(kind, n_jobs)

    def fit_on() -> None:
        while True:
            tree.fit(X, y)

    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    timer = threading.Timer(EVERY, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            fit_on()
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, usual)
    assert tree.fit(X[:500], y[:500]).tree_.n_nodes > 3


@pytest.mark.parametrize("kind", ["cart", "best_first", "c45"])
def test_a_bar_where_it_is_wanted(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []
    steps: list[int] = []
    monkeypatch.setattr(late_bar, "BAR_SECONDS", 0.0)
    monkeypatch.setattr(callbacks.ProgressBar, "open", lambda self, total: opened.append(total))
    monkeypatch.setattr(callbacks.ProgressBar, "advance", lambda self, n, text="": steps.append(n))
    n = 15_000 if kind == "c45" else N
    X, y = (of[:n] for of in table(kind))
    X[:500, 0] = np.nan  # C4.5 shares these cases among branches: they are told more than once
    quiet = estimator(kind).fit(X, y)
    assert opened == []
    told = estimator(kind, verbose=1).fit(X, y)
    assert opened in ([], [n]) and all(step > 0 for step in steps) and sum(steps) == (n if opened else 0)
    assert bool(opened) == bool(steps)
    np.testing.assert_array_equal(told.predict(X[:2_000]), quiet.predict(X[:2_000]))
