# SPDX-License-Identifier: Apache-2.0
"""What the columns of a training table are called and mean, so that a later table can be read the same way.

Categories are stored by value: a later table may hold other categories, in another order or under other codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .columns import Column, Table, is_missing, read_table
from .parameters import nearest

__all__ = ["Schema"]

Value = str | int | float | bool
Encoded = Any  # a 2-D array, or a list of columns as _core.Dataset takes them
Features = Sequence[int | str]

MAX_CATEGORIES = 65_535
_KINDS: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
_NUMBER_RANGE = 1 << 20  # integer categories are looked up in a table if their range is no larger
_SHOWN = 10


@dataclass(frozen=True)
class Schema:
    """Names, categories and groups of the columns of a table.

    Attributes
    ----------
    feature_names : tuple of str
        In the order of training.
    named : bool
        True if the table brought its names (or the user gave them): later frames are matched by name, not by place.
    categories : tuple of (None or tuple of values)
        None for a numeric column, else its categories: code c stands for value c.
    groups : dict of str to tuple of int
        Named feature groups: places of their columns.
    sparse_missing : bool
        Entries that a sparse matrix does not store are missing instead of zero.
    """

    feature_names: tuple[str, ...]
    named: bool
    categories: tuple[tuple[Value, ...] | None, ...]
    groups: dict[str, tuple[int, ...]] = field(default_factory=dict)
    sparse_missing: bool = False

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return len(self.feature_names)

    @property
    def n_categories(self) -> list[int]:
        """Number of categories of each column, 0 for numeric ones."""
        return [0 if values is None else len(values) for values in self.categories]

    @classmethod
    def infer(
        cls,
        table: Table,
        *,
        categorical_features: Literal["auto"] | Features | None = "auto",
        feature_names: Sequence[str] | None = None,
        feature_groups: Mapping[str, Features] | None = None,
        sparse_missing: bool = False,
    ) -> Schema:
        """Learn names, kinds and categories from a training table.

        Raises
        ------
        ValueError, TypeError
            Names are double or of another number than the columns, a feature that is listed does not exist, or a
            column cannot be numeric or categorical.
        """
        names, named = _names(table, feature_names)
        listed: set[int] | None = set()
        if isinstance(categorical_features, str):
            if categorical_features != "auto":
                raise ValueError(f'categorical_features must be "auto", a list or None, got {categorical_features!r}')
            listed = None
        elif categorical_features is not None:
            listed = set(_places(categorical_features, names, "categorical_features"))
        categories: list[tuple[Value, ...] | None] = [None] * len(names)
        if listed is not None or table.matrix is None:
            wanted = range(len(names)) if listed is None else sorted(listed)
            for i, column in zip(wanted, table.columns(wanted), strict=True):
                if listed is not None or column.codes is not None:
                    categories[i] = _categories_of(column, names[i])
        groups = _groups(feature_groups or {}, names)
        return cls(names, named, tuple(categories), groups, bool(sparse_missing))

    def encode(self, X: Any, *, owner: str = "Booster") -> Encoded:
        """Read a table as the columns of this schema, for the C++ core.

        Columns of a frame are found by name, in any order and among others; those of an array by place. Categories
        are coded by value; what was not seen in training is missing.

        Parameters
        ----------
        X : array, sparse matrix or data frame, shape (n, n_features)
        owner : str
            Who expects the columns, for messages.

        Raises
        ------
        ValueError, TypeError
            A column is missing or holds text in place of numbers; the number of columns is wrong.
        """
        return self.encode_table(X if isinstance(X, Table) else read_table(X), owner=owner)

    def encode_table(self, table: Table, *, owner: str = "Booster") -> Encoded:
        """Like `encode`, of a table that has been read."""
        places = self._match(table, owner)
        if table.matrix is not None and not any(values is not None for values in self.categories):
            return table.matrix
        encoded: list[Any] = []
        for name, values, column in zip(self.feature_names, self.categories, table.columns(places), strict=True):
            if values is not None:
                encoded.append(("codes", _codes(column, values, name)))
            elif column.stored is not None:
                fill = float("nan") if self.sparse_missing else 0.0
                encoded.append(("sparse", *column.stored, fill, column.n_rows))
            else:
                encoded.append(_numbers(column, name))
        return encoded

    def _match(self, table: Table, owner: str) -> Sequence[int]:
        """Places in the table of the columns of this schema."""
        if table.names is None or not self.named:
            if table.n_columns != self.n_features:
                raise ValueError(
                    f"X has {table.n_columns} features, but {owner} is expecting {self.n_features} features as input"
                )
            return range(self.n_features)
        place = {name: i for i, name in enumerate(table.names)}
        missing = [name for name in self.feature_names if name not in place]
        if missing:
            shown = "".join(f"\n- {name}" for name in missing[:_SHOWN])
            more = f"\n- .. and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            raise ValueError(
                "The feature names should match those that were passed during fit.\n"
                f"Feature names seen at fit time, yet now missing:{shown}{more}"
            )
        return [place[name] for name in self.feature_names]

    def to_json(self) -> dict[str, Any]:
        """Describe the schema in types of JSON."""
        columns: list[dict[str, Any]] = []
        for name, values in zip(self.feature_names, self.categories, strict=True):
            column: dict[str, Any] = {"name": name}
            if values is not None:
                kinds = {type(value).__name__ for value in values}
                column["type"] = kinds.pop() if len(kinds) == 1 else "mixed"
                column["categories"] = list(values)
            columns.append(column)
        groups = {name: list(places) for name, places in self.groups.items()}
        return {"columns": columns, "named": self.named, "groups": groups, "sparse_missing": self.sparse_missing}

    @classmethod
    def from_json(cls, data: Any) -> Schema:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError
            It is not a sound description.
        """
        try:
            names = tuple(column["name"] for column in data["columns"])
            categories = tuple(_read_categories(column) for column in data["columns"])
            groups = {name: tuple(places) for name, places in data["groups"].items()}
            named, sparse_missing = data["named"], data["sparse_missing"]
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"schema: the description of the columns is damaged ({error!r})") from None
        places = [i for group in groups.values() for i in group]
        if not (
            all(isinstance(name, str) for name in names)
            and len(set(names)) == len(names) > 0
            and isinstance(named, bool)
            and isinstance(sparse_missing, bool)
            and all(type(i) is int and 0 <= i < len(names) for i in places)
            and len(set(places)) == len(places)
        ):
            raise ValueError("schema: the description of the columns is damaged")
        return cls(names, named, categories, groups, sparse_missing)


