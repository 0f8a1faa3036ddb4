# SPDX-License-Identifier: Apache-2.0
"""The command line: ``pygbt train | predict | info | demo``.

Exit codes: 0 done, 2 wrong usage or bad input (one line on standard error), 130 interrupted (the rounds done are
saved).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _core, devices, parameters
from .booster import Booster, load
from .data import Dataset
from .report import print_facts, print_table
from .tables import TASKS, Problem, as_features, read_table, write_table
from .training import TrainingInterrupted, train

__all__ = ["main"]

OK, BAD_INPUT, INTERRUPTED = 0, 2, 130
# Shown where none is asked for: cheap ones only, the loss itself last (it decides early stopping).
METRICS = {
    "squared_error": ["mae", "rmse"],
    "logistic": ["error", "logloss"],
    "softmax": ["merror", "mlogloss"],
    "lambdarank": ["ndcg", "ndcg@5"],
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        ``sys.argv[1:]`` by default.

    Returns
    -------
    int
        The exit code.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        print("pygbt: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output is gone, for example `pygbt predict ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except (ValueError, TypeError, OSError, ImportError, NotImplementedError) as error:
        if os.environ.get("PYGBT_TRACEBACK"):
            raise
        print(f"pygbt: error: {error}", file=sys.stderr)
        return BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pygbt", description="Gradient boosted trees: exact, deterministic, fast.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"pygbt {_core.build_info()['version']}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    p = commands.add_parser("train", help="train a model on a CSV or Parquet file", allow_abbrev=False)
    p.add_argument("data", metavar="DATA", help="table: .csv, .tsv or .parquet")
    p.add_argument("--target", required=True, metavar="COLUMN", help="column to predict")
    p.add_argument("--model", required=True, metavar="FILE", help="where to save the model")
    p.add_argument(
        *("--param", "-p"), action="append", default=[], metavar="NAME=VALUE", help="training parameter; repeatable"
    )
    p.add_argument("--rounds", type=int, default=None, metavar="N", help="boosting rounds (100)")
    p.add_argument("--task", choices=("auto", *TASKS, "ranking"), default="auto", help="kind of target (auto)")
    held = p.add_mutually_exclusive_group()
    held.add_argument("--valid", metavar="FILE", help="table to score every round")
    held.add_argument("--valid-fraction", type=float, metavar="SHARE", help="share of the rows to hold out for that")
    p.add_argument("--early-stopping", type=int, metavar="N", help="stop after N rounds without improvement")
    p.add_argument("--metric", action="append", metavar="NAME", help="metric to report; repeatable, the last one stops")
    p.add_argument("--weight", metavar="COLUMN", help="column of row weights")
    p.add_argument("--query", metavar="COLUMN", help="column of queries, whose rows lie side by side: ranking")
    p.add_argument("--categorical", type=_names, default=[], metavar="A,B", help="number columns that are categories")
    p.add_argument("--drop", type=_names, default=[], metavar="A,B", help="columns to leave out")
    p.add_argument("--init-model", metavar="FILE", help="model to continue")
    p.add_argument("--no-progress", action="store_true", help="no progress bar")
    p.set_defaults(run=_train)

    p = commands.add_parser("predict", help="predict the rows of a file", allow_abbrev=False)
    p.add_argument("data", metavar="DATA", help="table: .csv, .tsv or .parquet")
    p.add_argument("--model", required=True, metavar="FILE", help="model file")
    p.add_argument("--output", metavar="FILE", help=".csv, .tsv or .parquet; standard output by default, as CSV")
    p.add_argument("--kind", choices=("value", "margin", "leaf"), default="value", help="what to predict (value)")
    p.add_argument("--threads", type=int, default=0, metavar="N", help="threads; 0 is all")
    p.set_defaults(run=_predict)

    p = commands.add_parser("info", help="facts about this build, or about a model", allow_abbrev=False)
    p.add_argument("model", nargs="?", metavar="FILE", help="model file")
    p.add_argument("--importance", default="gain", metavar="KIND", help="gain, cover, split_count, total_gain, ...")
    p.add_argument("--top", type=int, default=20, metavar="N", help="features to list (20)")
    p.add_argument("--tree", type=int, metavar="I", help="print tree I as text")
    p.set_defaults(run=_info)

    p = commands.add_parser("demo", help="train on real data, beside XGBoost", allow_abbrev=False)
    p.add_argument("--data", metavar="FILE", help="your own table instead of the built-in ones")
    p.add_argument("--target", metavar="COLUMN", help="column to predict, with --data")
    p.add_argument("--task", choices=("auto", *TASKS), default="auto", help="kind of target (auto)")
    p.add_argument("--rounds", type=int, default=100, metavar="N", help="boosting rounds (100)")
    p.set_defaults(run=_demo)
    return parser


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _given_params(items: Sequence[str]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for item in items:
        name, separator, text = item.partition("=")
        if not separator or not name:
            raise ValueError(f"--param takes NAME=VALUE, got {item!r}")
        if name in params:
            raise ValueError(f"--param {name} is given twice")
        params[name.strip()] = parameters.parse_text(name.strip(), text.strip())
    return params


# --- train ----------------------------------------------------------------------------------------------------------


def _train(options: argparse.Namespace) -> int:
    if options.early_stopping and options.valid is None and options.valid_fraction is None:
        raise ValueError("--early-stopping needs --valid or --valid-fraction")
    params = parameters.canonical(_given_params(options.param))
    folder = os.path.dirname(os.path.abspath(options.model))
    if not os.path.isdir(folder):
        raise ValueError(f"--model: no folder {folder!r}")
    max_bin = params.pop("max_bin", 256)
    rounds = params.pop("num_boost_round", 100) if options.rounds is None else options.rounds
    previous = None if options.init_model is None else load(options.init_model)
    known = {} if previous is None else previous.extra.get("cli", {})
    if known and known["target"] != options.target:
        raise ValueError(f"--init-model was trained for the target {known['target']!r}, not {options.target!r}")
    task = known.get("task", options.task)
    columns: dict[str, Any] = {
        "weight": options.weight,
        "query": options.query,
        "categorical": options.categorical,
        "drop": options.drop,
    }
    frame = read_table(options.data)
    problem = Problem.from_frame(frame, options.target, task=task, classes=known.get("classes"), **columns)
    valid = None
    if options.valid is not None:
        other = read_table(options.valid)
        columns["drop"] = [name for name in options.drop if name in other.columns]
        valid = Problem.from_frame(other, options.target, task=problem.task, classes=problem.classes, **columns)
    elif options.valid_fraction is not None:
        problem, valid = problem.split(options.valid_fraction, int(params.get("seed", 0)))
    params.setdefault("objective", problem.objective if previous is None else previous.objective)
    if params["objective"] in ("softmax", "one_vs_rest") and problem.classes is not None:
        params.setdefault("n_classes", len(problem.classes))

    begin = time.perf_counter()
    n_threads = int(params.get("n_threads", 0))
    home = devices.home_of(params.get("device"))
    of_rows: dict[str, Any] = {"weight": problem.weight, "qid": problem.query}
    ds = Dataset(problem.X, problem.y, **of_rows, max_bin=max_bin, n_threads=n_threads, device=home)
    evals = [(ds, "train")]
    if valid is not None:
        of_rows = {"weight": valid.weight, "qid": valid.query}
        evals.append((Dataset(valid.X, valid.y, **of_rows, reference=ds, n_threads=n_threads), "valid"))
    binned = time.perf_counter()
    code = OK
    try:
        booster = train(
            params,
            ds,
            rounds,
            evals=evals,
            early_stopping_rounds=options.early_stopping,
            init_model=previous,
            metric=options.metric or (None if "eval_metric" in params else METRICS.get(str(params["objective"]))),
            progress=not options.no_progress,
        )
    except TrainingInterrupted as interrupt:
        booster, code = interrupt.booster, INTERRUPTED
        print(f"pygbt: interrupted after {booster.n_iterations} rounds; saving them", file=sys.stderr)
    trained = time.perf_counter()
    booster.extra = {"cli": {"target": options.target, "task": problem.task, "classes": problem.classes}}
    booster.save(options.model)

    print_facts(
        "Training",
        {
            "data": f"{options.data}: {len(problem.y):,} rows, {problem.X.shape[1]:,} features",
            "task": _describe_task(problem),
            "objective": booster.objective,
            "rounds": _describe_rounds(booster),
            "time": f"{binned - begin:.2f} s to bins, {trained - binned:.2f} s training",
            "model": options.model,
            "digest": booster.digest(),
        },
    )
    _print_scores(booster)
    return code


def _describe_task(problem: Problem) -> str:
    if problem.classes is None:
        return problem.task
    shown = ", ".join(problem.classes[:8]) + (", ..." if len(problem.classes) > 8 else "")
    return f"{problem.task}: {shown}"


def _describe_rounds(booster: Booster) -> str:
    if booster.best_iteration is None:
        return f"{booster.n_iterations}"
    return f"{booster.n_iterations}, the best is number {booster.best_iteration} (predictions stop there)"


def _print_scores(booster: Booster) -> None:
    tables = list(booster.evals_result)
    metrics = list(dict.fromkeys(name for scores in booster.evals_result.values() for name in scores))
    at = booster.best_iteration if booster.best_iteration is not None else booster.n_iterations - 1
    if not metrics or at < 0:
        return
    rows = [
        [name, *(f"{booster.evals_result[table][name][at]:.6g}" for table in tables)]
        for name in metrics
        if all(len(booster.evals_result[table].get(name, ())) > at for table in tables)
    ]
    print_table(f"Scores after {at + 1} rounds", ["metric", *tables], rows)


# --- predict --------------------------------------------------------------------------------------------------------


def _predict(options: argparse.Namespace) -> int:
    booster = load(options.model)
    frame = read_table(options.data)
    names = booster.feature_names
    missing = [name for name in names if name not in frame.columns]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ValueError(f"{options.data}: column {missing[0]!r}{more} of the model is missing")
    as_text = booster.categorical_features if "cli" in booster.extra else []
    X = as_features(frame[names], as_text)
    result = booster.predict(X, options.kind, n_threads=options.threads)
    table = _prediction_table(booster, result, options.kind)
    if options.output is None:
        table.to_csv(sys.stdout, index=False)
    else:
        write_table(table, options.output)
        print(f"{len(table):,} predictions written to {options.output}", file=sys.stderr)
    return OK


def _prediction_table(booster: Booster, result: npt.NDArray[Any], kind: str) -> Any:
    import pandas

    classes = booster.extra.get("cli", {}).get("classes")
    columns: dict[str, npt.NDArray[Any]] = {}
    if kind == "value" and classes and booster.objective in ("logistic", "softmax", "one_vs_rest"):
        p = np.column_stack([1.0 - result.astype(np.float64), result]) if result.ndim == 1 else result
        columns["prediction"] = np.array(classes, dtype=object)[p.argmax(axis=1)]
        columns |= {f"p_{name}": p[:, k] for k, name in enumerate(classes)}
    elif result.ndim == 1:
        columns["prediction"] = result
    else:
        prefix = {"value": "prediction", "margin": "margin", "leaf": "tree"}[kind]
        columns = {f"{prefix}_{k}": result[:, k] for k in range(result.shape[1])}
    return pandas.DataFrame(columns)


# --- info, demo -----------------------------------------------------------------------------------------------------


def _info(options: argparse.Namespace) -> int:
    if options.model is None:
        facts = {k.replace("_", " "): ", ".join(v) if isinstance(v, list) else v for k, v in _core.build_info().items()}
        facts |= devices.facts()
        facts["python"] = sys.version.split()[0]
        facts["numpy"] = np.__version__
        facts["cpus of this process"] = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else "unknown"
        print_facts("pygbt", facts)
        return OK
    booster = load(options.model)
    if options.tree is not None:
        trees = booster.trees()
        if not 0 <= options.tree < len(trees):
            raise ValueError(f"--tree must lie within 0 .. {len(trees) - 1}, got {options.tree}")
        print(trees[options.tree].to_text())
        return OK
    cli = booster.extra.get("cli", {})
    changed = {k: v for k, v in booster.params.items() if v != parameters.default(k)}
    print_facts(
        options.model,
        {
            **{k: cli[k] for k in ("target", "task") if k in cli},
            **({"classes": ", ".join(cli["classes"][:20])} if cli.get("classes") else {}),
            "objective": booster.objective,
            "rounds": _describe_rounds(booster),
            "trees": booster.n_trees,
            "features": booster.n_features,
            "outputs": booster.n_outputs,
            "parameters": ", ".join(f"{k}={v}" for k, v in changed.items()) or "defaults",
            "digest": booster.digest(),
        },
    )
    _print_scores(booster)
    ranked = sorted(booster.feature_importance(options.importance).items(), key=lambda item: -item[1])
    rows = [[name, f"{score:.6g}"] for name, score in ranked[: options.top] if score > 0]
    if rows:
        print_table(f"Importance ({options.importance})", ["feature", options.importance], rows)
    return OK


def _demo(options: argparse.Namespace) -> int:
    from .demo import run_demo

    if (options.data is None) != (options.target is None):
        raise ValueError("demo: --data and --target go together")
    return run_demo(options.data, options.target, task=options.task, rounds=options.rounds)


if __name__ == "__main__":
    sys.exit(main())
