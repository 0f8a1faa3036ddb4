# SPDX-License-Identifier: Apache-2.0
"""What a GPU's histograms read and add up a row where features share a code, counted on real sets: no GPU is needed.

    python shared_codes.py      results/shared-codes.json, shown by gpu_report.py

Words are what a row's codes take (Group of src/cuda/groups.h), four features each and a power of two of them; additions
leave out a code that more than half of the rows have.
"""

from __future__ import annotations

import sys
from typing import Any

import machine
import numpy as np
import tables

import pygbt

sys.path.insert(0, str(tables.DATA))
import datasets

#: Sets with features of few values.
SETS = ["covertype_92k", "celeba_203k", "bank_additional", "nycflights13", "french_mtpl", "adult"]
PROCESSORS = 132  # of an H100 or H200: Policy::histogram_blocks
ROWS_PER_SUM = 8  # Policy::rows_per_sum
MOST_WORDS = 32  # Group::kMostWords
USUAL = 0.5  # Policy::usual_share


def main() -> None:
    rows = {name: count(name) for name in SETS}
    machine.save("shared-codes", {"date": machine.today(), "sets": rows})
    for name, row in rows.items():
        print(name, row)


def count(name: str) -> dict[str, Any]:
    """Slots, words and additions of a set's rows, each feature by itself and as planned."""
    X = datasets.load(name).X
    data = pygbt.Dataset(X, np.zeros(len(X), np.float32)).core
    bins = data.bins(by_column=True)
    alone = [[f] for f in range(data.n_features)]
    planned = data.planned_slots(ROWS_PER_SUM * PROCESSORS)
    return {
        "rows": data.n_rows,
        "features": data.n_features,
        "slots": len(planned),
        "words": [words_of(len(slots)) for slots in (alone, planned)],
        "additions": [additions(bins, slots) for slots in (alone, planned)],
    }


def words_of(n_slots: int) -> int:
    """Of a row, whole groups and the last one."""
    whole, rest = divmod(n_slots, 4 * MOST_WORDS)
    return whole * MOST_WORDS + (1 << max(0, -(-rest // 4) - 1).bit_length() if rest else 0)


def additions(bins: np.ndarray, slots: list[list[int]]) -> float:
    """Of a row, on average."""
    total = 0.0
    for slot in slots:
        combinations = np.unique(bins[:, slot], axis=0, return_counts=True)[1]
        most = combinations.max() / len(bins)
        total += 1 - most if most > USUAL else 1.0
    return round(float(total), 2)


if __name__ == "__main__":
    main()
