# SPDX-License-Identifier: Apache-2.0
"""Pruning rules against all prunings of small random trees, and the laws they follow."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from random_trees import all_prunings, leaves_in, random_rows, random_tree

pytest.importorskip("sklearn")

from pygbt import _core
from pygbt.tree import DecisionTree, entropy_path, prune

SEEDS = range(250)


def exact_cost(tree: DecisionTree, cost: np.ndarray, alpha: Fraction) -> dict[tuple[int, ...], Fraction]:
    """Cost + alpha x leaves of every pruning."""
    parts = [Fraction(float(c)) for c in cost]
    return {leaves: sum(parts[i] for i in leaves) + alpha * len(leaves) for leaves in all_prunings(tree)}


def smallest_best(costs: dict[tuple[int, ...], Any]) -> tuple[int, ...]:
    """The smallest of the cheapest prunings; it must be one."""
    least = min(costs.values())
    best = [leaves for leaves, cost in costs.items() if cost == least]
    fewest = min(map(len, best))
    (only,) = [leaves for leaves in best if len(leaves) == fewest]
    return only


# --- cost-complexity ------------------------------------------------------------------------------------------------


def test_cost_complexity_is_the_smallest_best_pruning_for_every_alpha() -> None:
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        tree = random_tree(rng, n_splits=int(rng.integers(0, 6)))
        strength = _core.prune.link_strength(tree._core, tree.risk)
        alphas = sorted(
            {Fraction(float(s)).limit_denominator(1000) for s in strength if np.isfinite(s)} | {Fraction(0)}
        )
        between = [(a + b) / 2 for a, b in itertools.pairwise(alphas)]
        total = Fraction(float(tree.weight[0])) or Fraction(1)
        for alpha in [*alphas, *between, *(a + 1 for a in alphas[-1:])]:
            if alpha < 0 or tree.weight[0] == 0:
                continue
            expected = smallest_best(exact_cost(tree, tree.risk, alpha))
            assert leaves_in(tree, prune(tree, "cost_complexity", ccp_alpha=float(alpha / total))) == expected


def test_path_bends_where_the_best_pruning_changes() -> None:
    """The alphas are those of the lower envelope of all prunings, in exact arithmetic."""
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        tree = random_tree(rng, n_splits=int(rng.integers(1, 6)))
        lines: dict[int, Fraction] = {}
        for leaves in all_prunings(tree):
            risk = sum(Fraction(float(tree.risk[i])) for i in leaves)
            lines[len(leaves)] = min(risk, lines.get(len(leaves), risk))
        bends, leaves = [], 1
        while leaves < max(lines):
            alpha, more = max(((lines[leaves] - lines[n]) / (n - leaves), n) for n in lines if n > leaves)
            if alpha <= 0:
                break
            bends.append(alpha)
            leaves = more
        strength = _core.prune.link_strength(tree._core, tree.risk)
        found = _core.prune.path_alphas(tree._core, strength)
        np.testing.assert_array_equal(found[found > 0], [float(a) for a in bends])


def test_paths_are_nested() -> None:
    tree = random_tree(np.random.default_rng(5), n_splits=300, most_branches=2)
    parents = tree.parents()
    path = entropy_path(tree)
    assert path.n_leaves[0] == 1 and (np.diff(path.n_leaves) > 0).all() and (np.diff(path.alpha) < 0).all()
    smaller: set[int] = {0}
    for row in range(len(path)):
        pruned = path.tree(row)
        assert pruned.n_leaves == path.n_leaves[row] == path.n_splits[row] + 1
        leaves = leaves_in(tree, pruned)
        for leaf in leaves:  # below, or still, a leaf of the row above
            while leaf not in smaller:
                leaf = parents[leaf]
                assert leaf >= 0
        smaller = set(leaves)


def test_regression_path_is_that_of_its_brute_force() -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        tree = random_tree(rng, n_splits=5, regression=True)
        strength = _core.prune.link_strength(tree._core, tree.risk)
        alphas = _core.prune.path_alphas(tree._core, strength)
        for low, high in zip(alphas[1:], alphas[:-1], strict=True):
            alpha = (low + high) / 2
            if low <= 1e-6 or high - low < 1e-6:
                continue
            costs = {leaves: sum(tree.risk[i] for i in leaves) + alpha * len(leaves) for leaves in all_prunings(tree)}
            best = min(costs, key=lambda leaves: costs[leaves])
            assert leaves_in(tree, prune(tree, "cost_complexity", ccp_alpha=alpha / tree.weight[0])) == best


def test_links_that_differ_by_rounding_collapse_together() -> None:
    """Three sub-trees of the same gain 0.1 + 0.2 - 0.3, summed in different orders, are one step of the path."""
    rng = np.random.default_rng(0)
    tree = random_tree(rng, n_splits=3, most_branches=2)
    while sorted(tree.n_children) != [0, 0, 0, 0, 2, 2, 2] or tree.n_children[1] != 2 or tree.n_children[2] != 2:
        tree = random_tree(rng, n_splits=3, most_branches=2)
    cost = np.zeros(7)
    cost[[0, 1, 2]] = 3.0, 0.3, 0.1 + 0.2
    strength = _core.prune.link_strength(tree._core, cost)
    assert len(_core.prune.path_alphas(tree._core, strength)) == 2


def test_splits_that_gain_rounding_alone_collapse_at_zero() -> None:
    tree = random_tree(np.random.default_rng(0), n_splits=1, most_branches=2)
    strength = _core.prune.link_strength(tree._core, np.array([0.1 + 0.2, 0.1, 0.2]))
    assert strength[0] == 0.0 and 0.1 + 0.2 - 0.1 > 0.2


# --- entropy --------------------------------------------------------------------------------------------------------


def bits(tree: DecisionTree) -> np.ndarray:
    """Cases x entropy of every node."""
    n = tree.value.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(tree.value > 0, tree.value * np.log2(n / tree.value), 0.0)
    return terms.sum(axis=1)


def test_entropy_pruning_is_the_best_of_all_and_lies_on_its_path() -> None:
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        tree = random_tree(rng, n_splits=int(rng.integers(0, 6)))
        cost = bits(tree)
        np.testing.assert_allclose(_core.prune.entropy_cost(tree._core), cost, rtol=1e-13, atol=1e-13)
        path = entropy_path(tree)
        for alpha in [0.0, *rng.uniform(0, max(cost[0], 1.0), 6)]:
            costs = {leaves: cost[list(leaves)].sum() + alpha * len(leaves) for leaves in all_prunings(tree)}
            least = min(costs.values())
            near = [leaves for leaves, c in costs.items() if c <= least + 1e-9]
            fewest = min(map(len, near))
            own = leaves_in(tree, prune(tree, "entropy", alpha=alpha))
            assert own in near and len(own) == fewest
            row = int(np.argmax(path.alpha <= alpha))
            assert leaves_in(tree, path.tree(row)) == own
            assert path.cost[row] == pytest.approx(cost[list(own)].sum(), abs=1e-9)


# --- held-out rows --------------------------------------------------------------------------------------------------


def errors_of(tree: DecisionTree, leaves: tuple[int, ...], X: np.ndarray, y: np.ndarray, w: np.ndarray) -> Any:
    """Weight of the errors of a pruning (or its squared error), by prediction of the cut tree."""
    inner = [i for i in range(tree.n_nodes) if len(tree.children(i)) and i in leaves]
    cut = tree.cut_below(inner)
    if tree.classes is None:
        return float((w * (y - cut.values(X)[:, 0]) ** 2).sum())
    return float((w * (y != tree.classes[cut.labels(X)])).sum())


def held_out_rows(
    rng: np.random.Generator, tree: DecisionTree, missing: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = int(rng.integers(1, 25))
    X = random_rows(rng, tree, n, missing)
    y = rng.integers(-5, 6, n).astype(float) if tree.classes is None else rng.choice(tree.classes, n)
    return X, y, rng.integers(1, 4, n).astype(float)


@pytest.mark.parametrize("fallback", [-1, 0])
def test_reduced_error_is_the_smallest_of_the_most_accurate(fallback: int) -> None:
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        tree = random_tree(rng, n_splits=int(rng.integers(0, 6)), fallback=fallback)
        X, y, w = held_out_rows(rng, tree, 0.2)
        costs = {leaves: errors_of(tree, leaves, X, y, w) for leaves in all_prunings(tree)}
        pruned, report = prune(tree, "reduced_error", X, y, sample_weight=w, return_report=True)
        assert leaves_in(tree, pruned) == smallest_best(costs)
        assert report.as_leaf[0] == costs[(0,)] and min(report.as_leaf[0], report.with_split[0]) == min(costs.values())


def test_reduced_error_of_a_regression() -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        tree = random_tree(rng, n_splits=5, regression=True)
        X, y, w = held_out_rows(rng, tree, 0.2)
        costs = {leaves: errors_of(tree, leaves, X, y, w) for leaves in all_prunings(tree)}
        near = [leaves for leaves, c in costs.items() if c <= min(costs.values()) + 1e-9]
        own = leaves_in(tree, prune(tree, "reduced_error", X, y, sample_weight=w))
        assert own in near and len(own) == min(map(len, near))


def parts_of(tree: DecisionTree, x: np.ndarray, node: int = 0, share: float = 1.0) -> list[tuple[int, float]]:
    """Where the parts of a shared row pass: (node, share) of every node."""
    passed, below = [(node, share)], tree.children(node)
    if not below:
        return passed
    q = tree.question_begin[node]
    value = x[tree.question_feature[q]]
    if np.isnan(value):
        total = tree.weight[list(below)].sum()
        for child in below:
            part = tree.weight[child] / total if total > 0 else 1 / len(below)
            passed += parts_of(tree, x, child, share * part)
        return passed
    nominal = tree.question_branch_begin[q] >= 0
    child = int(value) if nominal else int(value > tree.question_threshold[q])
    return passed + parts_of(tree, x, below[child], share)


def test_shared_cases_count_in_parts() -> None:
    """Rows down several branches: every part is judged by the nodes that it passes."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        tree = random_tree(rng, n_splits=5, fallback=-2)
        X, y, _ = held_out_rows(rng, tree, 0.4)
        errors = np.zeros(tree.n_nodes)
        for x, label in zip(X, y, strict=True):
            for node, share in parts_of(tree, x):
                errors[node] += share * (label != tree.classes[tree.label[node]])
        _, report = prune(tree, "reduced_error", X, y, return_report=True)
        np.testing.assert_allclose(report.as_leaf, errors, atol=1e-12)


