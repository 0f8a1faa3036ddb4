# SPDX-License-Identifier: Apache-2.0
"""Synthetic rows: neighbours by brute force, values that come from where they may, types that stay."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn")

from pygbt.columns import read_table
from pygbt.distill import munge
from pygbt.distill.munge import nearest_rows


def mixed(n: int = 60, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    color = pd.Categorical(rng.choice(["red", "green", "blue"], n), categories=["blue", "green", "red", "never"])
    frame = pd.DataFrame({"size": rng.normal(10, 3, n), "color": color, "rooms": rng.integers(1, 6, n)})
    frame.loc[rng.random(n) < 0.1, "size"] = np.nan
    frame.loc[rng.random(n) < 0.1, "color"] = np.nan
    return frame


def distances(frame: pd.DataFrame) -> np.ndarray:
    """Row by row, as the docstring says."""
    n = len(frame)
    d = np.zeros((n, n))
    for name in frame.columns:
        column = frame[name]
        missing = column.isna().to_numpy()
        if name == "color":
            values = column.astype(str).to_numpy()
            d += (values[:, None] != values) & ~(missing[:, None] & missing)
            continue
        x = column.to_numpy(float)
        x = (x - np.nanmean(x)) / np.nanstd(x)
        square = (np.nan_to_num(x)[:, None] - np.nan_to_num(x)) ** 2
        d += np.where(missing[:, None] | missing, (missing[:, None] != missing).astype(float), square)
    np.fill_diagonal(d, np.inf)
    return d


def test_neighbours_are_the_nearest() -> None:
    frame = mixed()
    table = read_table(frame)
    columns = list(table.columns(range(3)))
    found = nearest_rows(columns, [False, True, False], np.arange(60))
    d = distances(frame)
    np.testing.assert_allclose(d[np.arange(60), found], d.min(axis=1), atol=1e-8)
    some = np.array([3, 8, 20, 41])
    found = nearest_rows(columns, [False, True, False], some)
    assert set(found) <= set(some)
    assert (found != np.arange(60)).all()
    np.testing.assert_allclose(d[np.arange(60), found], d[:, some].min(axis=1), atol=1e-8)


def test_nothing_or_everything_is_replaced() -> None:
    frame = mixed()
    same = munge(frame, 2.0, p=0.0)
    pd.testing.assert_frame_equal(same, pd.concat([frame, frame], ignore_index=True))
    nearest = nearest_rows(list(read_table(frame).columns(range(3))), [False, True, False], np.arange(60))
    copied = munge(frame, 1.0, p=1.0, s=math.inf)
    pd.testing.assert_frame_equal(copied, frame.iloc[nearest].reset_index(drop=True))


def test_numbers_are_drawn_about_the_neighbours_value() -> None:
    X = np.array([[0.0, 0.0], [1.0, 10.0]])  # each other's neighbour
    new = munge(X, 20_000, p=1.0, s=4.0)
    clipped = new[::2, 0]
    assert clipped.max() == 1.0  # within the range of the column
    assert np.median(clipped) > 0.99
    below = 1.0 - clipped[clipped < 1.0]
    assert abs(np.median(below) - 0.6745 * 0.25) < 0.01  # half a normal distribution of deviation 1 / 4
    swapped = munge(X, 20_000, p=0.3, s=100.0)
    assert abs((swapped[::2, 0] != 0.0).mean() - 0.3) < 0.02


@pytest.mark.parametrize("size_factor, n", [(0.5, 30), (1.0, 60), (2.7, 162)])
def test_size_and_repeatability(size_factor: float, n: int) -> None:
    frame = mixed()
    first, again, other = (munge(frame, size_factor, random_state=seed) for seed in (1, 1, 2))
    assert len(first) == n
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_columns_keep_their_types_and_values() -> None:
    frame = mixed(200)
    new = munge(frame, 3.0, p=0.5)
    assert new.dtypes.equals(frame.dtypes)
    assert list(new.columns) == list(frame.columns)
    assert set(new["color"].dropna()) <= set(frame["color"].dropna())
    assert new["rooms"].between(1, 5).all()
    assert new["size"].min() >= frame["size"].min()
    assert 0 < new["size"].isna().mean() < 0.3
    assert len(np.intersect1d(new["size"].dropna(), frame["size"].dropna())) < 0.7 * len(new)


NUMBERS = np.column_stack([np.arange(40) % 9, np.arange(40) % 3])


def test_frames_of_any_library() -> None:
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    text = NUMBERS[:, 1].astype(str)
    frame = pl.DataFrame({"a": NUMBERS[:, 0] / 2, "b": pl.Series(text).cast(pl.Enum(["0", "1", "2"]))})
    new = munge(frame, 2.0)
    assert isinstance(new, pl.DataFrame)
    assert new.schema == frame.schema
    assert len(new) == 80
    table = munge(pa.table({"a": NUMBERS[:, 0] / 2, "b": pa.array(text).dictionary_encode()}), 2.0)
    assert isinstance(table, pa.Table)
    assert table.column_names == ["a", "b"]
    assert table.num_rows == 80


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
def test_arrays_keep_their_type(dtype: Any) -> None:
    new = munge(NUMBERS.astype(dtype), 2.0)
    assert new.dtype == dtype
    assert new.shape == (80, 2)
    assert munge(NUMBERS.tolist(), 2.0).shape == (80, 2)


def test_listed_categories_of_an_array_are_never_mixed() -> None:
    X = np.column_stack(
        [np.random.default_rng(0).choice([1.0, 4.0, 9.0], 50), np.random.default_rng(1).random((50, 6))]
    )
    new = munge(X, 4.0, p=0.9, categorical_features=[0])
    assert set(new[:, 0]) <= {1.0, 4.0, 9.0}
    assert not set(munge(X, 4.0, p=0.9)[:, 0]) <= {1.0, 4.0, 9.0}


@pytest.mark.parametrize(
    "options, message",
    [
        ({"size_factor": 0}, "size_factor"),
        ({"p": 1.5}, "p must lie"),
        ({"s": 0.0}, "s must be"),
        ({"max_candidates": 1}, "max_candidates"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        munge(np.zeros((4, 2)), **options)
    with pytest.raises(ValueError, match="at least two rows"):
        munge(np.zeros((1, 2)))
