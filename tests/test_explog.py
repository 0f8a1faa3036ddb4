# SPDX-License-Identifier: Apache-2.0
"""exp, log and sigmoid of the core against wider arithmetic; random bits against published vectors."""

import hashlib

import numpy as np
import pytest

from pygbt._core import probe

LONG = np.longdouble
needs_long = pytest.mark.skipif(np.finfo(LONG).nmant < 63, reason="long double is no wider than double here")


def ulps(got: np.ndarray, exact: np.ndarray) -> float:
    """Largest error in units in the last place of the exact result's binade."""
    spacing = np.spacing(np.abs(exact).astype(got.dtype)).astype(exact.dtype)
    return float(np.max(np.abs(got.astype(exact.dtype) - exact) / spacing))


def near_reduction_edges(limit: float, dtype: type) -> np.ndarray:
    """Points where the reduced argument is largest, and the floats next to them."""
    k = np.arange(-int(limit / np.log(2)), int(limit / np.log(2)))
    x = ((k + 0.5) * np.log(2)).astype(dtype)
    return np.concatenate([x, np.nextafter(x, dtype(np.inf)), np.nextafter(x, dtype(-np.inf)), -x])


def test_exp_f32_within_one_ulp() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [
            rng.uniform(-87, 87, 1_000_000),
            rng.normal(0, 1, 500_000),
            rng.normal(0, 1e-6, 1000),
            [0.0, -0.0, 87.0, -87.0, 1e-45, -1e-45],
            near_reduction_edges(87, np.float32),
        ]
    ).astype(np.float32)
    assert ulps(probe.exp_f32(x), np.exp(x.astype(np.float64))) < 1.0


@needs_long
def test_exp_f64_within_one_ulp() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate(
        [
            rng.uniform(-708, 708, 300_000),
            rng.normal(0, 1, 300_000),
            rng.normal(0, 1e-9, 1000),
            [0.0, 708.0, -708.0, 5e-324],
            near_reduction_edges(708, np.float64),
        ]
    )
    assert ulps(probe.exp_f64(x), np.exp(x.astype(LONG))) < 1.0


@needs_long
def test_log_f64_within_one_ulp() -> None:
    rng = np.random.default_rng(2)
    root_half = np.sqrt(0.5)
    x = np.concatenate(
        [
            2.0 ** rng.uniform(-1022, 1023.99, 300_000),
            rng.uniform(0.4, 2.5, 500_000),
            1.0 + rng.normal(0, 1e-9, 10_000),
            [np.finfo(float).tiny, np.finfo(float).max, 2.0, 0.5, np.nextafter(1.0, 0), np.nextafter(1.0, 2)],
            [root_half, np.nextafter(root_half, 0), np.nextafter(root_half, 1), 2 * root_half],
        ]
    )
    assert ulps(probe.log_f64(x), np.log(x.astype(LONG))) < 1.0


@needs_long
def test_log2_within_two_ulps() -> None:
    rng = np.random.default_rng(4)
    root_half = np.sqrt(0.5)
    x = np.concatenate(
        [
            2.0 ** rng.uniform(-1022, 1023.99, 300_000),
            rng.uniform(0.4, 2.5, 500_000),
            1.0 + rng.normal(0, 1e-9, 10_000),
            np.arange(1.0, 100_000.0),
            [root_half, np.nextafter(root_half, 0), np.nextafter(root_half, 1), 2 * root_half],
        ]
    )
    assert ulps(probe.log2_of(x), np.log2(x.astype(LONG))) < 2.0


def test_log2_of_powers_of_two_is_exact() -> None:
    k = np.arange(-1022, 1024)
    np.testing.assert_array_equal(probe.log2_of(2.0**k), k)


def test_exact_values() -> None:
    assert probe.exp_f32([0.0])[0] == 1.0
    assert probe.exp_f64([0.0])[0] == 1.0
    assert probe.log_f64([1.0])[0] == 0.0
    assert probe.sigmoid_f32([0.0])[0] == 0.5


