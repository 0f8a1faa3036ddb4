# SPDX-License-Identifier: Apache-2.0
"""What models that train beside each other share: memory, threads, tables; and what an interruption leaves."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest
from test_train_batch import FOLDS, RNG, ROUNDS, N, X, Z, table

import pygbt
from pygbt import batch_memory, batch_schedule
from pygbt.batch_jobs import make_parts
from pygbt.batch_schedule import Tables, Task, run_tasks
from pygbt.training import Run

# ---- memory, scheduling, Ctrl-C ------------------------------------------------------------------------------------


def test_the_budget_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models in training at a time, times the bytes they state, with the tables made for them."""
    ds = table(Z)
    whole = make_parts(ds, folds=FOLDS, weights=None, segments=None, targets=None, bins="shared", evals=[])
    one = max(batch_memory.model_bytes({}, ds, part, ROUNDS) + batch_memory.part_bytes(ds, part) for part in whole)
    at_work, most = [0], [0]
    take, give = batch_schedule._Scheduler._occupy, batch_schedule._Scheduler.give_back

    def occupy(self: Any, task: Any, n_threads: int, need: int) -> None:
        take(self, task, n_threads, need)
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])

    def give_back(self: Any, task: Any, n_threads: int) -> None:
        with self.ready:
            at_work[0] -= 1
        give(self, task, n_threads)

    monkeypatch.setattr(batch_schedule._Scheduler, "_occupy", occupy)
    monkeypatch.setattr(batch_schedule._Scheduler, "give_back", give_back)
    params = [{"seed": i} for i in range(8)]
    for n_at_a_time in (1, 2, 3):
        most[0] = 0
        budget = n_at_a_time * one
        batch = pygbt.train_batch(params, ds, ROUNDS, folds=FOLDS, n_threads=8, max_memory=budget)
        assert 0 < batch.most_bytes <= budget
        assert most[0] <= n_at_a_time
        assert at_work[0] == 0


LOSSGUIDE = {"grow_policy": "lossguide", "max_leaves": 31}


@pytest.mark.parametrize(
    "name, more",
    [
        ("squared_error", {}), ("squared_error", LOSSGUIDE),
        ("softmax", {}), ("softmax", LOSSGUIDE), ("softmax", {"multi_strategy": "vector_leaf"}),
    ],
)  # fmt: skip
def test_a_model_takes_no_more_than_it_states(name: str, more: dict[str, Any]) -> None:
    """By the count of the C library: what is allocated while a trainer lives after its rounds."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        pytest.skip("needs mallinfo2 of glibc 2.33")

    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"

    class Info(ctypes.Structure):
        _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

    libc.mallinfo2.restype = Info

    def in_use() -> int:
        info = libc.mallinfo2()
        return int(info.uordblks + info.hblkhd)

    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 10)).astype(np.float32)
    y = x[:, 0] if name == "squared_error" else np.digitize(x[:, 0], [-1.0, 0.0, 1.0]).astype(float)
    ds = pygbt.Dataset(x, y)
    params = {"objective": name, "n_threads": 1, **more}
    part = make_parts(ds, folds=None, weights=None, segments=None, targets=None, bins="shared", evals=[])[0]
    before = in_use()
    run = Run(params, ds, [])
    run.trainer.steps([0.1] * 20)
    assert in_use() - before <= batch_memory.model_bytes(params, ds, part, 20)


def test_tasks_share_threads() -> None:
    """One thread each while there are enough models; more for the last, and where the budget holds few."""
    seen: list[int] = []

    def work(n_threads: int, step: Any) -> None:
        seen.append(n_threads)
        step(1)

    run_tasks([Task(work, 1) for _ in range(8)], n_threads=1)
    assert seen == [1] * 8
    seen.clear()
    run_tasks([Task(work, 1)], n_threads=8)
    assert seen == [8]
    seen.clear()
    run_tasks([Task(work, 1, bytes=10) for _ in range(4)], n_threads=8, budget=10)
    assert seen == [8] * 4
    seen.clear()
    run_tasks([Task(work, 1, bytes=10) for _ in range(4)], n_threads=8, budget=5)  # one at a time, whatever it takes
    assert len(seen) == 4


def test_tables_are_made_once_and_given_up() -> None:
    made: list[int] = []
    tables = Tables(lambda n: made.append(n) or object(), 100, 3)
    got: list[Any] = []
    tasks = [Task(lambda n, step: got.append(tables.get(n)), 0, 10, tables) for _ in range(3)]
    assert run_tasks(tasks, n_threads=2) <= 120
    assert len(made) == 1
    assert len({id(x) for x in got}) == 1
    assert tables._made is None


def test_the_bar_counts_all_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that early stopping saved, too."""
    seen: list[int] = []

    class Bar:
        def __init__(self, total: int, wanted: bool, title: str) -> None:
            seen.append(-total)
            assert wanted

        def advance(self, steps: int = 1) -> None:
            seen.append(steps)

        def finish(self) -> None:
            seen.append(0)

    monkeypatch.setattr(batch_schedule, "LateBar", Bar)
    batch = pygbt.train_batch(
        [{}, {"learning_rate": 1.0}], table(Z), 50, folds=FOLDS, early_stopping_rounds=2, progress=True
    )
    assert seen[0] == -300
    assert sum(seen) == 0
    assert sum(len(model) for model in batch) < 300


