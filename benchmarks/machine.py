# SPDX-License-Identifier: Apache-2.0
"""What a result was measured on, and where results are kept."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


def record() -> dict[str, Any]:
    """CPU, cores, compiler and versions of pygbt and its peers."""
    from pygbt import _core

    cpu = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    versions = {}
    for name in ("xgboost-cpu", "xgboost", "lightgbm", "scikit-learn", "numpy", "pandas"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    info = _core.build_info()
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "pygbt": info["version"],
        "compiler": info["compiler"],
        "isa": info["isa"],
        "versions": versions,
    }


def save(name: str, result: dict[str, Any]) -> None:
    """Write results/<name>.json with the machine record."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": record(), **result}, indent=1) + "\n")
    print(f"wrote {path.relative_to(RESULTS.parent.parent)}")


def load(name: str) -> dict[str, Any]:
    """results/<name>.json."""
    return dict(json.loads((RESULTS / f"{name}.json").read_text()))
