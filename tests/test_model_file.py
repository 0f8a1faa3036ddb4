# SPDX-License-Identifier: Apache-2.0
"""Model files: equal models give equal bytes, and files of earlier versions load."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from model_file_cases import content_of, model_of, same_arrays, small_booster
from random_models import RandomModel, predict_slowly, random_columns, random_model

import pygbt
from pygbt import archive

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def booster() -> pygbt.Booster:
    return small_booster()


@pytest.fixture
def saved(booster: pygbt.Booster, tmp_path: Path) -> Path:
    path = tmp_path / "model.pygbt"
    booster.save(path)
    return path


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
