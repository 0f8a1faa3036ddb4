# SPDX-License-Identifier: Apache-2.0
"""Report header and the fixtures that more than one test file needs."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from emulator import EMULATED, as_cuda

import pygbt
from pygbt import _core, devices

# Processes that tests start import the package under test, not the source folder they may run in.
os.environ["PYTHONPATH"] = str(Path(pygbt.__file__).resolve().parents[1])
os.environ["PYTHONSAFEPATH"] = "1"
# scikit-learn's array-API checks run only where scipy is imported with this.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

# PYGBT_SHARED names the folder where it does not lie beside the checkout.
SHARED_DATA = Path(os.environ.get("PYGBT_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"


def pytest_report_header(config: pytest.Config) -> list[str]:
    def version(name: str) -> str:
        try:
            return f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            return f"{name} -"

    info = _core.build_info()
    packages = ["numpy", "narwhals", "safetensors", "scikit-learn", "pandas", "polars", "pyarrow", "xgboost-cpu"]
    return [
        f"pygbt {info['version']} ({Path(pygbt.__file__).parent}), {info['compiler']}, "
        f"isa {info['isa']} of {', '.join(info['isa_levels'])}, {os.cpu_count()} CPUs",
        ", ".join(version(name) for name in packages),
        f"shared data: {SHARED_DATA if SHARED_DATA.is_dir() else 'not found'}",
    ]


def cuda_devices() -> list[str]:
    """Names of the CUDA devices that this build can use."""
    try:
        return list(devices.load_cuda().devices())
    except NotImplementedError:
        return []


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("shared_data") and not SHARED_DATA.is_dir():
        pytest.skip("needs the real data sets in ../shared/data, which are not here")
    if item.get_closest_marker("gpu") and not cuda_devices():
        pytest.skip(f"needs a CUDA device: {devices.facts()}")


@pytest.fixture(autouse=True)
def _real_cuda_afterwards() -> Iterator[None]:
    """Set up first, so undone last, after whatever put another module in its place."""
    yield
    devices.MODULE = devices.CUDA_MODULE


GPUS = [pytest.param(name, marks=pytest.mark.gpu) for name in ("gpu", "gpu, small blocks")]


@pytest.fixture(params=["emulated", *GPUS])
def cuda(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What device="cuda" means: "emulated" or "gpu". Small blocks: a few hundred rows have several of everything."""
    if request.param != "emulated":
        if request.param != "gpu":
            monkeypatch.setenv("PYGBT_CUDA_SMALL", "1")
        devices.load_cuda()
        yield "gpu"
        return
    if EMULATED is None:
        pytest.skip("this build has no emulator")
    with as_cuda():
        devices.load_cuda()
        yield "emulated"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets; its ``datasets.py`` becomes importable."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the real data sets in ../shared/data, which are not here")
    if str(SHARED_DATA) not in sys.path:
        sys.path.insert(0, str(SHARED_DATA))
    return SHARED_DATA


@pytest.fixture(params=[1, 2, 3, 8])
def n_threads(request: pytest.FixtureRequest) -> int:
    """Thread counts over which every result must be the same."""
    return int(request.param)
