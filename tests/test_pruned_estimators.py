# SPDX-License-Identifier: Apache-2.0
"""`prune` and `cost_complexity_path` of estimators."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold

import pygbt
from pygbt.tree import (
    C45Classifier,
    CARTClassifier,
    CARTRegressor,
    ID3Classifier,
    cost_complexity_path,
    entropy_path,
    prune,
)


def noisy(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    y = np.where(rng.random(n) < 0.2, rng.integers(0, 3, n), (X[:, 0] > 0) + (X[:, 1] > X[:, 2]).astype(int))
    return X, np.array(["a", "b", "c"])[y]


UNPRUNED = C45Classifier(prune=False, collapse=False, penalty=False)


def test_every_rule_returns_a_copy_of_the_estimator() -> None:
    X, y = noisy()
    model = clone(UNPRUNED).fit(X[:250], y[:250])
    before = model.tree_.n_leaves
    held: tuple[Any, ...] = (X[250:], y[250:])
    for method, args, options in [
        ("cost_complexity", (), {"cp": 0.02}),
        ("entropy", (), {"alpha": 5.0}),
        ("reduced_error", held, {}),
        ("pessimistic", (), {}),
        ("error_based", (), {}),
        ("validation", held, {}),
        ("thresholds", (), {"max_depth": 2}),
    ]:
        smaller, report = prune(model, method, *args, return_report=True, **options)
        assert type(smaller) is C45Classifier and model.tree_.n_leaves == before > smaller.tree_.n_leaves
        assert smaller.predict(X).shape == y.shape and set(smaller.predict(X)) <= set(y)
        assert report.method == method and len(report.verdict) == model.tree_.n_nodes
        np.testing.assert_array_equal(
            smaller.predict(X),
            prune(model.tree_, method, *args, **options).classes[
                prune(model.tree_, method, *args, **options).labels(X)
            ],
        )
        assert pickle.loads(pickle.dumps(smaller)).tree_.n_leaves == smaller.tree_.n_leaves


def test_error_based_is_c45_without_raising() -> None:
    for X, y in [load_iris(return_X_y=True), load_breast_cancer(return_X_y=True), noisy()]:
        X = np.where(np.random.default_rng(0).random(X.shape) < 0.05, np.nan, X)
        for cf in (0.05, 0.25):
            full = C45Classifier(prune=False).fit(X, y)
            own = C45Classifier(subtree_raising=False, confidence=cf).fit(X, y)
            pruned = prune(full, "error_based", cf=cf)
            np.testing.assert_array_equal(pruned.tree_.question_threshold, own.tree_.question_threshold)
            np.testing.assert_array_equal(pruned.tree_.value, own.tree_.value)


@pytest.mark.shared_data
def test_pre_pruning_of_the_watermelons(shared_data: Any) -> None:
    """The textbook's pre-pruned tree: 3 of 7 right as a leaf, 5 of 7 after asking for the navel, then no more."""
    import datasets

    data = datasets.frame("watermelon_2")
    X, y = data[["navel", "color", "root", "knocks", "texture", "touch"]], np.where(data["label"] == 1, "good", "poor")
    train = (data["split"] == "train").to_numpy()
    grown = ID3Classifier().fit(X[train], y[train])
    stump, report = prune(grown, "validation", X[~train], y[~train], tie="cut", return_report=True)
    assert report.as_leaf[0] == 7 - 3 and report.with_split[0] == 7 - 5
    assert stump.tree_.n_leaves == 3 and stump.tree_.schema.feature_names[stump.tree_.question_feature[0]] == "navel"
    assert stump.score(X[~train], y[~train]) == 5 / 7
    below = {verdict for verdict in report.verdict[list(grown.tree_.children(0))] if verdict != "leaf"}
    assert below == {
        "became a leaf: the split lowers the validation accuracy",
        "became a leaf: the split does not raise the validation accuracy",
    }
    kept = prune(grown, "validation", X[~train], y[~train], tie="keep")
    assert kept.score(X[~train], y[~train]) == 5 / 7 and kept.tree_.n_leaves > 3


