# SPDX-License-Identifier: Apache-2.0
"""Many small models: `train_batch` beside `train` in a loop and XGBoost in a loop, in turn; from arrays to models.

    python benchmarks/train_batch.py                     64 models of 2,000 x 20, 100 trees of depth 6, 5 repeats
    python benchmarks/train_batch.py --device cuda --rows 20000 --columns 28
    python benchmarks/train_batch.py --models 8 --rounds 10 --repeats 1 --no-save

The models differ in seed and learning rate; the first `--warm` of them warm everything up. Every model of the batch is
held equal to the loop's by digest, and the mean held-out loss of all engines is printed: it must agree.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import machine
import numpy as np

import pygbt

BARS = {"cpu": {"train in a loop": 1.8, "XGBoost in a loop": 8.0}, "cuda": {"XGBoost in a loop": 15.0}}
LOSS_SLACK = 0.02  # between the means of two engines, relative


def tables(n_rows: int, n_columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Train rows and labels, then as many held-out ones: a linear part, a product, noise."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(2 * n_rows, n_columns)).astype(np.float32)
    y = (X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=2 * n_rows) > 0).astype(np.float32)
    return X[:n_rows], y[:n_rows], X[n_rows:], y[n_rows:]


def log_loss(p: np.ndarray, y: np.ndarray) -> float:
    """Mean logistic loss of probabilities."""
    p = np.clip(p.astype(np.float64), 1e-15, 1 - 1e-15)
    return float(-np.mean(np.where(y > 0, np.log(p), np.log1p(-p))))


def settings(n_models: int, depth: int, device: str) -> list[dict[str, Any]]:
    """Parameters of every model, by names that both engines know."""
    common = {"max_depth": depth, "device": device}
    return [{**common, "learning_rate": 0.05 + 0.01 * (i % 16), "seed": i} for i in range(n_models)]


def engines(
    params: Sequence[dict[str, Any]], rounds: int, X: Any, y: Any, peer_device: str
) -> dict[str, Callable[[], list[Any]]]:
    """What is timed, by name: from arrays to all models."""
    ours = [{**one, "objective": "logistic"} for one in params]
    device = params[0]["device"]

    def bins() -> pygbt.Dataset:
        return pygbt.Dataset(X, y, device=None if device == "cpu" else device)

    def batch() -> list[Any]:
        return list(pygbt.train_batch(ours, bins(), rounds))

    def loop() -> list[Any]:
        ds = bins()
        return [pygbt.train(one, ds, rounds) for one in ours]

    rows: dict[str, Callable[[], list[Any]]] = {"train_batch": batch, "train in a loop": loop}
    try:
        import xgboost
    except ImportError:
        return rows

    def peer() -> list[Any]:
        table = xgboost.QuantileDMatrix(X, y)
        fixed = {"objective": "binary:logistic", "tree_method": "hist", "device": peer_device}
        theirs = [{**one, **fixed} for one in params]
        return [xgboost.train(one, table, rounds) for one in theirs]

    rows["XGBoost in a loop"] = peer
    return rows


def losses(name: str, models: Sequence[Any], X: np.ndarray, y: np.ndarray) -> float:
    """Mean held-out loss of all models of an engine."""
    if name.startswith("XGBoost"):
        import xgboost

        table = xgboost.DMatrix(X)
        return statistics.fmean(log_loss(model.predict(table), y) for model in models)
    return statistics.fmean(log_loss(model.predict(X), y) for model in models)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Medians of seconds, ratios to `train_batch` within the same repeat, losses."""
    X, y, X_test, y_test = tables(options.rows, options.columns)
    params = settings(options.models, options.depth, options.device)
    peer_device = options.peer_device or options.device
    rows = engines(params, options.rounds, X, y, peer_device)
    for run in engines(params[: options.warm], options.rounds, X, y, peer_device).values():
        run()  # warms up
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    models: dict[str, list[Any]] = {}
    for _ in range(options.repeats):
        for name, run in rows.items():
            start = time.perf_counter()
            models[name] = run()
            seconds[name].append(time.perf_counter() - start)
            print(f"    {name:18} {seconds[name][-1]:8.3f} s", flush=True)
    digests = [[model.digest() for model in models[name]] for name in ("train_batch", "train in a loop")]
    assert digests[0] == digests[1], "a model of the batch is not that of train"
    scores = {name: losses(name, of, X_test, y_test) for name, of in models.items()}
    assert max(scores.values()) <= min(scores.values()) * (1 + LOSS_SLACK), f"held-out losses differ: {scores}"
    ratios = {
        name: statistics.median(other / own for other, own in zip(of, seconds["train_batch"], strict=True))
        for name, of in seconds.items()
    }
    return {
        "models": options.models,
        "rows": options.rows,
        "columns": options.columns,
        "rounds": options.rounds,
        "depth": options.depth,
        "device": options.device,
        "seconds": {name: statistics.median(of) for name, of in seconds.items()},
        "all_seconds": seconds,
        "ratio": ratios,
        "loss": scores,
        "bars": BARS[options.device],
    }


def title(options: argparse.Namespace) -> str:
    """Of a row of results."""
    return f"{options.device} {options.models} x {options.rows} x {options.columns}"


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (
        ("models", 64),
        ("rows", 2000),
        ("columns", 20),
        ("rounds", 100),
        ("depth", 6),
        ("repeats", 5),
        ("warm", 64),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu", choices=list(BARS))
    parser.add_argument("--peer-device", default="", help="of XGBoost; empty: the same")
    parser.add_argument("--no-save", action="store_true")
    options = parser.parse_args(arguments)
    result = measure(options)
    for name, of in result["seconds"].items():
        bar = f", bar {result['bars'][name]}" if name in result["bars"] else ""
        print(f"{name:18} {of:8.3f} s   {result['ratio'][name]:6.2f} x{bar}   loss {result['loss'][name]:.4f}")
    if not options.no_save:
        machine.merge("train_batch", {title(options): result})
    return result


if __name__ == "__main__":
    main()
