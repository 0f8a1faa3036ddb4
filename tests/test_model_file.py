# SPDX-License-Identifier: Apache-2.0
"""Model files: equal models give equal bytes, any damage is refused, and a failed save loses nothing."""

from __future__ import annotations

import json
import os
import pickle
import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import RandomModel, predict_slowly, random_columns, random_model

import pygbt
from pygbt import ModelFileError, _core, archive

GOLDEN = Path(__file__).parent / "golden"


def content_of(made: RandomModel, **parts: Any) -> archive.Content:
    return archive.Content(arrays=made.arrays, model=made.meta, **parts)


def model_of(content: archive.Content) -> _core.Model:
    return _core.Model.from_arrays(dict(content.arrays), dict(content.model))


def same_arrays(a: Any, b: Any) -> bool:
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and a[k].tobytes() == b[k].tobytes() for k in a)


@pytest.fixture(scope="module")
def booster() -> pygbt.Booster:
    """A small trained model with numbers, categories and missing values."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3)).astype(np.float32)
    X[rng.random(X.shape) < 0.1] = np.nan
    y = np.nan_to_num(X[:, 0]) * 2 + (np.nan_to_num(X[:, 2]) > 0)
    dataset = pygbt.Dataset(X, y, max_bin=16)
    return pygbt.train({"max_depth": 3, "n_threads": 1}, dataset, num_boost_round=3)


@pytest.fixture
def saved(booster: pygbt.Booster, tmp_path: Path) -> Path:
    path = tmp_path / "model.pygbt"
    booster.save(path)
    return path


# --- equal content, equal bytes --------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_features=st.integers(1, 6),
    n_outputs=st.integers(1, 4),
    n_iterations=st.integers(0, 4),
    vector_leaves=st.booleans(),
    wide=st.booleans(),
    categories=st.booleans(),
)
def test_arrays_and_bytes_round_trip(
    seed: int, n_features: int, n_outputs: int, n_iterations: int, vector_leaves: bool, wide: bool, categories: bool
) -> None:
    made = random_model(
        np.random.default_rng(seed),
        n_features=n_features,
        n_outputs=n_outputs,
        n_iterations=n_iterations,
        vector_leaves=vector_leaves,
        wide=wide,
        categories=categories,
    )
    content = content_of(made, schema={"names": ["é", "b"]}, params={"eta": 0.1}, extra={"note": [1, None, "x"]})
    data = archive.dumps(content)
    read = archive.loads(data)
    assert same_arrays(read.arrays, made.arrays)
    assert (read.model, read.schema, read.params, read.extra) == (
        content.model,
        content.schema,
        content.params,
        content.extra,
    )
    assert archive.dumps(read) == data
    arrays, meta = model_of(read).to_arrays()
    assert same_arrays(arrays, made.arrays)
    assert meta == made.meta
    assert archive.digest(read) == archive.digest(content)


def test_file_is_valid_safetensors_and_the_same_in_every_process(tmp_path: Path) -> None:
    content = content_of(random_model(np.random.default_rng(1)), params={"b": 1, "a": 2})
    data = archive.dumps(content)
    assert same_arrays(safetensors.numpy.load(data), content.arrays)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import numpy as np; from pygbt import archive;"
        "from random_models import random_model; made = random_model(np.random.default_rng(1));"
        "print(archive._hash({}, {'x': archive.dumps(archive.Content(arrays=made.arrays, model=made.meta,"
        "params={'a': 2, 'b': 1})).hex()}))"
    )
    wanted = archive._hash({}, {"x": data.hex()})
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", script, str(Path(__file__).parent)]
        assert subprocess.run(command, env=environment, capture_output=True, text=True).stdout.strip() == wanted


def test_booster_survives_file_and_pickle(booster: pygbt.Booster, saved: Path) -> None:
    X = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    for copy in (pygbt.load(saved), pygbt.load(str(saved)), pickle.loads(pickle.dumps(booster))):
        assert copy.digest() == booster.digest()
        assert copy.predict(X).tobytes() == booster.predict(X).tobytes()
        copy.save(saved.with_name("again"))
        assert saved.with_name("again").read_bytes() == saved.read_bytes()


def test_digest_is_of_what_decides_predictions() -> None:
    made = random_model(np.random.default_rng(2))
    base = archive.digest(content_of(made))
    assert archive.digest(content_of(made, params={"eta": 1}, history={"best_iteration": 3}, extra={"a": 1})) == base
    assert archive.digest(content_of(made, schema={"names": ["a"]})) != base
    for name, array in made.arrays.items():
        if array.size:
            changed = {**made.arrays, name: array.copy()}
            changed[name].view(np.uint8)[0] ^= 1
            assert archive.digest(archive.Content(changed, made.meta)) != base
    assert archive.digest(archive.Content(made.arrays, {**made.meta, "objective": "huber"})) != base


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_thresholds_have_the_precision_of_the_data(dtype: Any) -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(200, 3)).astype(dtype)
    booster = pygbt.train({"max_depth": 3}, pygbt.Dataset(X, X[:, 0] * X[:, 1]), num_boost_round=2)
    arrays, _ = booster._model.to_arrays()
    assert arrays["threshold"].dtype == arrays["cuts_edges"].dtype == dtype
    inner = arrays["feature"] >= 0
    assert np.isin(arrays["threshold"][inner], X).all()  # data values, never midpoints


# --- damage ----------------------------------------------------------------------------------------------------------


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


# --- saving ----------------------------------------------------------------------------------------------------------


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


# --- files of earlier versions ---------------------------------------------------------------------------------------


def golden_model() -> tuple[RandomModel, list[Any]]:
    rng = np.random.default_rng(2026)
    made = random_model(rng, n_features=5, n_outputs=2, n_iterations=4, objective="one_vs_rest")
    return made, random_columns(rng, made, 60)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("model-*.pygbt")), ids=lambda path: path.name)
def test_files_of_earlier_versions_load_and_predict(path: Path) -> None:
    content = archive.load(path)
    expected = json.loads(path.with_suffix(".json").read_text())
    columns = [
        ("codes", np.array(c["codes"], np.int32)) if "codes" in c else np.array(c["values"], c["dtype"])
        for c in expected["columns"]
    ]
    model = model_of(content)
    margin = model.predict(columns, output="margin", begin=0, end=model.n_iterations)
    assert margin.ravel().tolist() == expected["margin"]
    assert archive.digest(content) == expected["digest"]


def test_the_present_format_has_its_golden_file() -> None:
    assert (GOLDEN / "model-{}.{}.pygbt".format(*archive.FORMAT_VERSION)).is_file()


if __name__ == "__main__":  # writes the golden file of this format version
    made, columns = golden_model()
    GOLDEN.mkdir(exist_ok=True)
    path = GOLDEN / "model-{}.{}.pygbt".format(*archive.FORMAT_VERSION)
    content = content_of(made, schema={"note": "random model of tests/random_models.py"})
    archive.save(path, content)
    described = [
        {"codes": c[1].tolist()} if isinstance(c, tuple) else {"values": c.tolist(), "dtype": str(c.dtype)}
        for c in columns
    ]
    margin = predict_slowly(made, columns)[0].ravel().tolist()
    expected = {"columns": described, "margin": margin, "digest": archive.digest(content)}
    path.with_suffix(".json").write_text(json.dumps(expected))