# --- the cross-validated path ---------------------------------------------------------------------------------------


def test_path_is_that_of_a_plain_cross_validation() -> None:
    X, y = noisy(300)
    rng = np.random.default_rng(1)
    w = rng.integers(1, 4, len(y)).astype(float)
    fold = rng.integers(0, 4, len(y))
    path = cost_complexity_path(UNPRUNED, X, y, w, folds=fold)
    root = path.estimator.tree_.risk[0]
    xerror, squared = np.zeros(len(path)), np.zeros(len(path))
    for f in range(4):
        inside = np.where(fold != f, w, 0.0)
        model = clone(UNPRUNED).fit(X, y, sample_weight=inside)
        share = inside.sum() / w.sum()
        for j in range(len(path)):
            beta = np.inf if j == 0 else np.sqrt(path.cp[j - 1] * path.cp[j]) * root * share
            alpha = min(beta, 1e9) / model.tree_.weight[0]
            wrong = (prune(model, "cost_complexity", ccp_alpha=alpha).predict(X) != y) & (fold == f)
            xerror[j] += w[wrong].sum()
            squared[j] += w[wrong].sum()
    np.testing.assert_allclose(path.xerror, xerror / root, rtol=1e-12)
    np.testing.assert_allclose(path.xstd, np.sqrt(squared - xerror**2 / w.sum()) / root, rtol=1e-12)
    leaves = [path.tree(j).n_leaves for j in range(len(path))]
    np.testing.assert_array_equal(path.n_leaves, leaves)
    for j in range(len(path)):
        np.testing.assert_allclose(path.rel_error[j], np.sum(w[path.estimator_at(j).predict(X) != y]) / root)
        assert prune(path.estimator, "cost_complexity", cp=path.cp[j]).tree_.n_leaves == leaves[j]
        assert prune(path.estimator, "cost_complexity", ccp_alpha=path.alpha[j]).tree_.n_leaves == leaves[j]
    assert path.one_se() <= path.best() and path.xerror[path.best()] == path.xerror.min()
    for method, row in [("best", path.best()), ("one_se", path.one_se())]:
        assert prune(UNPRUNED, method, X, y, sample_weight=w, folds=fold).tree_.n_leaves == leaves[row]


