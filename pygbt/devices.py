# SPDX-License-Identifier: Apache-2.0
"""Where training runs: ``"cpu"``, ``"naive"``, or a CUDA device, whose module is loaded when it is first asked for.

Every device grows the same model, byte for byte. A device that cannot be used is an error that says what is missing,
never a silent detour to the CPU.
"""

from __future__ import annotations

import importlib
from typing import Any

from . import _core

__all__ = ["facts", "home_of", "load_cuda", "parse", "place_of"]

CUDA_MODULE = "pygbt._cuda"
MODULE = CUDA_MODULE
INSTEAD = 'use device="cpu", which gives the same model'


def parse(device: str) -> tuple[str, int]:
    """``"cuda:1"`` -> ``("cuda", 1)``; a name without a number is number 0.

    Raises
    ------
    ValueError
        What follows the colon is not a number, or the device has none.
    """
    name, colon, number = device.partition(":")
    if not colon:
        return name, 0
    if name not in ("cuda", "gpu") or not (number.isascii() and number.isdigit()) or int(number) > 1023:
        raise ValueError(f"device={device!r}: write 'cpu', 'cuda', or 'cuda:1' for the second CUDA device")
    return name, int(number)


def load_cuda() -> Any:
    """The module of the CUDA backend, made known to the engine.

    Raises
    ------
    NotImplementedError
        This build has none, or the machine has no CUDA device or driver for it.
    """
    try:
        module = importlib.import_module(MODULE)
    except ImportError as missing:
        raise NotImplementedError(
            f'device="cuda": this build of pygbt has no CUDA backend ({missing}); build it where nvcc is found '
            f"(PYGBT_CUDA=ON), or {INSTEAD}"
        ) from missing
    if module.n_devices() == 0:
        raise NotImplementedError(f'device="cuda": this machine has no CUDA device; {INSTEAD}')
    _core.set_device("cuda", module.makers)
    return module


def place_of(device: str) -> tuple[str, int]:
    """Where bins are to lie: ``("cpu", 0)``, or ``("cuda", number)`` once the module is loaded.

    Raises
    ------
    ValueError, TypeError
        It is no such device.
    NotImplementedError
        This build has no CUDA backend, or the machine no device for it.
    """
    if not isinstance(device, str):
        raise TypeError(f'device must be "cpu", "cuda" or "cuda:1", got {device!r}')
    name, ordinal = parse(device)
    if name in ("cuda", "gpu"):
        load_cuda()
        return "cuda", ordinal
    if name != "cpu":
        raise ValueError(f'device must be "cpu", "cuda" or "cuda:1", got {device!r}')
    return name, 0


def home_of(device: object) -> str | None:
    """The device of a training if its tables are to lie there: a GPU. None: on the host."""
    if not isinstance(device, str) or parse(device)[0] not in ("cuda", "gpu"):
        return None
    return device


def facts() -> dict[str, str]:
    """What ``pygbt info`` prints of CUDA."""
    try:
        module = importlib.import_module(MODULE)
    except ImportError:
        return {"cuda": "not part of this build"}
    info = module.build_info()
    result = {"cuda": f"{info['compiler']}, built for {info['built_for']}"}
    try:
        names = module.devices()
    except (NotImplementedError, RuntimeError) as missing:
        return {**result, "cuda devices": f"none usable: {missing}"}
    return {**result, "cuda devices": ", ".join(f"cuda:{i} {name}" for i, name in enumerate(names)) or "none"}
