# SPDX-License-Identifier: Apache-2.0
"""`pygbt.load`: whatever a model file holds."""

from __future__ import annotations

import os
from typing import Any

from . import archive
from .booster import Booster

__all__ = ["load"]


def load(path: str | os.PathLike[str]) -> Any:
    """Read a model file.

    Returns
    -------
    Booster, or an estimator of pygbt.tree, pygbt.ensemble or pygbt.multitask
        What was saved.

    Raises
    ------
    ModelFileError
        The file is truncated, altered, of a newer format version, or no model file.
    OSError
        The file cannot be read.
    """
    content = archive.load(path)
    if archive.estimator_kind(content) is None:
        return Booster._from_content(content)
    from .estimator_files import read_estimator  # scikit-learn is an extra

    return read_estimator(content, os.fspath(path))
