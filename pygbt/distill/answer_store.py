# SPDX-License-Identifier: Apache-2.0
"""Finished batches of teachers' answers: in memory, and on disk where a folder is given.

A file is named by a hash of the teacher and of the rows, so that a table that grows, or a run that was interrupted,
asks only for what is missing. Files are model files (`pygbt.archive`): written under a temporary name, then renamed;
with a SHA-256 of their content.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import archive
from ..booster import Booster
from ..errors import ModelFileError

__all__ = ["AnswerStore", "model_key"]

Floats = npt.NDArray[np.float64]
KIND = "TeacherAnswers"


def model_key(model: Any) -> str | None:
    """A text that tells a model from any other; None where that cannot be said."""
    if isinstance(model, Booster):
        return model.digest()
    try:
        import joblib

        return f"{type(model).__module__}.{type(model).__qualname__}:{joblib.hash(model)}"
    except Exception:
        return None


class AnswerStore:
    """Batches by key.

    Parameters
    ----------
    folder : path, optional
        Made where it is missing. None: in memory only.
    """

    def __init__(self, folder: str | os.PathLike[str] | None) -> None:
        self.folder = None if folder is None else Path(folder)
        self._held: dict[str, Floats] = {}

    def key(self, teacher: str, rows: str) -> str:
        """Name of a batch, from what tells the teacher and the rows from others."""
        return hashlib.sha256(f"{teacher}|{rows}".encode()).hexdigest()[:40]

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{key}.answers"

    def get(self, key: str) -> Floats | None:
        """The answers of a finished batch, else None. A damaged file counts as none."""
        if key in self._held:
            return self._held[key]
        if self.folder is None or not self._path(key).exists():
            return None
        try:
            content = archive.load(self._path(key))
        except ModelFileError:
            return None
        values = content.arrays.get("values")
        if archive.estimator_kind(content) != KIND or values is None or values.ndim != 2:
            return None
        self._held[key] = np.array(values, dtype=np.float64)
        return self._held[key]

    def put(self, key: str, values: Floats) -> None:
        """Keep a finished batch."""
        self._held[key] = values
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            archive.save(self._path(key), archive.Content(arrays={"values": values}, model={"kind": KIND}))

    def forget(self) -> None:
        """Drop what is in memory; files stay."""
        self._held.clear()

    def describe(self) -> str:
        """Where finished batches are, for messages."""
        return "in memory" if self.folder is None else f"in {os.fspath(self.folder)}"