def test_path_of_a_regression_is_scikit_learns() -> None:
    from sklearn.tree import DecisionTreeRegressor

    rng = np.random.default_rng(4)
    X, y = rng.normal(size=(200, 3)).astype(np.float32), rng.normal(size=200)
    theirs = DecisionTreeRegressor(min_samples_leaf=4, random_state=0).cost_complexity_pruning_path(X, y)
    own = cost_complexity_path(CARTRegressor(cp=0, min_split=8, min_bucket=4), X, y, folds=None)
    np.testing.assert_allclose(own.alpha[::-1], theirs.ccp_alphas, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(own.rel_error[::-1] * y.var(), theirs.impurities, rtol=1e-9)


@pytest.mark.parametrize("criterion", ["squared_error", "absolute_error", "poisson"])
def test_deviations_of_held_out_rows(criterion: str) -> None:
    """xerror and xstd of a regression, against trees that are pruned and asked one by one; exposures and holes."""
    rng = np.random.default_rng(7)
    X = rng.normal(size=(300, 3))
    X[rng.random(X.shape) < 0.1] = np.nan
    times = rng.uniform(0.5, 2, 300) if criterion == "poisson" else None
    mean = np.exp(np.nan_to_num(X[:, 0]))
    y = rng.poisson(mean * (1 if times is None else times)).astype(float)
    w = rng.integers(1, 4, 300).astype(float)
    fold = np.arange(300) % 5
    model = CARTRegressor(criterion=criterion, cp=0.003)
    path = cost_complexity_path(model, X, y, w, folds=fold, exposure=times)
    assert not hasattr(path.estimator, "_exposure")
    root = path.estimator.tree_.risk[0]
    loss, squared = np.zeros(len(path)), np.zeros(len(path))
    options = {} if times is None else {"exposure": times}
    for f in range(5):
        inside = np.where(fold != f, w, 0.0)
        share = inside.sum() / w.sum()
        grown = clone(model).set_params(cp=0.0).fit(X, y, sample_weight=inside, **options)
        for j in range(len(path)):
            beta = 1e9 if j == 0 else np.sqrt(path.cp[j - 1] * path.cp[j]) * root * share
            value = prune(grown, "cost_complexity", ccp_alpha=beta / grown.tree_.weight[0]).predict(X)
            if criterion == "poisson":
                expected = value * times
                r = 2 * (np.where(y > 0, y * np.log(np.where(y > 0, y, 1) / expected), 0.0) - (y - expected))
            else:
                r = (y - value) ** 2 if criterion == "squared_error" else np.abs(y - value)
            loss[j] += (w * r)[fold == f].sum()
            squared[j] += (w * r**2)[fold == f].sum()
    np.testing.assert_allclose(path.xerror, loss / root, rtol=1e-9)
    np.testing.assert_allclose(path.xstd, np.sqrt(squared - loss**2 / w.sum()) / root, rtol=1e-9)


def test_class_weights_priors_and_losses_in_folds() -> None:
    """Factors of the classes are those of all rows, in every fold."""
    X, y = noisy(300)
    fold = np.arange(300) % 4
    losses = np.array([[0, 1, 2], [3, 0, 1], [1, 1, 0.0]])
    for options in ({"priors": [0.5, 0.3, 0.2]}, {"losses": losses}, {"class_weight": {"a": 1, "b": 2, "c": 3}}):
        path = cost_complexity_path(CARTClassifier(cp=0.005, **options), X, y, folds=fold)
        factor = path.estimator.tree_.class_factor
        weight = np.array([options.get("class_weight", {}).get(label, 1) for label in y], dtype=float)
        table = options.get("losses", 1 - np.eye(3))
        codes = np.searchsorted(path.estimator.classes_, y)
        root = path.estimator.tree_.risk[0]
        assert min((weight * factor[codes]) @ table[codes]) == pytest.approx(root)
        loss = np.zeros(len(path))
        for f in range(4):
            inside = (fold != f).astype(float)
            share = (weight * inside).sum() / weight.sum()
            grown = CARTClassifier(cp=0.0, **options)
            grown._class_factor = lambda weights, factor=factor: factor
            grown.fit(X, y, sample_weight=inside)
            for j in range(len(path)):
                beta = 1e9 if j == 0 else np.sqrt(path.cp[j - 1] * path.cp[j]) * root * share
                called = prune(grown, "cost_complexity", ccp_alpha=beta / grown.tree_.weight[0]).tree_.labels(X)
                loss[j] += (weight * factor[codes] * table[codes, called])[fold == f].sum()
        np.testing.assert_allclose(path.xerror, loss / root, rtol=1e-9)


def test_any_number_of_threads_gives_the_same_table(n_threads: int) -> None:
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(800, 4)), rng.normal(size=800), rng.random(800)
    tables = [
        cost_complexity_path(CARTRegressor(cp=0.002, n_jobs=n), X, y + X[:, 0], w, folds=4).table()
        for n in (1, n_threads)
    ]
    for name in tables[0]:
        np.testing.assert_array_equal(tables[0][name], tables[1][name])


