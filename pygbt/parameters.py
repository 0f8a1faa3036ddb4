# SPDX-License-Identifier: Apache-2.0
"""A user's dictionary of parameters -> canonical names and checked values, ready for the core.

`canonical` needs no data; `normalise` also resolves feature names against a `Dataset` and fills in the defaults.
The table behind both is `pygbt._params`, generated from ``src/cpp/params/params.toml``.
"""

from __future__ import annotations

import copy
import difflib
import json
import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from . import devices
from ._params import HARMLESS, PARAMETERS, Parameter

__all__ = ["canonical", "core_values", "default", "metric_name", "normalise", "parse_text", "recorded", "with_cutoffs"]

TABLE: dict[str, Parameter] = {p.name: p for p in PARAMETERS}
ALIASES: dict[str, str] = {alias: p.name for p in PARAMETERS for alias in (p.name, *p.aliases)}
# Not part of the model: they never change a result.
NOT_RECORDED = frozenset({"n_threads", "device"})


class Table(Protocol):
    """What `normalise` asks of a `Dataset`."""

    @property
    def feature_names(self) -> Sequence[str]: ...
    @property
    def max_bin(self) -> int: ...
    @property
    def groups(self) -> Mapping[str, Sequence[int]]: ...


def default(name: str) -> Any:
    """The default of a parameter, by canonical name."""
    return copy.deepcopy(TABLE[name].default)


def nearest(word: str, known: Iterable[str]) -> str:
    """``"; did you mean '...'?"``, or an empty text where nothing is near."""
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {match[0]!r}?" if match else ""


def canonical(params: Mapping[str, Any]) -> dict[str, Any]:
    """Resolve aliases and check every value that needs no data.

    Parameters
    ----------
    params : mapping of str to value
        Names and values as pygbt, XGBoost, LightGBM or scikit-learn spell them. None is the same as not given.

    Returns
    -------
    dict
        Canonical names; lists by feature name are left to `normalise`.

    Raises
    ------
    ValueError
        Unknown name (with the nearest one), a value out of range, one parameter under two names.
    TypeError
        A value of the wrong type.
    NotImplementedError
        A device that this build lacks.
    """
    if not isinstance(params, Mapping):
        raise TypeError(f"params must be a dictionary, got {type(params).__name__}")
    result: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    for key, value in params.items():
        if not isinstance(key, str):
            raise TypeError(f"params: names are strings, got {key!r}")
        if key in HARMLESS:
            _check_harmless(key, value, params)
            continue
        name = ALIASES.get(key)
        if name is None or TABLE[name].scope == "internal":
            public = [alias for alias, owner in ALIASES.items() if TABLE[owner].scope != "internal"]
            hint = nearest(key, [*public, *HARMLESS]) or "; docs/parameters.md lists all of them"
            raise ValueError(f"unknown parameter {key!r}{hint}")
        if value is None:
            continue
        if name in spelled:
            raise ValueError(f"{name} is given twice, as {spelled[name]!r} and as {key!r}; leave one out")
        spelled[name] = key
        result[name] = check_value(TABLE[name], value)
    _check_alpha(params, spelled, result)
    by_map = "objective" in spelled and params[spelled["objective"]] == "rank:map"
    if by_map and result.setdefault("lambdarank_metric", "map") != "map":
        raise ValueError("objective='rank:map' needs lambdarank_metric='map'; leave it out, or use 'lambdarank'")
    return result


def _check_harmless(key: str, value: Any, params: Mapping[str, Any]) -> None:
    """A key of another library must ask for what this engine does anyway."""
    allowed = HARMLESS[key]
    if value is None or not isinstance(allowed, list) or value in allowed:
        return
    full = all(params.get(name, 1.0) in (None, 1, 1.0) for name, owner in ALIASES.items() if owner == "subsample")
    if key == "bagging_freq" and value == 0 and full:
        return
    raise ValueError(f"{key}={value!r} has no equivalent in pygbt; leave it out or give {allowed[0]!r}")


def _check_alpha(params: Mapping[str, Any], spelled: Mapping[str, str], values: Mapping[str, Any]) -> None:
    """``alpha`` is XGBoost's L1 penalty, but LightGBM's parameter of the quantile and huber objectives."""
    if spelled.get("reg_alpha") != "alpha":
        return
    meant = {"quantile": "quantile_alpha", "huber": "huber_delta"}.get(values.get("objective", ""))
    if meant is None or meant in values or params.get(spelled["objective"]) == "reg:quantileerror":
        return
    raise ValueError(f"alpha is ambiguous with objective={values['objective']!r}: write {meant} or reg_alpha")


# ---- values by type ------------------------------------------------------------------------------------------------


