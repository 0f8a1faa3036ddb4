# SPDX-License-Identifier: Apache-2.0
"""What must hold of any trained model: repeats, permutations, planted splits, constraints, categories, odd tables."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

import pygbt

Array = npt.NDArray[np.float32]
POLICIES = {
    "depthwise": {"grow_policy": "depthwise", "max_depth": 4},
    "lossguide": {"grow_policy": "lossguide", "max_depth": 0, "max_leaves": 12},
    "symmetric": {"grow_policy": "symmetric", "max_depth": 3},
}
OBJECTIVES = [
    "squared_error",
    "absolute_error",
    "huber",
    "quantile",
    "poisson",
    "gamma",
    "tweedie",
    "logistic",
]


def table(n: int = 600, m: int = 5, seed: int = 1) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, m)).astype(np.float32)
    X[rng.random((n, m)) < 0.1] = np.nan
    z = np.nan_to_num(X) @ rng.standard_normal(m) + np.sin(3 * np.nan_to_num(X[:, 0])) + 0.3 * rng.standard_normal(n)
    return X, z.astype(np.float32)


def label(objective: str, z: Array) -> Array:
    if objective == "logistic":
        return (z > np.median(z)).astype(np.float32)
    if objective in ("poisson", "tweedie"):
        return np.floor(np.exp(np.clip(z, -2, 2)))
    if objective == "gamma":
        return np.exp(np.clip(z, -2, 2))
    return z


def trees(model: pygbt.Booster, without: tuple[str, ...] = ()) -> list[dict[str, bytes]]:
    """The bytes of every array of every tree."""
    return [
        {k: np.asarray(v).tobytes() for k, v in model._model.tree(i).items() if k not in without}
        for i in range(model.n_trees)
    ]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("objective", [*OBJECTIVES, "softmax"])
def test_weight_two_is_the_row_twice(objective: str, policy: str) -> None:
    X, z = table()
    y = np.digitize(z, [-1, 1]).astype(np.float32) if objective == "softmax" else label(objective, z)
    w = np.random.default_rng(2).integers(0, 4, len(X))
    params = {"objective": objective, **POLICIES[policy], "max_bin": 32}
    weighted = pygbt.train(params, pygbt.Dataset(X, y, weight=w, max_bin=32), 4)
    twice = pygbt.train(params, pygbt.Dataset(np.repeat(X, w, axis=0), np.repeat(y, w), max_bin=32), 4)
    # Rows counted differ by design; quantised to 16 bits or not, the sums are the same integers.
    assert trees(weighted, ("count",)) == trees(twice, ("count",))
    assert weighted.base_score.tobytes() == twice.base_score.tobytes()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_row_order_does_not_matter(objective: str, policy: str) -> None:
    X, z = table()
    y = label(objective, z)
    order = np.random.default_rng(3).permutation(len(X))
    params = {"objective": objective, **POLICIES[policy]}
    a = pygbt.train(params, pygbt.Dataset(X, y), 4)
    b = pygbt.train(params, pygbt.Dataset(X[order], y[order]), 4)
    assert trees(a) == trees(b)


@pytest.mark.parametrize("policy", POLICIES)
def test_column_order_does_not_matter(policy: str) -> None:
    X, z = table()
    order = np.array([3, 0, 4, 2, 1])
    a = pygbt.train(POLICIES[policy], pygbt.Dataset(X, z), 10)
    b = pygbt.train(POLICIES[policy], pygbt.Dataset(X[:, order], z), 10)
    assert a.predict(X).tobytes() == b.predict(X[:, order]).tobytes()


@pytest.mark.parametrize("policy", POLICIES)
def test_scores_in_training_are_predictions(policy: str) -> None:
    X, z = table()
    seen = {}

    def keep(margins: Array, data: pygbt.Dataset) -> tuple[Array, Array]:
        seen["margins"] = margins.copy()
        return margins - z, np.ones_like(margins)

    params = {**POLICIES[policy], "subsample": 0.5, "learning_rate": 0.4}
    model = pygbt.train(params, pygbt.Dataset(X, z), 7, objective=keep)
    assert seen["margins"].tobytes() == model.predict(X, iteration_range=(0, 6)).tobytes()


def test_planted_splits_are_found() -> None:
    rng = np.random.default_rng(4)
    X = rng.random((4000, 6)).astype(np.float32)
    cut = np.float32(0.37)
    y = np.where(X[:, 2] <= cut, 1.0, np.where(X[:, 5] <= 0.5, -1.0, 3.0))
    model = pygbt.train({"max_depth": 2, "reg_lambda": 0.0, "learning_rate": 1.0}, pygbt.Dataset(X, y, max_bin=256), 1)
    tree = model._model.tree(0)
    assert set(tree["feature"][tree["feature"] >= 0]) == {2, 5}
    assert np.unique(model.predict(X)).size <= 4
    edges = np.sort(X[:, 2])
    threshold = tree["threshold"][list(tree["feature"]).index(2)]
    assert abs(np.searchsorted(edges, threshold) - np.searchsorted(edges, cut)) <= len(X) / 255 + 1


def test_leaf_values_are_the_closed_form() -> None:
    """One split, squared error: leaf = -lr * G / (H + lambda), from the residuals in float64."""
    X = np.repeat(np.arange(2, dtype=np.float32), 50)[:, None]
    y = np.random.default_rng(5).standard_normal(100).astype(np.float32) + 3 * X[:, 0]
    model = pygbt.train({"max_depth": 1, "learning_rate": 0.3, "reg_lambda": 2.0}, pygbt.Dataset(X, y), 1)
    start = np.float64(model.base_score[0])
    expected = [0.3 * np.sum(y[X[:, 0] == v].astype(np.float64) - start) / (50 + 2.0) for v in (0, 1)]
    np.testing.assert_allclose(model._model.tree(0)["leaf_value"].ravel(), expected, rtol=1e-6)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("direction", [1, -1])
def test_monotone_constraints_hold_everywhere(objective: str, policy: str, direction: int) -> None:
    X, z = table(800, 4)
    params = {"objective": objective, **POLICIES[policy], "monotone_constraints": [direction, 0, 0, 0]}
    if objective == "quantile":
        params["quantile_alpha"] = [0.8]
    model = pygbt.train(params, pygbt.Dataset(X, label(objective, z)), 25)
    grid = np.linspace(-4, 4, 101, dtype=np.float32)
    for other in X[:40]:
        probe = np.tile(other, (len(grid), 1))
        probe[:, 0] = grid
        margins = model.predict(probe, output="margin").astype(np.float64)
        # Margins are float32 sums of trees that are each monotone: rounding of a sum keeps order.
        assert (direction * np.diff(margins) >= 0).all()
    free = pygbt.train({**params, "monotone_constraints": None}, pygbt.Dataset(X, label(objective, z)), 25)
    assert trees(free) != trees(model)


def test_monotone_constraints_hold_for_every_target_of_a_vector_leaf() -> None:
    X, z = table(800, 4)
    Y = np.stack([z, -z, np.sin(z)], axis=1)
    params = {"multi_strategy": "vector_leaf", "monotone_constraints": [1, 0, -1, 0], "max_depth": 4}
    model = pygbt.train(params, pygbt.Dataset(X, Y), 20)
    grid = np.linspace(-4, 4, 101, dtype=np.float32)
    for other, (column, sign) in itertools.product(X[:20], [(0, 1), (2, -1)]):
        probe = np.tile(other, (len(grid), 1))
        probe[:, column] = grid
        assert (sign * np.diff(model.predict(probe), axis=0) >= 0).all()


@pytest.mark.parametrize("policy", POLICIES)
def test_interaction_constraints_hold_on_every_path(policy: str) -> None:
    X, z = table(800, 5)
    sets = [[0, 1], [2, 3]]
    model = pygbt.train({**POLICIES[policy], "interaction_constraints": sets}, pygbt.Dataset(X, z), 15)
    used = set()
    for i in range(model.n_trees):
        tree = model._model.tree(i)
        paths: list[frozenset[int]] = [frozenset()] * len(tree["left"])
        for node, (left, feature) in enumerate(zip(tree["left"], tree["feature"], strict=True)):
            if left < 0:
                path = paths[node]
                used |= {path}
                assert len(path) <= 1 or any(path <= set(s) for s in sets), path
                continue
            paths[left] = paths[left + 1] = paths[node] | {int(feature)}
    assert any(len(path) == 2 for path in used)


def test_column_sampling_uses_the_share_asked_for() -> None:
    rng = np.random.default_rng(6)
    X = rng.standard_normal((500, 20)).astype(np.float32)
    y = X.sum(axis=1)
    model = pygbt.train({"colsample_bytree": 0.25, "max_depth": 8, "seed": 1}, pygbt.Dataset(X, y), 30)
    per_tree = [len({f for f in model._model.tree(i)["feature"] if f >= 0}) for i in range(model.n_trees)]
    assert max(per_tree) == 5
    importance = model.feature_importance("split_count")
    assert all(v > 0 for v in importance.values())  # every column is drawn sometimes
    weights = np.zeros(20)
    weights[:5] = 1.0
    weighted = pygbt.train({"colsample_bytree": 0.25, "feature_weights": list(weights)}, pygbt.Dataset(X, y), 10)
    assert {f for t in range(10) for f in weighted._model.tree(t)["feature"] if f >= 0} == set(range(5))


def test_feature_groups_are_drawn_together_or_at_their_rate() -> None:
    rng = np.random.default_rng(7)
    X = rng.standard_normal((600, 24)).astype(np.float32)
    y = X.sum(axis=1)
    names = [f"e{i}" for i in range(20)] + ["a", "b", "c", "d"]
    groups = {"embedding": names[:20]}
    data = pygbt.Dataset(X, y, feature_names=names, feature_groups=groups)
    together = pygbt.train({"colsample_bytree": 0.4, "max_depth": 7}, data, 40)
    for i in range(together.n_trees):
        features = {int(f) for f in together._model.tree(i)["feature"] if f >= 0}
        singles = {f for f in features if f >= 20}
        assert len(singles) <= (1 if features - singles else 2)  # 2 of 5 units: the group counts as one
    rated = pygbt.train({"group_rates": {"embedding": 0.1}, "max_depth": 7}, data, 20)
    for i in range(rated.n_trees):
        assert len({int(f) for f in rated._model.tree(i)["feature"] if 0 <= f < 20}) <= 2
    importance = rated.feature_importance("split_count")
    assert set(importance) <= {"embedding", "a", "b", "c", "d"} and importance["embedding"] > 0
    assert sum(rated.feature_importance("split_count", groups=False).values()) == sum(importance.values())


def test_row_sampling_draws_the_share_asked_for_and_changes_by_round() -> None:
    X, z = table(4000)
    model = pygbt.train({"subsample": 0.3, "seed": 5}, pygbt.Dataset(X, z), 6)
    roots = [int(model._model.tree(i)["count"][0]) for i in range(6)]
    assert all(abs(c / 4000 - 0.3) < 0.04 for c in roots)
    assert len(set(roots)) > 1
    assert pygbt.train({"subsample": 0.3, "seed": 6}, pygbt.Dataset(X, z), 6).digest() != model.digest()


def test_cover_and_count_add_up_to_the_root() -> None:
    X, z = table()
    model = pygbt.train({"objective": "logistic", "max_depth": 5}, pygbt.Dataset(X, label("logistic", z)), 3)
    for i in range(3):
        tree = model._model.tree(i)
        for node, left in enumerate(tree["left"]):
            if left >= 0:
                assert tree["count"][node] == tree["count"][left] + tree["count"][left + 1]
                assert tree["cover"][node] == pytest.approx(tree["cover"][left] + tree["cover"][left + 1], rel=1e-12)
        leaves = model.predict(X, output="leaf")[:, i]
        counts = tree["count"][tree["left"] < 0]
        assert np.bincount(leaves, minlength=len(counts)).tolist() == counts.tolist()


@pytest.mark.parametrize("least", [1, 17, 60])
def test_min_child_samples_counts_rows_exactly(least: int) -> None:
    X, z = table(500)
    model = pygbt.train({"min_child_samples": least, "min_child_weight": 0, "max_depth": 8}, pygbt.Dataset(X, z), 5)
    smallest = min(int(model._model.tree(i)["count"].min()) for i in range(5))
    assert smallest >= least
    assert smallest <= 2 * least + 5


@pytest.mark.parametrize("policy", POLICIES)
def test_limits_of_depth_and_leaves(policy: str) -> None:
    X, z = table()
    for max_leaves in (2, 5, 8):
        params = {"grow_policy": policy, "max_depth": 3, "max_leaves": max_leaves}
        model = pygbt.train(params, pygbt.Dataset(X, z), 3)
        for i in range(3):
            left = model._model.tree(i)["left"]
            assert 1 < (left < 0).sum() <= max_leaves
            depth = np.zeros(len(left), int)
            for node, child in enumerate(left):
                if child >= 0:
                    depth[child] = depth[child + 1] = depth[node] + 1
            assert depth.max() <= 3
            if policy == "symmetric":
                assert len(set(depth[left < 0])) == 1


def test_symmetric_trees_ask_one_question_a_level() -> None:
    X, z = table()
    tree = pygbt.train(POLICIES["symmetric"], pygbt.Dataset(X, z), 1)._model.tree(0)
    depth = np.zeros(len(tree["left"]), int)
    for node, child in enumerate(tree["left"]):
        if child >= 0:
            depth[child] = depth[child + 1] = depth[node] + 1
    for level in range(depth.max()):
        at = (depth == level) & (tree["left"] >= 0)
        assert len(set(zip(tree["feature"][at], tree["threshold"][at], tree["default_left"][at], strict=True))) == 1


@pytest.mark.parametrize("n_threads", [1, 2])
def test_lossguide_adopts_the_best_leaf_first(n_threads: int) -> None:
    """Leaves expanded ahead of time leave no trace: each larger tree continues the smaller one by its best leaf."""
    X, z = table(900, 6, seed=5)
    params = {"grow_policy": "lossguide", "max_depth": 0, "n_threads": n_threads}
    ds = pygbt.Dataset(X, z)
    grown = [pygbt.train({**params, "max_leaves": n}, ds, 1).trees()[0] for n in range(2, 24)]
    splits = [{int(i): (tree.feature[i], tree.left[i]) for i in np.flatnonzero(tree.left >= 0)} for tree in grown]
    for before, after in itertools.pairwise(splits):
        assert before.items() <= after.items() and len(after) == len(before) + 1
    whole, adopted = grown[-1], sorted(splits[-1], key=lambda i: splits[-1][i][1])
    frontier = {0}
    for node in adopted:  # of those that are split in the end, the best that is open comes first
        assert whole.gain[node] == max(whole.gain[i] for i in frontier & set(adopted))
        frontier = (frontier - {node}) | {int(whole.left[node]), int(whole.right[node])}


def test_lossguide_without_limits_is_depthwise() -> None:
    X, z = table()
    a = pygbt.train({"grow_policy": "lossguide", "max_depth": 4}, pygbt.Dataset(X, z), 5)
    b = pygbt.train({"grow_policy": "depthwise", "max_depth": 4}, pygbt.Dataset(X, z), 5)
    # The same leaves in another node order.
    assert a.predict(X).tobytes() == b.predict(X).tobytes()


def test_categories_separate_what_codes_cannot() -> None:
    """Alternating categories: one partition split against many numeric ones."""
    rng = np.random.default_rng(8)
    codes = rng.integers(0, 40, 4000)
    y = (codes % 2).astype(np.float64)
    X = codes[:, None].astype(np.int64)
    params = {"max_depth": 1, "learning_rate": 1.0, "reg_lambda": 0.0, "cat_l2": 0.0}
    as_category = pygbt.train(params, pygbt.Dataset(X, y, categorical_features=[0]), 1)
    as_number = pygbt.train(params, pygbt.Dataset(X, y), 1)
    assert np.abs(as_category.predict(X) - y).max() < 1e-5
    assert np.abs(as_number.predict(X) - y).max() > 0.3


def test_few_categories_are_split_one_against_the_rest() -> None:
    rng = np.random.default_rng(9)
    X = rng.integers(0, 4, (1000, 1))
    y = (X[:, 0] == 2).astype(np.float64)
    model = pygbt.train({"max_depth": 1, "learning_rate": 1.0}, pygbt.Dataset(X, y, categorical_features=[0]), 1)
    tree = model._model.tree(0)
    bits = int(tree["cat_bits"][0]) & 0b1111
    assert bits in (0b0100, 0b1011)


def test_rare_categories_move_together_and_unseen_ones_with_the_missing() -> None:
    rng = np.random.default_rng(10)
    common = rng.integers(0, 6, 3000)
    rare = np.arange(6, 206)  # one row each: an identifier to overfit on
    X = np.concatenate([common, rare]).astype(np.int64)[:, None]
    y = np.concatenate([common % 2, rng.integers(0, 2, 200)]).astype(np.float64)
    data = pygbt.Dataset(X, y, categorical_features=[0])
    model = pygbt.train({"max_depth": 3, "learning_rate": 1.0}, data, 5)
    assert np.unique(model.predict(rare[:, None])).size == 1
    free = pygbt.train({"max_depth": 3, "learning_rate": 1.0, "min_cat_weight": 0.0}, data, 5)
    assert np.unique(free.predict(rare[:, None])).size > 1
    unseen, missing = model.predict(np.array([[999]])), model.predict(np.array([[np.nan]]))
    assert unseen.tobytes() == missing.tobytes()


def test_missing_values_go_where_the_loss_says() -> None:
    rng = np.random.default_rng(11)
    x = rng.standard_normal(2000).astype(np.float32)
    missing = rng.random(2000) < 0.3
    for low_side in (True, False):
        y = np.where(missing, 0.0 if low_side else 1.0, x > 0).astype(np.float32)
        X = np.where(missing, np.nan, x)[:, None].astype(np.float32)
        model = pygbt.train({"max_depth": 1, "learning_rate": 1.0, "reg_lambda": 0.0}, pygbt.Dataset(X, y), 1)
        assert bool(model._model.tree(0)["default_left"][0]) == low_side
        assert np.abs(model.predict(X) - y).mean() < 0.01  # but for the bin that holds 0


def test_missing_alone_can_be_the_split() -> None:
    X = np.where(np.arange(400) % 4 == 0, np.nan, np.arange(400) % 7)[:, None].astype(np.float32)
    y = np.isnan(X[:, 0]).astype(np.float32)
    model = pygbt.train({"max_depth": 1, "learning_rate": 1.0, "reg_lambda": 0.0}, pygbt.Dataset(X, y), 1)
    assert np.abs(model.predict(X) - y).max() < 1e-6
    assert model.predict(np.array([[np.inf]], np.float32))[0] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binned_and_raw_routes_agree_at_every_threshold(dtype: type) -> None:
    """Rows on each threshold, its neighbours, and the extremes: leaf by bins (reference Dataset) = leaf by values."""
    rng = np.random.default_rng(12)
    X = rng.standard_normal((500, 2)).astype(dtype)
    X[:20, 0] = [np.inf, -np.inf, np.nan, -0.0, 0.0, *np.full(15, np.finfo(dtype).tiny / 4)]
    y = rng.standard_normal(500)
    train = pygbt.Dataset(X, y, max_bin=40)
    model = pygbt.train({"max_depth": 6}, train, 4)
    cuts = np.concatenate([model._model.tree(i)["threshold"][model._model.tree(i)["feature"] == 0] for i in range(4)])
    cuts = np.unique(cuts).astype(dtype)
    with np.errstate(over="ignore"):
        around = np.concatenate([cuts, np.nextafter(cuts, dtype(-np.inf)), np.nextafter(cuts, dtype(np.inf))])
    extremes = np.array(
        [np.nan, np.inf, -np.inf, 0.0, -0.0, np.finfo(dtype).tiny / 2, -np.finfo(dtype).tiny / 2], dtype
    )
    probe = np.concatenate([around, extremes])
    P = np.stack([probe, np.resize(X[:, 1], len(probe))], axis=1)
    binned = pygbt.Dataset(P, np.zeros(len(P)), reference=train)
    seen: dict[str, Array] = {}

    def keep(values: Array, data: pygbt.Dataset) -> tuple[str, float]:
        if data.n_rows == len(P):
            seen["values"] = values.copy()
        return "kept", 0.0

    again = pygbt.train({"max_depth": 6}, train, 4, evals=[(binned, "probe")], metric=keep)
    assert trees(again) == trees(model)
    assert seen["values"].tobytes() == model.predict(P).tobytes()


@pytest.mark.parametrize(
    "X",
    [
        np.ones((50, 3), np.float32),
        np.full((50, 2), np.nan, np.float32),
        np.zeros((1, 4), np.float32),
        np.array([[np.inf], [-np.inf], [np.nan], [1.0]], np.float32),
        np.random.default_rng(0).standard_normal((40, 10_000)).astype(np.float32),
        np.zeros((60, 0), np.float32),
    ],
    ids=["constant", "all_missing", "one_row", "infinities", "ten_thousand_columns", "no_columns"],
)
def test_odd_tables(X: Array) -> None:
    y = np.arange(len(X), dtype=np.float32)
    if X.shape[1] == 0:
        with pytest.raises(ValueError, match="feature|column"):
            pygbt.Dataset(X, y).core  # noqa: B018
        return
    model = pygbt.train({"max_depth": 3}, pygbt.Dataset(X, y), 3)
    prediction = model.predict(X)
    assert np.isfinite(prediction).all()
    if len(np.unique(X[:, 0])) <= 1 and X.shape[1] < 10:
        assert np.allclose(prediction, y.mean())


def test_a_start_score_far_off_does_not_blur_the_splits() -> None:
    """All gradients are nearly one constant: 16 bits would round away what tells the rows apart."""
    X, z = table()
    found = {}
    for precision in ("auto", "narrow", "wide"):
        params = {"base_score": 0.0, "max_depth": 4, "reg_lambda": 0.0, "histogram_precision": precision}
        found[precision] = trees(pygbt.train(params, pygbt.Dataset(X, 1e5 + z), 1))
    assert found["auto"] == found["wide"] != found["narrow"]


def test_vector_leaves_equal_separate_trees_where_targets_are_copies() -> None:
    X, z = table()
    params = {"max_depth": 4, "histogram_precision": "wide"}
    one = pygbt.train(params, pygbt.Dataset(X, z), 5).predict(X)
    two = pygbt.train({**params, "multi_strategy": "vector_leaf"}, pygbt.Dataset(X, np.stack([z, z], 1)), 5).predict(X)
    assert two[:, 0].tobytes() == two[:, 1].tobytes() == one.tobytes()


def test_soft_rows_are_weighted_hard_rows() -> None:
    """(n, K) probabilities: the same gradient sums as K hard rows weighted by them (weights in exact 1/8 steps)."""
    rng = np.random.default_rng(13)
    X = rng.standard_normal((300, 3)).astype(np.float32)
    counts = rng.multinomial(8, [0.2, 0.3, 0.5], 300)
    soft = pygbt.train(
        {"objective": "softmax", "max_depth": 3, "max_bin": 32}, pygbt.Dataset(X, counts / 8.0, max_bin=32), 3
    ).predict(X)
    hard = pygbt.train(
        {"objective": "softmax", "max_depth": 3, "max_bin": 32},
        pygbt.Dataset(np.repeat(X, 3, axis=0), np.tile(np.arange(3), 300), weight=counts.ravel() / 8.0, max_bin=32),
        3,
    ).predict(X)
    np.testing.assert_allclose(soft, hard, atol=2e-4)


def test_soft_labels_do_not_stall() -> None:
    """A constant student reaches its teacher: KL below 1e-6 after 300 rounds at rate 0.1 (distillation law)."""
    q = np.tile([0.2, 0.3, 0.5], (50, 1))
    model = pygbt.train({"objective": "softmax", "base_score": 0.5}, pygbt.Dataset(np.zeros((50, 1)), q), 300)
    p = model.predict(np.zeros((1, 1))).astype(np.float64)[0]
    assert np.sum(q[0] * np.log(q[0] / p)) < 1e-6


def test_quantile_levels_are_covered() -> None:
    X, z = table(3000)
    levels = [0.1, 0.5, 0.9]
    model = pygbt.train({"objective": "quantile", "quantile_alpha": levels, "max_depth": 4}, pygbt.Dataset(X, z), 80)
    below = (z[:, None] <= model.predict(X)).mean(axis=0)
    np.testing.assert_allclose(below, levels, atol=0.04)
