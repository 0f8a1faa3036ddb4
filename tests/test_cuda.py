# SPDX-License-Identifier: Apache-2.0
"""device="cuda" is device="cpu", byte for byte: on a GPU where there is one, and by the emulator everywhere.

The operations one by one are held against the naive backend in test_backend_seam.py and its neighbours.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

import numpy as np
import pytest
from cuda_cases import ALL_CONFIGS, COLUMN_CONFIGS, CONFIGS, SHARED_CONFIGS, TABLES, dataset, fit, signal, tasks_run

import pygbt
from pygbt import _core, devices, parameters, training


@pytest.mark.parametrize("name", ALL_CONFIGS)
def test_every_kind_of_training(cuda: str, name: str) -> None:
    for kind in TABLES:
        data = dataset(kind, name)
        expected = fit(ALL_CONFIGS[name], data, "cpu")
        assert expected.n_trees > 0 and max(len(t["feature"]) for t in core_trees(expected)) > 3
        assert fit(ALL_CONFIGS[name], data, "cuda").digest() == expected.digest(), kind


@pytest.mark.parametrize("name", ALL_CONFIGS)
def test_few_rows(cuda: str, name: str) -> None:
    """A block takes a node whole, small blocks too."""
    for kind in ("dense", "categories", "weighted"):
        data = dataset(kind, name, 300)
        assert fit(ALL_CONFIGS[name], data, "cuda").digest() == fit(ALL_CONFIGS[name], data, "cpu").digest(), kind


def core_trees(model: pygbt.Booster) -> list[dict[str, np.ndarray]]:
    return [model._model.tree(i) for i in range(model.n_trees)]


def table(kind: str, n: int = 900) -> np.ndarray:
    """Rows that no training saw, missing values and, among categories, unknown ones."""
    X, _ = signal(n, 5)
    rng = np.random.default_rng(6)
    if kind == "categories":
        X[:, 3] = rng.integers(0, 4, n)
        X[:, 5] = rng.integers(0, 120, n)
    return X


@pytest.mark.parametrize("name", ["logistic", "softmax", "vector_leaf", "poisson", "symmetric", "lossguide"])
def test_prediction(cuda: str, name: str) -> None:
    for kind in ("dense", "categories"):
        model = fit(CONFIGS[name], dataset(kind, name), "cpu", rounds=8)
        X = table(kind)
        margin = np.linspace(-1, 1, len(X) * model.n_outputs, dtype=np.float32).reshape(len(X), -1)
        for arguments in (
            {},
            {"output": "margin"},
            {"output": "leaf"},
            {"iteration_range": (2, 5), "base_margin": margin},
            {"iteration_range": (3, 3)},
        ):
            expected = model.predict(X, **arguments)
            found = model.predict(X, device="cuda", **arguments)
            assert found.dtype == expected.dtype and found.tobytes() == expected.tobytes(), (kind, arguments)
        wide = model.predict(X.astype(np.float64), device="cuda")
        assert wide.tobytes() == model.predict(X.astype(np.float64)).tobytes()
        assert model.predict(X[:0], device="cuda").shape == model.predict(X[:0]).shape


def test_prediction_of_a_model_without_a_cut(cuda: str) -> None:
    model = pygbt.train({}, pygbt.Dataset([[1.0], [1.0]], [0.0, 1.0]), 2)
    assert model.predict([[3.0]], device="cuda").tobytes() == model.predict([[3.0]]).tobytes()


def test_prediction_refuses_what_it_cannot_do(cuda: str) -> None:
    model = pygbt.train({}, pygbt.Dataset([[1.0], [2.0]], [0.0, 1.0]), 1)
    for device, match in (("naive", "to predict"), ("tpu", "device must be one of"), ("cuda:99", "cuda:99")):
        with pytest.raises(ValueError, match=match):
            model.predict([[1.0]], device=device)
    with pytest.raises(ValueError, match="2 features"):
        model.predict([[1.0, 2.0]], device="cuda")


def test_stopping_and_continuing(cuda: str) -> None:
    runs = []
    for device in ("cpu", "cuda"):
        data = dataset("dense", "logistic")
        X, z = signal(300, 9)
        valid = pygbt.Dataset(X, (z > np.median(z)).astype(np.float32), reference=data)
        params = {"objective": "logistic", "device": device, "learning_rate": 0.5, "max_depth": 4}
        first = pygbt.train(params, data, 30, evals=[(valid, "valid")], early_stopping_rounds=2)
        more = pygbt.train(params, data, 2, init_model=first)
        runs.append((first.best_iteration, first.digest(), more.digest()))
    assert runs[0] == runs[1]
    assert 0 < runs[0][0] < 29


@pytest.mark.gpu
def test_large_tables_on_a_gpu() -> None:
    for n, kind in ((100_000, "dense"), (100_000, "categories"), (1_000_000, "weighted")):
        data = dataset(kind, "logistic", n)
        assert fit(CONFIGS["logistic"], data, "cuda").digest() == fit(CONFIGS["logistic"], data, "cpu").digest()
    X, z = signal(100_000, 4)
    wide = pygbt.Dataset(np.column_stack([X] * 9), z, max_bin=65_536)  # in groups, and cells in device memory
    params = {"objective": "squared_error"}
    assert fit(params, wide, "cuda").digest() == fit(params, wide, "cpu").digest()


def test_predictions_that_do_not_fit_at_once(cuda: str, monkeypatch: pytest.MonkeyPatch) -> None:
    X, z = signal(20_000, 7)
    X = X[:, :1]
    model = fit({"objective": "squared_error", "max_depth": 2}, pygbt.Dataset(X[:500], z[:500]), "cpu", rounds=300)
    expected = model.predict(X, output="leaf")
    if cuda == "emulated":
        monkeypatch.setenv("PYGBT_EMULATED_MIB", "20")  # all leaves at once are 24
    assert np.array_equal(model.predict(X, output="leaf", device="cuda"), expected)


def test_a_custom_objective(cuda: str) -> None:
    def objective(margins: np.ndarray, data: pygbt.Dataset) -> tuple[np.ndarray, np.ndarray]:
        return np.tanh(margins - y), np.ones_like(margins)

    X, z = signal(500, 3)
    y = z.astype(np.float32)
    found = {
        device: pygbt.train({"device": device}, pygbt.Dataset(X, y), 3, objective=objective).digest()
        for device in ("cpu", "cuda")
    }
    assert found["cpu"] == found["cuda"]


def test_order_of_threads_and_blocks(cuda: str) -> None:
    data = dataset("categories", "logistic")
    digests = {fit(CONFIGS["logistic"], data, "cuda").digest() for _ in range(3)}
    assert len(digests) == 1


def test_training_leaves_nothing_behind(cuda: str) -> None:
    data = dataset("dense", "logistic", 200)
    module = devices.load_cuda()
    gc.collect()
    before = module.allocated_bytes()
    for _ in range(20):
        model = fit(CONFIGS["logistic"], data, "cuda", 1)
    gc.collect()
    assert model.n_trees == 1
    assert module.allocated_bytes() == before


def waits_of(run: Callable[[], object], data: pygbt.Dataset) -> int:
    """For results of the device, but for those that say which features share a code."""
    module = devices.load_cuda()
    start = module.waits()
    _core.probe.Backend("cuda", data.core, 1)
    loaded = module.waits()
    run()
    return int(module.waits() - loaded - (loaded - start))


@pytest.mark.parametrize("policy", ["depthwise", "lossguide", "symmetric"])
def test_no_wait_inside_a_tree(cuda: str, policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trees are queued; many rounds that nobody observes are waited for together."""
    monkeypatch.setattr(training, "SECONDS_UNHEARD", 1e9)
    X, z = signal(700, 0)
    data = pygbt.Dataset(X, z)
    params = {"objective": "squared_error", "grow_policy": policy, "max_leaves": 16, "max_depth": 4}
    assert waits_of(lambda: fit(params, data, "cuda", rounds=15), data) <= 4  # 1 + 2 + 4 + 8 rounds
    watched = {"callbacks": [lambda state: False]}
    assert waits_of(lambda: pygbt.train({**params, "device": "cuda"}, data, 5, **watched), data) <= 5