def check_value(p: Parameter, value: Any) -> Any:
    """One value as plain Python (bool, int, float, str, list, dict), checked against its row of the table."""
    if p.auto and isinstance(value, str):
        if value != "auto":
            raise ValueError(f"{p.name} must be a number or 'auto', got {value!r}")
        return value
    match p.type:
        case "bool":
            if not isinstance(value, bool):
                raise TypeError(f"{p.name} must be True or False, got {value!r}")
            return value
        case "int":
            return _integer(p, value)
        case "float":
            return _real(p, value)
        case "enum":
            return _choice(p, value)
        case "names":
            items = [value] if isinstance(value, str) or callable(value) else value
            return [item if callable(item) else _choice(p, item) for item in _items(p, items)]
        case "rates":
            if not isinstance(value, Mapping):
                raise TypeError(f"{p.name} must be a dictionary of group names, got {type(value).__name__}")
            return {str(k): v if v == "together" else _real(p, v) for k, v in value.items()}
        case "floats":
            if isinstance(value, Mapping):
                return {k: _real(p, v) for k, v in value.items()}
            values = [_real(p, v) for v in ([value] if isinstance(value, numbers.Real) else _items(p, value))]
            if len(values) < p.min_size:
                raise ValueError(f"{p.name} must have at least {p.min_size} value, got an empty list")
            return values
        case "ints":
            if isinstance(value, Mapping):
                return {k: _integer(p, v) for k, v in value.items()}
            return [_integer(p, v) for v in _items(p, value)]
        case "int_lists":
            groups = [_items(p, group) for group in _items(p, value)]
            return [[v if isinstance(v, str) else _integer(p, v) for v in group] for group in groups]
    raise AssertionError(f"{p.name}: unknown type {p.type}")


def _items(p: Parameter, value: Any) -> list[Any]:
    """The elements of a list, tuple, set or one-dimensional array; or of its text, as the other libraries take it."""
    if isinstance(value, str):
        try:
            value = json.loads("[" + value.strip().removeprefix("(").removesuffix(")") + "]")
        except json.JSONDecodeError:
            raise ValueError(f"{p.name} must be a list, got the text {value!r}") from None
        if len(value) == 1 and isinstance(value[0], list):
            value = value[0]
    if isinstance(value, Mapping) or not isinstance(value, Iterable):
        raise TypeError(f"{p.name} must be a list, got {type(value).__name__}")
    return list(value)


def _out_of_range(p: Parameter, value: Any) -> ValueError:
    also = " or 'auto'" if p.auto else ""
    return ValueError(f"{p.name} must be in {p.range}{also}, got {value}")


