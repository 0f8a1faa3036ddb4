# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks of single operations share: how a case is timed, counted, and held against the machine's limits.

    pytest -c benchmarks/micro/pytest.ini benchmarks/micro [--save] [--share 0.01]

Every case counts what it does (updates, or bytes read and written) and names the limit that bounds it; the limits are
cases of their own, measured in the same run (bench_limits.py).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

ROUNDS = 7
LIMITS = ("memory", "stores")


@dataclass
class Row:
    """One measured case. count: what one call does, in `unit`s; limit: one of LIMITS or nothing."""

    operation: str
    case: str
    seconds: float
    count: float
    unit: str
    limit: str
    threads: int
    share: float | None = None

    @property
    def rate(self) -> str:
        """Count a second, with its unit."""
        per_second = self.count / self.seconds
        scale, prefix = next((s, p) for s, p in ((1e9, "G"), (1e6, "M"), (1e3, "k"), (0, "")) if per_second >= s)
        return f"{per_second / (scale or 1):.2f} {prefix} {self.unit}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--save", action="store_true", help="write the rows to results/<machine>.json")
    parser.addoption("--share", type=float, default=1.0, help="share of the rows of every case")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


ROWS: pytest.StashKey[list[Row]] = pytest.StashKey()

Measure = Callable[..., Any]


@pytest.fixture
def scaled(request: pytest.FixtureRequest) -> Callable[[int], int]:
    """n rows by the share asked for, at least 64."""
    share = request.config.getoption("--share")
    return lambda n: n if share >= 1 else max(64, int(n * share))


@pytest.fixture
def measure(benchmark: Any, request: pytest.FixtureRequest) -> Measure:
    """measure(operation, case, function, count=, unit=, limit=, before=): time it and return its last answer.

    `before` runs untimed ahead of every call. The median over the rounds counts.
    """

    def timed(
        operation: str,
        case: str,
        function: Callable[[], Any],
        *,
        count: float,
        unit: str,
        limit: str = "",
        threads: int = 1,
        before: Callable[[], object] | None = None,
    ) -> Any:
        def setup() -> None:
            if before is not None:
                before()

        answer = benchmark.pedantic(function, setup=setup, rounds=ROUNDS, warmup_rounds=1)
        row = Row(operation, case, benchmark.stats.stats.median, count, unit, limit, threads)
        benchmark.group = operation
        benchmark.extra_info.update(asdict(row))
        request.config.stash[ROWS].append(row)
        return answer

    return timed


def with_shares(rows: list[Row]) -> list[Row]:
    """Each row's share of its limit: the best limit case of that kind, times the threads."""
    best = {
        limit: max((r.count / r.seconds for r in rows if r.operation == f"limit: {limit}"), default=0.0)
        for limit in LIMITS
    }
    for row in rows:
        if best.get(row.limit):
            row.share = row.count / row.seconds / (best[row.limit] * row.threads)
    return rows


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    rows = with_shares(config.stash[ROWS])
    for row in rows:
        share = f"{100 * row.share:4.0f} % of {row.limit}" if row.share is not None else ""
        terminalreporter.write_line(
            f"{row.operation:18} {row.case:44} {1e3 * row.seconds:10.4f} ms  {row.rate:>18}/s  {share}"
        )
    if config.getoption("--save") and rows:
        import machine

        machine.merge("micro", {"rows": {"cases": [{**asdict(row), "rate": row.rate + "/s"} for row in rows]}})