@pytest.mark.parametrize("tie", ["keep", "cut"])
def test_pre_pruning_is_what_growing_with_a_veto_gives(tie: str) -> None:
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        tree = random_tree(rng, n_splits=int(rng.integers(0, 6)), fallback=0)
        X, y, w = held_out_rows(rng, tree, 0.1)
        leaves, queue, lowered = [0], [0], []
        while queue:  # breadth first
            node = queue.pop(0)
            below = list(tree.children(node))
            if not below:
                continue
            grown = sorted([*(i for i in leaves if i != node), *below])
            before, after = (errors_of(tree, tuple(of), X, y, w) for of in (leaves, grown))
            if after < before or (after == before and tie == "keep"):
                leaves, queue = grown, queue + below
            elif after > before:
                lowered.append(node)
        pruned, report = prune(tree, "validation", X, y, sample_weight=w, tie=tie, return_report=True)
        assert leaves_in(tree, pruned) == tuple(sorted(leaves))
        assert [i for i in range(tree.n_nodes) if "lowers" in report.verdict[i]] == sorted(lowered)
        ties = [i for i in range(tree.n_nodes) if "does not raise" in report.verdict[i]]
        assert sorted(report.cut) == sorted(lowered + ties) and (tie == "cut" or not ties)


def test_pre_pruning_does_not_look_past_a_veto() -> None:
    """The horizon effect: XOR needs two questions, of which the first alone gains nothing."""
    rng = np.random.default_rng(1)
    while True:
        tree = random_tree(rng, n_splits=3, n_classes=2, most_branches=2)
        X, y, _ = held_out_rows(rng, tree, 0.0)
        small = prune(tree, "validation", X, y, tie="cut")
        best = prune(tree, "reduced_error", X, y)
        if small.n_nodes == 1 and best.n_nodes > 1:
            break
    full = tuple(i for i in range(tree.n_nodes) if not tree.children(i))
    w = np.ones(len(y))
    assert errors_of(tree, leaves_in(tree, best), X, y, w) < errors_of(tree, (0,), X, y, w)
    assert errors_of(tree, leaves_in(tree, best), X, y, w) <= errors_of(tree, full, X, y, w)


