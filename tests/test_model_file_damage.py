# SPDX-License-Identifier: Apache-2.0
"""Model files: any damage is refused, and what is foreign is named."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from model_file_cases import content_of, model_of, same_arrays, small_booster
from random_models import random_columns, random_model

import pygbt
from pygbt import ModelFileError, _core, archive


@pytest.fixture(scope="module")
def booster() -> pygbt.Booster:
    return small_booster()


@pytest.fixture
def saved(booster: pygbt.Booster, tmp_path: Path) -> Path:
    path = tmp_path / "model.pygbt"
    booster.save(path)
    return path


def test_any_altered_byte_is_refused_or_harmless(booster: pygbt.Booster, saved: Path) -> None:
    data = saved.read_bytes()
    rng = np.random.default_rng(4)
    for position in range(len(data)):
        altered = bytearray(data)
        altered[position] ^= int(rng.integers(1, 256))
        try:
            content = archive.loads(bytes(altered))
            model_of(content)
        except ModelFileError:
            continue
        assert archive.digest(content) == booster.digest()


def test_any_truncation_or_addition_is_refused(saved: Path) -> None:
    data = saved.read_bytes()
    lengths = [*range(64), *range(64, len(data), 97), len(data) - 1]
    for length in lengths:
        with pytest.raises(ModelFileError):
            archive.loads(data[:length])
    for more in (b"\0", b"x" * 100, data):
        with pytest.raises(ModelFileError):
            archive.loads(data + more)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"tree\nversion=v4\n",
        pickle.dumps([1, 2]),
        b"\xff" * 1000,
        (2).to_bytes(8, "little") + b"{}",
        (10**7).to_bytes(8, "little") + b"[" * 10**7,
        safetensors.numpy.save({"weight": np.zeros(3)}, metadata={"format": "pt"}),
    ],
    ids=["empty", "text", "pickle", "noise", "empty header", "nested", "other safetensors"],
)
def test_foreign_files_are_named_as_such(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "foreign.bin"
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=r"foreign\.bin.* no"):
        pygbt.load(path)


def test_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pygbt.load(tmp_path / "absent")
    with pytest.raises(IsADirectoryError):
        pygbt.load(tmp_path)


def test_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    content = content_of(random_model(np.random.default_rng(5)))
    monkeypatch.setattr(archive, "FORMAT_VERSION", (2, 0))
    newer = archive.dumps(content)
    monkeypatch.setattr(archive, "FORMAT_VERSION", (1, 7))
    same_major = archive.dumps(content)
    monkeypatch.undo()
    with pytest.raises(ModelFileError, match=r"format version 2\.0.*upgrade"):
        archive.loads(newer)
    assert same_arrays(archive.loads(same_major).arrays, content.arrays)


def setting(index: int, value: Any) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array[index] = value
        return array

    return change


@pytest.mark.parametrize(
    "name, change",
    [
        ("tree_nodes", setting(0, 0)),
        ("tree_nodes", setting(0, 4)),
        ("tree_nodes", setting(0, -5)),
        ("tree_nodes", setting(0, 2**31 - 1)),
        ("tree_width", setting(0, 2)),
        ("tree_width", setting(0, -1)),
        ("tree_target", setting(0, 1)),
        ("tree_target", setting(0, -1)),
        ("left", setting(0, 0)),  # its own child: an endless walk
        ("left", setting(0, 3)),
        ("left", setting(0, 5)),
        ("left", setting(0, 2**31 - 1)),
        ("left", setting(1, 1)),
        ("left", setting(2, ~7)),
        ("left", setting(3, ~0)),
        ("feature", setting(0, 2)),
        ("feature", setting(0, -1)),
        ("feature", setting(0, 1)),  # a numeric cut of a categorical feature
        ("feature", setting(1, 0)),  # a set of categories of a numeric feature
        ("feature", setting(2, 0)),  # a leaf with a feature
        ("threshold", setting(0, np.nan)),
        ("default_left", setting(0, 2)),
        ("cat_words", setting(1, 2)),
        ("cat_words", setting(1, -1)),
        ("cat_words", setting(0, 1)),
        ("cat_words", setting(1, 2**31 - 1)),
        ("cat_bits", lambda a: a[:0]),
        ("cat_bits", lambda a: np.append(a, a)),
        ("gain", setting(0, np.nan)),
        ("cover", setting(0, np.nan)),
        ("count", setting(0, -1)),
        ("leaf_value", setting(0, np.nan)),
        ("leaf_value", setting(0, np.inf)),
        ("leaf_value", lambda a: a[:-1]),
        ("base_score", setting(0, np.nan)),
        ("base_score", lambda a: a[:0]),
        ("cuts_n_bins", setting(0, 0)),
        ("cuts_n_bins", setting(0, 5)),
        ("cuts_n_bins", setting(1, 2**30)),
        ("cuts_flags", setting(0, 1)),
        ("cuts_flags", setting(0, 2)),
        ("cuts_flags", setting(0, 7)),
        ("cuts_n_edges", setting(0, 1)),
        ("cuts_n_edges", setting(0, -1)),
        ("cuts_edges", setting(0, np.nan)),
        ("cuts_edges", setting(0, 9.0)),
        ("cuts_edges", lambda a: a[:-1]),
        ("left", lambda a: a[:-1]),
        ("left", lambda a: np.append(a, a[-1:])),
        ("left", lambda a: a.astype(np.int64)),
        ("left", lambda a: a.astype(np.uint32)),
        ("left", lambda a: a[:, np.newaxis]),
        ("threshold", lambda a: a.astype(np.float64)),
        ("gain", lambda a: a.astype(">f4")),
    ],
)
def test_unsound_arrays_are_refused(name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """One small tree, written by hand, and one thing wrong with it at a time."""
    arrays = {
        "tree_nodes": np.array([5], np.int32),
        "tree_width": np.array([1], np.int32),
        "tree_target": np.array([0], np.int32),
        "left": np.array([1, 3, ~0, ~1, ~2], np.int32),
        "feature": np.array([0, 1, -1, -1, -1], np.int32),
        "threshold": np.array([0.5, 0, 0, 0, 0], np.float32),
        "default_left": np.array([1, 0, 0, 0, 0], np.uint8),
        "cat_words": np.array([0, 1, 0, 0, 0], np.int32),
        "gain": np.array([2, 1, 0, 0, 0], np.float32),
        "cover": np.array([9, 6, 3, 2, 4], np.float64),
        "count": np.array([9, 6, 3, 2, 4], np.int64),
        "cat_bits": np.array([0b101], np.uint32),
        "leaf_value": np.array([1, 2, 3], np.float32),
        "base_score": np.array([0.25], np.float32),
        "cuts_n_bins": np.array([4, 5], np.int32),
        "cuts_flags": np.array([0, 1], np.uint8),
        "cuts_n_edges": np.array([2, 0], np.int32),
        "cuts_edges": np.array([0.5, 1.5], np.float32),
    }
    meta = random_model(np.random.default_rng(0)).meta
    sound = _core.Model.from_arrays(arrays, meta)
    columns = [np.array([0.5, 0.6, np.nan], np.float32), ("codes", np.array([2, 0, 1], np.int32))]
    margin = sound.predict(columns, output="margin", begin=0, end=1)
    assert margin.ravel().tolist() == [2.25, 1.25, 3.25]
    with pytest.raises(ModelFileError):
        _core.Model.from_arrays({**arrays, name: change(arrays[name])}, meta)


def test_missing_and_unknown_parts_are_refused() -> None:
    made = random_model(np.random.default_rng(6))
    for name in made.arrays:
        with pytest.raises(ModelFileError, match=name):
            _core.Model.from_arrays({k: v for k, v in made.arrays.items() if k != name}, made.meta)
    with pytest.raises(ModelFileError, match="unknown arrays"):
        _core.Model.from_arrays({**made.arrays, "more": np.zeros(1)}, made.meta)
    for name in made.meta:
        with pytest.raises(ModelFileError, match=name):
            _core.Model.from_arrays(made.arrays, {k: v for k, v in made.meta.items() if k != name})
        with pytest.raises(ModelFileError, match=name):
            _core.Model.from_arrays(made.arrays, {**made.meta, name: {"a": 1}})
    for name, value in [
        ("objective", "regression"),
        ("trees_per_iteration", 0),
        ("trees_per_iteration", 2),
        ("quantile_alpha", [0.0]),
        ("quantile_alpha", []),
        ("huber_delta", float("nan")),
        ("tweedie_variance_power", 2.0),
        ("scale_pos_weight", -1.0),
    ]:
        with pytest.raises(ModelFileError):
            _core.Model.from_arrays(made.arrays, {**made.meta, name: value})


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_random_damage_is_refused_or_predicts(seed: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    made = random_model(rng, n_outputs=2)
    name = data.draw(st.sampled_from(sorted(made.arrays)))
    array = made.arrays[name].copy()
    if not array.size:
        return
    raw = array.view(np.uint8)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    columns = random_columns(rng, made, 20)
    try:
        model = _core.Model.from_arrays({**made.arrays, name: array}, made.meta)
        leaves = model.predict(columns, output="leaf", begin=0, end=model.n_iterations)
    except ValueError:  # refused, or a feature changed its kind
        return
    assert (leaves >= 0).all()
