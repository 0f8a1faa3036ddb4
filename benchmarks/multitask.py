# SPDX-License-Identifier: Apache-2.0
"""Many tasks: teachers on some, ways to share trees, conversion on the entire space, hundreds of targets.

python multitask.py                                   what results/multitask.json lacks, set by set, then the report
python multitask.py --sections sharing --keys mt_enb --again
python multitask.py --seeds 1 --rounds 3 --dry        tiny, nothing saved
"""

from __future__ import annotations

import argparse
import time
from types import ModuleType
from typing import Any

import machine
import multitask_conversion
import multitask_outputs
import multitask_report
import multitask_sharing
import multitask_teachers

NAME = "multitask"
SECTIONS: dict[str, ModuleType] = {
    "outputs": multitask_outputs,
    "conversion": multitask_conversion,
    "teachers": multitask_teachers,
    "sharing": multitask_sharing,
}


def missing(
    result: dict[str, Any], sections: list[str], keys: list[str], seeds: int, again: bool
) -> list[tuple[str, str]]:
    """Sections and keys that are to be measured."""
    wanted = [(s, key) for s in sections for key in SECTIONS[s].keys() if not keys or key in keys]  # noqa: SIM118
    return [(s, key) for s, key in wanted if again or result.get(s, {}).get(key, {}).get("seeds", 0) < seeds]


def main() -> None:
    """Measure what is missing and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", nargs="*", default=list(SECTIONS), choices=list(SECTIONS))
    parser.add_argument("--keys", nargs="*", default=[])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, help="few, for a trial: results are not comparable")
    parser.add_argument("--again", action="store_true", help="measure what is there, too")
    parser.add_argument("--dry", action="store_true", help="save nothing")
    given = parser.parse_args()
    path = machine.RESULTS / f"{NAME}.json"
    result = machine.load(NAME) if path.exists() else {}
    result.pop("machine", None)
    for section, key in missing(result, given.sections, given.keys, given.seeds, given.again or given.dry):
        start = time.perf_counter()
        row = SECTIONS[section].measure(key, given.seeds, given.rounds)
        row |= {"seeds": given.seeds, "seconds": round(time.perf_counter() - start, 1), "date": machine.today()}
        print(f"{section} {key}: {row['seconds']} s", flush=True)
        result.setdefault(section, {})[key] = row
        if not given.dry:
            machine.save(NAME, result)
    text = multitask_report.report(result)
    if given.dry:
        print(text)
    else:
        multitask_report.write(text)


if __name__ == "__main__":
    main()
