# SPDX-License-Identifier: Apache-2.0
"""Numbers that rpart prints, as text, for `test_rpart` and for the oracle itself: facts from its manual and tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

Levels = frozenset[str]


@dataclass(frozen=True)
class Line:
    """A question as printed: its cut, or the levels of either side (None: not printed), and its numbers."""

    feature: str
    split: float | set[str] | None = None
    improve: str | None = None
    missing: int | None = None
    agree: str | None = None
    adjusted: str | None = None


@dataclass(frozen=True)
class Printed:
    """Questions of a node: the one asked and the competitors that are known, all surrogates (None: not printed)."""

    asked: Sequence[Line]
    surrogates: Sequence[Line] | None = None


@dataclass(frozen=True)
class Table:
    """A tree of rpart: how to get it, and what is printed of it. Nodes are named by their number of rows."""

    name: str
    load: Callable[[], tuple[Any, Any]]  # a frame and the response, classes as 0 .. K - 1
    nodes: Mapping[int, Printed]
    leaves: int
    relative_error: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    weight: int = 1
    root_risk: Fraction | None = None


def split(feature: str, where: Any, improve: str, missing: int | None = None) -> Line:
    return Line(feature, where, improve, missing)


def stand_in(feature: str, where: Any, agree: str, adjusted: str | None = None) -> Line:
    return Line(feature, where, agree=agree, adjusted=adjusted)


# --- data -----------------------------------------------------------------------------------------------------------


def kyphosis() -> tuple[Any, Any]:
    from datasets import load

    table = load("kyphosis")
    return table.X, (table.y == "present").to_numpy().astype(int)


RELIABILITY = ["Much worse", "worse", "average", "better", "Much better"]


def _cu_summary() -> Any:
    from datasets import frame

    cars = frame("cu_summary")
    rank = {name: float(i) for i, name in enumerate(RELIABILITY)}
    cars["Reliability"] = np.array([rank.get(v, np.nan) for v in cars["Reliability"]])
    return cars


def cu_reliability() -> tuple[Any, Any]:
    cars = _cu_summary()
    cars = cars[cars["Reliability"].notna()].reset_index(drop=True)
    return cars[["Price", "Country", "Mileage", "Type"]], cars["Reliability"].to_numpy().astype(int)


def cu_country() -> tuple[Any, Any]:
    cars = _cu_summary()
    return cars[["Reliability", "Price", "Mileage", "Type"]], cars["Country"].cat.codes.to_numpy().astype(int)


def car_mileage() -> tuple[Any, Any]:
    from datasets import load

    table = load("car_test_frame")
    return table.X[["Weight"]], table.y.to_numpy().astype(float)


def solder() -> tuple[Any, Any]:
    from datasets import load

    table = load("solder_balance")
    return table.X, table.y.to_numpy().astype(float)


# --- tables ---------------------------------------------------------------------------------------------------------

KYPHOSIS = Table(
    "kyphosis",
    kyphosis,
    {
        81: Printed(
            [split("Start", 8.5, "6.762330"), split("Number", 5.5, "2.866795"), split("Age", 39.5, "2.250212")],
            [stand_in("Number", 6.5, ".802", ".158")],
        ),
        62: Printed(
            [split("Start", 14.5, "1.020528"), split("Age", 55, ".684864"), split("Number", 4.5, ".297533")],
            [stand_in("Number", 3.5, ".645", ".241"), stand_in("Age", 16, ".597", ".138")],
        ),
        33: Printed(
            [split("Age", 55, "1.246753"), split("Start", 12.5, ".288770"), split("Number", 3.5, ".175325")],
            [stand_in("Start", 9.5, ".758", ".333"), stand_in("Number", 5.5, ".697", ".167")],
        ),
        21: Printed([split("Age", 111, "1.714286"), split("Start", 12.5, ".793651"), split("Number", 3.5, ".071429")]),
    },
    leaves=5,
    relative_error=".76471",
    root_risk=Fraction(17),
)

KYPHOSIS_PRIOR = Table(
    "kyphosis, priors",
    kyphosis,
    {
        81: Printed(
            [split("Start", 12.5, "10.8971"), split("Number", 4.5, "5.0865"), split("Age", 39.5, "4.6351")],
            [stand_in("Number", 3.5, ".6667")],
        )
    },
    leaves=3,
    relative_error=".49567",
    settings={"priors": [Fraction(65, 100), Fraction(35, 100)]},
    root_risk=Fraction(35, 100) * 81,
)

KYPHOSIS_LOSS = Table(
    "kyphosis, losses",
    kyphosis,
    {81: Printed([split("Start", 8.5, "5.0766"), split("Number", 5.5, "2.1647"), split("Age", 39.5, "1.5351")])},
    leaves=2,
    relative_error=".98039",
    settings={"losses": [[0, 4], [3, 0]]},
    root_risk=Fraction(51),  # .6296 of 81
)

CU_RELIABILITY = Table(
    "cu.summary, reliability",
    cu_reliability,
    {
        85: Printed(
            [
                split("Country", {"Japan", "Japan/USA"}, "15.22069", 0),
                split("Type", {"Compact", "Small"}, "4.288063", 0),
                split("Price", 11972.5, "3.2", 0),
                split("Mileage", 24.5, "2.476190", 36),
            ]
        ),
        58: Printed(
            [
                split("Type", {"Sporty"}, "3.186567", 0),
                split("Price", 11232.5, "2.563521", 0),
                split("Mileage", 24.5, "1.801587", 30),
                split("Country", {"Korea", "Sweden"}, "1.329310", 0),
            ]
        ),
        49: Printed(
            [
                split("Type", {"Compact", "Small"}, "2.879612", 0),
                split("Mileage", 24.5, "2.5", 25),
                split("Price", 11470, "2.423544", 0),
                split("Country", {"Korea", "Sweden"}, "1.026755", 0),
            ],
            [stand_in("Price", 11470, ".898", ".773"), stand_in("Country", {"USA"}, ".755", ".455")],
        ),
        22: Printed(
            [
                split("Country", {"Germany", "Mexico", "Sweden"}, "1.519481", 0),
                split("Price", 8646, "1.271861", 0),
                split("Type", {"Compact"}, ".190909", 0),
            ],
            [stand_in("Price", 13970, ".864", ".625")],
        ),
    },
    leaves=5,
    relative_error=".5254",
)

CU_COUNTRY = Table(
    "cu.summary, country, weights 3",
    cu_country,
    {
        117: Printed(
            [
                split("Reliability", 2.5, "44.777630", 32),
                split("Type", None, "11.24635", 0),
                split("Price", 6923, "10.44872", 0),
                split("Mileage", 22.5, "6.084489", 57),
            ],
            [stand_in("Type", None, ".706", ".138"), stand_in("Price", 6665, ".682", ".069")],
        ),
        33: Printed([split("Price", 13202, "7.621212")], [stand_in("Type", None, ".879", ".556")]),
        84: Printed([split("Price", 16668.5, "10.40317")], [stand_in("Type", None, ".714", ".2")]),
        24: Printed([split("Price", 7038, "4.836134")]),
        30: Printed([split("Type", {"Large", "Medium"}, "6.6")], [stand_in("Price", 19422.5, ".767", ".3")]),
    },
    leaves=6,
    relative_error=".6617647",
    weight=3,
)

CAR_MILEAGE = Table(
    "car.test.frame, mileage",
    car_mileage,
    {
        60: Printed([split("Weight", 2567.5, ".5953491")]),
        45: Printed([split("Weight", 3087.5, ".5045118")]),
        23: Printed([split("Weight", 2747.5, ".1476996")]),
    },
    leaves=4,
    relative_error=".2572943",
)

CAR_LEAVES = {
    15: [("30.93333", "186.9333"), ("23.8", "60.4")],
    22: [("20.40909", "61.31818")],
    8: [("25.625", "39.875")],
}

SOLDER = Table("solder.balance, skips", solder, {}, leaves=12, relative_error=".14878")

TABLES = [KYPHOSIS, KYPHOSIS_PRIOR, KYPHOSIS_LOSS, CU_RELIABILITY, CU_COUNTRY, CAR_MILEAGE, SOLDER]


# --- comparing ------------------------------------------------------------------------------------------------------


def shows(value: Any, text: str) -> bool:
    """Whether a number prints as `text`, with as many digits after the point."""
    decimals = len(text.partition(".")[2])
    return abs(Fraction(value) - Fraction(text)) <= Fraction(1, 2 * 10**decimals)


def check_line(line: Line, asked: Any, names: Sequence[str]) -> None:
    """A question of `cart_reading`, its levels by name, against a printed line."""
    assert names[asked.feature] == line.feature, (line, asked)
    if isinstance(line.split, set):
        assert line.split in asked.levels, (line, asked)
    elif line.split is not None:
        assert asked.cut == line.split, (line, asked)
    for text, value in [
        (line.improve, asked.improvement),
        (line.agree, asked.agreement),
        (line.adjusted, asked.adjusted),
    ]:
        assert text is None or shows(value, text), (line, asked)


def check_table(table: Table, root: Any, missing: Mapping[str, Any]) -> None:
    """A tree of `cart_reading` against all that is printed of it; `missing`: where each feature is, by row."""
    names = list(missing)
    assert len(root.leaves()) == table.leaves
    assert shows(sum(leaf.risk for leaf in root.leaves()) / root.risk, table.relative_error)
    if table.root_risk is not None:
        np.testing.assert_allclose(root.risk, float(table.root_risk), rtol=1e-12)
    for count, printed in table.nodes.items():
        node = root.of(count)
        found = [node.asked, *node.competitors]
        assert len(found) >= len(printed.asked)
        for line, asked in zip(printed.asked, found, strict=False):
            check_line(line, asked, names)
            if line.missing is not None:
                assert sum(missing[line.feature][list(node.rows)]) == line.missing
        if printed.surrogates is not None:
            assert len(node.surrogates) == len(printed.surrogates), (count, node.surrogates)
            for line, asked in zip(printed.surrogates, node.surrogates, strict=True):
                check_line(line, asked, names)


def check_car_leaves(root: Any) -> None:
    """Means and deviances of the leaves of CAR_MILEAGE."""
    assert shows(root.risk, "1354.583")
    for count, printed in CAR_LEAVES.items():
        leaves = [leaf for leaf in root.leaves() if leaf.count == count]
        assert len(leaves) == len(printed)
        for mean, deviance in printed:
            assert any(shows(leaf.value[0], mean) and shows(leaf.risk, deviance) for leaf in leaves)
