# SPDX-License-Identifier: Apache-2.0
"""Backends held against one another, and random problems to hold them on: for the tests of the backend seam."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from emulator import EMULATED
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from pygbt import _core, devices


def examples(n: int) -> Any:
    """The same n examples in every run."""
    return settings(max_examples=n, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def same(a: Any, b: Any) -> bool:
    """Equal values of equal types, floats bit for bit."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, float):
        return a.hex() == b.hex()
    return type(a) is type(b) and a == b


class Trio:
    """The naive backend, the CPU backend on one, two and three threads, and the CUDA backend, its kernels run by the
    emulator: every operation must answer alike."""

    def __init__(self, dataset: _core.Dataset, n_targets: int = 1) -> None:
        make = _core.probe.Backend
        self.naive = make("naive", dataset, n_targets)
        self.others = {f"cpu, {n} threads": make("cpu", dataset, n_targets, n_threads=n) for n in (1, 2, 3)}
        if os.environ.get("PYGBT_TEST_CUDA"):  # make gpu-test
            devices.load_cuda()
            self.others["cuda"] = make("cuda", dataset, n_targets)
        if EMULATED is not None:
            self.others["cuda, emulated"] = make("emulated", dataset, n_targets)

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Any:
            expected = getattr(self.naive, name)(*args)
            for other, backend in self.others.items():
                answer = getattr(backend, name)(*args)
                assert same(expected, answer), f"{name}: naive {expected}, {other} {answer}"
            return expected

        return call


@dataclass
class Column:
    values: np.ndarray  # float32 with NaN, or int32 codes with -1
    n_categories: int = 0

    def item(self) -> Any:
        return ("codes", self.values) if self.n_categories else self.values


@dataclass
class Problem:
    columns: list[Column]
    max_bin: int
    g: np.ndarray
    h: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    weights: np.ndarray | None = None
    request: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, Any] = field(default_factory=dict)
    shared: bool = False
    bounds: tuple[float, float] | None = None

    def dataset(self) -> _core.Dataset:
        return make_dataset(self.columns, self.max_bin, self.labels, self.weights)


def make_dataset(
    columns: list[Column], max_bin: int = 256, labels: Any = None, weights: Any = None, first_row: int = 0
) -> _core.Dataset:
    return _core.Dataset(
        [column.item() for column in columns],
        [column.n_categories for column in columns],
        max_bin=max_bin,
        labels=labels,
        weights=weights,
        base_margin=None,
        group_sizes=None,
        reference=None,
        first_row=first_row,
        n_threads=1,
    )


def numeric(values: Any) -> Column:
    return Column(np.asarray(values, np.float32))


def codes(values: Any, n_categories: int) -> Column:
    return Column(np.asarray(values, np.int32), n_categories)


def offsets_of(dataset: _core.Dataset) -> np.ndarray:
    """First bin of each feature in a histogram, and the number of all bins."""
    return np.cumsum([0, *(dataset.cuts.n_bins(f) for f in range(dataset.n_features))])


def goes_left(split: dict[str, Any], bins: np.ndarray) -> np.ndarray:
    if split["categorical"]:
        words = np.asarray(split["left_bins"], np.uint32)
        return (words[bins >> 5] >> (bins & 31)) & 1 == 1
    return np.where(bins == 0, split["missing_left"], bins <= split["bin"])