# --- training statistics only ---------------------------------------------------------------------------------------


def leaves_below(tree: DecisionTree, node: int) -> list[int]:
    below = tree.children(node)
    return [node] if not below else [leaf for child in below for leaf in leaves_below(tree, child)]


def pessimistic_leaves(tree: DecisionTree, node: int = 0) -> list[int]:
    leaves = leaves_below(tree, node)
    n, errors = tree.weight[node], sum(tree.risk[i] + 0.5 for i in leaves)
    bound = errors + np.sqrt(max(0.0, errors * (n - errors) / n)) if n else errors
    if len(leaves) == 1 or tree.risk[node] + 0.5 <= bound:
        return [node]
    return [leaf for child in tree.children(node) for leaf in pessimistic_leaves(tree, child)]


def test_pessimistic_by_its_definition() -> None:
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        tree = random_tree(rng, n_splits=int(rng.integers(0, 8)), most_cases=30)
        assert leaves_in(tree, prune(tree, "pessimistic")) == tuple(sorted(pessimistic_leaves(tree)))


@pytest.mark.parametrize(("ebp", "n_6_0", "n_16_1"), [("c45", 1.2378, 1.5069), ("exact", 1.2378, 1.4757)])
def test_error_based_by_its_definition(ebp: str, n_6_0: float, n_16_1: float) -> None:
    """The smallest optimum for limits of errors + 0.1 slack at every node, and the published added errors."""

    def limit(n: float, errors: float, cf: float) -> float:
        return errors + _core.added_errors(np.array([float(n)]), np.array([float(errors)]), cf, ebp == "exact")[0]

    assert limit(6, 0, 0.25) == pytest.approx(n_6_0, abs=5e-5)
    assert limit(16, 1, 0.25) == pytest.approx(1 + n_16_1, abs=5e-5)

    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        tree = random_tree(rng, n_splits=int(rng.integers(0, 8)), most_cases=30)
        cf = float(rng.choice([0.05, 0.25, 0.5]))
        best: dict[int, tuple[float, list[int]]] = {}
        for node in reversed(range(tree.n_nodes)):
            own = limit(tree.weight[node], tree.risk[node], cf)
            below = [best[child] for child in tree.children(node)]
            split = sum(cost for cost, _ in below)
            keep = bool(below) and own > split + 0.1
            best[node] = (split, [i for _, leaves in below for i in leaves]) if keep else (own, [node])
        pruned = prune(tree, "error_based", cf=cf, ebp=ebp)
        assert leaves_in(tree, pruned) == tuple(sorted(best[0][1]))


