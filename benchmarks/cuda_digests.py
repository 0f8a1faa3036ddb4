# SPDX-License-Identifier: Apache-2.0
"""Digests of CPU and CUDA models over every objective, growth policy and kind of table, and docs/results/cuda.md.

    python cuda_digests.py --emulated     the CUDA sources run on the host, results/cuda-digests-emulated.json
    python cuda_digests.py                on the first GPU, results/cuda-digests-<gpu>.json
    python cuda_digests.py --report       the page from the files there are

The exit status says whether all digests agree.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import machine

from pygbt import devices

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from cuda_cases import CONFIGS, TABLES, dataset, fit  # noqa: E402

PAGE = ROOT / "docs" / "results" / "cuda.md"
NOT_YET = "not yet measured"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emulated", action="store_true")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    args = parser.parse_args()
    agree = True
    if not args.report:
        if args.emulated:
            devices.MODULE = "pygbt._cuda_emulated"
        module = devices.load_cuda()
        name = module.devices()[0]
        cases = {case: {table: digests(case, table) for table in TABLES} for case in CONFIGS}
        agree = all(cpu == cuda for tables in cases.values() for cpu, cuda in tables.values())
        result = {"device": name, "date": machine.today(), "build": module.build_info(), "cases": cases}
        machine.save("cuda-digests-" + "-".join(name.lower().split()), result)
    PAGE.write_text(page())
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0 if agree else 1


def digests(case: str, table: str) -> tuple[str, str]:
    """Of the CPU's model and of the device's."""
    data = dataset(table, case)
    return fit(CONFIGS[case], data, "cpu").digest(), fit(CONFIGS[case], data, "cuda").digest()


def page() -> str:
    found = [machine.load(path.stem) for path in sorted(machine.RESULTS.glob("cuda-digests-*.json"))]
    lines = [
        "# CUDA: the same model",
        "",
        "Made by `benchmarks/cuda_digests.py`. 700 rows, 3 rounds of trees of depth 3 to 5 (lossguide: 20 leaves),",
        "every objective, growth policy and kind of table: the SHA-256 of the model trained on the CPU and by the CUDA",
        "backend. The emulator runs the CUDA sources on the host (`src/cuda/emulated`); the tests do the same on every",
        "change.",
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
    lines += ["", "| training | " + " | ".join(TABLES) + " |", "|---" * (len(TABLES) + 1) + "|"]
    for case in CONFIGS:
        lines.append(f"| {case} | " + " | ".join(cell(found, case, table) for table in TABLES) + " |")
    lines += ["", "## On a GPU", "", "| what | result |", "|---|---|"]
    for what in (
        "compute-sanitizer memcheck, racecheck, initcheck",
        "digests at 10 to 10,000,000 rows",
        "1,000,000 x 28, depth 6: array to model against XGBoost 3.4.1 on the same GPU",
        "10,000,000 x 28, depth 8: the same",
        "shared-memory atomics: 32 and 64 bits, returning and not, random and skewed bins",
    ):
        lines.append(f"| {what} | {NOT_YET} |")
    return "\n".join(lines) + "\n"


def cell(found: list[dict[str, Any]], case: str, table: str) -> str:
    """The digest, or what differs."""
    pairs = {result["device"]: result["cases"].get(case, {}).get(table) for result in found}
    known = {d for pair in pairs.values() if pair is not None for d in pair}
    if len(known) == 1:
        return f"`{known.pop()[:8]}`"
    return "**differs**" if known else NOT_YET


if __name__ == "__main__":
    sys.exit(main())