def _integer(p: Parameter, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{p.name} must be an integer, got {value!r}")
    number: int = dict(p.accept).get(int(value), int(value))
    if not p.low <= number <= p.high:
        raise _out_of_range(p, value)
    return number


def _real(p: Parameter, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{p.name} must be a number, got {value!r}")
    number = float(value)
    above = number > p.low if p.low_open else number >= p.low
    below = number < p.high if p.high_open else number <= p.high
    if not (above and below):  # NaN is neither
        raise _out_of_range(p, value)
    return number


def _choice(p: Parameter, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{p.name} must be a name, got {value!r}")
    if p.name == "device":
        return _device(p, value)
    return _one_of(p, value)


def _device(p: Parameter, value: str) -> str:
    """``"cuda"`` or ``"cuda:N"`` once its backend is loaded; any other device by name."""
    kind, ordinal = devices.parse(value)
    name = _one_of(p, kind)
    if name != "cuda":
        return name
    devices.load_cuda()
    return f"{name}:{ordinal}" if ordinal else name


def _one_of(p: Parameter, value: str) -> str:
    base, at, cutoff = value.partition("@")
    if at and p.values.get(base, base) in p.cutoffs:
        if not cutoff.isdecimal() or not 0 < int(cutoff) < 2**31:
            raise ValueError(f"{p.name}={value!r}: a positive integer belongs after the @")
        return f"{p.values.get(base, base)}@{int(cutoff)}"
    name: str = p.values.get(value, value)
    if name in p.choices or name in p.internal_choices:
        return name
    if value in p.refused:
        raise ValueError(f"{p.name}={value!r} is not supported: {p.refused[value]}")
    hint = nearest(value, [*p.choices, *p.values])
    raise ValueError(f"{p.name} must be one of {', '.join(p.choices)}, got {value!r}{hint}")


def with_cutoffs(metrics: Iterable[Any], cutoffs: Sequence[int]) -> list[Any]:
    """Metrics with those of queries that name no cut-off at each of `cutoffs`, where there are any."""
    of_queries = TABLE["eval_metric"].cutoffs
    result: list[Any] = []
    for item in metrics:
        result += [f"{item}@{k}" for k in cutoffs] if cutoffs and item in of_queries else [item]
    return result


def metric_name(name: str) -> str:
    """The canonical name of a metric.

    Raises
    ------
    ValueError
        There is no such metric; the message lists them and the nearest one.
    """
    return _choice(TABLE["eval_metric"], name)


def parse_text(name: str, text: str) -> Any:
    """The value that a text stands for, as in ``--param max_depth=8`` on the command line.

    Parameters
    ----------
    name : str
        Any spelling of a parameter. An unknown one leaves the text as it is, for `canonical` to complain about.
    text : str
        A number, a name, or a list as JSON or separated by commas.
    """
    p = TABLE.get(ALIASES.get(name, ""))
    if p is None or p.type in ("enum", "int_lists") or (p.auto and text == "auto"):
        try:
            return json.loads(text) if p is None else text
        except json.JSONDecodeError:
            return text
    if p.type == "names":
        return [part.strip() for part in text.strip("[]").split(",") if part.strip()]
    try:
        if p.type == "int":
            return int(text)
        if p.type == "float":
            return float(text)
        if p.type == "bool":
            return {"true": True, "false": False}[text.lower()]
        return json.loads(text) if text.lstrip().startswith(("{", "[")) else _items(p, text)
    except (ValueError, KeyError):
        raise ValueError(f"{p.name} must be {_WANTED[p.type]}, got {text!r}") from None


_WANTED = {
    "bool": "true or false",
    "int": "an integer",
    "float": "a number",
    "floats": "a list of numbers",
    "ints": "a list of integers",
    "rates": "a JSON object of group names and rates",
}


# ---- with a data set -----------------------------------------------------------------------------------------------


def normalise(params: Mapping[str, Any], dataset: Table) -> dict[str, Any]:
    """Every parameter of training, by canonical name: the given ones, checked, and the defaults of the others.

    Parameters
    ----------
    params : mapping of str to value
        As for `canonical`.
    dataset : Dataset
        Resolves feature and group names and the length of lists by feature.

    Returns
    -------
    dict
        Lists by feature hold one value a feature, or are empty where nothing was given.

    Raises
    ------
    ValueError, TypeError, NotImplementedError
        As `canonical`; an unknown feature or group; a list that does not fit the features; a max_bin that is
        not the Dataset's.
    """
    given = canonical(params)
    max_bin = given.pop("max_bin", dataset.max_bin)
    if max_bin != dataset.max_bin:
        raise ValueError(
            f"max_bin={max_bin}, but the Dataset was made with max_bin={dataset.max_bin}, which decides: "
            "pass it to Dataset(..., max_bin=...)"
        )
    names = list(dataset.feature_names)
    position = {name: i for i, name in enumerate(names)}
    result = {p.name: default(p.name) for p in PARAMETERS if p.scope in ("core", "internal")}
    result |= given
    result["device"], result["device_ordinal"] = devices.parse(result["device"])

    result["feature_weights"] = _per_feature("feature_weights", result["feature_weights"], position, 1.0)
    result["monotone_constraints"] = _per_feature("monotone_constraints", result["monotone_constraints"], position, 0)
    result["interaction_constraints"] = [
        [_feature("interaction_constraints", item, position) for item in group]
        for group in result["interaction_constraints"]
    ]
    if given.get("group_rates") or dataset.groups:
        units = _sampling_units(given.get("group_rates") or {}, dataset.groups, len(names))
        result["feature_unit"], result["unit_rate"] = units
    return result


def _feature(parameter: str, item: str | int, position: Mapping[str, int]) -> int:
    """A feature given by name or number -> its number."""
    if isinstance(item, str):
        if item not in position:
            raise ValueError(f"{parameter}: there is no feature {item!r}{nearest(item, position)}")
        return position[item]
    if item >= len(position):
        raise ValueError(f"{parameter}: feature {item} does not exist, there are {len(position)} features")
    return item


def _per_feature(parameter: str, value: Any, position: Mapping[str, int], free: float) -> list[Any]:
    """A list by feature: as given, or from a dictionary by feature name where the others are `free`."""
    if isinstance(value, Mapping):
        result = [free] * len(position)
        for name, element in value.items():
            result[_feature(parameter, name, position)] = element
        return result
    if value and len(value) != len(position):
        raise ValueError(f"{parameter} has {len(value)} values for {len(position)} features; give one a feature")
    return list(value)


def _sampling_units(
    rates: Mapping[str, float | str], groups: Mapping[str, Sequence[int]] | None, n_features: int
) -> tuple[list[int], list[float]]:
    """The sampling unit of each feature and the rate of each unit (-1 = drawn whole, at colsample_bytree)."""
    groups = groups or {}
    for name in rates:
        if name not in groups:
            raise ValueError(f"group_rates: the Dataset has no group {name!r}{nearest(name, groups)}")
    unit_of = [-1] * n_features
    unit_rate: list[float] = []
    for name, members in groups.items():
        rate = rates.get(name, "together")
        for f in members:
            unit_of[f] = len(unit_rate)
        unit_rate.append(-1.0 if rate == "together" else float(rate))
    for f in range(n_features):
        if unit_of[f] < 0:
            unit_of[f] = len(unit_rate)
            unit_rate.append(-1.0)
    return unit_of, unit_rate


def core_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `normalise`'s result that ``_core.Params`` takes."""
    return {k: v for k, v in values.items() if TABLE[k].scope in ("core", "internal")}


def recorded(values: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `normalise`'s result that a model keeps: what its trees depend on, as JSON can hold it.

    It can be given to `canonical` again.
    """
    return {
        k: v for k, v in values.items() if (TABLE[k].scope == "core" and k not in NOT_RECORDED) or k == "group_rates"
    }
