# SPDX-License-Identifier: Apache-2.0
"""The command line: files in, files out, exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pygbt
from pygbt.cli import main

pandas = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

OK, BAD_INPUT, INTERRUPTED = 0, 2, 130


@pytest.fixture(scope="module")
def frame() -> Any:
    rng = np.random.default_rng(2)
    n = 300
    x = rng.normal(size=n)
    city = rng.choice(["Bern", "Oslo", "Rome"], size=n)
    score = x + (city == "Oslo") * 2.0 + 0.3 * rng.normal(size=n)
    return pandas.DataFrame(
        {
            "x": np.where(rng.random(n) < 0.1, np.nan, x),
            "city": np.where(rng.random(n) < 0.05, None, city),
            "code": rng.integers(1, 5, size=n),
            "w": rng.integers(1, 4, size=n),
            "number": score,
            "label": np.where(score > 1, "high", "low"),
            "grade": np.select([score < 0, score < 1.5], ["C", "B"], "A"),
        }
    )


@pytest.fixture(params=["csv", "parquet", "tsv", "csv.gz"])
def table(request: pytest.FixtureRequest, frame: Any, tmp_path: Path) -> Path:
    path = tmp_path / f"data.{request.param}"
    if request.param == "parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False, sep="\t" if request.param == "tsv" else ",")
    return path


@pytest.fixture
def csv(frame: Any, tmp_path: Path) -> Path:
    frame.to_csv(tmp_path / "data.csv", index=False)
    return tmp_path / "data.csv"


def run(*arguments: object) -> int:
    return main([str(a) for a in arguments])


QUIET = ("--no-progress", "--rounds", "10")


def test_train_and_predict_classes(table: Path, frame: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "m.pygbt"
    drop = ("--drop", "number,grade,w")
    assert run("train", table, "--target", "label", "--model", model, *drop, *QUIET) == OK
    shown = capsys.readouterr().out
    assert "binary: high, low" in shown
    assert "logloss" in shown
    assert pygbt.load(model).digest() in shown
    out = tmp_path / "p.csv"
    assert run("predict", table, "--model", model, "--output", out) == OK
    predicted = pandas.read_csv(out)
    assert list(predicted.columns) == ["prediction", "p_high", "p_low"]
    np.testing.assert_allclose(predicted["p_high"] + predicted["p_low"], 1.0, atol=1e-6)
    assert (predicted["prediction"] == frame["label"]).mean() > 0.9


def test_the_model_is_that_of_the_library(frame: Any, csv: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.pygbt"
    arguments = (
        "--target",
        "number",
        "--drop",
        "label,grade",
        "--weight",
        "w",
        "--param",
        "max_depth=3",
        "-p",
        "eta=0.3",
    )
    assert run("train", csv, "--model", model, *arguments, *QUIET) == OK
    X = frame[["x", "city", "code"]].assign(city=frame["city"].astype("category"))
    ds = pygbt.Dataset(X, frame["number"], weight=frame["w"])
    direct = pygbt.train({"max_depth": 3, "learning_rate": 0.3}, ds, 10)
    np.testing.assert_array_equal(pygbt.load(model).predict(X), direct.predict(X))


def test_three_classes_and_a_validation_file(frame: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b, model, out = (tmp_path / name for name in ("a.csv", "b.parquet", "m.pygbt", "p.parquet"))
    columns = ["x", "city", "code", "grade"]
    frame[columns][:200].to_csv(a, index=False)
    frame[columns][200:].to_parquet(b, index=False)
    options = ("--early-stopping", "3", "--metric", "merror", "--metric", "mlogloss", "--categorical", "code")
    assert run("train", a, "--target", "grade", "--model", model, "--valid", b, *options, "--no-progress") == OK
    shown = capsys.readouterr().out
    assert "multiclass: A, B, C" in shown
    assert "the best is number" in shown
    booster = pygbt.load(model)
    assert booster.categorical_features == ["city", "code"]
    assert booster.best_iteration is not None
    assert list(booster.evals_result) == ["train", "valid"]
    assert run("predict", b, "--model", model, "--output", out) == OK
    assert (pandas.read_parquet(out)["prediction"].to_numpy() == frame["grade"][200:].to_numpy()).mean() > 0.6


def test_predict_to_standard_output_and_other_kinds(
    csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "m.pygbt"
    assert run("train", csv, "--target", "number", "--model", model, *QUIET) == OK
    capsys.readouterr()
    for kind, n_columns in (("value", 1), ("margin", 1), ("leaf", 10)):
        assert run("predict", csv, "--model", model, "--kind", kind) == OK
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 301
        assert len(lines[0].split(",")) == n_columns


def test_continuing_a_model_is_training_it_in_one_go(csv: Path, tmp_path: Path) -> None:
    common = ("train", csv, "--target", "grade", "--no-progress", "-p", "subsample=0.5", "--drop", "number,label")
    assert run(*common, "--rounds", "4", "--model", tmp_path / "a") == OK
    assert run(*common, "--rounds", "6", "--model", tmp_path / "b", "--init-model", tmp_path / "a") == OK
    assert run(*common, "--rounds", "10", "--model", tmp_path / "c") == OK
    assert (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()


def test_info(csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info") == OK
    assert pygbt.__version__ in capsys.readouterr().out
    model = tmp_path / "m.pygbt"
    assert run("train", csv, "--target", "number", "--model", model, *QUIET, "--drop", "label,grade") == OK
    capsys.readouterr()
    assert run("info", model, "--importance", "split_count") == OK
    shown = capsys.readouterr().out
    booster = pygbt.load(model)
    assert booster.digest() in shown
    assert "split_count" in shown
    assert "city" in shown
    assert run("info", model, "--tree", "0") == OK
    assert capsys.readouterr().out.strip() == booster.trees()[0].to_text()
    assert run("info", model, "--tree", "99") == BAD_INPUT


BAD = [
    (("train", "{data}", "--target", "none", "--model", "{tmp}/m"), "--target: no column named 'none'"),
    (("train", "{data}", "--target", "city", "--model", "{tmp}/m"), "missing values"),
    (("train", "{data}", "--target", "number", "--model", "{tmp}/no/m"), "--model: no folder"),
    (("train", "{tmp}/none.csv", "--target", "y", "--model", "{tmp}/m"), "no such file"),
    (("train", "{tmp}/data.xls", "--target", "y", "--model", "{tmp}/m"), "must end in .csv"),
    (("train", "{data}", "--target", "number", "--model", "{tmp}/m", "-p", "max_detph=3"), "max_depth"),
    (("train", "{data}", "--target", "number", "--model", "{tmp}/m", "-p", "max_depth"), "NAME=VALUE"),
    (("train", "{data}", "--target", "number", "--model", "{tmp}/m", "-p", "max_depth=deep"), "max_depth"),
    (("train", "{data}", "--target", "number", "--model", "{tmp}/m", "--early-stopping", "3"), "--valid"),
    (("train", "{data}", "--target", "number", "--model", "{tmp}/m", "--weight", "city"), "--weight"),
    (("train", "{data}", "--target", "number", "--model", "{tmp}/m", "--drop", "zzz"), "--drop"),
    (("train", "{data}", "--target", "number", "--model", "{tmp}/m", "--categorical", "zzz"), "--categorical"),
    (("train", "{data}", "--target", "label", "--model", "{tmp}/m", "--task", "regression"), "--task regression"),
    (("train", "{data}", "--target", "grade", "--model", "{tmp}/m", "--task", "binary"), "needs two"),
    (("train", "{data}", "--target", "number", "--model", "{tmp}/m", "--valid-fraction", "2"), "fraction"),
    (("train", "{data}", "--target", "number", "--model", "{tmp}/m", "--metric", "auk"), "auc"),
    (("predict", "{data}", "--model", "{data}"), "not a pygbt model file"),
    (("predict", "{data}", "--model", "{tmp}/none"), "none"),
    (("info", "{data}"), "not a pygbt model file"),
    (("demo", "--data", "{data}"), "--target"),
]


@pytest.mark.parametrize("arguments, message", BAD, ids=[" ".join(a[1:4:2] + a[-2:]) for a, _ in BAD])
def test_bad_input_is_one_line_and_code_2(
    arguments: tuple[str, ...], message: str, csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*(a.format(data=csv, tmp=tmp_path) for a in arguments)) == BAD_INPUT
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pygbt: error: ")
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("arguments", [(), ("trian",), ("train",), ("train", "x.csv", "--rounds", "many")])
def test_wrong_usage_is_code_2(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    assert caught.value.code == BAD_INPUT
    assert "usage: pygbt" in capsys.readouterr().err


def test_predict_names_the_column_that_is_missing(
    frame: Any, csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, less = tmp_path / "m.pygbt", tmp_path / "less.csv"
    assert run("train", csv, "--target", "number", "--model", model, *QUIET) == OK
    frame.drop(columns=["x"]).to_csv(less, index=False)
    assert run("predict", less, "--model", model) == BAD_INPUT
    assert "column 'x'" in capsys.readouterr().err


def test_as_a_program(csv: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pygbt"]
    model = str(tmp_path / "m.pygbt")
    train = [*command, "train", str(csv), "--target", "label", "--model", model, "--rounds", "5"]
    done = subprocess.run(train, capture_output=True, text=True, check=False)
    assert done.returncode == OK, done.stderr
    assert "5/5" in done.stderr, "the progress bar is on standard error"
    assert "Scores after 5 rounds" in done.stdout
    done = subprocess.run([*command, "predict", "x", "--model", model], capture_output=True, text=True, check=False)
    assert done.returncode == BAD_INPUT
    assert "Traceback" not in done.stderr


def test_an_interrupted_training_saves_its_rounds(frame: Any, tmp_path: Path) -> None:
    pandas.concat([frame] * 40).to_parquet(tmp_path / "data.parquet", index=False)
    model = tmp_path / "m.pygbt"
    command = [sys.executable, "-m", "pygbt", "train", "data.parquet", "--target", "number", "--model", str(model)]
    process = subprocess.Popen(
        [*command, "--rounds", "1000000", "-p", "max_depth=8"],
        cwd=tmp_path,
        env={**os.environ, "FORCE_COLOR": "1"},  # rich draws the bar as on a terminal
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    seen = b""
    deadline = time.monotonic() + 60
    while b"rmse" not in seen and time.monotonic() < deadline:
        seen += os.read(process.stderr.fileno(), 4096)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == INTERRUPTED, err
    assert b"interrupted after" in err
    assert b"Traceback" not in err
    kept = pygbt.load(model)
    assert 0 < len(kept) < 1_000_000


# --- demo -----------------------------------------------------------------------------------------------------------


def test_demo_on_the_built_in_data(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    assert run("demo", "--rounds", "5") == OK
    shown = capsys.readouterr().out
    for word in ("digits", "XGBoost", "breast cancer", "diabetes", "log loss", "RMSE", "equal, byte for byte"):
        assert word in shown


def test_demo_on_a_file(csv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("demo", "--data", csv, "--target", "grade", "--rounds", "5") == OK
    assert "accuracy" in capsys.readouterr().out


def test_demo_fails_when_digests_differ(
    csv: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    count = iter(range(100))
    monkeypatch.setattr(pygbt.Booster, "digest", lambda self: f"{next(count):064x}"[::-1])
    assert run("demo", "--data", csv, "--target", "grade", "--rounds", "1") == 1
    assert "DIFFERENT" in capsys.readouterr().out


# --- tables ---------------------------------------------------------------------------------------------------------


def test_text_and_chosen_columns_become_sorted_categories_of_text() -> None:
    from pygbt.tables import as_features

    frame = pandas.DataFrame(
        {
            "t": ["b", None, "a", "b"],
            "i": [10, 9, 10, 1],
            "holes": [3.0, np.nan, 1.0, 3.0],
            "empty": pandas.Series([None] * 4, dtype=object),
            "x": [0.5, 1.5, 2.5, np.nan],
        }
    )
    result = as_features(frame, ["i", "holes"])
    assert {name: result[name].cat.categories.tolist() for name in ("t", "i", "holes", "empty")} == {
        "t": ["a", "b"],
        "i": ["1", "10", "9"],
        "holes": ["1", "3"],
        "empty": [],
    }
    assert result["t"].cat.codes.tolist() == [1, -1, 0, 1]
    assert result["holes"].cat.codes.tolist() == [1, -1, 0, 1]
    assert result["x"].equals(frame["x"])
    with pytest.raises(ValueError, match="dates"):
        as_features(pandas.DataFrame({"d": pandas.to_datetime(["2020-01-01"])}))


def test_whole_number_classes_keep_their_order(tmp_path: Path) -> None:
    from pygbt.tables import Problem

    frame = pandas.DataFrame({"x": range(4), "y": [10, 9, 10, 2]})
    problem = Problem.from_frame(frame, "y", task="multiclass")
    assert problem.classes == ["2", "9", "10"]
    assert problem.y.tolist() == [2, 1, 2, 0]
    again = Problem.from_frame(frame[1:3], "y", task="multiclass", classes=problem.classes)
    assert again.y.tolist() == [1, 2]
    with pytest.raises(ValueError, match="'11'"):
        Problem.from_frame(frame.assign(y=11), "y", task="multiclass", classes=problem.classes)
    assert Problem.from_frame(frame, "y").task == "regression"
    assert Problem.from_frame(frame.assign(y=[True, False, True, True]), "y").classes == ["False", "True"]


def test_ranking(frame: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, model = tmp_path / "queries.csv", tmp_path / "m.pygbt"
    ranked = frame.assign(query=np.repeat([f"q{i}" for i in range(30)], 10), grade=np.clip(frame["number"], 0, 3))
    ranked.drop(columns=["number", "label"]).to_csv(path, index=False)
    train = ["train", str(path), "--target", "grade", "--model", str(model), "--query", "query", "--no-progress"]
    assert main([*train, "--rounds", "5", "--valid-fraction", "0.3"]) == OK
    out = capsys.readouterr().out
    assert "ranking" in out and "ndcg@5" in out
    booster = pygbt.load(model)
    assert booster.objective == "lambdarank" and "query" not in booster.feature_names
    assert list(booster.evals_result["valid"]) == ["ndcg", "ndcg@5"]
    assert main(["predict", str(path), "--model", str(model), "--output", str(tmp_path / "scores.csv")]) == OK
    assert len(pandas.read_csv(tmp_path / "scores.csv")) == len(frame)
    assert main([*train[:-3], "--task", "ranking"]) == BAD_INPUT
    assert "--query" in capsys.readouterr().err
    assert main([*train, "--task", "regression"]) == BAD_INPUT
    assert "not for --task regression" in capsys.readouterr().err
    ranked.sample(frac=1.0, random_state=0).to_csv(path, index=False)
    assert main(train) == BAD_INPUT
    assert "side by side" in capsys.readouterr().err
