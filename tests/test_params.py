# SPDX-License-Identifier: Apache-2.0
"""The table of parameters is the only source: C++, Python and the docs agree with it, and every row is enforced."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pygbt import _core, parameters
from pygbt._params import DOCSTRING, HARMLESS, PARAMETERS, Parameter

ROOT = Path(__file__).resolve().parents[1]
CORE = [p for p in PARAMETERS if p.scope in ("core", "internal")]
PUBLIC = [p for p in PARAMETERS if p.scope != "internal"]
RANGED = [p for p in PARAMETERS if p.range and p.type != "rates"]

TABLE = SimpleNamespace(
    feature_names=["age", "income", "e0", "e1", "e2"], groups={"emb": [2, 3, 4], "who": [0, 1]}, max_bin=256
)


def named(rows: list[Parameter]) -> Any:
    return pytest.mark.parametrize("p", rows, ids=[p.name for p in rows])


def as_value(p: Parameter, number: float) -> Any:
    """`number` in the shape that the parameter takes."""
    if p.type == "int_lists":
        return [[number]]
    return [number] if p.type in ("floats", "ints") else number


def inside(p: Parameter) -> list[float]:
    """The two ends of the range, or the nearest numbers inside an open end."""
    if p.type in ("int", "ints", "int_lists"):
        return [p.low, p.high]
    low = np.nextafter(p.low, math.inf) if p.low_open else p.low
    high = np.nextafter(p.high, -math.inf) if p.high_open else p.high
    return [float(low), float(high)]


def outside(p: Parameter) -> list[float]:
    """The nearest numbers beyond the two ends, and NaN."""
    if p.type in ("int", "ints", "int_lists"):
        forgiven = {given for given, _ in p.accept}
        low = p.low - 1
        while low in forgiven:
            low -= 1
        return [low, p.high + 1]
    low = p.low if p.low_open else float(np.nextafter(p.low, -math.inf))
    high = p.high if p.high_open else float(np.nextafter(p.high, math.inf))
    return [low, high, math.nan]


def test_generated_files_are_up_to_date():
    script = ROOT / "src" / "cpp" / "params" / "generate.py"
    result = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_core_has_exactly_the_rows_of_the_table():
    assert list(_core.Params({}).to_dict()) == [p.name for p in CORE]


@named(CORE)
def test_default_is_the_same_in_cpp_and_python(p):
    assert getattr(_core.Params({}), p.name) == p.default
    assert type(getattr(_core.Params({}), p.name)) is type(p.default)


def test_defaults_pass_their_own_checks():
    values = parameters.core_values(parameters.normalise({}, TABLE))
    assert values.pop("feature_unit") == [1, 1, 0, 0, 0]  # the table has groups, which are drawn together
    assert values.pop("unit_rate") == [-1.0] * 2
    assert _core.Params(values) == _core.Params({})


@named(RANGED)
def test_ends_of_the_range_are_accepted(p):
    for number in inside(p):
        assert parameters.check_value(p, as_value(p, number)) == as_value(p, number)
        if p in CORE and p.name != "feature_unit":  # which names units; see tests/cpp/test_params.cc
            beside = {"feature_unit": [0]} if p.name == "unit_rate" else {}
            kept = getattr(_core.Params({**beside, p.name: as_value(p, number)}), p.name)
            assert kept == as_value(p, number)


@named(RANGED)
def test_just_outside_the_range_is_refused_with_the_name(p):
    for number in outside(p):
        with pytest.raises(ValueError, match=p.name):
            parameters.check_value(p, as_value(p, number))
        if p in CORE:
            with pytest.raises(ValueError, match=p.name):
                _core.Params({p.name: as_value(p, number)})


@named([p for p in PARAMETERS if p.accept])
def test_values_other_libraries_use_are_understood(p):
    for given, meant in p.accept:
        assert parameters.canonical({p.name: given}) == {p.name: meant}


@named(PUBLIC)
def test_wrong_type_is_refused_with_the_name(p):
    wrong: dict[str, list[Any]] = {
        "bool": [1, "yes", [True]],
        "int": ["3", 2.5, True, [1]],
        "float": ["x", True, [0.5]],
        "enum": [3, ["a"]],
        "floats": [["a"], [True]],
        "ints": [["a"], [0.5], 1],
        "int_lists": [3, [3], [[0.5]]],
        "rates": [0.5, {"g": "x"}],
        "names": [3, [3]],
    }
    for value in wrong[p.type]:
        with pytest.raises((TypeError, ValueError), match=p.name):
            parameters.canonical({p.name: value})


@named([p for p in PUBLIC if p.type in ("enum", "names")])
def test_choices_and_their_other_spellings(p):
    for choice in p.choices:
        if p.name == "device" and choice == "cuda":  # test_cuda.py
            continue
        expected = [choice] if p.type == "names" else choice
        assert parameters.canonical({p.name: choice}) == {p.name: expected}
        if p.type == "enum":
            assert getattr(_core.Params({p.name: choice}), p.name) == choice
    for other, choice in p.values.items():
        assert choice in p.choices
        assert other not in p.choices
        if choice != "cuda":
            assert parameters.canonical({p.name: other})[p.name] in (choice, [choice])
    for other, remedy in p.refused.items():
        with pytest.raises(ValueError, match=p.name) as error:
            parameters.canonical({p.name: other})
        assert remedy in str(error.value)


def test_unknown_choice_lists_the_choices_and_the_nearest():
    with pytest.raises(ValueError, match="grow_policy must be one of depthwise, lossguide, symmetric") as error:
        parameters.canonical({"grow_policy": "lossguid"})
    assert "did you mean 'lossguide'" in str(error.value)


@named(PUBLIC)
def test_every_alias_reaches_its_parameter(p):
    value = {"floats": [0.5], "ints": [1], "int_lists": [[0]], "rates": {"g": 0.5}, "names": ["auc"], "bool": True}.get(
        p.type
    )
    if value is None:
        value = p.choices[0] if p.choices else 1 if p.type == "int" else 0.5
    if p.name == "max_bin":
        value = 64
    if p.type == "float" and not p.low < 0.5 < p.high:
        value = (p.low + p.high) / 2
    for alias in (p.name, *p.aliases):
        assert parameters.canonical({alias: value}) == {p.name: value}


def test_no_alias_is_also_a_harmless_key():
    assert not set(parameters.ALIASES) & set(HARMLESS)


@pytest.mark.parametrize(
    ("wrong", "suggestion"),
    [("learning_rte", "learning_rate"), ("max_dept", "max_depth"), ("sub_sample", "subsample"), ("nthred", "nthread")],
)
def test_unknown_name_suggests_the_nearest(wrong, suggestion):
    with pytest.raises(ValueError, match=f"unknown parameter '{wrong}'; did you mean '{suggestion}'"):
        parameters.canonical({wrong: 1})


def test_unknown_name_far_from_all_points_to_the_docs():
    with pytest.raises(ValueError, match="unknown parameter 'zzzzzz'.*parameters.md"):
        parameters.canonical({"zzzzzz": 1})


def test_internal_parameters_are_not_for_users():
    with pytest.raises(ValueError, match="unknown parameter 'feature_unit'"):
        parameters.canonical({"feature_unit": [0]})


def test_two_spellings_of_one_parameter():
    with pytest.raises(ValueError, match="learning_rate is given twice, as 'eta' and as 'learning_rate'"):
        parameters.canonical({"eta": 0.1, "learning_rate": 0.1})


def test_none_is_not_given():
    assert parameters.canonical({"random_state": None, "max_depth": None, "eval_metric": None}) == {}


def test_numpy_scalars_become_python_values():
    values = parameters.canonical(
        {"max_depth": np.int64(4), "eta": np.float32(0.5), "quantile_alpha": np.array([0.25])}
    )
    assert values == {"max_depth": 4, "learning_rate": 0.5, "quantile_alpha": [0.25]}
    assert type(values["max_depth"]) is int
    assert type(values["learning_rate"]) is float


def test_a_dictionary_written_for_xgboost():
    given = {
        "objective": "multi:softprob",
        "num_class": 3,
        "eta": 0.3,
        "gamma": 0.1,
        "lambda": 2,
        "alpha": 0.5,
        "max_depth": 0,
        "max_leaves": 16,
        "grow_policy": "lossguide",
        "tree_method": "hist",
        "booster": "gbtree",
        "verbosity": 0,
        "nthread": -1,
        "seed": 7,
        "eval_metric": ["mlogloss", "merror"],
        "multi_strategy": "multi_output_tree",
        "monotone_constraints": "(1,0,-1)",
        "interaction_constraints": "[[0, 1], [2]]",
    }
    assert parameters.canonical(given) == {
        "objective": "softmax",
        "n_classes": 3,
        "learning_rate": 0.3,
        "min_split_gain": 0.1,
        "reg_lambda": 2.0,
        "reg_alpha": 0.5,
        "max_depth": 0,
        "max_leaves": 16,
        "grow_policy": "lossguide",
        "n_threads": 0,
        "seed": 7,
        "eval_metric": ["mlogloss", "merror"],
        "multi_strategy": "vector_leaf",
        "monotone_constraints": [1, 0, -1],
        "interaction_constraints": [[0, 1], [2]],
    }


def test_a_dictionary_written_for_lightgbm():
    given = {
        "objective": "binary",
        "boosting_type": "gbdt",
        "metric": "binary_logloss",
        "num_leaves": 31,
        "max_depth": -1,
        "learning_rate": 0.05,
        "feature_fraction": 0.9,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "min_data_in_leaf": 20,
        "lambda_l1": 0.1,
        "lambda_l2": 0.2,
        "verbose": -1,
        "num_iterations": 50,
        "is_unbalance": False,
    }
    assert parameters.canonical(given) == {
        "objective": "logistic",
        "eval_metric": ["logloss"],
        "max_leaves": 31,
        "max_depth": 0,
        "learning_rate": 0.05,
        "colsample_bytree": 0.9,
        "subsample": 0.8,
        "min_child_samples": 20,
        "reg_alpha": 0.1,
        "reg_lambda": 0.2,
        "num_boost_round": 50,
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tree_method", "exact"),
        ("boosting", "dart"),
        ("booster", "gblinear"),
        ("is_unbalance", True),
        ("bagging_freq", 5),
    ],
)
def test_a_foreign_key_that_asks_for_something_else(key, value):
    with pytest.raises(ValueError, match=key):
        parameters.canonical({key: value})


def test_bagging_freq_zero_only_without_bagging():
    assert parameters.canonical({"bagging_freq": 0}) == {}
    with pytest.raises(ValueError, match="bagging_freq"):
        parameters.canonical({"bagging_freq": 0, "bagging_fraction": 0.5})


def test_alpha_is_refused_where_the_libraries_disagree():
    assert parameters.canonical({"alpha": 0.5})["reg_alpha"] == 0.5
    for objective, meant in (("quantile", "quantile_alpha"), ("huber", "huber_delta")):
        with pytest.raises(ValueError, match=f"alpha is ambiguous.*{meant}"):
            parameters.canonical({"objective": objective, "alpha": 0.9})
    values = parameters.canonical({"objective": "reg:quantileerror", "alpha": 1, "quantile_alpha": 0.9})
    assert (values["reg_alpha"], values["quantile_alpha"]) == (1.0, [0.9])


def test_rules_over_several_fields_reach_python():
    with pytest.raises(ValueError, match="lossguide.*max_leaves or max_depth"):
        _core.Params({"grow_policy": "lossguide", "max_depth": 0})


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("monotone_constraints", {"income": 1, "e2": -1}, [0, 1, 0, 0, -1]),
        ("monotone_constraints", (1, 0, 0, 0, -1), [1, 0, 0, 0, -1]),
        ("feature_weights", {"age": 0}, [0.0, 1.0, 1.0, 1.0, 1.0]),
        ("feature_weights", np.arange(5), [0.0, 1.0, 2.0, 3.0, 4.0]),
        ("interaction_constraints", [["age", "e0"], [3, 4]], [[0, 2], [3, 4]]),
    ],
)
def test_lists_by_feature(name, given, expected):
    assert parameters.normalise({name: given}, TABLE)[name] == expected


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"monotone_constraints": {"incme": 1}}, "no feature 'incme'; did you mean 'income'"),
        ({"monotone_constraints": [1, 0]}, "monotone_constraints has 2 values for 5 features"),
        ({"feature_weights": [1, 1]}, "feature_weights has 2 values for 5 features"),
        ({"interaction_constraints": [["e9"]]}, "interaction_constraints: there is no feature 'e9'"),
        ({"interaction_constraints": [[5]]}, "interaction_constraints: feature 5"),
        ({"group_rates": {"embed": 0.5}}, "no group 'embed'; did you mean 'emb'"),
    ],
)
def test_lists_that_do_not_fit_the_features(params, message):
    with pytest.raises(ValueError, match=message):
        parameters.normalise(params, TABLE)


def test_max_bin_belongs_to_the_dataset():
    assert "max_bin" not in parameters.normalise({"max_bins": 256}, TABLE)
    with pytest.raises(ValueError, match="max_bin=64, but the Dataset was made with max_bin=256"):
        parameters.normalise({"max_bin": 64}, TABLE)


def test_group_rates_become_sampling_units():
    values = parameters.normalise({"group_rates": {"emb": "together"}}, TABLE)
    unit = values["feature_unit"]
    assert unit[2] == unit[3] == unit[4]
    assert unit[0] == unit[1] != unit[2]
    assert values["unit_rate"] == [-1.0] * 2

    values = parameters.normalise({"group_rates": {"emb": 0.25}}, TABLE)
    unit, rate = values["feature_unit"], values["unit_rate"]
    assert unit[2] == unit[3] == unit[4]  # one group, whose columns are drawn at its rate
    assert [rate[u] for u in unit] == [-1.0, -1.0, 0.25, 0.25, 0.25]
    assert _core.Params(parameters.core_values(values)).unit_rate == rate


def test_recorded_parameters_do_not_depend_on_threads_or_device():
    a = parameters.normalise({"n_threads": 1, "device": "naive", "eta": 0.3}, TABLE)
    b = parameters.normalise({"n_jobs": 8, "learning_rate": 0.3}, TABLE)
    assert parameters.recorded(a) == parameters.recorded(b)
    assert parameters.recorded(a)["learning_rate"] == 0.3


def test_recorded_parameters_can_be_given_again():
    given = {"group_rates": {"emb": 0.25}, "monotone_constraints": {"age": 1}, "max_depth": 3, "n_threads": 2}
    values = parameters.normalise(given, TABLE)
    again = parameters.normalise(parameters.recorded(values), TABLE)
    assert again == {**values, "n_threads": 0}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("max_depth", "8", 8),
        ("eta", "0.25", 0.25),
        ("objective", "binary:logistic", "binary:logistic"),
        ("quantile_alpha", "0.1,0.9", [0.1, 0.9]),
        ("monotone_constraints", '{"age": 1}', {"age": 1}),
        ("interaction_constraints", "[[0,1],[2]]", "[[0,1],[2]]"),
        ("eval_metric", "auc, logloss", ["auc", "logloss"]),
        ("base_score", "auto", "auto"),
        ("verbosity", "0", 0),
    ],
)
def test_parse_text(name, text, value):
    assert parameters.parse_text(name, text) == value
    parameters.canonical({name: value})


def test_parse_text_names_the_parameter():
    with pytest.raises(ValueError, match="max_depth must be an integer, got 'deep'"):
        parameters.parse_text("max_depth", "deep")


def test_docs_and_docstring_show_every_public_parameter_with_its_default():
    page = (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8")
    for p in PUBLIC:
        assert f"{p.name} : " in DOCSTRING
        assert f"default={p.default!r}" in DOCSTRING
        assert f"| `{p.name}` |" in page