def test_thresholds_say_which_one_it_was() -> None:
    for seed in range(50):
        tree = random_tree(np.random.default_rng(seed), n_splits=8)
        pruned, report = prune(tree, "thresholds", min_improvement=1.0, min_count=20, max_depth=3, return_report=True)
        depth, parents = tree.node_depths(), tree.parents()
        for node in range(tree.n_nodes):
            verdict = report.verdict[node]
            if node and report.verdict[parents[node]] not in ("split",):
                assert verdict.startswith("below")
            elif not tree.children(node):
                assert verdict == "leaf"
            elif depth[node] >= 3:
                assert verdict.endswith("at max_depth")
            elif tree.count[node] < 20:
                assert verdict.endswith("fewer than min_count rows")
            elif tree.question_improvement[tree.question_begin[node]] < 1.0:
                assert verdict.endswith("less than min_improvement")
            else:
                assert verdict == "split"
        assert pruned.depth <= 3


# --- laws and arguments ---------------------------------------------------------------------------------------------


def test_alpha_zero_keeps_what_lowers_the_cost_and_a_large_one_nothing() -> None:
    for seed in range(30):
        tree = random_tree(np.random.default_rng(seed), n_splits=12)
        for method, option, of in [("cost_complexity", "cp", tree.risk), ("entropy", "alpha", bits(tree))]:
            kept = prune(tree, method, **{option: 0.0})
            full = sum(of[i] for i in range(tree.n_nodes) if not tree.children(i))
            assert sum(of[i] for i in leaves_in(tree, kept)) == pytest.approx(full, abs=1e-9)
            assert prune(tree, method, **{option: 1e9}).n_nodes == 1
            assert prune(kept, method, **{option: 0.0}).n_nodes == kept.n_nodes
        assert prune(tree, "cost_complexity", cp=1.0).n_nodes == 1


@pytest.mark.parametrize("regression", [False, True])
def test_any_number_of_threads(regression: bool, n_threads: int) -> None:
    rng = np.random.default_rng(3)
    tree = random_tree(rng, n_splits=60, regression=regression, fallback=-2)
    X = random_rows(rng, tree, 2000, 0.1)
    y = rng.normal(size=2000) if regression else rng.choice(tree.classes, 2000)
    w = rng.random(2000)
    _, one = prune(tree, "reduced_error", X, y, sample_weight=w, n_threads=1, return_report=True)
    _, own = prune(tree, "reduced_error", X, y, sample_weight=w, n_threads=n_threads, return_report=True)
    np.testing.assert_array_equal(one.as_leaf, own.as_leaf)
    np.testing.assert_array_equal(one.cut, own.cut)


