# SPDX-License-Identifier: Apache-2.0
"""Every optimisation leaves every model as it is: naive backend = optimised one, on every shape at small size.

The optimised backend runs on 1, 2 and 3 threads and every instruction set, each set in a process of its own.
Run it as a script to write the section "digests" of results/<machine>.json.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import Any

import engines
import machine
import numpy as np
import tables
from shapes import SHAPES, Shape

ROUNDS = 3
THREADS = (1, 2, 3)
#: Share of the rows; every shape keeps at least 300.
SHARE = 0.001


def naive_digest(shape: Shape, share: float = SHARE) -> str:
    """Digest of the trees by the naive backend."""
    return _digest(shape, share, 1, device="naive")


def optimised_digests(shape: Shape, share: float = SHARE) -> dict[str, str]:
    """Digests by the optimised backend in this process, by number of threads."""
    return {str(n): _digest(shape, share, n, device="cpu") for n in THREADS}


def _digest(shape: Shape, share: float, n_threads: int, device: str) -> str:
    split = shape.table(share, 0)
    recipe = shape.small(ROUNDS, n_threads)
    engine: Any = engines.make("pygbt", device=device)
    model = engine.train(engine.bins(split.X, split.y, recipe), recipe)
    parts = hashlib.sha256()
    for i in range(model.n_trees):  # the trees alone: the file also names the device
        for name, value in sorted(model._model.tree(i).items()):
            if isinstance(value, np.ndarray):
                parts.update(name.encode() + value.tobytes())
    return parts.hexdigest()


def available_shapes() -> list[Shape]:
    """All shapes, without those that read absent data."""
    return [shape for shape in SHAPES.values() if not shape.shared or tables.DATA.is_dir()]


def main() -> None:
    if sys.argv[1:]:  # one instruction set, chosen by PYGBT_ISA
        print(json.dumps({shape.key: optimised_digests(shape) for shape in available_shapes()}))
        return
    levels = machine.record()["isa_levels"]
    by_isa = {}
    for isa in levels:
        run = subprocess.run(
            [sys.executable, __file__, "optimised"],
            env={**os.environ, "PYGBT_ISA": isa},
            capture_output=True,
            text=True,
            check=True,
        )
        by_isa[isa] = json.loads(run.stdout)
    rows = {}
    for shape in available_shapes():
        digests = {f"{isa}, {n} threads": by_isa[isa][shape.key][n] for isa in levels for n in map(str, THREADS)}
        naive = naive_digest(shape)
        n_rows = len(shape.table(SHARE, 0).y)
        rows[shape.key] = {"title": shape.title, "rows": n_rows, "naive": naive, "digests": digests}
        same = set(digests.values()) == {naive}
        print(f"{shape.key:3} {n_rows:6,} rows  {len(digests)} combinations  {naive[:16]}  {same}", flush=True)
    machine.merge("digests", rows)
    wrong = [key for key, row in rows.items() if set(row["digests"].values()) != {row["naive"]}]
    if wrong:
        raise SystemExit(f"not the naive backend's model: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
