# SPDX-License-Identifier: Apache-2.0
"""What the machine can do on one core: copy memory, store and add in the first-level cache."""

from __future__ import annotations

import numpy as np
import pytest

from pygbt import _core


@pytest.mark.parametrize("mib", [256, 8])
def bench_copy(measure, mib):
    source = np.ones(mib << 17)
    target = np.zeros_like(source)
    measure(
        "limit: memory", f"copy {mib} MiB", lambda: np.copyto(target, source), count=2 * source.nbytes, unit="bytes"
    )
    assert target[-1] == 1


def bench_stores(measure, scaled):
    n = scaled(100_000_000) // 8 * 8
    assert measure("limit: stores", "8-byte stores, 16 KiB", lambda: _core.probe.stores(n), count=n, unit="stores") >= 0


def bench_updates(measure, scaled):
    n = scaled(100_000_000) // 8 * 8
    total = measure(
        "limit: updates", "8-byte additions, 16 KiB", lambda: _core.probe.updates(n), count=n, unit="updates"
    )
    assert total == n