# --- names and groups -----------------------------------------------------------------------------------------------


def _names(table: Table, given: Sequence[str] | None) -> tuple[tuple[str, ...], bool]:
    if given is None:
        if table.names is not None:
            return tuple(table.names), True
        return tuple(f"f{i}" for i in range(table.n_columns)), False
    names = [given] if isinstance(given, str) else list(given)
    if len(names) != table.n_columns:
        raise ValueError(f"feature_names has {len(names)} names, but X has {table.n_columns} columns")
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        raise TypeError(f"feature_names must be text, got {wrong[0]!r}")
    double = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if double:
        raise ValueError(f"feature_names holds {double[0]!r} twice; names must differ")
    return tuple(names), True


def _places(features: Features, names: Sequence[str], argument: str) -> list[int]:
    """Places of features given by name or index (a mask is refused: its numbers would be taken for indices)."""
    if isinstance(features, str | int):
        raise TypeError(f"{argument} must be a list of names or indices, got {features!r}")
    place = {name: i for i, name in enumerate(names)}
    places = []
    for feature in features:
        if isinstance(feature, str):
            if feature not in place:
                raise ValueError(f"{argument}: there is no column {feature!r}{nearest(feature, names)}")
            places.append(place[feature])
        elif isinstance(feature, int | np.integer) and not isinstance(feature, bool | np.bool_):
            if not 0 <= feature < len(names):
                raise ValueError(f"{argument}: there is no column {feature}; X has {len(names)} columns")
            places.append(int(feature))
        else:
            raise TypeError(f"{argument} must hold names or indices of columns, got {feature!r}")
    return places


