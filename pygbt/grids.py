# SPDX-License-Identifier: Apache-2.0
"""Spaces of parameters: every combination of lists of values, or draws from them and from distributions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["Space", "draw", "grid"]

#: Values by name: a list or array of choices, a distribution, or one fixed value. Several spaces are searched in turn.
Space = Mapping[str, Any] | Sequence[Mapping[str, Any]]


def grid(space: Space, **fixed: Any) -> list[dict[str, Any]]:
    """Every combination of values, the last name varying fastest.

    Parameters
    ----------
    space : dict, or list of them
        Values by name. A list, tuple, range or array holds choices; anything else is a fixed value. A parameter that is
        itself a list is a choice of lists: ``{"monotone_constraints": [[1, 0], [0, 0]]}``.
    **fixed
        Parameters of all combinations.

    Returns
    -------
    list of dict

    Raises
    ------
    ValueError, TypeError
        A list of choices is empty, a name is fixed and varied, or a value is a distribution.

    Examples
    --------
    >>> pygbt.grid({"max_depth": [4, 6], "learning_rate": [0.1, 0.3]}, objective="logistic")  # 4 dictionaries
    """
    result: list[dict[str, Any]] = []
    for one in _spaces(space, fixed):
        choices = []
        for name, value in one.items():
            if _sampler(value) is not None:
                raise TypeError(f"{name} is a distribution, of which there are no combinations; use search(n_iter=...)")
            choices.append(_choices(name, value))
        result += [{**fixed, **dict(zip(one, values, strict=True))} for values in itertools.product(*choices)]
    return result


def generator(seed: Any) -> np.random.RandomState:
    """The generator of a seed; negative ones count from 2^32 down."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise ValueError(f"seed must be an integer, got {seed!r}: the same seed draws the same again")
    return np.random.RandomState(int(seed) % 2**32)


def draw(space: Space, n: int, seed: int, **fixed: Any) -> list[dict[str, Any]]:
    """`n` dictionaries drawn from a space: different combinations where it has no distribution, all of them at most.

    Parameters
    ----------
    space : dict, or list of them
        As for `grid`; also distributions, which have ``rvs(random_state=...)`` as those of scipy.stats, or functions of
        a ``numpy.random.RandomState``.
    n : int
    seed : int
    **fixed
        Parameters of all dictionaries.
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"n_iter must be a positive integer, got {n!r}")
    draws = generator(seed)
    spaces = _spaces(space, fixed)
    if not any(_sampler(value) for one in spaces for value in one.values()):
        every = grid(space, **fixed)
        chosen = draws.permutation(len(every))[:n]
        return [every[i] for i in np.sort(chosen)]
    result = []
    for _ in range(n):
        one = spaces[draws.randint(len(spaces))]
        drawn = dict(fixed)
        for name, value in one.items():
            sample = _sampler(value)
            choices = [] if sample else _choices(name, value)
            drawn[name] = _plain(sample(draws)) if sample else choices[draws.randint(len(choices))]
        result.append(drawn)
    return result


def _spaces(space: Space, fixed: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if not isinstance(space, Mapping | Iterable):
        raise TypeError(f"a space of parameters must be a dictionary or a list of them, got {type(space).__name__}")
    spaces: list[Mapping[str, Any]] = [space] if isinstance(space, Mapping) else list(space)
    for one in spaces:
        if not isinstance(one, Mapping):
            raise TypeError(f"a space of parameters must be a dictionary or a list of them, got {type(one).__name__}")
        twice = sorted(set(one) & set(fixed))
        if twice:
            raise ValueError(f"{twice[0]} is both fixed and part of the space; leave it out of one")
    return spaces


def _sampler(value: Any) -> Callable[[np.random.RandomState], Any] | None:
    if hasattr(value, "rvs"):
        return lambda draws: value.rvs(random_state=draws)
    return value if callable(value) else None


def _choices(name: str, value: Any) -> list[Any]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        return [value]
    choices = [_plain(item) for item in value]
    if not choices:
        raise ValueError(f"{name} has no value to choose from")
    return choices


def _plain(value: Any) -> Any:
    """Numbers of NumPy as Python's."""
    return value.item() if isinstance(value, np.generic) else value
