# SPDX-License-Identifier: Apache-2.0
"""The CUDA backend where there is no GPU: the same sources compiled for the host, their kernels run by fibers."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pygbt import _core, devices

#: The one that judges every load and store of a kernel (src/cuda/README.md): `make check-kernels` runs the tests so.
CHECKED = "pygbt._cuda_checked"
MODULE = os.environ.get("PYGBT_EMULATOR", "pygbt._cuda_emulated")


def _load() -> Any:
    try:
        module = importlib.import_module(MODULE)
    except ImportError:
        return None
    _core.set_device("emulated", module.makers)
    return module


#: The module, or None in builds without it (sanitizers cannot follow fibers).
EMULATED = _load()


@contextmanager
def as_cuda(module: str = MODULE) -> Iterator[None]:
    """device="cuda" is the emulator."""
    real = devices.MODULE
    devices.MODULE = module
    try:
        yield
    finally:
        devices.MODULE = real
