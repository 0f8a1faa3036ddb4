# SPDX-License-Identifier: Apache-2.0
"""A progress bar that opens once the work is seen to take long."""

from __future__ import annotations

import time

from .callbacks import ProgressBar

__all__ = ["BAR_SECONDS", "LateBar"]

BAR_SECONDS = 2.0  # shorter work shows no bar


class LateBar:
    """A bar of `total` steps; nothing where it is not `wanted` or the work is short."""

    def __init__(self, total: int, wanted: bool, title: str) -> None:
        self._bar = ProgressBar(title)
        self._total, self._wanted, self._done, self._opened = total, wanted, 0, False
        self._start = time.monotonic()

    def advance(self, steps: int = 1) -> None:
        """Some steps are done."""
        if steps == 0:
            return
        self._done += steps
        if self._opened:
            self._bar.advance(steps)
            return
        expected = (time.monotonic() - self._start) * self._total / self._done
        if self._wanted and expected > BAR_SECONDS and self._done < self._total:
            self._bar.open(self._total)
            self._bar.advance(self._done)
            self._opened = True

    def finish(self) -> None:
        """Close the bar."""
        self._bar.finish()
