# SPDX-License-Identifier: Apache-2.0
"""The benchmarks at a small size: their answers are right, their verdicts follow from their numbers.

And the law behind every optimisation: on every shape of table that is measured, the naive backend grows the same trees.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulator import EMULATED, as_cuda

import pygbt
from pygbt import _core, devices

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
if not BENCHMARKS.is_dir():  # a source distribution leaves them out
    pytest.skip("needs the benchmarks of the repository, which are not here", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

import ab  # noqa: E402
import bars  # noqa: E402
import compare_gpu  # noqa: E402
import cuda_digests  # noqa: E402
import digests  # noqa: E402
import engines  # noqa: E402
import gpu_bins  # noqa: E402
import gpu_predict  # noqa: E402
import gpu_report  # noqa: E402
import prediction  # noqa: E402
import roofline  # noqa: E402
import scaling  # noqa: E402
import scores  # noqa: E402
import train_batch  # noqa: E402
import training  # noqa: E402
from shapes import SHAPES, Shape  # noqa: E402
from tables import Split  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # the peers' own

ALL_SHAPES = [
    pytest.param(shape, id=shape.key, marks=pytest.mark.shared_data if shape.shared else ())
    for shape in SHAPES.values()
]


def silent(_: str) -> None:
    pass


def fit(name: str, shape: Shape, split: Split) -> tuple[Any, Any]:
    engine = engines.make(name)
    recipe = shape.small(5)
    return engine, engine.train(engine.bins(split.X, split.y, recipe), recipe)


def constant_loss(split: Split) -> float:
    """Held-out loss of the best constant of the training rows."""
    n = len(split.y_test)
    if split.task == "multiclass":
        shares = np.bincount(split.y.astype(int), minlength=split.n_classes) + 1e-9
        return scores.loss(split, np.tile(shares / shares.sum(), (n, 1)))
    return scores.loss(split, np.full(n, split.y.mean()))


@pytest.mark.parametrize("shape", ALL_SHAPES)
def test_naive_backend_grows_the_same_trees(shape: Shape) -> None:
    expected = digests.naive_digest(shape)
    assert digests.optimised_digests(shape) == dict.fromkeys(map(str, digests.THREADS), expected)


@pytest.mark.parametrize("isa", _core.build_info()["isa_levels"])
def test_every_instruction_set_grows_the_same_trees(isa: str) -> None:
    run = subprocess.run(
        [sys.executable, str(BENCHMARKS / "digests.py"), "optimised"],
        env={**os.environ, "PYGBT_ISA": isa, "PYTHONSAFEPATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = {shape.key: digests.optimised_digests(shape) for shape in digests.available_shapes()}
    assert json.loads(run.stdout) == expected


def test_digests_tell_shapes_apart() -> None:
    shapes = [SHAPES[key] for key in ("A", "B", "E", "G", "H2")]
    assert len({digests.naive_digest(shape) for shape in shapes}) == len(shapes)


@pytest.mark.parametrize("name", engines.ENGINES)
def test_every_engine_learns_every_shape(name: str) -> None:
    if not engines.available(name):
        pytest.skip(f"{name} is not installed")
    for shape in digests.available_shapes():
        if name not in shape.engines:
            continue
        split = shape.table(0.003, 0)
        split.X_test, split.y_test = split.X, split.y  # a few hundred rows teach what they say, not more
        engine, model = fit(name, shape, split)
        values = engine.predict(model, split.X_test)
        assert len(values) == len(split.y_test)
        assert scores.loss(split, values) < 0.99 * constant_loss(split), shape.key


@pytest.mark.parametrize("name", prediction.ENGINES)
def test_one_row_is_a_row_of_many(name: str) -> None:
    if not engines.available(name):
        pytest.skip(f"{name} is not installed")
    split = SHAPES["C2"].table(0.05, 0)
    engine, model = fit(name, SHAPES["C2"], split)
    expected = engine.predict(model, split.X_test[:20])
    function = engine.one_row(model)
    found = [np.ravel(function(row.copy()))[-1] for row in split.X_test[:20]]  # the last: the class 1
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.skipif(EMULATED is None, reason="this build has no emulator")
def test_bins_on_a_gpu_by_the_emulator() -> None:
    with as_cuda():
        rows = gpu_bins.measure(devices.load_cuda(), 300, 1)
    assert len(rows) == 6 and all(len(row["seconds"]) == 1 for row in rows)
    assert all({"keys", "sort", "bins"} <= row["stages"].keys() for row in rows[:5])


def test_gpu_comparison_and_digests_by_the_emulator() -> None:
    if EMULATED is None:
        pytest.skip("this build has no emulator")
    with as_cuda():
        row = compare_gpu.measure(SHAPES["C2"], SHAPES["C2"].small(2), 1, 0.02, ())
        cpu, cuda = cuda_digests.digests("logistic", "weighted")
    rates = EMULATED.probe_atomics(n=3)  # checks its sums
    assert len({(kind, skewed) for kind, skewed, _ in rates}) == len(rates) == 12
    assert row["digests_agree"] and cpu == cuda
    losses = {name: engine["loss"] for name, engine in row["engines"].items()}
    assert losses["pygbt cpu"] == losses["pygbt cuda"] > 0
    assert all(len(engine["train"]) == 1 and engine["train"][0] > 0 for engine in row["engines"].values())
    page = cuda_digests.page()
    n = len(cuda_digests.ALL_CONFIGS) * len(cuda_digests.TABLES)  # every case by the emulator
    assert f"{n} of {n} digests equal" in page and "**differ" not in page and "**wrong" not in page


def test_prediction_on_a_device_is_timed_and_compared() -> None:
    if EMULATED is None:
        pytest.skip("this build has no emulator")
    X, _ = gpu_predict.tables.dense(60, 28, 1)
    with as_cuda():
        for forest in gpu_predict.FORESTS.values():
            result = gpu_predict.measure(forest, X, [1, 60], 2, 0.005, xgboost=False)
            assert result["equal"] and set(result["rows"]) == {"1", "60"}
            assert all(len(times) == 2 and min(times) > 0 for row in result["rows"].values() for times in row.values())


def test_measured_rows_are_complete_and_keep_one_model() -> None:
    shape = SHAPES["C2"]
    split = shape.table(0.05, 0)
    rows = training.measure(split, shape.small(3), ["pygbt"], 2, log=silent)
    row = rows["pygbt"]
    assert len(row["runs"]) == 5  # short runs are repeated more often
    assert all(run["total_s"] == pytest.approx(run["bins_s"] + run["train_s"]) for run in row["runs"])
    assert row["loss"] < constant_loss(split) and row["loss_deviation"] > 0 and row["memory_mib"] > 0
    engine: Any = engines.make("pygbt")
    recipe = shape.small(3, n_threads=1)
    assert row["digest"] == engine.train(engine.bins(split.X, split.y, recipe), recipe).digest()


def test_a_refusal_is_a_row_that_says_so() -> None:
    split = SHAPES["C2"].table(0.05, 0)
    split.y[0] = np.nan
    rows = training.measure(split, SHAPES["C2"].small(3), ["pygbt"], 1, log=silent)
    assert "ValueError" in rows["pygbt"]["error"]


def test_workers_stand_still_between_calls() -> None:
    split = SHAPES["C2"].table(0.05, 0)
    with training.table_file(split) as path, training.workers(["pygbt"], path, 2) as started:
        worker = started["pygbt"]
        worker.call("fit", SHAPES["C2"].small(2))
        stat = Path(f"/proc/{worker._process.pid}/stat").read_text()
        assert stat.rsplit(")", 1)[1].split()[0] == "T"


def test_prediction_and_threads_are_measured() -> None:
    forest = prediction.FORESTS["J"]
    batch, single = prediction.measure(forest, forest.table(0.005), ["pygbt"], 2, log=silent)
    assert len(batch["pygbt"]["runs"]) == len(single["pygbt"]["runs"]) == 2
    assert all(run["row_s"] > 0 for run in single["pygbt"]["runs"])
    shape = scaling.SPEED_UP_SHAPE
    rows = scaling.speed_up(shape.table(0.001, 0), shape.small(2), 1, log=silent)
    assert rows["1"]["digest"] == rows["2"]["digest"]
    points = scaling.curve("threads", ["pygbt"], 2, share=0.005, log=silent)
    assert [point["threads"] for point in points] == [1, 2]
    assert len({point["engines"]["pygbt"]["digest"] for point in points}) == 1


def engine_row(total: list[float], loss: float = 0.5, memory: float = 100.0) -> dict[str, Any]:
    runs = [{"bins_s": 0.1, "train_s": t - 0.1, "total_s": t, "predict_s": 0.1} for t in total]
    return {
        "runs": runs,
        "loss": loss,
        "loss_deviation": 0.01,
        "memory_mib": memory,
        "note": "",
        "digest": "0" * 64,
    }


def all_rows() -> dict[str, Any]:
    """Results in which every bar is measured: pygbt takes 1 s, XGBoost 4 s, the others 3 s and 5 s."""
    times = {"pygbt": 1.0, "xgboost": 4.0, "lightgbm": 3.0, "hessboost": 3.5, "catboost": 5.0}
    found = {name: engine_row([t, 1.1 * t, 0.9 * t], memory=100 * t) for name, t in times.items()}
    row = {"title": "t", "rows": 10, "features": 2, "task": "binary", "date": "2000-01-01", "engines": found}
    single = {name: {"runs": [{"row_s": t * 1e-6}] * 3} for name, t in times.items()}
    threads = {str(n): {"runs": [{"train_s": t, "total_s": t}] * 3} for n, t in ((1, 1.8), (2, 1.0))}
    points = [{"rows": n, "features": n, "threads": n, "engines": found} for n in (1, 2)]
    return {
        "machine": {
            "cpu": "c",
            "cores": 2,
            "memory_gib": 1,
            "python": "3",
            "pygbt": "0",
            "compiler": "g",
            "isa": "v4",
            "versions": {},
        },
        "training": dict.fromkeys(SHAPES, row),
        "prediction": {"J": row, "K": row, "L": {**row, "engines": single}},
        "threads": {"M": {**row, "engines": threads}},
        "curves": {axis: {"points": points} for axis in scaling.CURVES},
        "micro": {
            "rows": {
                "cases": [
                    {"operation": f"limit: {kind}", "case": "", "seconds": 1.0, "count": 10**9, "rate": ""}
                    for kind in ("updates", "memory")
                ]
            }
        },
        "roofline": {"A": {"updates": 10**9, "histogram_bytes": 5 * 10**8, "row_bytes": 10**8}},
    }


def test_every_bar_is_judged_by_its_peer() -> None:
    results = all_rows()
    verdicts = {(v.bar.letter, v.bar.peer, v.bar.time): v for bar in bars.BARS if (v := bars.judge(bar, results))}
    assert len([bar for bar in bars.BARS if bars.judge(bar, results)]) == len(bars.BARS)
    assert {bar.letter for bar in bars.BARS} == set("ABCDEFGHIJKLM") | {"A'"}
    fastest = verdicts["A'", "fastest", "total_s"]
    assert (fastest.peer, fastest.met) == ("lightgbm", True) and fastest.ratio == pytest.approx(3.0)
    assert verdicts["A'", "xgboost", "total_s"].ratio == pytest.approx(4.0)
    assert verdicts["G", "fastest", "memory_mib"].ratio == pytest.approx(3.0)
    assert verdicts["L", "fastest", "row_s"].peer == "lightgbm" and not verdicts["L", "fastest", "row_s"].met
    assert verdicts["L", "limit", "row_s"].ratio == pytest.approx(5.0)
    assert verdicts["M", "1", "train_s"].ratio == pytest.approx(1.8) and not verdicts["M", "1", "train_s"].met


def test_what_is_not_measured_has_no_verdict() -> None:
    results = all_rows()
    del results["prediction"]["J"]["engines"]["xgboost"]  # of the row that all shapes share here
    del results["threads"]
    for bar in bars.BARS:
        absent = bar.letter == "M" or (bar.peer == "xgboost" and bar.row != "L")
        assert (bars.judge(bar, results) is None) == absent


def test_a_loss_beyond_the_bound_is_a_problem() -> None:
    row = {"rows": 10, "engines": {"pygbt": engine_row([1.0], 0.519), "xgboost": engine_row([2.0], 0.5)}}
    assert bars.problems(row) == []
    row["engines"]["pygbt"]["loss"] = 0.521
    assert "0.52" in bars.problems(row)[0]
    assert bars.problems({"rows": 10, "engines": {"pygbt": {"error": "no"}}}) == ["no"]


def test_the_report_has_every_row_and_every_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    import plots
    import report

    results = all_rows()
    text = "\n".join(report.page(results, "m"))
    with_other = "\n".join(report.page(results, "m", [results]))
    for bar in bars.BARS:
        assert f"| {bar.letter} | {bar.what} |" in text
    assert "not measured" not in text
    assert "| A | 1.0 G | 0.6 GB | 0.550 s | 0.900 s | 61 % | 1.04 s |" in text  # XGBoost: 4.0 s over 3.5, less binning
    other = "\n".join(report.others_section([results]))
    met = sum(v.met for bar in bars.BARS if (v := bars.judge(bar, results)))
    assert f"**{met} of 25 met**" in other and "M **1.80** [1.85, one thread]" in other and other in with_other
    plots.draw_all(results, tmp_path, report.NAMES)
    assert {path.name for path in tmp_path.iterdir()} == {"bars.png", "rows.png", "features.png", "threads.png"}


def test_the_least_work_is_counted_from_the_trees() -> None:
    rng = np.random.default_rng(0)
    X = rng.random((900, 3)).astype(np.float32)
    model = pygbt.train({"max_depth": 3}, pygbt.Dataset(X, rng.random(900)), 2)
    leaves = model.predict(X, output="leaf")  # the rows below a node are those of its leaves
    assert leaves.shape == (900, 2)
    built = moved = marked = 0
    for number, tree in enumerate(model.trees()):

        def rows_below(node: int, tree: Any = tree, number: int = number) -> int:
            if tree.left[node] < 0:
                return int((leaves[:, number] == tree.leaf[node]).sum())
            return rows_below(tree.left[node]) + rows_below(tree.right[node])

        level = [0]
        built += 900
        for depth in range(3):
            inner = [node for node in level if tree.left[node] >= 0]
            level = [child for node in inner for child in (tree.left[node], tree.right[node])]
            if depth == 2:
                marked += sum(map(rows_below, inner))
            else:
                moved += sum(map(rows_below, inner))
                built += sum(min(rows_below(tree.left[node]), rows_below(tree.right[node])) for node in inner)
    found = roofline.count(model, 3, 3)
    assert found["updates"] == 3 * built and found["histogram_bytes"] == 7 * built
    passes = 2 * 900 * roofline.PASS_BYTES
    assert found["row_bytes"] == moved * roofline.MOVED_BYTES + marked * roofline.MARKED_BYTES + passes


def test_losses_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import log_loss, mean_poisson_deviance, root_mean_squared_error

    rng = np.random.default_rng(0)
    p = rng.random(50)
    y = (rng.random(50) < p).astype(float)
    counts = rng.poisson(3 * p).astype(float)
    K = rng.dirichlet([1, 1, 1], 50)
    classes = np.array([rng.choice(3, p=row) for row in K]).astype(float)

    def split(task: str, y_test: np.ndarray) -> Split:
        return Split(task, None, y_test, None, y_test, 3)

    assert scores.loss(split("binary", y), p) == pytest.approx(log_loss(y, p))
    assert scores.loss(split("multiclass", classes), K) == pytest.approx(log_loss(classes, K, labels=[0, 1, 2]))
    assert scores.loss(split("regression", y), p) == pytest.approx(root_mean_squared_error(y, p))
    assert scores.loss(split("count", counts), 3 * p) == pytest.approx(mean_poisson_deviance(counts, 3 * p))


def test_the_deviation_of_a_loss_is_that_of_redrawn_rows() -> None:
    rng = np.random.default_rng(1)
    for task in ("regression", "binary"):
        p = rng.random(4000)
        y = (rng.random(4000) < p).astype(float)
        drawn = []
        for _ in range(400):
            rows = rng.integers(0, len(y), len(y))
            drawn.append(scores.loss(Split(task, None, y, None, y[rows], 2), p[rows]))
        _, deviation = scores.loss_and_deviation(Split(task, None, y, None, y, 2), p)
        assert deviation == pytest.approx(np.std(drawn), rel=0.2)


def test_a_batch_of_models_is_the_loop() -> None:
    result = train_batch.main(
        ["--models", "3", "--rows", "300", "--columns", "4", "--rounds", "4", "--repeats", "1", "--no-save"]
    )
    assert set(result["seconds"]) >= {"train_batch", "train in a loop"}
    assert result["loss"]["train_batch"] == result["loss"]["train in a loop"]
    assert result["ratio"]["train_batch"] == 1.0


def test_the_verdict_of_two_builds() -> None:
    rng = np.random.default_rng(0)
    middle, low, high = ab.interval(list(1.10 + 0.02 * rng.standard_normal(15)))
    assert low < 1.10 < high and low <= middle <= high and ab.verdict(low, high) == "B is faster"
    assert ab.verdict(*ab.interval(list(0.9 + 0.02 * rng.standard_normal(15)))[1:]) == "A is faster"
    assert ab.verdict(*ab.interval(list(1.0 + 0.05 * rng.standard_normal(15)))[1:]) == "no difference shown"


def test_a_build_against_itself_trains_one_model() -> None:
    site = Path(os.environ["PYTHONPATH"])
    result = ab.compare(ab.site_of(str(site)), site, "C2", 2, share=0.05)
    assert result["digests"]["A"] == result["digests"]["B"]
    assert len(result["times"]["A"]) == len(result["times"]["B"]) == 2


def test_the_command_leaves_no_file_at_a_small_size() -> None:
    environment = {**os.environ, "PYTHONSAFEPATH": ""}
    before = sorted((BENCHMARKS / "results").iterdir())
    command = [sys.executable, str(BENCHMARKS / "compare_peers.py"), "--share", "0.02", "--repeats", "1"]
    run = subprocess.run(
        [*command, "--shapes", "C2", "--engines", "pygbt,nobody"], capture_output=True, text=True, env=environment
    )
    assert run.returncode != 0 and "nobody" in run.stderr
    run = subprocess.run(
        [*command, "--shapes", "C2", "--engines", "pygbt"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert run.returncode == 0, run.stderr
    assert "C2. 10,000 x 28" in run.stdout
    assert sorted((BENCHMARKS / "results").iterdir()) == before


def test_single_operations_give_right_answers() -> None:
    if importlib.util.find_spec("pytest_benchmark") is None:
        pytest.skip("pytest-benchmark is not installed")
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}  # no worker of xdist
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", "pytest.ini", "--rootdir", ".", "-p", "no:xdist", "--share", "0.005"],
        cwd=BENCHMARKS / "micro",
        env={**alone, "PYTHONSAFEPATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-4000:]
    for operation in ("edges + binning", "binning", "histogram", "split search", "partition", "gradients", "predict"):
        assert f"\n{operation} " in run.stdout


def test_the_page_of_gpu_speed_is_what_was_measured() -> None:
    assert gpu_report.page("nvidia-h200") == gpu_report.PAGE.read_text()


def test_stages_of_a_tree_add_up() -> None:
    kernels = {
        "Side": {"launches": 6.0, "seconds": 2e-6},
        "Move": {"launches": 6.0, "seconds": 3e-6},
        "New": {"launches": 1, "seconds": 0.5e-6},
    }
    assert gpu_report.of_stages({"kernels": kernels}) == {"partition": (12.0, 5.0), "set-up": (1.0, 0.5)}
