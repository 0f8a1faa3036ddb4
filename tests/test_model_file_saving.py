# SPDX-License-Identifier: Apache-2.0
"""Model files: a failed save loses nothing."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_file_cases import content_of, small_booster
from random_models import random_model

import pygbt
from pygbt import archive


@pytest.fixture(scope="module")
def booster() -> pygbt.Booster:
    return small_booster()


@pytest.fixture
def saved(booster: pygbt.Booster, tmp_path: Path) -> Path:
    path = tmp_path / "model.pygbt"
    booster.save(path)
    return path


def assert_untouched(path: Path, before: bytes) -> None:
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_failed_save_leaves_the_old_file(
    step: str, booster: pygbt.Booster, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space left"):
        booster[:1].save(saved)
    monkeypatch.undo()
    assert_untouched(saved, before)


def test_file_size_limit_leaves_the_old_file(booster: pygbt.Booster, saved: Path) -> None:
    """The system itself refuses the write half way, as a full disk does."""
    before = saved.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            booster.save(saved)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_untouched(saved, before)


def test_interrupted_save_leaves_the_old_file(
    booster: pygbt.Booster, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        booster.save(saved)
    monkeypatch.undo()
    assert_untouched(saved, before)


def test_save_keeps_links_and_the_usual_permissions(booster: pygbt.Booster, tmp_path: Path) -> None:
    link = tmp_path / "latest"
    link.symlink_to("model-7")
    mask = os.umask(0o022)
    try:
        booster.save(link)
    finally:
        os.umask(mask)
    assert link.is_symlink()
    assert stat.S_IMODE((tmp_path / "model-7").stat().st_mode) == 0o644
    assert pygbt.load(link).digest() == booster.digest()
    with pytest.raises(FileNotFoundError):
        booster.save(tmp_path / "no folder" / "model")


def test_what_json_cannot_hold_is_named(tmp_path: Path) -> None:
    made = random_model(np.random.default_rng(7))
    with pytest.raises(TypeError, match="cannot hold set"):
        archive.save(tmp_path / "m", content_of(made, extra={"a": {1}}))
    assert not list(tmp_path.iterdir())
    numbers = content_of(made, history={"best": np.float32(0.5), "all": np.arange(2)})
    assert archive.loads(archive.dumps(numbers)).history == {"best": 0.5, "all": [0, 1]}
