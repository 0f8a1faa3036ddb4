# SPDX-License-Identifier: Apache-2.0
"""Models beside each other: which one begins when, on how many threads, within a memory budget.

A worker thread trains one model at a time; the engine releases the interpreter while it does. Small models take one
thread each, which needs no meeting of threads within a tree. Where fewer models than threads are left, or fewer fit
the budget, each has more. None of it changes a result: models have the same bits on any number of threads.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from . import _core
from .late_bar import LateBar

__all__ = ["Stopped", "Tables", "Task", "run_tasks"]

_BAR_STEP = 0.1  # seconds between two looks at the bar


class Stopped(Exception):
    """The batch is given up; raised in its workers between two rounds."""


@dataclass(eq=False)
class Task:
    """Work for one worker at a time.

    Attributes
    ----------
    work : callable
        ``work(n_threads, step)``; it calls ``step(n)`` after every n rounds, which raises `Stopped` when it is to end.
    n_rounds : int
        Steps of the progress bar.
    bytes : int
        Memory while it runs.
    tables : Tables, optional
        What it shares with other tasks.
    on_device : bool
        It trains on a GPU: a queue there, not threads here, is what it occupies.
    """

    work: Callable[[int, Callable[[int], None]], None]
    n_rounds: int
    bytes: int = 0
    tables: Tables | None = None
    on_device: bool = False


class Tables:
    """Tables that several tasks read: made by the first of them, given up after the last."""

    def __init__(self, build: Callable[[int], Any], n_bytes: int, n_users: int) -> None:
        self._build, self.bytes, self._n_users = build, n_bytes, n_users
        self._lock = threading.Lock()
        self._made: Any = None
        self._error: Exception | None = None
        self.live = False  # counted in the budget

    def get(self, n_threads: int) -> Any:
        """The tables; raises for every task what building them raised."""
        with self._lock:
            if self._error is not None:
                raise self._error
            if self._made is None:
                try:
                    self._made = self._build(n_threads)
                except Exception as error:
                    self._error = error
                    raise
            return self._made

    def leave(self) -> bool:
        """One task is done with them; whether it was the last one."""
        self._n_users -= 1
        if self._n_users == 0:
            self._made = None
        return self._n_users == 0


class _Scheduler:
    """Hands tasks to workers, in their order but for those whose device is busy."""

    def __init__(self, tasks: Sequence[Task], n_threads: int, on_device: int, budget: int, device_budget: int) -> None:
        self.ready = threading.Condition()
        self.waiting = deque(tasks)
        self.n_waiting = {kind: sum(task.on_device == kind for task in tasks) for kind in (False, True)}
        self.free_threads, self.free_queues = n_threads, on_device
        self.budget = {False: budget, True: device_budget}  # by Task.on_device, as the counts that follow
        self.in_use, self.most_in_use, self.n_running = {False: 0, True: 0}, {False: 0, True: 0}, {False: 0, True: 0}
        self.stop = False
        self.n_workers = 0  # that have not ended
        self.steps = 0  # since the bar was moved last

    def step(self, n: int) -> None:
        with self.ready:
            self.steps += n
            if self.stop:
                raise Stopped

    def _need(self, task: Task) -> int:
        return task.bytes + (task.tables.bytes if task.tables is not None and not task.tables.live else 0)

    def _threads_for(self, task: Task) -> int:
        if task.on_device:
            return 1
        n_waiting = self.n_waiting[False]
        fit = n_waiting if task.bytes == 0 else max(1, (self.budget[False] - self.in_use[False]) // task.bytes)
        return max(1, self.free_threads // min(n_waiting, self.free_threads, fit))

    def take(self) -> tuple[Task, int] | None:
        """A task and its threads; None when no more begins."""
        with self.ready:
            while not self.stop and self.waiting:
                places = {False: self.free_threads, True: self.free_queues}
                held = {kind for kind, n in places.items() if n == 0 or self.n_waiting[kind] == 0}
                for task in self.waiting:
                    if len(held) == len(places):
                        break
                    need, kind = self._need(task), task.on_device
                    if kind in held:
                        continue
                    if self.n_running[kind] > 0 and self.in_use[kind] + need > self.budget[kind]:
                        held.add(kind)  # it is next; others of its kind do not overtake it
                        continue
                    n_threads = self._threads_for(task)
                    self.waiting.remove(task)
                    self.n_waiting[task.on_device] -= 1
                    self._occupy(task, n_threads, need)
                    return task, n_threads
                self.ready.wait()
            return None

    def _occupy(self, task: Task, n_threads: int, need: int) -> None:
        kind = task.on_device
        self.in_use[kind] += need
        self.most_in_use[kind] = max(self.most_in_use[kind], self.in_use[kind])
        self.n_running[kind] += 1
        if task.tables is not None:
            task.tables.live = True
        if task.on_device:
            self.free_queues -= 1
        else:
            self.free_threads -= n_threads

    def give_back(self, task: Task, n_threads: int) -> None:
        with self.ready:
            self.in_use[task.on_device] -= task.bytes
            self.n_running[task.on_device] -= 1
            if task.tables is not None and task.tables.leave():
                self.in_use[task.on_device] -= task.tables.bytes
            if task.on_device:
                self.free_queues += 1
            else:
                self.free_threads += n_threads
            self.ready.notify_all()

    def end(self) -> None:
        with self.ready:
            self.stop = True
            self.ready.notify_all()

    def count_worker(self, n: int) -> None:
        with self.ready:
            self.n_workers += n
            self.ready.notify_all()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end of all workers; whether it has come. (An interrupted `Thread.join` takes it as come.)"""
        with self.ready:
            return self.ready.wait_for(lambda: self.n_workers == 0, seconds)

    def steps_since(self) -> int:
        with self.ready:
            steps, self.steps = self.steps, 0
            return steps


