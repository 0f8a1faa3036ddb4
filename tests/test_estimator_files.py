# SPDX-License-Identifier: Apache-2.0
"""Model files of trees and ensembles: what comes back is what was saved, and damage is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.exceptions import NotFittedError

import pygbt
from pygbt import ModelFileError, archive, ensemble, tree
from pygbt.estimator_files import FileParts, read_estimator
from pygbt.schema import Schema
from pygbt.typed_json import pack, pack_array, unpack, unpack_array


def table(seed: int = 0, n: int = 90) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers with missing values, codes of three classes, a target."""
    rng = np.random.default_rng(seed)
    X = np.round(rng.normal(size=(n, 4)), 1)
    X[rng.random(X.shape) < 0.1] = np.nan
    number = np.round(np.nan_to_num(X[:, 0]) * 3 + np.nan_to_num(X[:, 1]) ** 2 + rng.normal(size=n), 2)
    return X, np.digitize(number, [-1, 1]), number


def frame() -> Any:
    pandas = pytest.importorskip("pandas")
    X, _, _ = table()
    colour = pandas.Categorical(np.array(["red", "blue", "grün"])[np.arange(len(X)) % 3])
    return pandas.DataFrame(X, columns=["a", "b", "c", "d"]).assign(colour=colour)


ESTIMATORS: dict[str, Any] = {
    "cart": tree.CARTClassifier(min_split=4, cp=0.0),
    "cart, losses": tree.CARTClassifier(
        min_split=4, losses=[[0, 1, 2], [1, 0, 1], [3, 1, 0]], priors={0: 0.5, 1: 0.25, 2: 0.25}
    ),
    "C4.5": tree.C45Classifier(min_obj=1, prune=False),
    "ID3": tree.ID3Classifier(),
    "cart, numbers": tree.CARTRegressor(min_split=4, cp=None, max_surrogates=2),
    "cart, counts": tree.CARTRegressor(criterion="poisson", min_split=4),
    "forest": ensemble.RandomForestClassifier(n_estimators=4, random_state=0, class_weight={0: 2.0}),
    "forest, votes": ensemble.RandomForestClassifier(n_estimators=4, random_state=0, voting="vote", max_bin=8),
    "forest, numbers": ensemble.RandomForestRegressor(n_estimators=4, random_state=2**63, max_features="breiman"),
    "extra trees": ensemble.ExtraTreesClassifier(n_estimators=3, random_state=1, max_depth=3),
    "bagging": ensemble.BaggingClassifier(n_estimators=3, random_state=0, max_features=0.5, voting="proba"),
    "bagging, numbers": ensemble.BaggingRegressor(tree.CARTRegressor(min_split=9), n_estimators=3, random_state=0),
    "AdaBoost": ensemble.AdaBoostClassifier(n_estimators=4, algorithm="SAMME", random_state=0),
    "AdaBoost, numbers": ensemble.AdaBoostRegressor(n_estimators=4, loss="square", random_state=0),
    "boosting": ensemble.BoostingTree(n_estimators=5, learning_rate=0.5),
    "gradient boosting": ensemble.GradientBoostingClassifier(n_estimators=3),
    "gradient boosting, counts": ensemble.GradientBoostingRegressor(loss="poisson", n_estimators=3),
    "extra trees, numbers": ensemble.ExtraTreesRegressor(n_estimators=3, random_state=1),
}


def fitted(name: str, X: Any = None) -> tuple[Any, Any]:
    from sklearn.base import clone, is_classifier

    values, labels, number = table()
    X = values if X is None else X
    estimator = clone(ESTIMATORS[name])
    y = labels if is_classifier(estimator) else np.abs(number).round() if "counts" in name else number
    return estimator.fit(X, y), X


def answers(estimator: Any, X: Any) -> bytes:
    out = [estimator.predict(X).tobytes()]
    if hasattr(estimator, "predict_proba"):
        out.append(estimator.predict_proba(X).tobytes())
    if hasattr(estimator, "apply"):
        out.append(estimator.apply(X).tobytes())
    return b"".join(out)


