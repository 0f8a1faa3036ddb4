# SPDX-License-Identifier: Apache-2.0
"""What distillation gains on real data; docs/results/distillation.md, written by distillation_report.py.

python distillation.py                    all that is missing, seed by seed and set by set; goes on where it ended
python distillation.py --sets fashion_mnist,otto --again
python distillation.py --quick            a few hundred rows, one seed, nothing saved
"""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "2")

import distillation_fashion
import distillation_sets
import machine

NAME = "distillation"
FASHION = "fashion_mnist"
SETS = (FASHION, *distillation_sets.SETS)


def job(name: str, seed: int, *, quick: bool) -> dict[str, Any]:
    """The row of one set and one seed."""
    if name == FASHION:
        return distillation_fashion.run(seed, distillation_fashion.QUICK if quick else distillation_fashion.Size())
    size = distillation_sets.QUICK if quick else distillation_sets.Size()
    return distillation_sets.run(name, seed, size, repeats=1 if quick else 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(SETS), help="only these, by commas")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--again", action="store_true", help="run what has results, too")
    parser.add_argument("--quick", action="store_true", help="a few hundred rows, one seed; saves nothing")
    args = parser.parse_args()
    wanted = args.sets.split(",")
    unknown = set(wanted) - set(SETS)
    if unknown:
        parser.error(f"--sets: no such set: {', '.join(sorted(unknown))}")
    results: dict[str, Any] = {"fashion": [], "sets": []}
    if (machine.RESULTS / f"{NAME}.json").exists() and not args.quick:
        kept = machine.load(NAME)
        results = {key: kept[key] for key in results}
    sizes = {"fashion": asdict(distillation_fashion.Size()), "sets": asdict(distillation_sets.Size())}
    for seed in range(1 if args.quick else args.seeds):
        for name in wanted:
            part = "fashion" if name == FASHION else "sets"

            def same(row: dict[str, Any], name: str = name, seed: int = seed) -> bool:
                return row["seed"] == seed and row.get("set", FASHION) == name

            if any(same(row) for row in results[part]) and not args.again and not args.quick:
                continue
            row = job(name, seed, quick=args.quick)
            print(name, row, flush=True)
            if args.quick:
                continue
            results[part] = [r for r in results[part] if not same(r)] + [row]
            results[part].sort(key=lambda r: (SETS.index(r.get("set", FASHION)), r["seed"]))
            machine.save(NAME, results | {"sizes": sizes})


if __name__ == "__main__":
    main()
