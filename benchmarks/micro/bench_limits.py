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


@pytest.mark.parametrize("kind", ["stores", "updates"])
def bench_first_level_cache(measure, scaled, kind):
    rows = scaled(10_000_000)
    function = getattr(_core.probe, kind)
    total = measure(f"limit: {kind}", "8 bytes, 32 KiB", lambda: function(rows), count=16 * rows, unit=kind)
    assert total == 16 * rows