@pytest.fixture(scope="module")
def contents() -> dict[str, archive.Content]:
    return {name: fitted(name)[0]._content() for name in ESTIMATORS}


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("as_frame", [False, True])
def test_what_comes_back_is_what_was_saved(name: str, as_frame: bool, tmp_path: Path) -> None:
    estimator, X = fitted(name, frame() if as_frame else None)
    path = tmp_path / "tree.pygbt"
    estimator.save(path)
    copy = pygbt.load(path)
    assert type(copy) is type(estimator)
    assert str(copy.get_params()) == str(estimator.get_params())
    assert answers(copy, X) == answers(estimator, X)
    assert copy.digest() == estimator.digest()
    assert copy.n_features_in_ == estimator.n_features_in_
    if as_frame:
        assert copy.feature_names_in_.tolist() == ["a", "b", "c", "d", "colour"]
        shuffled = X[["colour", "d", "c", "b", "a"]]
        with pytest.raises(ValueError, match="feature names"):
            copy.predict(shuffled.rename(columns={"a": "z"}))
    else:
        assert not hasattr(copy, "feature_names_in_")
    copy.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    assert type(copy.fit(X, np.arange(len(X)) % 3)) is type(estimator)  # the parameters are good, too
    assert sorted(os.listdir(tmp_path)) == ["again", "tree.pygbt"]


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["no", "perhaps", "yes"]),
        np.array(["a", "é", "\U0001f600 long name"], dtype=object),
        np.array([-5, 0, 2**62]),
        np.array([1, 2, 250], dtype=np.uint8),
        np.array([-2.0, 0.0, 1e15]),
        np.array([1, 3, 2**24], dtype=np.float32),
        np.array([False, True]),
    ],
    ids=["text", "objects", "int64", "uint8", "float64", "float32", "bool"],
)
@pytest.mark.parametrize("name", ["cart", "forest"])
def test_classes_keep_their_type(name: str, labels: np.ndarray, tmp_path: Path) -> None:
    X, codes, _ = table()
    y = labels[codes % len(labels)]
    estimator = type(ESTIMATORS[name])().fit(X, y)
    estimator.save(tmp_path / "m")
    copy = pygbt.load(tmp_path / "m")
    assert copy.classes_.dtype == estimator.classes_.dtype
    assert copy.classes_.tolist() == estimator.classes_.tolist()
    assert [type(label) for label in copy.classes_.tolist()] == [type(label) for label in estimator.classes_.tolist()]
    assert copy.n_classes_ == len(labels)
    assert np.array_equal(copy.predict(X), estimator.predict(X)) and copy.predict(X).dtype == y.dtype


def test_what_a_file_cannot_hold(tmp_path: Path) -> None:
    X, y, _ = table()
    generator = np.random.RandomState(0)
    forest = ensemble.RandomForestClassifier(n_estimators=30, random_state=generator, oob_score=lambda a, b: 0.5)
    forest.fit(X, y).save(tmp_path / "m")
    copy = pygbt.load(tmp_path / "m")
    assert copy.random_state is None and copy.oob_score is False
    assert answers(copy, X) == answers(forest, X)
    with pytest.raises(NotFittedError):
        tree.CARTClassifier().save(tmp_path / "n")

    class Own(tree.CARTClassifier):
        pass

    with pytest.raises(ValueError, match=r"pygbt\.tree, pygbt\.ensemble, pygbt\.multitask"):
        Own().fit(X, y).save(tmp_path / "n")
    with pytest.raises(OSError):
        forest.save(tmp_path / "absent" / "m")
    assert os.listdir(tmp_path) == ["m"]


def test_several_targets_and_warm_starts(tmp_path: Path) -> None:
    X, _, y = table()
    both = np.column_stack([y, 1e9 - y])
    for cls in (ensemble.RandomForestRegressor, tree.CARTRegressor):
        estimator = cls().fit(X, both)
        estimator.save(tmp_path / "m")
        assert answers(pygbt.load(tmp_path / "m"), X) == answers(estimator, X)
    forest = ensemble.RandomForestRegressor(n_estimators=3, warm_start=True).fit(X, y)
    forest.save(tmp_path / "m")
    copy = pygbt.load(tmp_path / "m").set_params(n_estimators=6).fit(X, y)
    assert copy.digest() == forest.set_params(n_estimators=6).fit(X, y).digest()


def test_digest_is_of_what_decides_predictions() -> None:
    X, y, _ = table()
    one = ensemble.RandomForestClassifier(n_estimators=3, random_state=0, n_jobs=1).fit(X, y)
    two = ensemble.RandomForestClassifier(n_estimators=3, random_state=0, n_jobs=2, verbose=0).fit(X, y)
    assert one.digest() == two.digest()
    assert one.digest() != ensemble.RandomForestClassifier(n_estimators=3, random_state=1).fit(X, y).digest()
    names = np.array(["a", "b", "c"])
    assert tree.CARTClassifier().fit(X, y).digest() != tree.CARTClassifier().fit(X, names[y]).digest()


def test_boosting_of_two_classes(tmp_path: Path) -> None:
    X, y, _ = table()
    for estimator in (ensemble.BoostingTree(loss="exponential"), ensemble.GradientBoostingClassifier(n_estimators=5)):
        estimator.fit(X, np.where(y > 0, "yes", "no")).save(tmp_path / "m")
        copy = pygbt.load(tmp_path / "m")
        assert answers(copy, X) == answers(estimator, X)
        assert np.array_equal(copy.decision_function(X), estimator.decision_function(X))