def test_a_fault_of_a_task_is_told() -> None:
    def work(n_threads: int, step: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_tasks([Task(work, 1) for _ in range(4)], n_threads=2)


def test_an_interrupted_callable_keeps_finished_models() -> None:
    ds = table(Z)
    calls = [0]

    def metric(p: np.ndarray, data: pygbt.Dataset) -> tuple[str, float]:
        calls[0] += 1
        if calls[0] == 8:
            raise KeyboardInterrupt
        return "m", 0.0

    with pytest.raises(pygbt.BatchInterrupted) as caught:
        pygbt.train_batch([{}] * 4, ds, 3, evals=[(ds, "train")], metric=metric, n_threads=1)
    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value.batch.finished == [0, 1]
    assert caught.value.batch[1].digest() == pygbt.train({}, ds, 3).digest()


SIGINT_SCRIPT = """
    import signal
    import sys
    import numpy as np
    import pygbt

    signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell ignore it
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5_000, 20)).astype(np.float32)
    ds = pygbt.Dataset(X, X[:, 0] ** 2)
    params = [{"num_boost_round": 3}] * 3 + [{"num_boost_round": 1_000_000}] * 2

    def schedule(i):
        if i == 40:
            print("ready", flush=True)
        return 0.1

    try:
        pygbt.train_batch(params, ds, learning_rates=schedule, n_threads=2)
    except KeyboardInterrupt as interrupt:
        batch = interrupt.batch
        assert batch.finished == [0, 1, 2], batch.finished
        assert batch[0].digest() == pygbt.train({}, ds, 3).digest()
        sys.exit(130)
    sys.exit(1)
"""


def test_ctrl_c_gives_what_is_finished() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SIGINT_SCRIPT)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130, error


# ---- data sets that share bins -------------------------------------------------------------------------------------


def test_replaced_columns_share_the_bins() -> None:
    ds = table(Z)
    weight = RNG.random(N)
    other = ds.replace(y=-Z, weight=weight)
    assert other.core.shares_bins(ds.core)
    assert not ds.subset(np.arange(N)).core.shares_bins(ds.core)
    fresh = pygbt.Dataset(X, -Z, weight=weight, reference=ds)
    assert pygbt.train({}, other, 5).digest() == pygbt.train({}, fresh, 5).digest()
    np.testing.assert_array_equal(ds.label, Z.astype(np.float32))
    with pytest.raises(ValueError, match="label has 3 rows"):
        ds.replace(y=[1, 2, 3])


def test_rows_taken_from_bins_are_rows_binned_again() -> None:
    wide = pygbt.Dataset(np.column_stack([X, (X[:, :2] > 0.5)]), Z, max_bin=1000)
    rows = RNG.permutation(N)[: N // 2]
    taken = wide.subset(rows)
    fresh = pygbt.Dataset(np.column_stack([X, (X[:, :2] > 0.5)])[rows], Z[rows], max_bin=1000, reference=wide)
    np.testing.assert_array_equal(taken.core.bins(), fresh.core.bins())
    np.testing.assert_array_equal(taken.core.bins(by_column=True), fresh.core.bins(by_column=True))
    deeper = taken.subset(np.arange(50, 90), new_edges=True)
    direct = wide.subset(rows[50:90], new_edges=True)
    np.testing.assert_array_equal(deeper.core.bins(), direct.core.bins())
