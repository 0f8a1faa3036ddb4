# SPDX-License-Identifier: Apache-2.0
"""One digest for every combination of threads, instruction set, memory order and resume, on three real sets."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import machine
import numpy as np
from tables import load_split

SETS = {"adult": "logistic", "covertype_92k": "softmax", "french_mtpl": "poisson"}
ROUNDS = 20


def digest(name: str, n_threads: int, order: str, resume: bool) -> str:
    """Digest of one training run in this process, whose instruction set PYGBT_ISA has chosen."""
    import pygbt

    split = load_split(name, 0)
    X = split.X
    if not any(str(dtype) == "category" for dtype in X.dtypes):
        X = np.array(X, order=order)  # frames are columns; arrays come in both orders
    params = {"objective": SETS[name], "n_threads": n_threads, "subsample": 0.8, "colsample_bytree": 0.8, "seed": 3}
    data = pygbt.Dataset(X, split.y)
    if not resume:
        return pygbt.train(params, data, ROUNDS).digest()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "half.pygbt"
        pygbt.train(params, data, ROUNDS // 2).save(path)
        return pygbt.train(params, data, ROUNDS - ROUNDS // 2, init_model=path).digest()


def main() -> None:
    if len(sys.argv) > 1:
        name, n_threads, order, resume = json.loads(sys.argv[1])
        print(digest(name, n_threads, order, resume))
        return
    from pygbt import _core

    levels = _core.build_info()["isa_levels"]
    rows = []
    for name, n_threads, isa, (order, resume) in itertools.product(
        SETS, (1, 2, 3), levels, (("C", False), ("F", False), ("C", True))
    ):
        run = subprocess.run(
            [sys.executable, __file__, json.dumps([name, n_threads, order, resume])],
            env={**os.environ, "PYGBT_ISA": isa},
            capture_output=True,
            text=True,
            check=True,
        )
        rows.append(
            {
                "set": name,
                "threads": n_threads,
                "isa": isa,
                "order": order,
                "resume": resume,
                "digest": run.stdout.strip(),
            }
        )
        print(rows[-1], flush=True)
    for name in SETS:
        found = {row["digest"] for row in rows if row["set"] == name}
        assert len(found) == 1, f"{name}: {len(found)} digests"
    machine.save("engine_digests", {"rounds": ROUNDS, "rows": rows})


if __name__ == "__main__":
    main()
