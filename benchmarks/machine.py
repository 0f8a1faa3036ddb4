# SPDX-License-Identifier: Apache-2.0
"""What a result was measured on, and where results are kept."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import re
from pathlib import Path
from typing import Any

from engines import DISTRIBUTIONS

RESULTS = Path(__file__).resolve().parent / "results"


def record() -> dict[str, Any]:
    """CPU, cores, compiler and versions of pygbt and its peers."""
    from pygbt import _core

    packages = [name for names in DISTRIBUTIONS.values() for name in names if name != "pygbt"]
    info = _core.build_info()
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "pygbt": info["version"],
        "compiler": info["compiler"],
        "isa": info["isa"],
        "isa_levels": info["isa_levels"],
        "versions": {name: v for name in (*packages, "numpy", "pandas") if (v := _version(name))},
    }


def describe(record: dict[str, Any]) -> str:
    """A machine record in one line."""
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    memory = f", {record['memory_gib']} GiB" if "memory_gib" in record else ""
    return (
        f"{record['cpu']}, {record['cores']} cores{memory}, Python {record['python']}, pygbt {record['pygbt']} "
        f"({record['compiler']}, {record['isa']}), {versions}."
    )


def slug() -> str:
    """Name of this machine in results/: its CPU and number of cores."""
    words = re.sub(r"\(.*?\)|@.*", " ", _cpu())
    return "-".join([*re.findall(r"[a-z0-9]+", words.lower()), str(len(os.sched_getaffinity(0))), "cores"])


def today() -> str:
    """The date, UTC."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def save(name: str, result: dict[str, Any]) -> None:
    """Write results/<name>.json with the machine record, atomically."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    temporary = path.with_suffix(".tmp")
    text = json.dumps({"machine": record(), **result}, indent=1)
    text = re.sub(r"\[[^\[\]{}\"]*\]", lambda list_: " ".join(list_[0].split()), text)  # numbers stay on one line
    temporary.write_text(text + "\n")
    temporary.replace(path)
    print(f"wrote {path.relative_to(RESULTS.parent.parent)}", flush=True)


def load(name: str) -> dict[str, Any]:
    """results/<name>.json."""
    return dict(json.loads((RESULTS / f"{name}.json").read_text()))


def has(name: str) -> bool:
    """Whether there is results/<name>.json."""
    return (RESULTS / f"{name}.json").exists()


def measured() -> list[str]:
    """Names of the machines that `merge` has written results of."""
    return sorted(path.stem for path in RESULTS.glob("*-cores.json"))


def merge(section: str, rows: dict[str, Any]) -> None:
    """Put these rows into a section of this machine's file; the others stay."""
    path = RESULTS / f"{slug()}.json"
    result = load(slug()) if path.exists() else {}
    result.pop("machine", None)
    result.setdefault(section, {}).update({key: {"date": today(), **row} for key, row in rows.items()})
    save(slug(), result)


def _cpu() -> str:
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown CPU")
    return platform.processor() or "unknown CPU"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