def test_members_of_other_libraries_are_refused(tmp_path: Path) -> None:
    from sklearn.tree import DecisionTreeClassifier

    X, y, _ = table()
    bagged = ensemble.BaggingClassifier(DecisionTreeClassifier(), n_estimators=2).fit(np.nan_to_num(X), y)
    with pytest.raises(ValueError, match="members of this one are DecisionTreeClassifier: use pickle or joblib"):
        bagged.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_boosters_and_estimators_are_told_apart(tmp_path: Path) -> None:
    X, _, y = table()
    pygbt.train({}, pygbt.Dataset(X, y), num_boost_round=2).save(tmp_path / "booster")
    fitted("forest")[0].save(tmp_path / "forest")
    assert isinstance(pygbt.load(tmp_path / "booster"), pygbt.Booster)
    assert isinstance(pygbt.load(tmp_path / "forest"), ensemble.RandomForestClassifier)
    with pytest.raises(ModelFileError, match="holds a RandomForestClassifier, not a Booster"):
        pygbt.train({}, pygbt.Dataset(X, y), num_boost_round=1, init_model=str(tmp_path / "forest"))


# --- values of JSON with their types ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 1, 1.5, "x", [], [1, (2, "y")], {}, {1: "a", "1": 2.0, (1, 2): None, False: [False]}),
        *(np.float32(0.1), np.int8(-3), np.bool_(True), np.str_("ä"), np.arange(6, dtype=np.uint16).reshape(2, 3)),
        *(np.array([["a", "bb"]]), np.zeros((0, 2)), np.array([1, "a", 2.5, True], dtype=object), float("inf")),
    ],
)
def test_values_come_back_with_their_type(value: Any) -> None:
    copy = unpack(json.loads(json.dumps(pack(value))))
    assert type(copy) is type(value)
    assert repr(copy) == repr(value)


@pytest.mark.parametrize(
    "packed",
    [
        *([], {}, {"list": 1}, {"set": []}, {"list": [], "tuple": []}, {"dict": [[1]]}, {"array": {}}),
        {"array": {"dtype": "|O", "shape": [1], "values": [[1]]}},
        {"array": {"dtype": "|O", "shape": [2], "values": [1]}},
        {"array": {"dtype": "|V8", "shape": [1], "values": [1]}},
        {"array": {"dtype": "<U999999", "shape": [1000], "values": ["a"] * 1000}},
        {"array": {"dtype": "<U1", "shape": [1], "values": ["ab"]}},
        {"array": {"dtype": "|u1", "shape": [1], "values": [256]}},
        {"array": {"dtype": "<i4", "shape": [1], "values": [1.5]}},
        {"array": {"dtype": "<i4", "shape": [-1], "values": []}},
        {"array": {"dtype": "<i4", "shape": [10**30, 0], "values": [1]}},
    ],
)
def test_unsound_values_are_refused(packed: Any) -> None:
    with pytest.raises((ValueError, TypeError, LookupError, OverflowError, AttributeError)):
        unpack(packed)


def test_objects_are_not_written() -> None:
    for value in (np.array([object()]), np.array([np.datetime64("2020-01-01")]), {1, 2}, print, 1j):
        with pytest.raises(TypeError, match="a model file cannot hold"):
            pack(value)
    assert unpack_array(pack_array(np.array([1.0, np.nan])))[0] == 1.0


# --- damage ----------------------------------------------------------------------------------------------------------