def _work(scheduler: _Scheduler, failed: list[BaseException]) -> None:
    try:
        _work_on(scheduler, failed)
    finally:
        scheduler.count_worker(-1)


def _work_on(scheduler: _Scheduler, failed: list[BaseException]) -> None:
    while (taken := scheduler.take()) is not None:
        task, n_threads = taken
        done = 0

        def step(n: int) -> None:
            nonlocal done
            done += n
            scheduler.step(n)

        own: AbstractContextManager[None] = _core.OwnWorkers() if n_threads > 1 else nullcontext()
        try:
            with own:
                task.work(n_threads, step)
            scheduler.step(task.n_rounds - done)  # those that early stopping saved
        except Stopped:
            pass
        except BaseException as error:  # a fault of this module or of the caller: told where the batch was asked for
            failed.append(error)
            scheduler.end()
        finally:
            scheduler.give_back(task, n_threads)


def _outlast(scheduler: _Scheduler) -> None:
    """Wait for rounds under way, whatever interrupts: their threads must not outlive what they read."""
    while True:
        try:
            scheduler.wait()
            return
        except KeyboardInterrupt:
            continue


def run_tasks(
    tasks: Sequence[Task],
    *,
    n_threads: int,
    on_device: int = 8,
    budget: int = 1 << 62,
    device_budget: int | None = None,
    progress: bool = False,
    title: str = "training",
) -> int:
    """Run all tasks; on Ctrl-C those at work end after their round, and KeyboardInterrupt goes on.

    Parameters
    ----------
    tasks : sequence of Task
    n_threads : int
        Threads of all tasks together.
    on_device : int, default 8
        Tasks on a GPU at a time.
    budget : int
        Bytes of all tasks at work and their tables. One that needs more runs alone.
    device_budget : int, optional
        The same on a GPU; by default as much.
    progress : bool, default False
        Show a bar of all rounds where they take more than two seconds.

    Returns
    -------
    int
        Most bytes that were in use by the tasks' own statement, here or on a GPU.
    """
    scheduler = _Scheduler(tasks, n_threads, on_device, budget, budget if device_budget is None else device_budget)
    n_here = sum(not task.on_device for task in tasks)
    n_workers = min(n_threads, n_here) + min(on_device, len(tasks) - n_here)
    failed: list[BaseException] = []
    workers = [threading.Thread(target=_work, args=(scheduler, failed), daemon=True) for _ in range(n_workers)]
    bar = LateBar(sum(task.n_rounds for task in tasks), progress, title)
    try:
        for worker in workers:
            scheduler.count_worker(1)
            try:
                worker.start()
            except RuntimeError:  # no more threads: those there are do the work
                scheduler.count_worker(-1)
                if worker is workers[0]:
                    raise
                break
        while not scheduler.wait(_BAR_STEP if progress else 1.0):
            bar.advance(scheduler.steps_since())
        bar.advance(scheduler.steps_since())
    finally:
        scheduler.end()
        _outlast(scheduler)
        bar.finish()
    if failed:
        raise failed[0]
    return max(scheduler.most_in_use.values())
