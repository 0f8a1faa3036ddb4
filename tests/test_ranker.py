# SPDX-License-Identifier: Apache-2.0
"""`GBTRanker`: parameters, queries given as sizes or numbers, evaluation, what is refused."""

from __future__ import annotations

import inspect
import pickle
from pathlib import Path

import numpy as np
import pytest

import pygbt
from pygbt._params import PARAMETERS

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from test_ranking import table, with_teacher

from pygbt import GBTRanker
from pygbt.estimator_base import LEFT_OUT, OWN, RANKING, SKLEARN_NAMES


def test_defaults_are_those_of_the_table() -> None:
    signature = inspect.signature(GBTRanker.__init__).parameters
    expected = {"self", *OWN}
    for p in PARAMETERS:
        if p.scope == "internal" or (p.name in LEFT_OUT and p.name not in RANKING):
            continue
        name = SKLEARN_NAMES.get(p.name, p.name)
        expected.add(name)
        if p.name in RANKING and p.name != "eval_at":
            assert signature[name].default == p.default, name
    assert set(signature) == expected
    doc = inspect.getdoc(GBTRanker)
    assert doc is not None
    assert all(f"\n{name} : " in doc for name in expected - {"self"})
    with pytest.raises(TypeError, match="no_such"):
        GBTRanker(no_such=1)


def test_clone_and_parameters() -> None:
    ranker = GBTRanker(lambdarank_truncation=7, max_depth=2)
    assert ranker.get_params()["lambdarank_truncation"] == 7 and ranker.get_params()["max_depth"] == 2
    copy = clone(ranker).set_params(rank_teacher="listmle", learning_rate=0.3)
    assert (copy.lambdarank_truncation, copy.rank_teacher, copy.learning_rate) == (7, "listmle", 0.3)
    assert "lambdarank_truncation=7" in repr(ranker)


def test_it_is_train() -> None:
    X, y, sizes = table()
    ranker = GBTRanker(n_estimators=5, lambdarank_truncation=4).fit(X, y, group=sizes)
    params = {"objective": "lambdarank", "lambdarank_truncation": 4}
    booster = pygbt.train(params, pygbt.Dataset(X, y, group=sizes), 5)
    assert ranker.booster_.digest() == booster.digest()
    scores = ranker.predict(X)
    assert scores.dtype == np.float64 and scores.shape == y.shape
    np.testing.assert_array_equal(scores, booster.predict(X, output="margin"))
    by_qid = GBTRanker(n_estimators=5, lambdarank_truncation=4).fit(X, y, qid=np.repeat(np.arange(len(sizes)), sizes))
    assert by_qid.booster_.digest() == booster.digest()
    again = pickle.loads(pickle.dumps(ranker))
    np.testing.assert_array_equal(again.predict(X), scores)


def test_weights_of_queries_are_weights_of_their_rows() -> None:
    X, y, sizes = table()
    w = np.random.default_rng(0).integers(1, 4, len(sizes)).astype(float)
    one = GBTRanker(n_estimators=3).fit(X, y, group=sizes, sample_weight=w)
    two = GBTRanker(n_estimators=3).fit(X, y, group=sizes, sample_weight=np.repeat(w, sizes))
    none = GBTRanker(n_estimators=3).fit(X, y, group=sizes)
    assert one.booster_.digest() == two.booster_.digest() != none.booster_.digest()


def test_evaluation_and_early_stopping(tmp_path: Path) -> None:
    X, y, sizes = table()
    Xv, yv, sizes_v = table(1)
    ranker = GBTRanker(n_estimators=80, eval_metric=["map", "ndcg"], eval_at=[3], early_stopping_rounds=4)
    ranker.fit(X, y, group=sizes, eval_set=[(X, y), (Xv, yv)], eval_group=[sizes, sizes_v])
    assert list(ranker.evals_result_["validation_1"]) == ["map@3", "ndcg@3"]
    assert ranker.best_score_ == max(ranker.evals_result_["validation_1"]["ndcg@3"])
    held_out = GBTRanker(n_estimators=80, early_stopping_rounds=4, validation_fraction=0.25).fit(X, y, group=sizes)
    assert held_out.n_iter_ < 80 and list(held_out.evals_result_) == ["validation"]
    held_out.booster_.save(tmp_path / "ranker")
    np.testing.assert_array_equal(pygbt.load(tmp_path / "ranker").predict(X).astype(float), held_out.predict(X))


def test_what_is_refused() -> None:
    X, y, sizes = table()
    with pytest.raises(ValueError, match="group"):
        GBTRanker().fit(X, y)
    with pytest.raises(ValueError, match="not both"):
        GBTRanker().fit(X, y, group=sizes, qid=np.zeros(len(y)))
    with pytest.raises(ValueError, match="add up to"):
        GBTRanker().fit(X, y, group=sizes[:-1])
    with pytest.raises(ValueError, match="eval_group"):
        GBTRanker().fit(X, y, group=sizes, eval_set=[(X, y)])
    with pytest.raises(ValueError, match="eval_group has 2"):
        GBTRanker().fit(X, y, group=sizes, eval_set=[(X, y)], eval_group=[sizes, sizes])
    with pytest.raises(ValueError, match="shape"):
        GBTRanker().fit(X, np.column_stack([y, y]), group=sizes)
    with pytest.raises(ValueError, match="relevance"):
        GBTRanker().fit(X, y - 1, group=sizes)
    with pytest.raises(ValueError, match="NaN"):
        GBTRanker().fit(X, np.where(y > 3, np.nan, y), group=sizes)
    with pytest.raises(NotFittedError):
        GBTRanker().predict(X)


def test_a_teacher() -> None:
    X, y, sizes, t = with_teacher()
    trust = np.linspace(0, 1, len(sizes))
    params = {"rank_teacher": "listmle", "teacher_alpha": 0.7}
    ranker = GBTRanker(n_estimators=4, **params).fit(X, y, group=sizes, teacher=t, teacher_weight=trust)
    ds = pygbt.Dataset(X, y, group=sizes, teacher=t, teacher_weight=np.repeat(trust, sizes))
    assert ranker.booster_.digest() == pygbt.train({"objective": "lambdarank", **params}, ds, 4).digest()
    alone = GBTRanker(n_estimators=4).fit(X, group=sizes, teacher=t)
    expected = pygbt.train({"objective": "lambdarank"}, pygbt.Dataset(X, group=sizes, teacher=t), 4)
    assert alone.booster_.digest() == expected.digest()
    some = GBTRanker(n_estimators=4).fit(X, np.where(np.arange(len(y)) < 50, np.nan, y), group=sizes, teacher=t)
    assert some.booster_.digest() != alone.booster_.digest()