def test_saturation() -> None:
    x = np.array([-np.inf, -1e30, -88.0, 88.0, 1e30, np.inf], dtype=np.float32)
    low, high = probe.exp_f32(np.array([-87.0, 87.0], dtype=np.float32))
    np.testing.assert_array_equal(probe.exp_f32(x), [low, low, low, high, high, high])
    low, high = probe.exp_f64([-708.0, 708.0])
    np.testing.assert_array_equal(probe.exp_f64([-np.inf, -709.0, 709.0, np.inf]), [low, low, high, high])
    assert low >= np.finfo(float).tiny and np.isfinite(high)
    assert np.isnan(probe.exp_f32([np.nan])[0]) and np.isnan(probe.exp_f64([np.nan])[0])


def test_log_of_zero_is_finite_and_below_all_others() -> None:
    values = probe.log_f64([0.0, 5e-324, 1e-310, np.finfo(float).tiny])
    assert values[0] == pytest.approx(-1023 * np.log(2))
    assert np.all(np.diff(values) >= 0)


def test_sigmoid_keeps_its_relative_precision_at_both_ends() -> None:
    z = np.linspace(-87, 87, 200_001).astype(np.float32)
    exact = 1.0 / (1.0 + np.exp(-z.astype(np.float64)))
    p = probe.sigmoid_f32(z)
    assert ulps(p, exact) < 3.0
    assert p.min() > 0.0
    assert np.all(probe.sigmoid_f32(np.array([-1e30, -np.inf], dtype=np.float32)) > 0.0)


@pytest.mark.parametrize("name", ["exp_f32", "exp_f64", "log_f64", "log2_of", "sigmoid_f32"])
def test_a_value_does_not_depend_on_its_place_in_the_array(name: str) -> None:
    """Vector body and scalar tail are the same function."""
    x = np.abs(np.random.default_rng(3).normal(0, 5, 77)).astype(np.float32 if "32" in name else np.float64)
    function = getattr(probe, name)
    whole = function(x)
    for start in range(1, 20):
        np.testing.assert_array_equal(function(x[start:]), whole[start:])
    np.testing.assert_array_equal([function(x[i : i + 1])[0] for i in range(len(x))], whole)


GOLDEN = {
    "exp_f32": "0972dcc273340e3e",
    "sigmoid_f32": "18dfe637cdefe9eb",
    "exp_f64": "7e38aa59ab4cf908",
    "log_f64": "2a8d1a3e03850c3d",
    "log2_of": "160b4e8b309ff0fb",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_bits_are_the_same_on_every_machine(name: str) -> None:
    """Every compiler and instruction set must give these bits; a deliberate change of the polynomial changes them."""
    steps = np.arange(-40_000, 40_001, dtype=np.int64)
    x = (steps / 512.0).astype(np.float32) if "32" in name else steps / 64.0  # exact in binary
    if name.startswith("log"):
        x = x[x > 0]
    digest = hashlib.sha256(getattr(probe, name)(x).astype("<f4" if "32" in name else "<f8").tobytes()).hexdigest()
    assert digest[:16] == GOLDEN[name]


# Known answers of Philox4x32-10 published with Random123 (Salmon et al. 2011).
PHILOX = [
    ([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), PHILOX)
def test_philox_known_answers(counter: list[int], key: list[int], expected: str) -> None:
    assert " ".join(f"{x:08x}" for x in probe.philox(counter, key)) == expected


def test_random_bits_differ_in_every_argument() -> None:
    base = (12345678901, 1, 7, 99, 3)
    draws = {probe.random_bits(*base)}
    for i in range(len(base)):
        changed = list(base)
        changed[i] += 1
        draws.add(probe.random_bits(*changed))
    draws.add(probe.random_bits(base[0] + (1 << 32), *base[1:]))
    draws.add(probe.random_bits(*base[:3], base[3] + (1 << 32), base[4]))
    assert len(draws) == 8


def test_random_bits_are_uniform() -> None:
    """Mean and variance of 20,000 draws within five standard errors."""
    u = np.array([probe.random_bits(1, 1, 0, i, 0) for i in range(20_000)]) / 2.0**32
    assert abs(u.mean() - 0.5) < 5 * np.sqrt(1 / 12 / len(u))
    assert abs(u.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / len(u))