def _groups(given: Mapping[str, Features], names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    if not isinstance(given, Mapping):
        raise TypeError("feature_groups must be a dict from a group's name to a list of columns")
    groups: dict[str, tuple[int, ...]] = {}
    owner: dict[int, str] = {}
    for group, features in given.items():
        if not isinstance(group, str):
            raise TypeError(f"feature_groups: names of groups must be text, got {group!r}")
        places = _places(features, names, f"feature_groups[{group!r}]")
        if not places:
            raise ValueError(f"feature_groups[{group!r}] is empty")
        if group in names and names.index(group) not in places:
            raise ValueError(
                f"feature_groups: {group!r} is also the name of a column outside the group; rename the group"
            )
        for place in places:
            if place in owner:
                raise ValueError(f"feature_groups: column {names[place]!r} is in {owner[place]!r} and in {group!r}")
            owner[place] = group
        groups[group] = tuple(sorted(places))
    return groups


# --- columns --------------------------------------------------------------------------------------------------------


def _numbers(column: Column, name: str) -> npt.NDArray[Any]:
    """A numeric column; categories that are numbers count as their values."""
    if column.numbers is not None:
        return column.numbers
    if column.codes is not None and all(isinstance(v, int | float | np.number) for v in column.values):
        values: npt.NDArray[Any] = np.append(np.asarray(column.values, dtype=np.float64), np.nan)
        return np.asarray(values[column.codes])  # code -1 takes the NaN at the end
    raise ValueError(
        f"X, column {name!r}: dtype {column.dtype} is not numeric. Convert it to numbers or to a category type, "
        "list it in categorical_features, or leave it out"
    )


def _dense(column: Column) -> npt.NDArray[Any] | None:
    if column.stored is None:
        return column.numbers
    values, rows = column.stored
    dense = np.zeros(column.n_rows, dtype=values.dtype)
    dense[rows] = values
    return dense


def _categories_of(column: Column, name: str) -> tuple[Value, ...]:
    """The categories of a training column: as declared by its type, else the values that occur, ascending."""
    numbers = _dense(column)
    values: Sequence[Any]
    if numbers is not None:
        distinct = np.unique(numbers)
        if distinct.dtype.kind == "f":
            distinct = distinct[~np.isnan(distinct)]
        values = distinct.tolist()
    elif column.codes is not None:
        values = list(column.values)
        if not column.declared:
            values = [values[code] for code in np.unique(column.codes).tolist() if code >= 0]
    else:
        assert column.objects is not None
        try:
            values = list(dict.fromkeys(value for value in column.objects() if not is_missing(value)))
        except TypeError:
            raise _not_categories(column, name) from None
    if len(values) > MAX_CATEGORIES:
        raise ValueError(
            f"X, column {name!r} has {len(values)} categories; at most {MAX_CATEGORIES} are supported. Leave the "
            "column out, group its rare values, or make it numeric"
        )
    result = [_plain(value, name) for value in values if not is_missing(value)]
    if not column.declared:
        result.sort(key=lambda value: (isinstance(value, str), value))
    if len(set(result)) < len(result):
        raise ValueError(f"X, column {name!r} has two categories of equal value, such as 1 and True")
    return tuple(result)


def _plain(value: Any, name: str) -> Value:
    """A category in a type that a model file can hold."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        raise ValueError(f"X, column {name!r}: an infinite value cannot be a category")
    for kind in (bool, str, int, float):
        if isinstance(value, kind):
            plain: Value = kind(value)
            return plain
    raise ValueError(
        f"X, column {name!r}: categories of type {type(value).__name__} cannot be stored in a model; "
        "convert them to str"
    )


def _codes(column: Column, categories: Sequence[Value], name: str) -> npt.NDArray[np.int32]:
    """Code of every row, -1 for missing values and categories that training did not see."""
    code_of = {value: code for code, value in enumerate(categories)}
    numbers = _dense(column)
    if numbers is not None:
        return _number_codes(numbers, code_of)
    if column.codes is not None:
        table = np.array([*(_lookup(code_of, value) for value in column.values), -1], dtype=np.int32)
        return np.asarray(table[column.codes])  # code -1 takes the -1 at the end
    assert column.objects is not None
    try:
        return np.array([code_of.get(value, -1) for value in column.objects()], dtype=np.int32)
    except TypeError:
        raise _not_categories(column, name) from None


def _not_categories(column: Column, name: str) -> ValueError:
    return ValueError(f"X, column {name!r}: dtype {column.dtype} holds objects that cannot be categories")


def _lookup(code_of: Mapping[Value, int], value: Any) -> int:
    try:
        return code_of.get(value, -1)
    except TypeError:  # cannot be hashed, so it was no category
        return -1


def _number_codes(numbers: npt.NDArray[Any], code_of: Mapping[Value, int]) -> npt.NDArray[np.int32]:
    if numbers.dtype.kind in "biu" and len(numbers) > 0:
        low, high = int(numbers.min()), int(numbers.max())
        if high - low < _NUMBER_RANGE and high <= np.iinfo(np.int64).max:
            table = np.full(high - low + 1, -1, dtype=np.int32)
            for value, code in code_of.items():
                if not isinstance(value, str) and low <= value <= high and value == int(value):
                    table[int(value) - low] = code
            return np.asarray(table[numbers.astype(np.int64) - low])
    distinct, place = np.unique(numbers, return_inverse=True)
    codes = np.array([code_of.get(value, -1) for value in distinct.tolist()], dtype=np.int32)
    return np.asarray(codes[place.reshape(numbers.shape)])


def _read_categories(column: Mapping[str, Any]) -> tuple[Value, ...] | None:
    if "categories" not in column:
        return None
    values = column["categories"]
    kind = column["type"]
    allowed = set(_KINDS.values()) if kind == "mixed" else {_KINDS[kind]}
    sound = isinstance(values, list) and len(values) <= MAX_CATEGORIES
    if not sound or any(type(value) not in allowed for value in values) or len(set(values)) < len(values):
        raise ValueError(f"schema: the categories of column {column['name']!r} are damaged")
    return tuple(values)
