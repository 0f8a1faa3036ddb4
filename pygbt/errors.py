# SPDX-License-Identifier: Apache-2.0
"""Exceptions that pygbt adds to Python's own.

Wrong arguments raise :class:`ValueError` or :class:`TypeError`, what a build cannot do raises
:class:`NotImplementedError`, and memory that runs out raises :class:`MemoryError`.
"""

from __future__ import annotations

__all__ = ["ModelFileError"]


class ModelFileError(ValueError):
    """The model file is damaged, truncated, or written by a newer format version."""
