# SPDX-License-Identifier: Apache-2.0
"""Trainings and predictions whose kernels have every load and store judged: no races, nothing stray, nothing read
that was never written.

A few kinds that between them run most kernels, on small tables; `make check-kernels` runs all tests of the backend so.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import numpy as np
import pytest
from cuda_cases import ALL_CONFIGS, dataset, fit, signal
from emulator import CHECKED, EMULATED, as_cuda

import pygbt

pytestmark = pytest.mark.skipif(EMULATED is None, reason="built without the emulator")


@pytest.fixture(autouse=True)
def _checked() -> Iterator[None]:
    with as_cuda(CHECKED):
        yield


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("logistic", "dense"),
        ("squared_error", "two_byte"),
        ("squared_error", "flags"),
        ("vector_leaf", "flags"),
        ("vector_leaf", "weighted"),
        ("lossguide", "categories"),
        ("symmetric_budget", "sparse"),
        ("monotone_quantile", "dense"),
        ("sampled", "categories"),
        ("counted_vector", "dense"),
        ("interaction_draws", "dense"),
        ("lambdarank", "dense"),
        ("rank_listmle", "weighted"),
        ("stem_sampled", "categories"),
        ("reported_lossguide", "dense"),
        ("sketched_top", "dense"),
        ("full_leaves", "weighted"),
    ],
)
def test_trainings(name: str, table: str) -> None:
    data = dataset(table, name, 300)
    params = ALL_CONFIGS[name]
    assert fit(params, data, "cuda", 2).digest() == fit(params, data, "cpu", 2).digest()


def test_edges_and_metrics() -> None:
    X, z = signal(400, 2)
    X[::9, 1] = np.nan
    y = (z > 0).astype(np.float32)
    runs = []
    for device in ("cpu", "cuda"):
        data = pygbt.Dataset(X[:300], y[:300], weight=1.0 + (np.arange(300) % 3), max_bin=32, device=device)
        valid = pygbt.Dataset(X[300:], y[300:], reference=data, device=device)
        params = {"objective": "logistic", "device": device, "max_depth": 3, "metrics": ["log_loss", "auc"]}
        model = pygbt.train(params, data, 3, evals=[(valid, "valid")])
        runs.append((model.digest(), model.evals_result))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("depth", [3, 10])
@pytest.mark.parametrize("n", [7, 300])
def test_predictions(depth: int, n: int) -> None:
    X, z = signal(300, 5)
    params = {"objective": "softmax", "n_classes": 3, "max_depth": depth}
    model = pygbt.train(params, pygbt.Dataset(X, np.digitize(z, [-1, 1])), 4)
    for output in ("value", "margin", "leaf"):
        assert np.array_equal(model.predict(X[:n], output=output, device="cuda"), model.predict(X[:n], output=output))


def test_the_checker_is_there() -> None:
    """That it finds what is wrong is shown by tests/cpp/kernels."""
    assert importlib.import_module(CHECKED).devices() == ["emulated and checked"]