def test_weights_are_repeated_rows() -> None:
    X, y = noisy(200)
    w = np.random.default_rng(2).integers(1, 4, len(y))
    fold = np.arange(len(y)) % 5
    weighted = cost_complexity_path(UNPRUNED, X, y, w.astype(float), folds=fold)
    repeated = cost_complexity_path(UNPRUNED, np.repeat(X, w, 0), np.repeat(y, w), folds=np.repeat(fold, w))
    for name, column in weighted.table().items():
        np.testing.assert_allclose(column, repeated.table()[name], rtol=1e-12, err_msg=name)
    tripled = cost_complexity_path(UNPRUNED, X, y, 3.0 * w, folds=fold)
    if tripled.n_leaves.tolist() == weighted.n_leaves.tolist():
        np.testing.assert_allclose(tripled.xstd * np.sqrt(3), weighted.xstd, rtol=1e-12)


def test_folds_as_number_array_and_splitter() -> None:
    X, y = noisy(150)
    numbers = np.arange(150) * 5 // 150
    given = cost_complexity_path(UNPRUNED, X, y, folds=numbers)
    split = cost_complexity_path(UNPRUNED, X, y, folds=KFold(5))
    np.testing.assert_array_equal(given.xerror, split.xerror)
    drawn = [cost_complexity_path(UNPRUNED, X, y, folds=5, random_state=s).xerror for s in (0, 0, 1)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    none = cost_complexity_path(UNPRUNED, X, y, folds=None)
    assert none.xerror is None and "xerror" not in none.table()
    with pytest.raises(ValueError, match="no cross-validated errors"):
        none.best()
    for folds, message in [
        (1, "a number from 2"),
        (np.arange(3), "one whole number for each"),
        (ShuffleSplit(3, random_state=0), "a row twice|leave rows out"),
        (np.zeros(150, dtype=int), "at least two"),
    ]:
        with pytest.raises(ValueError, match=message):
            cost_complexity_path(UNPRUNED, X, y, folds=folds)


def test_rows_without_a_response_are_dropped_with_their_folds() -> None:
    X, y = noisy(150)
    fold = np.arange(150) % 6
    gone = np.random.default_rng(0).random(150) < 0.3
    holes = np.where(gone, None, y.astype(object))
    left = cost_complexity_path(UNPRUNED, X[~gone], y[~gone], folds=fold[~gone])
    for missing in (holes, pytest.importorskip("pandas").Series(holes, dtype="category")):
        path = cost_complexity_path(UNPRUNED, X, missing, folds=fold)
        np.testing.assert_array_equal(path.xerror, left.xerror)
        np.testing.assert_array_equal(path.fold, fold[~gone])
        split = cost_complexity_path(UNPRUNED, X.tolist(), missing, folds=StratifiedKFold(3))
        np.testing.assert_array_equal(
            split.xerror, cost_complexity_path(UNPRUNED, X[~gone], y[~gone], folds=StratifiedKFold(3)).xerror
        )


def test_path_as_text_and_picture() -> None:
    X, y = noisy(200)
    path = cost_complexity_path(UNPRUNED, X, y, folds=5)
    lines = str(path).splitlines()
    assert lines[0].split() == ["cp", "n_splits", "n_leaves", "rel_error", "xerror", "xstd"]
    assert len(lines) == len(path) + 1
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    ax = path.plot()
    assert ax.get_ylabel() == "error relative to the root"
    matplotlib.pyplot.close(ax.figure)


def test_paths_need_a_table_and_a_tree() -> None:
    X, y = noisy(60)
    with pytest.raises(TypeError, match="raw table"):
        cost_complexity_path(UNPRUNED, pygbt.Dataset(X), y)
    with pytest.raises(TypeError, match="fitted classifier"):
        entropy_path(UNPRUNED)
    with pytest.raises(TypeError, match=r"estimator of pygbt\.tree"):
        prune(clone(UNPRUNED).fit(X, y).tree_, "one_se", X, y)
    with pytest.raises(ValueError, match="criterion"):
        cost_complexity_path(UNPRUNED, X, y, exposure=np.ones(60))
    with pytest.raises(ValueError, match="reads the tree alone"):
        prune(clone(UNPRUNED).fit(X, y), "pessimistic", X, y)
    with pytest.raises(ValueError, match="return_report"):
        prune(UNPRUNED, "best", X, y, return_report=True)
