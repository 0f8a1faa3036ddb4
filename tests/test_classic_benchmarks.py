# SPDX-License-Identifier: Apache-2.0
"""The comparisons of the classical trees at a small size: complete, repeatable, with verdicts that follow from them."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
if not BENCHMARKS.is_dir():  # a source distribution leaves them out
    pytest.skip("needs the benchmarks of the repository, which are not here", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

import classic_curves  # noqa: E402
import classic_methods  # noqa: E402
import classic_pruning  # noqa: E402
import classic_published  # noqa: E402
import classic_scores  # noqa: E402
import classic_sets  # noqa: E402
import classic_verdicts  # noqa: E402
import compare_classic  # noqa: E402
from classic_golden import GOLDEN  # noqa: E402
from classic_published import Published  # noqa: E402
from classic_scores import Task  # noqa: E402
from classic_shapes import SHAPES  # noqa: E402


@pytest.fixture
def pool() -> Any:
    with ThreadPoolExecutor(1) as threads:
        yield threads


@pytest.mark.parametrize("protocol", ["cv", "fresh"])
def test_every_group_answers_for_its_methods(protocol: str, pool: Any) -> None:
    groups = tuple(classic_methods.GROUPS) if protocol == "fresh" else ("c45",)
    task = Task("waveform_300", protocol, 2, groups)
    row = classic_scores.run(task, pool)
    folds = 10 if protocol == "cv" else 1
    for method, repetitions in row["errors"].items():
        assert method in classic_methods.TITLES
        assert np.array(repetitions).shape[:2] == (2, folds) or method.startswith("bagged_c45_10")
        assert all(0 < error < 70 for parts in repetitions for error in parts)
    if protocol == "fresh":
        assert set(row["errors"]) == set(classic_methods.TITLES)
        means = {method: classic_scores.summary(found)[0] for method, found in row["errors"].items()}
        assert means["forest_sqrt"] < means["c45"] < means["forest_single_tree"]
    again = classic_scores.run(task, pool)
    assert again["errors"] == row["errors"]


@pytest.mark.shared_data
def test_parts_cover_the_rows_once() -> None:
    for task in (Task("glass", "cv", 1), Task("glass", "split", 1)):
        found = list(classic_scores.parts(task, 3))
        assert sum(len(test.y) for _, test in found) == (214 if task.protocol == "cv" else 21)
        assert all(len(train.y) + len(test.y) == 214 for train, test in found)


@pytest.mark.shared_data
def test_every_published_number_has_a_task() -> None:
    tasks = {(task.data, task.protocol): task for task in classic_scores.TASKS}
    small = {group: classic_methods.GROUPS[group] for group in classic_scores.EVERY + classic_scores.FOREST_PAPER}
    missing = []
    train, test = classic_sets.waveforms(60, 0), classic_sets.waveforms(10, 1)
    methods = {name: set(group(train, test, 0)) for name, group in small.items()}
    methods["few_bagged_c45"] = {"bagged_c45_10"}
    for p in classic_published.rows():
        task = tasks[p.data, p.protocol]
        if not any(p.method in methods[group] for group in task.groups):
            missing.append(p)
    assert not missing


def test_waveforms_are_breimans() -> None:
    cases = classic_sets.waveforms(20_000, 0)
    X = cases.X.to_numpy()
    assert X.shape == (20_000, 21) and sorted(set(cases.y)) == ["0", "1", "2"]
    means = np.array([X[cases.y == label].mean(axis=0) for label in "012"])
    peaks = [(6, 14), (6, 10), (14, 10)]  # columns where two triangles are 6 high
    for mean, pair in zip(means, peaks, strict=True):
        other = 3 + max(0, 6 - abs(pair[0] - pair[1])) / 2
        np.testing.assert_allclose(mean[list(pair)], other, atol=0.1)
    np.testing.assert_allclose(X[:, [0, 20]].std(axis=0), 1, atol=0.02)  # noise alone


def test_the_first_trees_of_a_curve_are_shorter_ensembles() -> None:
    train, test = classic_sets.waveforms(200, 0), classic_sets.waveforms(200, 1)
    both = classic_curves.errors(train, test, 3, (1, 4)), classic_curves.errors(train, test, 3, (4,))
    for method in classic_curves.TITLES:
        assert both[0][method][1] == both[1][method][0]


@pytest.mark.shared_data
@pytest.mark.parametrize("kind", ["cart", "c45"])
def test_every_pruning_rule_makes_smaller_trees(kind: str, pool: Any) -> None:
    row = classic_pruning.run("glass", kind, 2, pool)
    rules = row["rules"]
    assert set(classic_pruning.RULES) - set(rules) == ({"raised"} if kind == "cart" else set())
    for rule, (_, held_out) in classic_pruning.RULES.items():
        if rule in rules:
            full = rules[classic_verdicts.before(rule, held_out)]["leaves"]
            assert all(1 <= new <= old for new, old in zip(rules[rule]["leaves"], full, strict=True))
            verdict = classic_verdicts.pruned([row], rule, held_out)
            assert 0 < verdict.leaves_kept <= 1


def test_gaps_count_the_errors_of_both() -> None:
    rows = [{"set": "s", "protocol": "cv", "repeats": 4, "errors": {"c45": [[9.0], [10.0], [11.0], [10.0]]}}]
    deviation = np.std([9, 10, 11, 10], ddof=1)
    found = classic_verdicts.against(Published("x", "s", "cv", "c45", 12.0, 1, 10.0), rows)
    assert found is not None and found.mean == 10 and found.gap_reproduced == 0
    assert found.gap == pytest.approx(-2 / np.sqrt(deviation**2 / 4 + deviation**2))
    assert [classic_verdicts.word(gap) for gap in (-2.1, -2.0, 2.0, 2.1, None)] == [
        "lower",
        "within",
        "within",
        "**higher**",
        "",
    ]
    assert classic_verdicts.against(Published("x", "s", "split", "c45", 12.0, 1), rows) is None


def test_a_row_of_the_comparison_is_complete() -> None:
    shape = SHAPES["tree-dense-regression"]
    row = compare_classic.measure(shape, 1, 0.002)
    assert set(row["engines"]) == set(shape.engines)
    for engine in row["engines"].values():
        assert len(engine["runs"]) == 1 and engine["fit_mib"] >= 0 and engine["process_mib"] > 10
        assert all(run["fit_s"] > 0 and run["predict_s"] > 0 and run["score"] < 1 for run in engine["runs"])
    ratio = classic_verdicts.ratio(row, "exact", "fit_s", 3.0)
    assert ratio.least == ratio.median == ratio.most and ratio.met == (ratio.median >= 3)
    assert {what for _, what, _ in classic_verdicts.bars(shape, row)} == {"training", "score", "memory"}


def test_trees_without_ties_are_scikit_learns() -> None:
    shape = SHAPES["tree-dense-regression"]
    whole = compare_classic.tree_against_tree(shape, 0.01, 50)
    assert whole["nodes"] == whole["nodes_sklearn"] == whole["alike"] > 20
    assert whole["ties"] == whole["other"] == 0
    deep = compare_classic.tree_against_tree(shape, 0.01, 1)
    assert deep["ties"] > 0 and deep["other"] == 0


@pytest.mark.shared_data
def test_tables_are_arrays_that_every_engine_fits() -> None:
    for shape in SHAPES.values():
        split = shape.table(0.01)
        for engine in shape.engines:
            model = shape.model(engine, 0)
            model.set_params(**{"n_estimators": 5} if "n_estimators" in model.get_params() else {})
            assert -1.5 < compare_classic.score(model.fit(split.X, split.y), split) < 1
        assert split.X.dtype == split.X_test.dtype == np.float32 and not np.isnan(split.X).any()
        assert len(split.X) == len(split.y) and len(split.X_test) == len(split.y_test)


def test_tests_of_golden_numbers_exist() -> None:
    for _, _, file, tests in GOLDEN:
        text = (Path(__file__).parent / file).read_text()
        assert all(f"def {test}(" in text for test in tests)


def test_the_page_follows_from_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    import classic_report
    import machine

    record = {
        "cpu": "c",
        "cores": 2,
        "memory_gib": 1,
        "python": "3",
        "pygbt": "0",
        "compiler": "g",
        "isa": "v4",
        "versions": {},
    }
    methods = classic_report.OWN
    errors = {method: [[20.0 + i + r] for r in range(3)] for i, method in enumerate(methods)}
    scores = {
        "rows": [{"set": "glass", "protocol": "cv", "repeats": 3, "seconds": {"c45": 60.0}, "errors": errors}],
        "curves": [{"set": "glass", "repeats": 1, "sizes": [1, 2], "errors": {"forest": [30.0, 20.0]}}],
    }
    rule = {"leaves": [5.0, 6.0], "error": [20.0, 21.0]}
    before = {"leaves": [10.0, 12.0], "error": [22.0, 22.5]}
    rules = dict.fromkeys(classic_pruning.RULES, rule) | dict.fromkeys(("full", "full_of_two_thirds"), before)
    run = {"fit_s": 1.0, "predict_s": 0.1, "score": 0.9}
    slow = {"fit_s": 4.0, "predict_s": 0.2, "score": 0.9}
    engines = {
        "exact": {"runs": [run] * 3, "fit_mib": 10.0, "process_mib": 50.0},
        "256 bins": {"runs": [run] * 3, "fit_mib": 30.0, "process_mib": 50.0},
        "1024 bins": {"runs": [run] * 3, "fit_mib": 10.0, "process_mib": 50.0},
        "sklearn": {"runs": [slow] * 3, "fit_mib": 20.0, "process_mib": 60.0},
    }
    tree = {"least_leaf": 1, "nodes": 3, "nodes_sklearn": 3, "alike": 3, "ties": 0, "other": 0}
    rows = {key: {"title": shape.title, "engines": engines, "trees": [tree]} for key, shape in SHAPES.items()}
    files = {
        "classic-scores": {"machine": record, **scores},
        "classic-pruning": {
            "machine": record,
            "rows": [{"set": "glass", "trees": kind, "splits": 2, "rules": rules} for kind in ("cart", "c45")],
        },
        "classic-compare": {"machine": record, "threads": 2, "repeats": 3, "rows": rows},
    }
    monkeypatch.setattr(machine, "load", files.__getitem__)
    monkeypatch.setattr(Path, "exists", lambda self: True)
    text = classic_report.page("the path")
    assert "| glass | C4.5 | 3 x 10-fold CV | 31.70 | 21.00 ± 0.58 |" in text and "lower" in text
    assert "| glass | **21.00** |" in text
    assert "| a tree, covertype_92k | exact | 1 | 4 | 4.00 [4.00, 4.00] | 3 | met |" in text
    assert "| random forest, otto | 256 bins | 1 | 4 | 4.00 [4.00, 4.00] | 8 | **missed** | 2.00 [2.00, 2.00] |" in text
    assert "random forest, otto, 256 bins: memory" in text
    assert "| reduced-error | 50 % | -1.75 |" in text