def quantised(values: np.ndarray, counted: np.ndarray, bits: int, floor: bool) -> tuple[np.ndarray, float]:
    """Integers and scale of one target's float32 values, by the rule of DESIGN section 2, in NumPy."""
    most = float(np.abs(values[counted]).max(initial=0.0))
    scale = math.ldexp(1.0, bits - math.frexp(most)[1]) if most > 0 else 1.0
    limit = 2**bits - 1
    q = np.clip(np.rint(values.astype(np.float64) * scale), -limit, limit).astype(np.int64)
    return (np.where((values > 0) & (q == 0), 1, q) if floor else q), scale


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.sampled_from([1, 2, 17, 300, 300, 3000, 20000]))
    n_targets = draw(st.sampled_from([1, 1, 1, 3]))
    columns = []
    for _ in range(draw(st.sampled_from([1, 2, 5, 18]))):
        missing = draw(st.sampled_from([0.0, 0.0, 0.3, 1.0]))
        levels = draw(st.sampled_from([1, 2, 5, 40, 255, 700]))
        used = max(1, levels // draw(st.sampled_from([1, 1, 3])))
        values = rng.integers(0, used, n)
        gone = rng.random(n) < missing
        if draw(st.booleans()):
            columns.append(codes(np.where(gone, -1, values), levels))
        else:
            columns.append(numeric(np.where(gone, np.nan, values - 3.0)))
    if draw(st.booleans()):  # columns that share a byte: a one-hot group and a duplicate
        level = rng.integers(-1, 6, n)
        columns += [numeric(level == i) for i in range(6)]
        columns.append(numeric(np.where(level < 0, np.nan, level)))
        columns.append(columns[0])
    style = draw(st.sampled_from(["ties", "smooth", "heavy"]))
    g = rng.normal(size=(n, n_targets))
    if style == "ties":
        g = np.rint(g)
    if style == "heavy":
        g *= np.where(rng.random((n, n_targets)) < 0.02, 1e20, 1.0)
    g += 2.0 * (np.nan_to_num(columns[0].values)[:, None] % 3 == 1)  # something to find
    h = np.ones((n, n_targets)) if style == "ties" else rng.random((n, n_targets)) * (rng.random((n, n_targets)) < 0.95)
    weights = None
    if draw(st.booleans()):
        weights = rng.integers(0, 4, n) * draw(st.sampled_from([1.0, 0.37]))
        weights[0] = 1.0
    width = draw(st.sampled_from([1, n_targets]))
    positive = st.sampled_from([0.0, 0.0, 0.7])
    rules = {
        "reg_lambda": draw(st.sampled_from([0.0, 1.0, 2.5])),
        "reg_alpha": draw(positive),
        "max_delta_step": draw(positive),
        "min_child_weight": draw(st.sampled_from([0.0, 1.0, 20.0])),
        "min_child_samples": draw(st.sampled_from([1, 1, 5])),
        "min_split_gain": draw(positive),
        "max_cat_to_onehot": draw(st.sampled_from([1, 4, 50])),
        "max_cat_threshold": draw(st.sampled_from([1, 5, 64])),
        "cat_smooth": draw(st.sampled_from([0.0, 10.0])),
        "cat_l2": draw(st.sampled_from([0.0, 10.0])),
        "min_category_hessian": draw(st.sampled_from([0.0, 3.0, 30.0])),
    }
    if draw(st.booleans()):
        rules["monotone"] = [int(sign) for sign in rng.integers(-1, 2, len(columns))]
    return Problem(
        columns=columns,
        max_bin=draw(st.sampled_from([2, 16, 256, 1000])),
        g=g.astype(np.float32),
        h=h.astype(np.float32),
        labels=(rng.integers(-3, 4, (n, n_targets)) * rng.choice([-1.0, 1.0], (n, 1))).astype(np.float32),
        scores=np.rint(rng.normal(size=(n, n_targets)) * 4).astype(np.float32) / 4,
        weights=weights,
        request={
            "first_target": draw(st.integers(0, n_targets - width)),
            "width": width,
            "seed": draw(st.integers(0, 2**63)),
            "iteration": draw(st.integers(0, 1000)),
            "subsample": draw(st.sampled_from([1.0, 1.0, 0.6, 0.01])),
            "wide": draw(st.booleans()),
            "count_rows": rules["min_child_samples"] > 1 or draw(st.booleans()),
        },
        rules=rules,
        shared=draw(st.booleans()),
        bounds=draw(st.sampled_from([None, None, (-0.3, 0.8)])),
    )
