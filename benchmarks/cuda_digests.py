# SPDX-License-Identifier: Apache-2.0
"""Digests of CPU and CUDA models over every objective, growth policy and kind of table, and docs/results/cuda.md.

    python cuda_digests.py --emulated     the CUDA sources run on the host, results/cuda-digests-emulated.json
    python cuda_digests.py --checked      the same, each load and store of a kernel judged (15 minutes)
    python cuda_digests.py                on the first GPU, results/cuda-digests-<gpu>.json
    python cuda_digests.py --report       the page from the files there are

The exit status says whether all digests agree.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import median
from typing import Any

import machine

from pygbt import devices

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from cuda_cases import ALL_CONFIGS, TABLES, dataset, fit  # noqa: E402

PAGE = ROOT / "docs" / "results" / "cuda.md"
NOT_YET = "not yet measured"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emulated", action="store_true")
    parser.add_argument("--checked", action="store_true")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    args = parser.parse_args()
    agree = True
    if not args.report:
        if args.emulated or args.checked:
            devices.MODULE = "pygbt._cuda_checked" if args.checked else "pygbt._cuda_emulated"
        module = devices.load_cuda()
        name = module.devices()[0]
        cases = {case: {table: digests(case, table) for table in TABLES} for case in ALL_CONFIGS}
        agree = all(cpu == cuda for tables in cases.values() for cpu, cuda in tables.values())
        result = {"device": name, "date": machine.today(), "build": module.build_info(), "cases": cases}
        machine.save("cuda-digests-" + "-".join(name.lower().split()), result)
    PAGE.write_text(page())
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0 if agree else 1


def digests(case: str, table: str) -> tuple[str, str]:
    """Of the CPU's model and of the device's."""
    data = dataset(table, case)
    return fit(ALL_CONFIGS[case], data, "cpu").digest(), fit(ALL_CONFIGS[case], data, "cuda").digest()


def page() -> str:
    found = [machine.load(path.stem) for path in sorted(machine.RESULTS.glob("cuda-digests-*.json"))]
    lines = [
        "# CUDA: the same model",
        "",
        "Made by `benchmarks/cuda_digests.py`. 700 rows, 3 rounds of trees of depth 3 to 5 (lossguide: 20 leaves),",
        "every objective, growth policy and kind of table: the SHA-256 of the model trained on the CPU and by the CUDA",
        "backend. The emulator runs the CUDA sources on the host (`src/cuda/emulated`); the tests do the same on every",
        "change. Checked: a training ends with an error where two threads touch a byte with nothing that orders them,",
        "where memory is not the launch's, or is read before it is written (`src/cuda/README.md`).",
        "",
    ]
    for result in found:
        total = sum(len(tables) for tables in result["cases"].values())
        equal = sum(cpu == cuda for tables in result["cases"].values() for cpu, cuda in tables.values())
        lines += [
            f"- **{result['device']}**, {result['date']} ({result['build']['compiler']}, built for "
            f"{result['build']['built_for']}): {equal} of {total} digests equal. {machine.describe(result['machine'])}"
        ]
    if not any(result["device"] != "emulated" for result in found):
        lines += [f"- **a GPU**: {NOT_YET}."]
    missing = [case for case in ALL_CONFIGS if any(case not in result["cases"] for result in found)]
    new = [table for table in TABLES if any(table not in row for result in found for row in result["cases"].values())]
    if missing or new:
        lines += ["", "\\*: not yet run by all of these devices."]
    titles = [table + r" \*" * (table in new) for table in TABLES]
    lines += ["", "| training | " + " | ".join(titles) + " |", "|---" * (len(TABLES) + 1) + "|"]
    for case in ALL_CONFIGS:
        name = case + r" \*" * (case in missing)
        lines.append(f"| {name} | " + " | ".join(cell(found, case, table) for table in TABLES) + " |")
    lines += ["", "## On a GPU", "", *on_gpu()]
    return "\n".join(lines) + "\n"


def on_gpu() -> list[str]:
    """What cuda_checks.py and compare_gpu.py have found, a table a GPU."""
    checks = [machine.load(path.stem) for path in sorted(machine.RESULTS.glob("cuda-checks-*.json"))]
    speeds = {
        result["gpu"]: result
        for path in sorted(machine.RESULTS.glob("gpu-*.json"))
        if "training" in (result := machine.load(path.stem))
    }
    if not checks:
        return [f"{NOT_YET}: `make gpu-test`, `make gpu-check` and `make gpu-bench` do on a machine that has one."]
    lines = []
    for result in checks:
        build = f"{result['date']}, {result['build']['compiler']}"
        lines += [f"**{result['device']}**, the build of {build}; later changes of kernels: {NOT_YET} on a GPU.", ""]
        lines += ["| what | result |", "|---|---|"]
        for tool, run in result.get("sanitizer", {}).items():
            found = f"{'; '.join(run['summary'])} ({run['trainings']} trainings, {run['differ']} differ from the CPU's)"
            lines.append(f"| compute-sanitizer {run['version']} {tool} | {found} |")
        for n, digests in result["sizes"].items():
            kinds = ", ".join(f"{kind} {same(*pair)}" for kind, pair in digests.items())
            lines.append(f"| digests at {int(n):,} x 28 | {kinds} |")
        lines.append(f"| device memory kept after {result['trainings']} trainings | {result['kept_bytes']} bytes |")
        stopped = result["interrupted"]
        lines.append(
            f"| Ctrl-C | heard after {stopped['seconds']} s, {stopped['rounds']} rounds kept, "
            f"the next training is {'right' if stopped['equal'] else '**wrong**'} |"
        )
        lines += [*speed_rows(speeds[result["device"]]), ""] if result["device"] in speeds else [""]
    return lines[:-1]


def same(cpu: str, cuda: str) -> str:
    return f"equal `{cpu[:8]}`" if cpu == cuda else "**differ**"


def speed_rows(result: dict[str, Any]) -> list[str]:
    """Array to model of pygbt and of the fastest way of XGBoost on the same GPU, seconds."""
    rows = []
    for row in result["training"].values():
        best = {
            name: median([b + t for b, t in zip(times["bins"], times["train"], strict=True)])
            for name, times in row["engines"].items()
        }
        for source in ("", ", from cupy"):
            ours = best.get("pygbt cuda" + source)
            theirs = [t for name, t in best.items() if name.startswith("xgboost") and ("cupy" in name) == bool(source)]
            if ours is None or not theirs:
                continue
            ratio = min(theirs) / ours
            text = f"{ours:.3f} s against {min(theirs):.3f} s: {ratio:.1f} times as fast"
            rows.append(f"| {row['title']}, array to model{source}, against XGBoost | {text} |")
    for kind in result["atomics"]:
        rate = f"{kind['updates_per_second'] / 1e9:,.0f} G updates/s"
        rows.append(f"| shared memory: {kind['kind']}, {kind['bins']} bins | {rate} |")
    return rows


def cell(found: list[dict[str, Any]], case: str, table: str) -> str:
    """The digest, or what differs."""
    pairs = {result["device"]: result["cases"].get(case, {}).get(table) for result in found}
    known = {d for pair in pairs.values() if pair is not None for d in pair}
    if len(known) == 1:
        return f"`{known.pop()[:8]}`"
    return "**differs**" if known else NOT_YET


if __name__ == "__main__":
    sys.exit(main())
