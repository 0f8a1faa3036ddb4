# SPDX-License-Identifier: Apache-2.0
"""Small tables of textbooks with the numbers that are printed of them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

# Ten loans: owner (yes, no), status (single, married, divorced), income in thousands; default.
LOANS = "y s 125 n|n m 100 n|n s 70 n|y m 120 n|n d 95 y|n m 60 n|y d 220 n|n s 85 y|n m 75 n|n s 90 y"

# Gini of the ten rows, weighted, after a split: one status against the rest, and every income.
LOAN_LEVELS = {0: ".367", 1: ".300", 2: ".400"}
LOAN_CUTS = {
    65: ".400",
    72.5: ".375",
    80: ".343",
    87.5: ".417",
    92.5: ".400",
    97.5: ".300",
    110: ".343",
    122.5: ".375",
    172.5: ".400",
}


def ten_loans() -> tuple[list[list[Any]], list[int]]:
    """Columns owner and status as codes, income as numbers; 1 for default."""
    owner, status, income, default = zip(*(row.split() for row in LOANS.split("|")), strict=True)
    columns: list[list[Any]] = [["yn".index(v) for v in owner], ["smd".index(v) for v in status]]
    return [*columns, [int(v) for v in income]], ["ny".index(v) for v in default]


# Improvement of every cut of the third column of `fifteen_rows`; the first leaves one row on one side.
FIFTEEN_CUTS = {
    13: ".5488",
    18: "1.1435",
    25: ".4508",
    29: ".7340",
    31: "1.0083",
    33: "1.9577",
    36: "3.9876",
    39: "2.6373",
    43: "1.5571",
    47: ".7361",
}


def fifteen_rows() -> tuple[list[list[Any]], list[int], list[Fraction], list[list[int]]]:
    """Columns, classes, priors and losses of the example of rpart's manual with all three."""
    y = [0, 1, 2] * 4 + [0, 1, 0]
    d = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9]
    third = [None if i in (0, 4, 9) else 10 * (i % 3 + 1) + 2 * d[i] for i in range(15)]
    columns: list[list[Any]] = [list(range(1, 16)), [*range(1, 7), *range(1, 7), 1, 2, 3], third]
    priors = [Fraction(n, 10) for n in (2, 3, 5)]
    return columns, y, priors, [[0, 2, 2], [2, 0, 6], [1, 1, 0]]
