# SPDX-License-Identifier: Apache-2.0
"""Two models grown together, the light one with the heavy one's margins as a hint (Zhou et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import parameters
from ..booster import Booster
from ..callbacks import ProgressBar, format_scores
from ..data import Dataset
from ..metric_choice import as_metrics
from ..training import Run, as_evals, as_rounds
from .hinted_run import HintedRun
from .hints import Hint

__all__ = ["CoTrained", "CoTrainingInterrupted", "cotrain"]


class CoTrained:
    """The two models of `cotrain`.

    Attributes
    ----------
    heavy, light : Booster
        The light one begins with the first `stem` rounds of the heavy one.
    """

    def __init__(self, heavy: Booster, light: Booster) -> None:
        self.heavy = heavy
        self.light = light

    def __repr__(self) -> str:
        return f"CoTrained(heavy={self.heavy!r}, light={self.light!r})"


class CoTrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C during `cotrain`; ``result`` holds the rounds that both models finished, None before the light one began.

    Attributes
    ----------
    result : CoTrained or None
    """

    def __init__(self, result: CoTrained | None, n_rounds: int) -> None:
        super().__init__(f"co-training interrupted after {n_rounds} rounds; they are in the result attribute")
        self.result = result


def cotrain(
    heavy: Mapping[str, Any],
    light: Mapping[str, Any],
    ds: Dataset,
    num_boost_round: int = 100,
    *,
    hint: str = "logits",
    hint_weight: float = 0.03,
    T: float = 1.0,
    stem: int = 0,
    every: int = 1,
    evals: Iterable[tuple[Dataset, str]] = (),
    metric: Any = None,
    verbose_eval: bool | int = False,
    progress: bool = False,
) -> CoTrained:
    """Grow a heavy and a light model round by round; only the light one sees the other.

    In round m the heavy model grows its tree (or trees) by its own loss alone: it is the model of `pygbt.train`, byte
    for byte. Then the light model grows one on the gradient of its own loss plus that of the hint, which compares its
    margins z with those of the heavy model after round m, v:

    - ``hint="logits"``: ``hint_weight |z - v|^2``, so g = (p - y) + 2 hint_weight (z - v), h = h_own + 2 hint_weight;
    - ``"probabilities"``: ``hint_weight |p - q|^2`` of the class probabilities;
    - ``"softmax"``: ``hint_weight T^2 CE(softmax(v / T), softmax(z / T))``.

    Parameters
    ----------
    heavy, light : dict
        Parameters of `pygbt.train`. Both have the same objective; the light one differs in `max_depth`, `max_leaves`,
        `learning_rate` and so on. Neither may have a custom objective.
    ds : Dataset
        Training table with labels. Its bins serve both.
    num_boost_round : int, default 100
        Rounds of the heavy model.
    hint : {"logits", "probabilities", "softmax"}, default "logits"
    hint_weight : float, default 0.03
        lambda; 0 trains the light model as if it were alone.
    T : float, default 1
        Temperature of ``hint="softmax"``.
    stem : int, default 0
        Rounds of the heavy model, from its first, that belong to both: the light model continues from there. Both must
        have the same kind of trees then (`multi_strategy`).
    every : int, default 1
        The light model grows in every `every`-th round only, beginning with the last of the first `every` after the
        stem: it has ``stem + (num_boost_round - stem) // every`` rounds.
    evals : list of (Dataset, str), optional
        Tables on which both models are scored after each of their rounds; see ``evals_result`` of each.
    metric : str, callable or list of them, optional
        As in `pygbt.train`.
    verbose_eval : bool or int, default False
        Print the scores of both every round, or every so many rounds.
    progress : bool, default False
        Show a progress bar on standard error.

    Returns
    -------
    CoTrained
        ``heavy`` and ``light``, each a `Booster`.

    Raises
    ------
    ValueError, TypeError
        The message names the argument.
    CoTrainingInterrupted
        Ctrl-C; a KeyboardInterrupt whose ``result`` holds what is done.

    Notes
    -----
    Measure whether a hint helps: the heavy model has seen the same rows. While its margins are still small, or the
    learning rate of the light model is, a strong hint on the logits holds the light model back (on otto it cost log
    loss at every weight tried; "probabilities" and "softmax" at a weight of 0.03 to 0.3 gained 0.1 to 0.3 % with a
    quick heavy model). `distill` with a teacher of other rows, or out of fold, gains more.

    References
    ----------
    G. Zhou et al., Rocket Launching: a universal and efficient framework for training well-performing light net, AAAI
    2018.

    Examples
    --------
    >>> both = cotrain({"objective": "softmax", "max_depth": 8}, {"objective": "softmax", "max_depth": 3}, ds, 300)
    >>> both.light.predict(X)
    """
    if not isinstance(ds, Dataset):
        raise TypeError(f"ds must be a pygbt.Dataset, got {type(ds).__name__}")
    if ds.label is None:
        raise ValueError("ds has no label: pass y to Dataset")
    n_rounds = as_rounds("num_boost_round", num_boost_round)
    stem, every = as_rounds("stem", stem), as_rounds("every", every)
    if every < 1:
        raise ValueError("every must be at least 1")
    if stem > n_rounds:
        raise ValueError(f"stem={stem} is more than the {n_rounds} rounds of the heavy model")
    the_hint = Hint(hint, hint_weight, T)
    heavy_params, light_params = _params("heavy", heavy), _params("light", light)
    tables = as_evals(evals, ds)
    metrics = [as_metrics(metric, params) for params in (heavy_params, light_params)]
    heavy_run = Run(heavy_params, ds, tables, metrics=metrics[0])
    if heavy_run.params["objective"] != parameters.normalise(light_params, ds)["objective"]:
        raise ValueError("heavy and light must have the same objective: a hint compares their margins")

    shape = (ds.n_rows, heavy_run.trainer.n_outputs)

    def margins() -> npt.NDArray[np.float32]:
        return heavy_run.trainer.scores(-1).reshape(shape)

    def light_begins() -> HintedRun:
        start = heavy_run.booster() if stem else None
        run = HintedRun(light_params, ds, tables, init_model=start, metrics=metrics[1])
        run.prepare(the_hint, margins)
        return run

    light_run = light_begins() if stem == 0 else None
    bar = ProgressBar("co-training")
    if progress:
        bar.open(n_rounds)
    try:
        for m in range(1, n_rounds + 1):
            heavy_run.advance(float(heavy_run.params["learning_rate"]))
            if light_run is None and m == stem:
                light_run = light_begins()
            elif light_run is not None and (m - stem) % every == 0:
                light_run.advance(float(light_run.params["learning_rate"]))
            text = _scores(heavy_run, light_run)
            bar.advance(1, text)
            if verbose_eval and (m % int(verbose_eval) == 0 or m == n_rounds):
                print(f"[{m - 1}]  {text}")
    except KeyboardInterrupt as interrupt:
        done = None if light_run is None else CoTrained(heavy_run.booster(), light_run.booster())
        raise CoTrainingInterrupted(done, heavy_run.done) from interrupt
    finally:
        bar.finish()
    assert light_run is not None
    return CoTrained(heavy_run.booster(), light_run.booster())


def _params(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise TypeError(f"{name} must be a dictionary of parameters, got {type(given).__name__}")
    params = parameters.canonical(given)
    for rounds in ("num_boost_round", "early_stopping_rounds"):
        if params.pop(rounds, None) is not None:
            raise ValueError(f"{name}: {rounds} is no parameter of co-training; give num_boost_round to cotrain")
    return params


def _scores(heavy: Run, light: Run | None) -> str:
    """The newest scores of both in one line."""
    runs: Sequence[tuple[str, Run | None]] = (("heavy", heavy), ("light", light))
    parts = []
    for name, run in runs:
        if run is not None:
            last = {d: {m: s[-1] for m, s in found.items() if s} for d, found in run.evaluations.items()}
            parts.append(f"{name}: {format_scores(last)}" if any(last.values()) else "")
    return "  ".join(part for part in parts if part)