@pytest.mark.parametrize("name", [*COLUMN_CONFIGS, "interaction", "sampled", "monotone_quantile"])
def test_no_wait_for_what_a_node_may_be_cut_on(cuda: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SECONDS_UNHEARD", 1e9)
    data = dataset("dense", name)
    assert waits_of(lambda: fit(ALL_CONFIGS[name], data, "cuda", rounds=15), data) <= 4  # 1 + 2 + 4 + 8 rounds


@pytest.mark.parametrize("name", [name for name in SHARED_CONFIGS if "sharing" in SHARED_CONFIGS[name]])
def test_no_wait_for_what_tasks_share(cuda: str, name: str) -> None:
    """The trees of several rounds, whatever their widths, are waited for once, and no stem or account is."""
    data = dataset("dense", name)
    run = tasks_run({**ALL_CONFIGS[name], "histogram_precision": "narrow"}, data, "cuda")
    module = devices.load_cuda()
    for rounds in (1, 2):
        before = module.waits()
        run.trainer.steps([0.3] * rounds)
        assert module.waits() - before == 1


@pytest.mark.parametrize("name", ["full_leaves", "full_leaves_sampled"])
def test_no_wait_for_leaves_by_whole_curvature(cuda: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SECONDS_UNHEARD", 1e9)
    data = dataset("dense", name)
    assert waits_of(lambda: fit(ALL_CONFIGS[name], data, "cuda", rounds=15), data) <= 4  # 1 + 2 + 4 + 8 rounds


@pytest.mark.parametrize(
    "name", ["squared_error", "stem", "residual_balanced", "sketched_top", "priced", "reported", "full_leaves"]
)
def test_trees_without_a_bound_are_led_by_the_host(cuda: str, name: str) -> None:
    """Nobody can say how many nodes to set aside: the grow loop makes the same trees over the seam."""
    params = {**ALL_CONFIGS[name], "max_depth": 0, "max_leaves": 0, "min_child_samples": 60}
    data = dataset("dense", name)
    found: list[pygbt.Booster] = []
    assert waits_of(lambda: found.append(fit(params, data, "cuda")), data) > 20
    assert found[0].digest() == fit(params, data, "cpu").digest()


@pytest.mark.parametrize("name", [name for name in SHARED_CONFIGS if name.startswith("reported")])
def test_the_account_of_shared_cuts(cuda: str, name: str) -> None:
    """What each task gains, added up in one order: the sums of the CPU, bit for bit."""
    for kind in ("dense", "categories", "weighted"):
        sums = []
        for device in ("cpu", "cuda"):
            run = tasks_run(ALL_CONFIGS[name], dataset(kind, name), device)
            run.trainer.steps([0.3] * 3)
            sums.append(run.trainer.transfer())
        assert sums[0]["n_nodes"] == sums[1]["n_nodes"] > 5
        for part in ("shared_gain", "own_gain"):
            assert sums[0][part].tobytes() == sums[1][part].tobytes() and sums[0][part].all(), part


def test_draws_of_many_columns(cuda: str) -> None:
    """More units than a block has threads, some of several features; weights that leave few to draw from."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((300, 410)).astype(np.float32)
    y = X[:, 0] + X[:, 200] * X[:, 401] + 0.1 * rng.standard_normal(300)
    groups = {f"g{i}": [f"f{j}" for j in range(7 * i, 7 * i + i % 5 + 2)] for i in range(20)}
    data = pygbt.Dataset(X, y, max_bin=16, feature_names=[f"f{i}" for i in range(410)], feature_groups=groups)
    weights = np.where(rng.random(410) < 0.5, 0.0, rng.random(410)).tolist()
    for more in ({}, {"colsample_bytree": 0.6, "feature_weights": weights}, {"group_rates": {"g1": 0.5, "g7": 0.3}}):
        for share in (0.003, 0.3, 0.97):
            params = {"objective": "squared_error", "max_depth": 3, "colsample_bynode": share, "seed": 5, **more}
            assert fit(params, data, "cuda").digest() == fit(params, data, "cpu").digest(), (more, share)


@pytest.mark.parametrize("subsample", [1.0, 0.7])
@pytest.mark.parametrize("objective", ["squared_error", "softmax"])
def test_precision_is_guessed_and_guessed_again(cuda: str, objective: str, subsample: float) -> None:
    """Gradients that are nearly one constant need wide integers, later ones do not: the trees are those of the CPU."""
    X, z = signal(700, 3)
    start = {"base_score": 1e6} if objective == "squared_error" else {}
    heavy = np.random.default_rng(0).random(700) < 0.01
    y = np.digitize(z, [-1, 1]) if objective == "softmax" else np.where(heavy, 3000 * z, z)
    margin = np.where(heavy[:, None], 40.0, np.zeros((700, 3))) if objective == "softmax" else None
    data = pygbt.Dataset(X, y, base_margin=margin)
    params = {"objective": objective, "subsample": subsample, "learning_rate": 0.9, "max_depth": 3, **start}
    found: list[pygbt.Booster] = []
    n_waits = waits_of(lambda: found.append(fit(params, data, "cuda", 12)), data)
    assert found[0].digest() == fit(params, data, "cpu", 12).digest()
    if objective == "squared_error":
        assert n_waits > 4  # some guess was wrong


@pytest.mark.parametrize("name", ["residual", "stem", "stem_sampled", "sketched_top", "priced_lossguide", "reported"])
def test_precision_of_trees_that_tasks_share_is_guessed_again(cuda: str, name: str) -> None:
    """Gradients of one task are nearly one constant at first. Nine rounds do not fit into the memory of finished trees
    either: a stem outlives the fetch."""
    margin = np.zeros((700, 6))
    margin[:, 4] = 1e6
    data = dataset("dense", name, base_margin=margin)
    params = {**ALL_CONFIGS[name], "learning_rate": 0.9}
    runs = [tasks_run(params, data, device) for device in ("cpu", "cuda")]
    before = devices.load_cuda().waits()
    for run in runs:
        run.trainer.steps([0.9])
        run.trainer.steps([0.9] * 9)
        run.done = 10
    assert devices.load_cuda().waits() - before > 3  # some guess was wrong
    assert runs[0].booster().digest() == runs[1].booster().digest()
    sums = [run.trainer.transfer() for run in runs]
    assert all(sums[0][part].tobytes() == sums[1][part].tobytes() for part in ("shared_gain", "own_gain"))


def test_new_features_of_a_model_that_is_continued(cuda: str) -> None:
    """Those of its trees have no price."""
    data = dataset("dense", "priced")
    params = ALL_CONFIGS["priced"]
    first = fit(params, data, "cpu", 2)
    digests = set()
    for device in ("cpu", "cuda"):
        run = tasks_run(params, data, device, first)
        run.trainer.steps([0.3] * 3)
        run.done += 3
        digests.add(run.booster().digest())
    assert len(digests) == 1
    assert fit(params, data, "cpu", 5).digest() in digests


@pytest.mark.parametrize("n_classes", [2, 4, 40])
def test_leaves_by_whole_curvature_with_a_teacher(cuda: str, n_classes: int) -> None:
    """Of rows with a label, with a teacher at a temperature, with both."""
    X, z = signal(500, 8)
    rng = np.random.default_rng(2)
    y = np.digitize(z, np.quantile(z, np.linspace(0, 1, n_classes + 1)[1:-1])).astype(np.float32)
    teacher = rng.dirichlet(np.ones(n_classes), len(y))
    teacher[rng.random(len(y)) < 0.3] = np.nan
    y[rng.random(len(y)) < 0.3] = np.nan
    data = pygbt.Dataset(X, y, teacher=teacher, weight=rng.integers(1, 4, len(y)).astype(float))
    params = {
        "objective": "softmax", "multi_strategy": "vector_leaf", "leaf_solve": "full", "max_depth": 3,
        "teacher_temperature": 2.0, "n_classes": n_classes,
    }  # fmt: skip
    assert fit(params, data, "cuda").digest() == fit(params, data, "cpu").digest()


def test_memory_that_runs_out(cuda: str, monkeypatch: pytest.MonkeyPatch) -> None:
    held = None
    if cuda == "emulated":
        monkeypatch.setenv("PYGBT_EMULATED_MIB", "1")
    else:
        cupy = pytest.importorskip("cupy")
        held = cupy.cuda.memory.Memory(cupy.cuda.runtime.memGetInfo()[0] - (64 << 20))
    data = dataset("dense", "logistic", 20_000 if cuda == "emulated" else 4_000_000)
    module = devices.load_cuda()
    gc.collect()
    before = module.allocated_bytes()
    with pytest.raises(MemoryError, match=r"out of memory: \d+ MiB wanted, \d+ of \d+ MiB free"):
        fit(CONFIGS["logistic"], data, "cuda")
    gc.collect()  # the traceback held the training
    assert module.allocated_bytes() == before
    del held
    monkeypatch.undo()
    small = dataset("dense", "logistic", 100)
    assert fit(CONFIGS["logistic"], small, "cuda").digest() == fit(CONFIGS["logistic"], small, "cpu").digest()


def test_devices_by_number(cuda: str) -> None:
    data = dataset("dense", "logistic", 100)
    zero = fit(CONFIGS["logistic"], data, "cuda:0", 1)
    assert zero.digest() == fit(CONFIGS["logistic"], data, "gpu", 1).digest()
    with pytest.raises(ValueError, match="cuda:99"):
        fit(CONFIGS["logistic"], data, "cuda:99", 1)
    fit(CONFIGS["logistic"], data, "cuda", 1)
    for wrong in ("cuda:", "cuda:x", "cuda:-1", "cpu:0", "cuda:1.5"):
        with pytest.raises(ValueError, match="device"):
            parameters.canonical({"device": wrong})


def test_a_build_without_cuda_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "MODULE", "pygbt._no_such_module")
    for device in ("cuda", "cuda:0", "gpu"):
        with pytest.raises(NotImplementedError, match="no CUDA backend"):
            parameters.canonical({"device": device})
    assert devices.facts() == {"cuda": "not part of this build"}


def test_a_machine_without_a_device_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoDevices:
        @staticmethod
        def n_devices() -> int:
            return 0

    monkeypatch.setattr(devices.importlib, "import_module", lambda name: NoDevices)
    with pytest.raises(NotImplementedError, match="no CUDA device"):
        parameters.canonical({"device": "cuda"})