def test_any_altered_byte_and_any_cut_is_refused(tmp_path: Path) -> None:
    estimator, _ = fitted("forest, votes")
    path = tmp_path / "m"
    estimator.save(path)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for position in rng.choice(len(data), 400, replace=False):
        altered = bytearray(data)
        altered[position] ^= int(rng.integers(1, 256))
        path.write_bytes(altered)
        try:
            copy = pygbt.load(path)
        except ModelFileError:
            continue
        assert copy.digest() == estimator.digest()
    for length in [*range(0, 64, 7), *range(64, len(data), max(1, len(data) // 40))]:
        path.write_bytes(data[:length])
        with pytest.raises(ModelFileError):
            pygbt.load(path)


def signed_and_read(content: archive.Content) -> Any:
    """Through bytes whose SHA-256 is right."""
    return read_estimator(archive.loads(archive.dumps(content)))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_altered_arrays_with_a_right_sum_are_refused_or_answer(name: str, contents: dict[str, archive.Content]) -> None:
    content = contents[name]
    X, _, _ = table()
    rng = np.random.default_rng(1)
    n_refused = 0
    for key in content.arrays:
        for _ in range(12):
            array = content.arrays[key].copy()
            if not array.size:
                continue
            raw = array.reshape(-1).view(np.uint8)
            raw[rng.integers(len(raw))] ^= int(rng.integers(1, 256))
            try:
                copy = signed_and_read(
                    archive.Content({**content.arrays, key: array}, content.model, content.schema, content.params)
                )
            except ModelFileError:
                n_refused += 1
                continue
            answers(copy, X)
        for changed in (content.arrays[key][:-1], content.arrays[key].astype(np.float64), np.zeros((2, 2), np.int32)):
            if changed.shape == content.arrays[key].shape and changed.dtype == content.arrays[key].dtype:
                continue
            altered = {**content.arrays, key: np.ascontiguousarray(changed)}
            try:
                copy = signed_and_read(archive.Content(altered, content.model, content.schema, content.params))
            except ModelFileError:
                n_refused += 1
                continue
            answers(copy, X)
        rest = {k: v for k, v in content.arrays.items() if k != key}
        with pytest.raises(ModelFileError):
            signed_and_read(archive.Content(rest, content.model, content.schema, content.params))
    assert n_refused > 20


def replaced(value: Any, rng: np.random.Generator) -> Any:
    """JSON with one thing of it replaced by something else."""
    others = [None, True, -1, 0, 3, 2**70, 1.5, float("nan"), "x", [], {}, ["x"], {"list": [1]}]
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = sorted(value)[rng.integers(len(value))]
        if rng.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: replaced(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.85:
        place = int(rng.integers(len(value)))
        return [*value[:place], replaced(value[place], rng), *value[place + 1 :]]
    return others[rng.integers(len(others))]


@pytest.mark.parametrize("name", ESTIMATORS)
def test_altered_descriptions_are_refused_or_answer(name: str, contents: dict[str, archive.Content]) -> None:
    content = contents[name]
    X, _, _ = table()
    rng = np.random.default_rng(2)
    n_refused = 0
    for i in range(150):
        parts = {"model": content.model, "schema": content.schema, "params": content.params}
        part = ("model", "model", "model", "schema", "params")[i % 5]
        parts[part] = replaced(json.loads(json.dumps(parts[part])), rng)
        try:
            copy = signed_and_read(archive.Content(content.arrays, **parts))
        except ModelFileError:
            n_refused += 1
            continue
        if part != "params":
            answers(copy, X)
    assert n_refused > 60


def test_foreign_and_newer_files(contents: dict[str, archive.Content], tmp_path: Path) -> None:
    content = contents["cart"]
    for kind in ("BoosterTree", "GridSearchCV", "os.system", "DecisionTree", "SavedEstimator"):
        model = {**content.model, "kind": kind}
        archive.save(tmp_path / "m", archive.Content(content.arrays, model, content.schema, content.params))
        with pytest.raises(ModelFileError, match="upgrade pygbt"):
            pygbt.load(tmp_path / "m")
    params = {**content.params, "brightness": 3}
    archive.save(tmp_path / "m", archive.Content(content.arrays, content.model, content.schema, params))
    with pytest.raises(ModelFileError, match="upgrade pygbt"):
        pygbt.load(tmp_path / "m")
    for kind, other in (
        ("CARTRegressor", "cart"),
        ("CARTClassifier", "cart, numbers"),
        ("RandomForestClassifier", "cart"),
    ):
        content = contents[other]
        model = {**content.model, "kind": kind}
        with pytest.raises(ModelFileError):
            signed_and_read(archive.Content(content.arrays, model, content.schema, {}))


def test_parts_check_what_they_hand_out() -> None:
    schema = Schema(("a",), False, (None,))
    parts = FileParts({"x": np.zeros(2, np.int32)}, {"a": 1, "b": True, "c": "t", "d": 0.5, "e": [1]}, schema)
    assert (parts.integer("a"), parts.flag("b"), parts.text("c"), parts.number("d")) == (1, True, "t", 0.5)
    assert parts.list_of("e", 1) == [1] and parts.array("x", np.int32, (2,)).size == 2
    for wrong in (
        lambda: parts.integer("b"),
        lambda: parts.integer("a", 2),
        lambda: parts.integer("z"),
        lambda: parts.flag("a"),
        lambda: parts.number("a"),
        lambda: parts.list_of("e", 2),
        lambda: parts.array("x", np.int64),
        lambda: parts.array("x", np.int32, (3,)),
        lambda: parts.array("y", np.int32),
    ):
        with pytest.raises(ModelFileError):
            wrong()
