# SPDX-License-Identifier: Apache-2.0
"""Ranking objectives in training: the same bytes everywhere, learning, queries as a whole, what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda_cases import RANK_CONFIGS, RANKING, dataset, fit
from ranking_oracle import ndcg

import pygbt
from pygbt import _core

NAMES = list(RANK_CONFIGS)


def table(seed: int = 0, n_queries: int = 80) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X (n, 5), relevance 0 to 4 and the sizes of the queries; queries differ in level, which must not matter."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 30, n_queries)
    n = int(sizes.sum())
    X = rng.normal(size=(n, 5)).astype(np.float32)
    z = X[:, 0] + np.sin(2 * X[:, 1]) + 0.5 * rng.normal(size=n)
    X[:, 4] += np.repeat(rng.normal(0, 5, n_queries), sizes)
    return X, np.digitize(z, [0, 0.7, 1.5, 2.2]).astype(np.float32), sizes


def mean_ndcg(booster: pygbt.Booster, X: np.ndarray, y: np.ndarray, sizes: np.ndarray, k: int = 5) -> float:
    ends = np.cumsum(sizes)[:-1]
    z = booster.predict(X, output="margin")
    return float(np.mean([ndcg(a, b, k) for a, b in zip(np.split(z, ends), np.split(y, ends), strict=True)]))


@pytest.mark.parametrize("name", NAMES)
def test_threads_and_the_naive_backend(name: str) -> None:
    for kind in ("dense", "weighted"):
        data = dataset(kind, name)
        expected = fit(RANK_CONFIGS[name], data, "naive").digest()
        for n_threads in (1, 2, 3):
            assert fit({**RANK_CONFIGS[name], "n_threads": n_threads}, data, "cpu").digest() == expected, kind


CODE = """
import sys; sys.path.insert(0, {tests!r})
from cuda_cases import RANK_CONFIGS, dataset, fit
for name in {names!r}: print(fit(RANK_CONFIGS[name], dataset("dense", name), "cpu").digest())
"""


def test_instruction_sets() -> None:
    code = CODE.format(tests=str(Path(__file__).parent), names=NAMES)
    digests = set()
    for level in _core.build_info()["isa_levels"]:
        run = [sys.executable, "-c", code]
        digests.add(subprocess.check_output(run, env={**os.environ, "PYGBT_ISA": level}, text=True))
    assert len(digests) == 1


@pytest.mark.parametrize("objective", [*RANKING, "rank:map"])
def test_it_learns_the_order(objective: str) -> None:
    X, y, sizes = table()
    Xv, yv, sizes_v = table(1)
    params = {"objective": objective, "max_depth": 3, "min_child_weight": 0.01}
    booster = pygbt.train(params, pygbt.Dataset(X, y, group=sizes), 40)
    rng = np.random.default_rng(0)
    chance = np.mean([ndcg(rng.normal(size=len(q)), q, 5) for q in np.split(yv, np.cumsum(sizes_v)[:-1])])
    assert mean_ndcg(booster, Xv, yv, sizes_v) > chance + 0.5 * (1 - chance)


@pytest.mark.parametrize("objective", ["lambdarank", "rank_pairwise"])
def test_the_order_of_the_queries_does_not_matter(objective: str) -> None:
    X, y, sizes = table()
    ends = np.cumsum(sizes)
    mixed = np.random.default_rng(1).permutation(len(sizes))
    rows = np.concatenate([np.arange(ends[i] - sizes[i], ends[i]) for i in mixed])
    one = pygbt.train({"objective": objective}, pygbt.Dataset(X, y, group=sizes), 5)
    two = pygbt.train({"objective": objective}, pygbt.Dataset(X[rows], y[rows], group=sizes[mixed]), 5)
    assert one.digest() == two.digest()


def test_qid_is_group() -> None:
    X, y, sizes = table()
    names = np.repeat(np.random.default_rng(2).permutation(len(sizes)), sizes)
    expected = pygbt.Dataset(X, y, group=sizes)
    for qid in (names, names.astype(float), [f"q{i}" for i in names]):
        if isinstance(qid, list):
            with pytest.raises((ValueError, TypeError), match="qid"):
                pygbt.Dataset(X, y, qid=qid)
            continue
        ds = pygbt.Dataset(X, y, qid=qid)
        assert ds.group is not None and expected.group is not None
        np.testing.assert_array_equal(ds.group, expected.group)
    with pytest.raises(ValueError, match="side by side"):
        pygbt.Dataset(X, y, qid=np.arange(len(y)) % 7)
    with pytest.raises(ValueError, match="leave one out"):
        pygbt.Dataset(X, y, qid=names, group=sizes)
    with pytest.raises(ValueError, match="qid has"):
        pygbt.Dataset(X, y, qid=names[1:])
    with pytest.raises(ValueError, match="NaN"):
        pygbt.Dataset(X, y, qid=np.full(len(y), np.nan))


def test_subset_takes_whole_queries() -> None:
    X, y, _ = table()
    sizes = [3, 2, 1, len(y) - 6]
    ds = pygbt.Dataset(X, y, group=sizes)
    part = ds.subset([5, 0, 1, 2, 5])
    assert part.group is not None and part.group.tolist() == [1, 3, 1]
    mask = np.zeros(len(y), bool)
    mask[3:6] = True
    part = ds.subset(mask, new_edges=True)
    assert part.group is not None and part.group.tolist() == [2, 1]
    for rows in ([0, 1], [1, 2, 3, 4], [0, 2, 1], [0, 1, 2, 4]):
        with pytest.raises(ValueError, match="whole groups"):
            ds.subset(rows)


def test_subset_on_a_device(cuda: str) -> None:
    X, y, sizes = table()
    ds = pygbt.Dataset(X, y, group=sizes, device="cuda")
    first = int(sizes[:40].sum())
    expected = pygbt.train({"objective": "lambdarank"}, pygbt.Dataset(X, y, group=sizes).subset(range(first)), 3)
    part = ds.subset(range(first))
    found = pygbt.train({"objective": "lambdarank", "device": "cuda"}, part, 3)
    assert found.digest() == expected.digest()


def test_cross_validation_by_queries() -> None:
    X, y, sizes = table()
    ds = pygbt.Dataset(X, y, group=sizes)
    params = {"objective": "lambdarank", "eval_metric": "ndcg@5"}
    result = pygbt.cv(params, ds, 5, nfold=4, return_boosters=True)
    assert len(result["test-ndcg@5-mean"]) == 5 and len(result["boosters"]) == 4
    assert result["test-ndcg@5-mean"][-1] > 0.7
    with pytest.raises(ValueError, match="stratified"):
        pygbt.cv(params, ds, 2, stratified=True)
    with pytest.raises(ValueError, match="whole groups"):
        pygbt.cv(params, ds, 2, folds=[(np.arange(2, len(y)), np.arange(2))])


def test_continuing_is_training_at_once() -> None:
    X, y, sizes = table()
    ds = pygbt.Dataset(X, y, group=sizes)
    params = {"objective": "rank_xendcg", "seed": 5}
    whole = pygbt.train(params, ds, 6)
    more = pygbt.train(params, ds, 4, init_model=pygbt.train(params, ds, 2))
    assert more.digest() == whole.digest()
    assert pygbt.train({**params, "seed": 6}, ds, 6).digest() != whole.digest()


def test_model_file(tmp_path: Path) -> None:
    X, y, sizes = table()
    booster = pygbt.train({"objective": "rank:map"}, pygbt.Dataset(X, y, group=sizes), 3)
    booster.save(tmp_path / "model")
    again = pygbt.load(tmp_path / "model")
    assert again.digest() == booster.digest() and again.objective == "lambdarank"
    assert again.params["lambdarank_metric"] == "map"
    np.testing.assert_array_equal(again.predict(X), booster.predict(X))
    np.testing.assert_array_equal(booster.predict(X), booster.predict(X, output="margin"))  # a value is a score


def test_a_row_of_weight_0_is_a_row_left_out() -> None:
    X, y, sizes = table()
    gone = np.random.default_rng(3).random(len(y)) < 0.2
    number = np.repeat(np.arange(len(sizes)), sizes)
    kept = np.bincount(number[~gone], minlength=len(sizes))
    for objective in ("lambdarank", "rank_pairwise"):
        one = pygbt.train({"objective": objective}, pygbt.Dataset(X, y, weight=~gone, group=sizes), 4)
        two = pygbt.train({"objective": objective}, pygbt.Dataset(X[~gone], y[~gone], group=kept[kept > 0]), 4)
        np.testing.assert_array_equal(one.predict(X), two.predict(X))


def test_names_of_other_libraries() -> None:
    X, y, sizes = table()
    ds = pygbt.Dataset(X, y, group=sizes)
    ours = pygbt.train({"objective": "lambdarank", "lambdarank_truncation": 8}, ds, 2).digest()
    for theirs in (
        {"objective": "rank:ndcg", "lambdarank_num_pair_per_sample": 8, "lambdarank_pair_method": "topk"},
        {"objective": "lambdarank", "lambdarank_truncation_level": 8, "lambdarank_norm": True, "sigmoid": 1},
    ):
        assert pygbt.train(theirs, ds, 2).digest() == ours
    assert pygbt.train({"objective": "rank:pairwise"}, ds, 2).objective == "rank_pairwise"
    assert pygbt.train({"objective": "xendcg"}, ds, 2).objective == "rank_xendcg"
    with pytest.raises(ValueError, match="rank:map"):
        pygbt.train({"objective": "rank:map", "lambdarank_metric": "ndcg"}, ds, 1)


@pytest.mark.parametrize(
    "params, change, match",
    [
        ({"objective": "lambdarank"}, {"group": None}, r"group: objective 'lambdarank' ranks .* pass group="),
        ({"objective": "lambdarank"}, {"y": -1.0}, r"label: lambdarank needs relevance from 0 to 31.* row 3 holds -1"),
        ({"objective": "rank_xendcg"}, {"y": 31.5}, "label: rank_xendcg .* row 3 holds 31.5"),
        ({"objective": "lambdarank", "lambdarank_gain": "linear"}, {"y": -0.5}, "relevance of at least 0"),
        ({"objective": "rank_pairwise"}, {"y": 1e35}, "magnitude"),
        ({"objective": "lambdarank"}, {"y": np.inf}, "label"),
        ({"objective": "lambdarank", "rank_teacher_weight": "ndcg"}, {}, "rank_teacher='pairwise'"),
        ({"objective": "lambdarank", "rank_teacher_weight": "inverse"}, {}, "'pointwise' or 'listmle'"),
        ({"objective": "lambdarank", "lambdarank_truncation": -1}, {}, "lambdarank_truncation"),
        ({"objective": "lambdarank", "n_classes": 3}, {}, "n_classes"),
    ],
)
def test_what_is_refused(params: dict[str, Any], change: dict[str, Any], match: str) -> None:
    X, y, sizes = table()
    y = y.copy()
    y[3] = change.get("y", y[3])
    with pytest.raises(ValueError, match=match):
        pygbt.train(params, pygbt.Dataset(X, y, group=change.get("group", sizes)), 1)


def test_evaluation_sets_need_queries_too() -> None:
    X, y, sizes = table()
    ds = pygbt.Dataset(X, y, group=sizes)
    with pytest.raises(ValueError, match="group"):
        pygbt.train({"objective": "lambdarank"}, ds, 1, evals=[(pygbt.Dataset(X, y, reference=ds), "valid")])
    with pytest.raises(ValueError, match="one relevance a row"):
        pygbt.train({"objective": "lambdarank"}, pygbt.Dataset(X, np.column_stack([y, y]), group=sizes), 1)


def test_relevance_may_be_large_where_gains_are_linear() -> None:
    X, y, sizes = table()
    ds = pygbt.Dataset(X, y * 100, group=sizes)
    params = {"objective": "lambdarank", "lambdarank_gain": "linear"}
    linear = pygbt.train(params, ds, 3, evals=[(ds, "train")])
    small = pygbt.Dataset(X, y, group=sizes)
    assert linear.evals_result["train"]["ndcg"] == pytest.approx(
        pygbt.train(params, small, 3, evals=[(small, "train")]).evals_result["train"]["ndcg"], rel=1e-6
    )


# --- teachers


def with_teacher(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """`table`, and scores that order the rows as the features do, but for the noise of the labels."""
    X, y, sizes = table(seed)
    return X, y, sizes, (2 * X[:, 0] + 2 * np.sin(2 * X[:, 1])).astype(np.float32)


TEACHERS: list[dict[str, Any]] = [
    {"rank_teacher": "listnet"},
    {"rank_teacher": "listmle"},
    {"rank_teacher": "pairwise", "rank_teacher_top": 0},
    {"rank_teacher": "pairwise", "rank_teacher_weight": "ndcg"},
    {"rank_teacher": "pointwise", "rank_teacher_top": 4, "rank_teacher_weight": "inverse"},
]


@pytest.mark.parametrize("params", TEACHERS, ids=lambda params: "-".join(map(str, params.values())))
def test_a_teacher_alone_teaches_its_order(params: dict[str, Any]) -> None:
    X, _, sizes, t = with_teacher()
    params = {"objective": "lambdarank", "max_depth": 4, "min_child_weight": 0.01, **params}
    booster = pygbt.train(params, pygbt.Dataset(X, group=sizes, teacher=t), 60)
    nothing = pygbt.Dataset(X, np.full(len(t), np.nan), group=sizes, teacher=t)
    assert pygbt.train(params, nothing, 60).digest() == booster.digest()
    Xv, _, sizes_v, tv = with_teacher(1)
    relevance = np.digitize(tv, [0, 1, 2, 3]).astype(np.float32)
    assert mean_ndcg(booster, Xv, relevance, sizes_v) > 0.9


def test_alpha_0_is_no_teacher_and_alpha_1_no_label() -> None:
    X, y, sizes, t = with_teacher()
    for objective in RANKING:
        params = {"objective": objective}
        both = pygbt.Dataset(X, y, group=sizes, teacher=t)
        alone = pygbt.train(params, pygbt.Dataset(X, y, group=sizes), 4)
        taught = pygbt.train(params, pygbt.Dataset(X, group=sizes, teacher=t), 4)
        assert pygbt.train({**params, "teacher_alpha": 0.0}, both, 4).digest() == alone.digest()
        assert pygbt.train({**params, "teacher_alpha": 1.0}, both, 4).digest() == taught.digest()
        mistrusted = pygbt.Dataset(X, y, group=sizes, teacher=t, teacher_weight=np.zeros(len(y)))
        assert pygbt.train(params, mistrusted, 4).digest() == alone.digest()


def test_temperature_divides_the_scores() -> None:
    X, y, sizes, t = with_teacher()
    params = {"objective": "lambdarank", "rank_teacher": "listnet"}
    cold = pygbt.train(params, pygbt.Dataset(X, y, group=sizes, teacher=t / 4), 4)
    warm = pygbt.train({**params, "teacher_temperature": 4.0}, pygbt.Dataset(X, y, group=sizes, teacher=t), 4)
    of_rows = pygbt.Dataset(X, y, group=sizes, teacher=t, teacher_temperature=np.full(len(y), 4.0))
    assert warm.digest() == cold.digest() == pygbt.train(params, of_rows, 4).digest()


@pytest.mark.parametrize(
    "params, more, match",
    [
        ({}, {"teacher": np.zeros((1, 2))}, "teacher: a ranking objective takes one score a row"),
        ({}, {"teacher_form": "probabilities"}, "scores of a teacher, not probabilities"),
        ({}, {"teacher_weight": "rows"}, "teacher_weight must be the same for all rows of a query"),
        ({}, {"teacher_temperature": "rows"}, "teacher_temperature must be the same"),
        ({"teacher_match": "logits"}, {}, "teacher_match"),
        ({"rank_teacher": "listwise"}, {}, "did you mean 'listnet'|must be one of"),
    ],
)
def test_what_a_ranking_teacher_cannot_be(params: dict[str, Any], more: dict[str, Any], match: str) -> None:
    X, y, sizes, t = with_teacher()
    given = {"teacher": t, **more}
    if given["teacher"].ndim == 2:
        given["teacher"] = np.column_stack([t, t])
    for name, value in given.items():
        if isinstance(value, str) and value == "rows":
            given[name] = np.linspace(0.1, 1, len(y))
    ds = pygbt.Dataset(X, y, group=sizes, **given)
    with pytest.raises(ValueError, match=match):
        pygbt.train({"objective": "lambdarank", **params}, ds, 1)
