# SPDX-License-Identifier: Apache-2.0
"""A process an engine, which keeps the table and is stopped whenever it is not its turn.

Threads that spin, allocators and page caches of one engine so cannot disturb the times of another.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import engines
import numpy as np
from engines import Recipe

#: What engines without a parameter for it take their number of threads from.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


class Worker:
    """An engine in a process of its own, on `n_threads` CPUs."""

    def __init__(self, engine: str, table: Path, n_threads: int, session: Any = None) -> None:
        """`session`: a class like `_Session`, made of `engine` and `table`, whose methods `call` runs."""
        self.engine = engine
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(other, engine, table, n_threads, session or _Session), daemon=True
        )
        kept = {name: os.environ.get(name) for name in THREAD_VARIABLES}
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(n_threads)))
        self._process.start()
        for name, value in kept.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        self._ready = False

    def wait(self) -> None:
        """Until the process has imported its engine and loaded the table; then stop it."""
        if not self._ready:
            self._answer()
            self._pause()
            self._ready = True

    def call(self, operation: str, *arguments: object) -> Any:
        """Let the process go on, run one operation of `_Session` in it, and stop it again."""
        self.wait()
        os.kill(self._process.pid or 0, signal.SIGCONT)
        self._pipe.send((operation, arguments))
        answer = self._answer()
        self._pause()
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()

    def _answer(self) -> Any:
        try:
            kind, value = self._pipe.recv()
        except EOFError:
            raise RuntimeError(f"{self.engine}: the process ended") from None
        if kind == "error":
            raise RuntimeError(f"{self.engine}: {value}")
        return value

    def _pause(self) -> None:
        """Returns when the process stands still; one that has ended is left for `_process` to reap."""
        pid = self._process.pid or 0
        os.kill(pid, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


@contextlib.contextmanager
def workers(names: list[str], table: Path, n_threads: int, session: Any = None) -> Iterator[dict[str, Worker]]:
    """One worker an engine, ended at the end."""
    started: dict[str, Worker] = {}
    try:
        for name in names:
            started[name] = Worker(name, table, n_threads, session)
        for worker in started.values():  # they start side by side, and none runs on
            worker.wait()
        yield started
    finally:
        for worker in started.values():
            worker.close()


def _serve(pipe: Connection, engine: str, table: Path, n_threads: int, kind: Any) -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n_threads])
    session = kind(engine, table)
    pipe.send(("ready", None))
    while True:
        try:
            operation, arguments = pipe.recv()
        except EOFError:  # the other end is gone
            return
        try:
            pipe.send(("value", getattr(session, operation)(*arguments)))
        except Exception as error:  # of any engine
            pipe.send(("error", f"{type(error).__name__}: {error}"))


class _Session:
    """What a worker can be asked for."""

    def __init__(self, engine: str, table: Path) -> None:
        self.engine = engines.make(engine)
        self.split = pickle.loads(table.read_bytes())
        if isinstance(self.split.X, np.ndarray):
            self.split.X = self.split.X.copy()  # an array that owns its memory: some engines can borrow that
        self.model: Any = None
        self.tuned: Recipe | None = None

    def fit(self, recipe: Recipe) -> dict[str, Any]:
        """Train once. Seconds to bins, to train and in all; peak memory above the table, MiB, meaningful once."""
        split, self.model = self.split, None
        gc.collect()
        before = reset_peak()
        start = time.perf_counter()
        bins = self.engine.bins(split.X, split.y, recipe)
        binned = time.perf_counter()
        most = peak()
        if self.tuned != recipe:
            self.engine.tune(bins, recipe)
            self.tuned = recipe
            _return_free_memory()
        reset_peak()
        started = time.perf_counter()
        self.model = self.engine.train(bins, recipe)
        trained = time.perf_counter()
        separate = self.engine.separate_bins
        return {
            "bins_s": binned - start if separate else None,
            "train_s": trained - started if separate else None,
            "total_s": (binned - start) + (trained - started),
            "memory_mib": (max(most, peak()) - before) / 2**20,
            "note": self.engine.note,
            "digest": self.engine.digest(self.model),
        }

    def score(self) -> tuple[float, float]:
        """Held-out loss of the last model, and its standard deviation."""
        import scores

        return scores.loss_and_deviation(self.split, self.engine.predict(self.model, self.split.X_test))

    def predict(self) -> float:
        """Seconds from the held-out floats to values."""
        gc.collect()
        start = time.perf_counter()
        self.engine.predict(self.model, self.split.X_test)
        return time.perf_counter() - start

    def one_row(self, calls: int) -> float:
        """Seconds a call for one row, mean over `calls` different rows."""
        function, X = self.engine.one_row(self.model), self.split.X_test
        rows = [X[i].copy() for i in range(calls)]
        for row in rows[:100]:
            function(row)
        start = time.perf_counter()
        for row in rows:
            function(row)
        return (time.perf_counter() - start) / calls


def _return_free_memory() -> None:
    """What was freed goes back to the system, so that it cannot hide in what is resident (GNU libc)."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def reset_peak() -> int:
    """Forget the peak of resident memory; return what is resident now, bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def peak() -> int:
    """Most resident memory since then, bytes."""
    return _memory("VmHWM")


def _memory(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))
