# SPDX-License-Identifier: Apache-2.0
"""Two builds of pygbt in turn on one shape: is B faster than A? The ratio of their times with a bootstrap interval.

python ab.py main HEAD                       two git revisions, built into site folders under build/ab
python ab.py /path/to/site_a /path/to/site_b two folders with an installed pygbt (pip install --target)
python ab.py a.whl b.whl --shape C1 --pairs 25
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
DRAWS = 10_000


def interval(ratios: list[float], seed: int = 0) -> tuple[float, float, float]:
    """Median of the ratios and its 99 % bootstrap interval: the percentiles of the medians of redrawn ratios.

    99, because four times are judged and the medians of few pairs vary more than redrawn ones do.
    """
    drawn = np.random.default_rng(seed).choice(np.asarray(ratios), (DRAWS, len(ratios)))
    low, high = np.percentile(np.median(drawn, axis=1), [0.5, 99.5])
    return statistics.median(ratios), float(low), float(high)


def verdict(low: float, high: float) -> str:
    """What an interval of time A / time B says."""
    if low > 1:
        return "B is faster"
    return "A is faster" if high < 1 else "no difference shown"


def site_of(build: str) -> Path:
    """The folder to import pygbt from: a site folder, a wheel, or a git revision of this repository."""
    path = Path(build)
    if (path / "pygbt").is_dir():
        return path.resolve()
    if path.suffix == ".whl":
        return _install(path.resolve(), path.stem)
    commit = _git("rev-parse", "--verify", f"{build}^{{commit}}")
    site = ROOT / "build" / "ab" / commit[:12]
    if not (site / "pygbt").is_dir():
        with tempfile.TemporaryDirectory() as source:
            _git("worktree", "add", "--detach", source, commit)
            try:
                _install(Path(source), commit[:12])
            finally:
                _git("worktree", "remove", "--force", source)
    return site


def _install(source: Path, name: str) -> Path:
    site = ROOT / "build" / "ab" / name
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--upgrade"]
    subprocess.run([*pip, "--target", str(site), str(source)], check=True)
    return site


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def compare(a: Path, b: Path, shape: str, pairs: int, share: float = 1.0) -> dict[str, Any]:
    """Times of both builds, pair by pair, A and B changing places; each build in a process that stays."""
    runners = {name: _Runner(site, shape, share) for name, site in (("A", a), ("B", b))}
    times: dict[str, list[dict[str, float]]] = {"A": [], "B": []}
    digests = {}
    try:
        for i in range(pairs + 1):  # the first pair warms up
            for name in ("A", "B") if i % 2 else ("B", "A"):
                run = runners[name].run()
                digests[name] = run.pop("digest")
                if i > 0:
                    times[name].append(run)
    finally:
        for runner in runners.values():
            runner.close()
    return {"times": times, "digests": digests}


class _Runner:
    """One build in a process, which sleeps between its runs."""

    def __init__(self, site: Path, shape: str, share: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--run", shape, str(share)],
            env={**os.environ, "PYTHONPATH": str(site), "PYTHONSAFEPATH": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        print("go", file=self._process.stdin, flush=True)
        return dict(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def serve(shape_key: str, share: float) -> None:
    """Train once for every line on standard input; print the times and the digest."""
    import time

    import engines
    from shapes import SHAPES

    shape = SHAPES[shape_key]
    split, recipe = shape.table(share, 0), shape.recipe if share >= 1 else shape.small(3)
    engine = engines.make("pygbt")
    for _ in sys.stdin:
        start = time.perf_counter()
        bins = engine.bins(split.X, split.y, recipe)
        binned = time.perf_counter()
        model = engine.train(bins, recipe)
        trained = time.perf_counter()
        engine.predict(model, split.X_test)
        predicted = time.perf_counter()
        times = {"bins": binned - start, "train": trained - binned, "predict": predicted - trained}
        print(json.dumps({**times, "array to model": trained - start, "digest": engine.digest(model)}), flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--run"]:
        serve(sys.argv[2], float(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", help="site folder, wheel or git revision")
    parser.add_argument("b")
    parser.add_argument("--shape", default="A")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--share", type=float, default=1.0)
    args = parser.parse_args()
    result = compare(site_of(args.a), site_of(args.b), args.shape, args.pairs, args.share)
    print(f"shape {args.shape}, {args.pairs} pairs; time A / time B, median and 99 % interval")
    for kind in ("bins", "train", "array to model", "predict"):
        pairs = zip(result["times"]["A"], result["times"]["B"], strict=True)
        middle, low, high = interval([a[kind] / b[kind] for a, b in pairs])
        seconds = [statistics.median(run[kind] for run in result["times"][name]) for name in "AB"]
        print(
            f"{kind:15} A {seconds[0]:8.4f} s  B {seconds[1]:8.4f} s  {middle:.3f} ({low:.3f} to {high:.3f})  "
            f"{verdict(low, high)}"
        )
    same = result["digests"]["A"] == result["digests"]["B"]
    print("digests equal" if same else f"digests DIFFER: {result['digests']}")


if __name__ == "__main__":
    main()
