# SPDX-License-Identifier: Apache-2.0
"""Many tasks in shared trees. Needs the ``sklearn`` extra."""

from __future__ import annotations

from .entire_space import EntireSpace
from .hierarchy import Hierarchy
from .multi_task import MultiTask
from .transfer import TransferReport

__all__ = ["EntireSpace", "Hierarchy", "MultiTask", "TransferReport"]
