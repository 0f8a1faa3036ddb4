# SPDX-License-Identifier: Apache-2.0
"""Bad input: the right exception, the argument named, and the process as usable as before. Odd input: it works."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pygbt

RNG = np.random.default_rng(1)
N = 60
X = RNG.normal(size=(N, 3))
Y = RNG.random(N)
CLASSES = RNG.integers(0, 3, size=N)


@pytest.fixture(autouse=True)
def _usable_afterwards() -> Iterator[None]:
    yield
    assert np.isfinite(pygbt.train({}, pygbt.Dataset(X, Y), 2).predict(X)).all()


def with_value(values: np.ndarray, bad: float) -> np.ndarray:
    result = np.array(values, dtype=np.float64)
    result.flat[len(result) // 2] = bad
    return result


def train(params: dict[str, Any], y: Any = Y, **kwargs: Any) -> pygbt.Booster:
    return pygbt.train(params, pygbt.Dataset(X, y, **kwargs), 2)


# --- labels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("objective", ["squared_error", "logistic", "poisson", "softmax", "quantile"])
def test_labels_must_be_finite(bad: float, objective: str) -> None:
    with pytest.raises(ValueError, match="label|y "):
        train({"objective": objective}, with_value(CLASSES, bad))


@pytest.mark.parametrize(
    "objective, bad",
    [
        ("poisson", -1.0),
        ("tweedie", -0.5),
        ("gamma", 0.0),
        ("gamma", -1.0),
        ("logistic", 1.5),
        ("logistic", -0.1),
        ("softmax", 1.5),
        ("softmax", -1.0),
        ("one_vs_rest", 0.5),
    ],
)
def test_labels_an_objective_forbids(objective: str, bad: float) -> None:
    good = (
        np.where(CLASSES > 0, 1.0, 0.0) if objective == "logistic" else CLASSES + (1.0 if objective == "gamma" else 0.0)
    )
    assert len(train({"objective": objective}, good)) == 2
    with pytest.raises(ValueError, match="label"):
        train({"objective": objective}, with_value(good, bad))


def test_probabilities_must_sum_to_one_and_not_be_negative() -> None:
    p = RNG.dirichlet(np.ones(3), size=N)
    assert train({"objective": "softmax"}, p).n_outputs == 3
    off = p.copy()
    off[7] *= 0.5
    with pytest.raises(ValueError, match="sum"):
        train({"objective": "softmax"}, off)
    negative = p.copy()
    negative[7] = [-0.5, 1.0, 0.5]
    with pytest.raises(ValueError, match="label|probabilit"):
        train({"objective": "softmax"}, negative)


@pytest.mark.parametrize("objective, y", [("softmax", np.zeros(N)), ("one_vs_rest", np.zeros(N))])
def test_one_class_where_two_are_needed(objective: str, y: np.ndarray) -> None:
    with pytest.raises(ValueError, match="class"):
        train({"objective": objective}, y)


def test_a_class_number_beyond_n_classes() -> None:
    with pytest.raises(ValueError, match="n_classes|class"):
        train({"objective": "softmax", "n_classes": 2}, CLASSES)


@pytest.mark.parametrize("y", [Y[:-1], np.append(Y, 0.5), np.zeros((N, 2, 2)), 3.0, [["a"] * N]])
def test_labels_of_a_wrong_shape(y: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="y|label"):
        pygbt.Dataset(X, y)


def test_text_labels() -> None:
    with pytest.raises((ValueError, TypeError), match="y|label"):
        pygbt.Dataset(X, np.array(["a", "b"] * (N // 2)))


def test_training_without_labels() -> None:
    with pytest.raises(ValueError, match="label"):
        pygbt.train({}, pygbt.Dataset(X), 2)
    ds = pygbt.Dataset(X, Y)
    with pytest.raises(ValueError, match="'v' has no label"):
        pygbt.train({}, ds, 2, [(pygbt.Dataset(X, reference=ds), "v")])


# --- weights, margins, groups ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "weight",
    [with_value(np.ones(N), bad) for bad in (-1.0, np.nan, np.inf)] + [np.zeros(N), np.ones(N - 1), np.ones((N, 2))],
)
def test_bad_weights(weight: np.ndarray) -> None:
    with pytest.raises(ValueError, match="weight"):
        pygbt.Dataset(X, Y, weight=weight)


@pytest.mark.parametrize("margin", [np.zeros(N - 1), with_value(np.zeros(N), np.nan), np.zeros((N, 2, 1))])
def test_bad_margins(margin: np.ndarray) -> None:
    with pytest.raises(ValueError, match="base_margin"):
        train({}, base_margin=margin)


def test_margins_of_another_number_of_outputs() -> None:
    with pytest.raises(ValueError, match="base_margin"):
        train({}, base_margin=np.zeros((N, 2)))


@pytest.mark.parametrize("group", [[N - 1], [N, 1], [-1, N + 1], [0.5, N - 0.5], []])
def test_bad_groups(group: list[float]) -> None:
    with pytest.raises((ValueError, TypeError), match="group"):
        pygbt.Dataset(X, Y, group=group)


# --- tables ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [np.empty((0, 3)), np.empty((3, 0)), X[0], np.zeros((2, 2, 2)), 3.0, None])
def test_tables_of_a_wrong_shape(table: Any) -> None:
    n = np.shape(table)[0] if np.ndim(table) else 1
    with pytest.raises((ValueError, TypeError)):
        pygbt.Dataset(table, np.zeros(n))


def test_text_and_objects_in_numeric_columns() -> None:
    pandas = pytest.importorskip("pandas")
    for column in (["a", "b"] * (N // 2), [object()] * N, [{}] * N):
        frame = pandas.DataFrame({"x": X[:, 0], "odd": pandas.Series(column, dtype=object)})
        with pytest.raises((ValueError, TypeError), match="odd"):
            pygbt.Dataset(frame, Y)
    good = pygbt.train({}, pygbt.Dataset(pandas.DataFrame({"x": X[:, 0], "odd": X[:, 1]}), Y), 2)
    with pytest.raises((ValueError, TypeError), match="odd"):
        good.predict(frame.assign(odd=["text"] * N))
    with pytest.raises((ValueError, TypeError)):
        pygbt.Dataset(np.array([["a", "b"]] * N), Y)
    with pytest.raises((ValueError, TypeError)):
        pygbt.Dataset(X + 1j, Y)


def test_names_that_are_double_missing_or_too_many() -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match="duplicate|twice|name"):
        pygbt.Dataset(X, Y, feature_names=["a", "a", "b"])
    with pytest.raises(ValueError, match="feature_names"):
        pygbt.Dataset(X, Y, feature_names=["a", "b"])
    with pytest.raises(ValueError, match="duplicate|twice|a"):
        pygbt.Dataset(pandas.DataFrame(X, columns=["a", "a", "b"]), Y)
    model = pygbt.train({}, pygbt.Dataset(pandas.DataFrame(X, columns=["a", "b", "c"]), Y), 2)
    with pytest.raises(ValueError, match="b"):
        model.predict(pandas.DataFrame(X[:, :2], columns=["a", "c"]))
    with pytest.raises(ValueError, match="feature|column"):
        model.predict(X[:, :2])
    with pytest.raises(ValueError, match="feature|column"):
        model.predict(np.column_stack([X, X]))


def test_columns_are_matched_by_name_not_by_place() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    model = pygbt.train({}, pygbt.Dataset(frame, Y), 5)
    np.testing.assert_array_equal(model.predict(frame[["c", "a", "b"]]), model.predict(frame))


# --- parameters -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params, error, message",
    [
        ({"learning_rat": 0.1}, ValueError, "learning_rate"),
        ({"max_detph": 3}, ValueError, "max_depth"),
        ({"objective": "squared_eror"}, ValueError, "squared_error"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate"),
        ({"learning_rate": np.nan}, ValueError, "learning_rate"),
        ({"learning_rate": "fast"}, TypeError, "learning_rate"),
        ({"max_depth": 2.5}, TypeError, "max_depth"),
        ({"max_depth": -3}, ValueError, "max_depth"),
        ({"subsample": 1.5}, ValueError, "subsample"),
        ({"colsample_bytree": 0.0}, ValueError, "colsample_bytree"),
        ({"reg_lambda": -1.0}, ValueError, "reg_lambda"),
        ({"seed": -1}, ValueError, "seed"),
        ({"n_threads": -5}, ValueError, "n_threads"),
        ({"device": "cuda"}, NotImplementedError, "cuda"),
        ({"eval_metric": "rsme"}, ValueError, "rmse"),
        ({"monotone_constraints": [1, 0]}, ValueError, "monotone_constraints"),
        ({"monotone_constraints": [2, 0, 0]}, ValueError, "monotone_constraints"),
        ({"interaction_constraints": [[0, 9]]}, ValueError, "interaction_constraints"),
        ({"feature_weights": [1.0]}, ValueError, "feature_weights"),
        ({"group_rates": {"none": 0.5}}, ValueError, "group_rates"),
        ({"quantile_alpha": [1.0], "objective": "quantile"}, ValueError, "quantile_alpha"),
        ({"eta": 0.1, "learning_rate": 0.2}, ValueError, "learning_rate"),
        ("max_depth=3", TypeError, "params"),
        ([("max_depth", 3)], TypeError, "params"),
    ],
)
def test_bad_parameters(params: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        train(params)


@pytest.mark.parametrize("max_bin", [0, 1, 65_537, 2.5, "many", -1])
def test_max_bin_out_of_range(max_bin: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="max_bin"):
        pygbt.Dataset(X, Y, max_bin=max_bin)


@pytest.mark.parametrize("rounds", [-1, 1.5, "ten", None, True])
def test_bad_numbers_of_rounds(rounds: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="num_boost_round"):
        pygbt.train({}, pygbt.Dataset(X, Y), rounds)


def test_no_rounds_is_a_constant_model() -> None:
    np.testing.assert_allclose(pygbt.train({}, pygbt.Dataset(X, Y), 0).predict(X), Y.mean(), rtol=1e-6)


def test_arguments_of_a_wrong_type() -> None:
    ds = pygbt.Dataset(X, Y)
    with pytest.raises(TypeError, match="Dataset"):
        pygbt.train({}, X, 2)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="evals"):
        pygbt.train({}, ds, 2, evals=ds)
    with pytest.raises(TypeError, match="evals"):
        pygbt.train({}, ds, 2, evals=[(X, "valid")])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="twice"):
        pygbt.train({}, ds, 2, evals=[(ds, "a"), (ds, "a")])
    with pytest.raises(ValueError, match="metric"):
        pygbt.train({}, ds, 2, evals=[(ds, "a")], metric="no such metric")
    with pytest.raises(ValueError, match="metric"):
        pygbt.train({}, ds, 2, evals=[(ds, "a")], metric=lambda p, d: 1.0)  # type: ignore[arg-type,return-value]
    with pytest.raises(ValueError, match="mlogloss"):
        pygbt.train({}, ds, 2, evals=[(ds, "a")], metric="mlogloss")


# --- files ----------------------------------------------------------------------------------------------------------


def test_every_truncation_and_byte_flip_raises_or_loads_the_same_model(tmp_path: Path) -> None:
    model = train({"max_depth": 2})
    path, damaged = tmp_path / "m.pygbt", tmp_path / "d.pygbt"
    model.save(path)
    data = path.read_bytes()
    for end in [0, 1, 7, 8, 9, *range(10, len(data), 97), len(data) - 1]:
        damaged.write_bytes(data[:end])
        with pytest.raises(pygbt.ModelFileError):
            pygbt.load(damaged)
    survivors = 0
    for place in range(0, len(data), 3):
        flipped = bytearray(data)
        flipped[place] ^= 1 << (place % 8)
        damaged.write_bytes(flipped)
        try:
            assert pygbt.load(damaged).digest() == model.digest()
            survivors += 1
        except pygbt.ModelFileError:
            pass
    assert survivors < len(data) / 30


def test_files_that_are_no_models(tmp_path: Path) -> None:
    path = tmp_path / "m"
    for data in (b"", b"not a model", b"\xff" * 100, (100).to_bytes(8, "little") + b"{" * 100):
        path.write_bytes(data)
        with pytest.raises(pygbt.ModelFileError, match="m"):
            pygbt.load(path)
    assert issubclass(pygbt.ModelFileError, ValueError)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "m.pygbt"
    old, new = train({"max_depth": 2}), train({"max_depth": 3})
    old.save(path)
    kept = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(kept) // 2, limits[1]))  # writes beyond it fail like a full disk
    try:
        with pytest.raises(OSError):
            new.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == kept
    assert [p.name for p in tmp_path.iterdir()] == ["m.pygbt"], "no temporary file is left behind"


def test_saving_where_no_file_can_be(tmp_path: Path) -> None:
    model = train({})
    for path in (tmp_path, tmp_path / "none" / "m.pygbt"):
        with pytest.raises(OSError):
            model.save(path)


# --- odd, but fine --------------------------------------------------------------------------------------------------


def test_infinite_features_are_ordinary_extremes() -> None:
    x = np.array([-np.inf, -1e300, -1.0, 0.0, 1.0, 1e300, np.inf] * 4)
    y = np.arange(7.0).tolist() * 4
    model = pygbt.train({"min_child_weight": 0, "reg_lambda": 0, "learning_rate": 1.0}, pygbt.Dataset(x[:, None], y), 1)
    np.testing.assert_allclose(model.predict(x[:, None]), y, atol=1e-5)


@pytest.mark.parametrize(
    "table",
    [
        np.ones((N, 2)),
        np.full((N, 2), np.nan),
        np.full((N, 1), np.inf),
        np.zeros((N, 1), dtype=bool),
        np.random.default_rng(0).integers(0, 2, size=(N, 10_000)).astype(np.int8),
    ],
    ids=["constant", "all missing", "all infinite", "one bool", "10,000 columns"],
)
def test_tables_with_little_in_them(table: np.ndarray) -> None:
    model = pygbt.train({}, pygbt.Dataset(table, Y), 2)
    assert np.isfinite(model.predict(table)).all()
    if table.shape[1] <= 2:
        np.testing.assert_allclose(model.predict(table), Y.mean(), atol=1e-5)


def test_one_row() -> None:
    model = pygbt.train({}, pygbt.Dataset(X[:1], [3.0]), 3)
    np.testing.assert_allclose(model.predict(X), 3.0, rtol=1e-6)


def test_two_bins() -> None:
    model = pygbt.train({}, pygbt.Dataset(X, Y, max_bin=2), 3)  # one bin of values, one of missing values
    assert len(np.unique(model.predict(X))) == 1


def test_deep_symmetric_trees_are_refused() -> None:
    """They have 2^depth leaves, rows in them or not."""
    with pytest.raises(ValueError, match="symmetric.*1 to 16, got 30"):
        train({"grow_policy": "symmetric", "max_depth": 30}, np.arange(N))


@pytest.mark.parametrize("weight", [1e200, 1e-200])
def test_weights_whose_squares_overflow_are_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight: the largest must lie between"):
        pygbt.Dataset(X, np.arange(N), weight=np.full(N, weight)).core  # noqa: B018
    assert pygbt.Dataset(X, np.arange(N), weight=np.full(N, 1e30)).core.has_weights


def test_a_group_may_not_take_the_name_of_a_column_outside_it() -> None:
    table = np.zeros((5, 3))
    with pytest.raises(ValueError, match="feature_groups: 'a' is also the name of a column"):
        pygbt.Dataset(table, np.arange(5), feature_names=["a", "b", "c"], feature_groups={"a": ["b", "c"]})
    assert pygbt.Dataset(table, np.arange(5), feature_names=["a", "b", "c"], feature_groups={"a": ["a", "c"]}).groups


def test_no_rows() -> None:
    with pytest.raises(ValueError, match="no rows"):
        pygbt.Dataset(np.zeros((0, 4)), np.zeros(0)).core  # noqa: B018


def test_a_start_score_or_rate_that_overflows() -> None:
    with pytest.raises(ValueError, match="base_score must lie between"):
        train({"base_score": 1e300}, np.arange(N))
    with pytest.raises(ValueError, match="learning_rate"):
        train({"learning_rate": 1e308}, np.arange(N))
