# SPDX-License-Identifier: Apache-2.0
"""Edges and bins that a device finds are those of the host, for every sort of column, with plenty of memory and with
little: drawn tables, by the emulator.

Its chunks, units and groups of columns are small, so that tables of a few hundred rows have several.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from device_columns import KINDS, MAX_BINS, TYPES, cast, check, values
from emulator import EMULATED, as_cuda
from hypothesis import given, settings
from hypothesis import strategies as st

from pygbt import devices


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Any], list[int], dict[str, Any]]:
    """Columns of every sort side by side, with or without weights."""
    n = draw(st.sampled_from([1, 2, 5, 97, 100, 101, 161, 400, 401, 700]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    columns: list[Any] = []
    n_categories: list[int] = []
    for _ in range(draw(st.integers(1, 6))):
        shape = draw(st.sampled_from(["dense", "strided", "sparse", "codes"]))
        column = cast(values(draw(st.sampled_from(KINDS)), n, rng), draw(st.sampled_from(TYPES)))
        n_categories.append(0)
        if shape == "dense":
            columns.append(column)
        elif shape == "strided":
            columns.append(np.column_stack([column, column, column])[::-1, 1])
        elif shape == "sparse":
            rows = np.flatnonzero(rng.random(n) < draw(st.sampled_from([0.0, 0.1, 0.9, 1.0])))
            fill = draw(st.sampled_from([0.0, np.nan, 2.0, np.inf]))
            columns.append(("sparse", np.ascontiguousarray(column[rows]), rows.astype(np.int64), fill, n))
        else:
            n_categories[-1] = draw(st.sampled_from([0, 1, 3, 255, 256, 4000]))
            columns.append(("codes", rng.integers(-1, n_categories[-1] + 2, n).astype(np.int32)))
    arguments: dict[str, Any] = {"max_bin": draw(st.sampled_from(MAX_BINS))}
    weights = draw(st.sampled_from(["none", "integers", "shares"]))
    if weights != "none":
        w = rng.integers(0, 3, n).astype(float) if weights == "integers" else rng.random(n)
        w[rng.integers(0, n)] = 1.0
        arguments["weights"] = w
    return columns, n_categories, arguments


@given(tables(), st.sampled_from([1.0, 1.2, 2.0]))
@settings(deadline=None, max_examples=150)
def test_edges_and_bins_are_those_of_the_host(table: tuple[list[Any], list[int], dict[str, Any]], more: float) -> None:
    if EMULATED is None:
        pytest.skip("this build has no emulator")
    columns, n_categories, arguments = table
    with as_cuda():
        devices.load_cuda()
        there = check(columns, n_categories, **arguments)
        with pytest.raises(MemoryError, match="max_device_bytes=1 ") as caught:
            check(columns, n_categories, **arguments, max_device_bytes=1)
        least = int(str(caught.value).split("take ")[1].split(" ")[0])
        check(columns, n_categories, **arguments, max_device_bytes=int(least * more))
        # the same columns in those bins, as other types
        later = [c if isinstance(c, tuple) else cast(c.astype(np.float64), "f4") for c in columns]
        check(later, None, reference=there)