def test_a_large_tree_is_no_trouble() -> None:
    """A chain is the worst case of what walks up from every leaf: 20,000 questions, each below the other."""
    n = 20_000
    first = np.full(2 * n + 1, -1)
    first[0], first[2 : 2 * n : 2] = 1, np.arange(3, 2 * n, 2)
    arrays = dict(random_tree(np.random.default_rng(0), n_splits=1, most_branches=2)._core.to_arrays())
    asked = first >= 0
    for name in ("n_surrogates", "count", "weight", "risk", "impurity", "label"):
        arrays[name] = np.zeros(2 * n + 1)
    arrays |= {"first_child": first, "n_children": np.where(asked, 2, 0), "fallback": np.full(2 * n + 1, -1)}
    arrays |= {"question_begin": np.concatenate([[0], np.cumsum(asked)]), "value": np.zeros((2 * n + 1) * 3)}
    arrays |= {
        name: np.repeat(array, n)
        for name, array in arrays.items()
        if name.startswith("question_") and name not in ("question_begin", "question_branches")
    }
    core = _core.DecisionTree.from_arrays(arrays, 4)
    cost = np.random.default_rng(1).random(2 * n + 1)
    cost[asked] += np.arange(n)[::-1]
    strength = _core.prune.link_strength(core, cost)
    alphas = _core.prune.path_alphas(core, strength)
    leaves = _core.prune.path_sums(core, strength, alphas, np.ones(2 * n + 1))
    assert leaves[0] == 1 and (np.diff(leaves) > 0).all()


def test_wrong_arguments() -> None:
    rng = np.random.default_rng(2)
    tree, line = random_tree(rng), random_tree(rng, regression=True)
    X, y, _ = held_out_rows(rng, tree, 0.0)
    for method, options, message in [
        ("cost_complexity", {}, "either ccp_alpha or cp"),
        ("cost_complexity", {"cp": 0.1, "ccp_alpha": 0.1}, "not both"),
        ("cost_complexity", {"cp": -1.0}, "cp must be"),
        ("entropy", {}, "needs alpha"),
        ("entropy", {"alpha": np.nan}, "alpha must be"),
        ("error_based", {"cf": 0.0}, "cf must lie"),
        ("error_based", {"cf": 0.6, "ebp": "exact"}, "cf must lie"),
        ("error_based", {"ebp": "c50"}, "ebp must be"),
        ("thresholds", {}, "needs min_improvement"),
        ("thresholds", {"max_depth": -1}, "max_depth"),
        ("reduced_error", {}, "held-out rows"),
        ("validation", {}, "held-out rows"),
        ("bottom_up", {}, "method must be one of"),
        ("one_se", {}, "rows to fit"),
    ]:
        with pytest.raises(ValueError, match=message):
            prune(tree, method, **options)
    with pytest.raises(ValueError, match="tie must be"):
        prune(tree, "validation", X, y, tie="maybe")
    with pytest.raises(TypeError, match="no option 'cp'"):
        prune(tree, "entropy", alpha=1.0, cp=0.1)
    with pytest.raises(TypeError, match="fitted estimator"):
        prune(object(), "pessimistic")
    with pytest.raises(ValueError, match="none of the classes"):
        prune(tree, "reduced_error", X, np.full(len(X), "no such class"))
    with pytest.raises(ValueError, match="same number of rows"):
        prune(tree, "reduced_error", X[:-1] if len(X) > 1 else np.repeat(X, 2, 0), y)
    own: tuple[Any, ...] = (X[:, : len(line.feature_names)], np.zeros(len(X)))
    for method, args, options in [("entropy", (), {"alpha": 1.0}), ("pessimistic", (), {}), ("validation", own, {})]:
        with pytest.raises(ValueError, match="classifier"):
            prune(line, method, *args, **options)
    with pytest.raises(ValueError, match="finite"):
        _core.prune.link_strength(tree._core, np.full(tree.n_nodes, np.inf))
    with pytest.raises(ValueError, match="one for each node"):
        _core.prune.link_strength(tree._core, np.zeros(tree.n_nodes + 1))
