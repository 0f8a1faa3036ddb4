# SPDX-License-Identifier: Apache-2.0
"""`MultiTask`: one estimator for many tasks with losses of their own, in shared trees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..table_estimator import TableEstimator, seed_of  # first: says what is missing

# isort: split
from sklearn.utils.validation import check_is_fitted

from .. import device_arrays, devices, parameters
from ..booster import Booster
from ..callbacks import Callback
from ..data import Dataset
from ..estimator_files import FileParts, SavedEstimator
from ..training import as_rounds
from .booster_options import BoosterOptions
from .comparison import Comparison, Plan, alone, choose_plan, compared_alone, held_out_parts
from .group import Group, Rows, train_group
from .options import TASK_PARAMETERS, TaskOptions, read_options
from .reading import eval_pairs, read_labels, read_rows
from .sharing import AUTO, Sharing, read_sharing
from .task import Task
from .task_files import pack_groups, read_groups
from .transfer import make_report

__all__ = ["MultiTask"]

Values = npt.NDArray[np.float64]


class MultiTask(BoosterOptions, SavedEstimator, TableEstimator):
    """Gradient boosted trees for many tasks at once.

    Each task has a loss, labels (missing ones are left out cell by cell) and perhaps a teacher of its own. Tasks that
    ask similar questions of the features gain from sharing trees, most of all where labels are few.

    Parameters
    ----------
    tasks : dict of str to str or dict
        Loss of every task: an objective of `pygbt.train` or "entire_space" (click and conversion, two label columns),
        or a dictionary with ``loss`` and any of ``weight``, ``auxiliary``, ``metric``, ``columns`` (names in a frame of
        labels) and the parameters ``teacher_alpha``, ``teacher_temperature``, ``teacher_match``, ``teacher_bound``,
        ``teacher_scale_t2``, ``huber_delta``, ``tweedie_variance_power``, ``scale_pos_weight``, ``softmax_hessian``,
        ``quantile_alpha``.
    share : {"tree", "stem:d", "residual", "none", "auto"}, default "tree"
        "tree": one tree with a leaf vector of all tasks; "stem:d": the same splits in the first d levels, then each
        task's own; "residual": a shared tree, then a small one for each task on what is left; "none": trees of their
        own. "auto" compares these on rows held out (every row once, in a table of fewer than 5,000 rows) and gives
        tasks that lose by sharing a model of their own.
    balance : bool, default True
        Weigh tasks alike in the search for splits whatever the units of their losses; leaf values keep full gradients.
    sketch : int, default 0
        Search splits over so many columns in place of all targets; for tens and hundreds of targets.
    sketch_kind : {"random_projection", "top_outputs"}
        Random mixtures of the gradients, or the targets with the largest ones.
    own_reg_lambda : float, optional
        `reg_lambda` of a task's own trees under "stem" and "residual"; by default that of the shared ones.
    feature_penalty : float, default 0
        Gain that the first use of a feature anywhere must bring on top: few features, the same for all tasks.
    weights : dict of str to float, optional
        Factors on the losses of tasks.
    auxiliary : sequence of str, default ()
        Tasks that are trained, because they help the others, but not predicted.
    report : bool, default False
        Work out `transfer_report_`; "auto" always does.
    n_estimators : int, default 100
        Rounds.
    early_stopping_rounds : int, optional
        Stop when the weighted mean of the tasks' relative scores (see `TransferReport`) on the last evaluation set has
        not improved for so many rounds.
    validation_fraction : float, default 0.1
        Share of the rows held out for early stopping without an eval_set, and for "auto" and the report in large
        tables.
    categorical_features, feature_groups
        See `pygbt.Dataset`.
    random_state : int, RandomState or None, default 0
    n_jobs : int, optional
        Threads; never changes a result.
    **booster
        Any parameter of `pygbt.train` by any of its names: ``max_depth``, ``learning_rate``, ``subsample``, ...

    Attributes
    ----------
    tasks_ : list of str
        Tasks that are predicted.
    classes_ : dict of str to ndarray
        Sorted labels of the tasks with classes.
    groups_ : list of list of str
        Tasks that one booster learnt together.
    shares_ : list of str
        How each group shares.
    boosters_ : list of Booster
        One a group; they predict margins, a column a target.
    transfer_report_ : TransferReport
        With ``report=True`` or ``share="auto"``.
    evals_result_ : dict of dict of list of float
        ``evals_result_[evaluation set][task]``: the task's metric by round.
    feature_importances_ : ndarray of float64, shape (n_features,)

    Examples
    --------
    >>> model = MultiTask({"bought": "logistic", "amount": {"loss": "tweedie", "weight": 0.5}, "visits": "poisson"})
    >>> model.fit(X, y)  # y: a frame with these columns, NaN where a cell is unknown
    >>> model.predict(X)["amount"], model.predict_proba(X)["bought"][:, 1]
    """

    _classes_in_common = False

    def __init__(
        self,
        tasks: Any,
        *,
        share: str = "tree",
        balance: bool = True,
        sketch: int = 0,
        sketch_kind: str = "random_projection",
        own_reg_lambda: float | None = None,
        feature_penalty: float = 0.0,
        weights: Mapping[str, float] | None = None,
        auxiliary: Sequence[str] = (),
        report: bool = False,
        n_estimators: int = 100,
        early_stopping_rounds: int | None = None,
        validation_fraction: float = 0.1,
        categorical_features: Any = "auto",
        feature_groups: Any = None,
        random_state: Any = 0,
        n_jobs: int | None = None,
        **booster: Any,
    ) -> None:
        self.tasks = tasks
        self.share = share
        self.balance = balance
        self.sketch = sketch
        self.sketch_kind = sketch_kind
        self.own_reg_lambda = own_reg_lambda
        self.feature_penalty = feature_penalty
        self.weights = weights
        self.auxiliary = auxiliary
        self.report = report
        self.n_estimators = n_estimators
        self.early_stopping_rounds = early_stopping_rounds
        self.validation_fraction = validation_fraction
        self.categorical_features = categorical_features
        self.feature_groups = feature_groups
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.booster = booster

    # --- fitting ----------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        teachers: Mapping[str, Any] | None = None,
        eval_set: tuple[Any, Any] | Sequence[tuple[Any, Any]] | None = None,
        callbacks: Iterable[Callback] = (),
    ) -> Any:
        """Train on a table.

        Parameters
        ----------
        X : array, sparse matrix or data frame, shape (n, n_features)
            NaN is a missing value.
        y : dict of str to array-like, data frame, or array of shape (n, n_tasks)
            Labels by task, shape (n,) or (n, k): numbers, or classes of any type. NaN and None: no label there. A
            dictionary may leave out tasks that have a teacher.
        sample_weight : array-like, shape (n,), optional
            Weight 2 is the same as the row twice.
        teachers : dict of str to array-like or callable, optional
            What a teacher says of some tasks: probabilities, (n,) or (n, n_classes) in the order of the sorted classes,
            or values; NaN where it says nothing. A callable is given X.
        eval_set : (X, y) or list of them, optional
            Tables to score every round, validation_0, ..; the last decides early stopping.
        callbacks : list of callables, optional
            See `pygbt.callbacks`.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            The message names the argument or the task.
        """
        options, sharing, params = self._checked()
        n_rounds = as_rounds("n_estimators", self.n_estimators)
        X = self._check_X(X, reset=True)
        if y is None and not teachers:
            raise ValueError(f"This {type(self).__name__} estimator requires y to be passed, but the target y is None.")
        tasks, rows = read_rows(X, y, teachers, sample_weight, options)
        evals = [
            (read_labels(self._check_X(Xv, reset=False), yv, tasks, f"eval_set[{i}]"), f"validation_{i}")
            for i, (Xv, yv) in enumerate(eval_pairs(eval_set))
        ]
        dataset_options = {
            "categorical_features": self.categorical_features,
            "feature_groups": self.feature_groups,
            "max_bin": params.pop("max_bin", parameters.default("max_bin")),
            "n_threads": params.get("n_threads", 0),
            "device": None if device_arrays.view(X) is not None else devices.home_of(params.get("device")),
        }
        seed = int(params.get("seed", 0))

        def fit_plan(plan: Plan, given: Rows, tables: Any = (), hooks: Any = (), report: bool = False) -> list[Group]:
            if self.early_stopping_rounds and not tables:
                kept, held = self._hold_out(given.n, seed)
                given, tables = given.take(kept), [(given.take(held), "validation")]
            bins = Dataset(given.X, weight=given.weight, **dataset_options) if len(plan) > 1 else None
            return [
                train_group(
                    own,
                    how,
                    given,
                    params,
                    n_rounds,
                    options=dataset_options,
                    evals=tables,
                    early_stopping_rounds=self.early_stopping_rounds,
                    callbacks=hooks,
                    report=report,
                    reference=bins,
                )
                for own, how in plan
            ]

        name, plan, comparison = self._plan(tasks, sharing, rows, seed, fit_plan)
        groups = fit_plan(plan, rows, evals, callbacks, comparison is not None)
        self._set_groups(tasks, groups)
        if comparison is not None:
            self.transfer_report_ = make_report(comparison, name, groups, rows)
        elif hasattr(self, "transfer_report_"):
            del self.transfer_report_
        return self

    def _checked(self) -> tuple[tuple[TaskOptions, ...], Sharing, dict[str, Any]]:
        """Tasks, sharing and the parameters of training; None left out."""
        params = self._booster_params()
        shared = {name: params.pop(name) for name in TASK_PARAMETERS if name in params}
        options = read_options(self.tasks, self.weights, self.auxiliary, shared)
        sharing = read_sharing(
            self.share,
            balance=self.balance,
            sketch=self.sketch,
            sketch_kind=self.sketch_kind,
            own_reg_lambda=self.own_reg_lambda,
            feature_penalty=self.feature_penalty,
        )
        params["seed"] = seed_of(self.random_state) or 0
        params["n_threads"] = 0 if self.n_jobs is None or self.n_jobs < 0 else self.n_jobs
        return options, sharing, parameters.canonical(params)

    def _hold_out(self, n: int, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Rows to train on and rows to stop by."""
        held = round(self._fraction() * n)
        if not 0 < held < n:
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of {n} rows leaves no row to train or stop by"
            )
        order = np.random.RandomState((seed + 1) % 2**32).permutation(n)
        return np.sort(order[held:]), np.sort(order[:held])

    def _fraction(self) -> float:
        share = self.validation_fraction
        if not isinstance(share, int | float) or not 0.0 < share < 1.0:
            raise ValueError(f"validation_fraction must lie between 0 and 1, got {share!r}")
        return float(share)

    def _plan(
        self, tasks: list[Task], sharing: Sharing, rows: Rows, seed: int, fit: Any
    ) -> tuple[str, Plan, Comparison | None]:
        """Which tasks are learnt together, and what was compared to know."""
        predicted = [task for task in tasks if not task.options.auxiliary]
        if self.share == AUTO or self.report:
            stops = bool(self.early_stopping_rounds)
            parts = held_out_parts(rows.n, seed, self._fraction())
            comparison = Comparison(predicted, [(rows.take(a), rows.take(b)) for a, b in parts], fit, stops)
            if self.share == AUTO and len(tasks) > 1:
                name, plan = choose_plan(comparison, tasks, sharing)
                return name, plan, comparison
            comparison.add("none", compared_alone(tasks, sharing, stops))
            plan = self._given_plan(tasks, sharing)
            if sharing.share != "none":
                comparison.add(sharing.text, plan)
            return sharing.text, plan, comparison
        return sharing.text, self._given_plan(tasks, sharing), None

    def _given_plan(self, tasks: list[Task], sharing: Sharing) -> Plan:
        if sharing.share == "none" and self.early_stopping_rounds and len(tasks) > 1:
            return alone(tasks, sharing)  # each stops by itself
        if sharing.share != "none" and len(tasks) == 1:
            return [(tuple(tasks), sharing.having("tree"))]
        return [(tuple(tasks), sharing)]

    def _set_groups(self, tasks: list[Task], groups: list[Group]) -> None:
        self._tasks, self._groups = tasks, groups
        self.tasks_ = [task.name for task in tasks if not task.options.auxiliary]
        self.classes_ = {
            task.name: task.classes for task in tasks if task.classes is not None and not task.options.auxiliary
        }
        self.groups_ = [[task.name for task in group.tasks] for group in groups]
        self.shares_ = [group.sharing.text if len(group.tasks) > 1 else "none" for group in groups]
        self.boosters_ = [group.booster for group in groups]

    # --- prediction -------------------------------------------------------------------------------------------------

    def _margins(self, X: Any) -> dict[str, npt.NDArray[np.float32]]:
        check_is_fitted(self)
        X = self._check_X(X, reset=False)
        jobs = 0 if self.n_jobs is None or self.n_jobs < 0 else self.n_jobs
        margins: dict[str, npt.NDArray[np.float32]] = {}
        for group in self._groups:
            margins |= group.margins(X, n_threads=jobs)
        return margins

    def _predicted(self) -> list[Task]:
        return [task for task in self._tasks if not task.options.auxiliary]

    def predict(self, X: Any) -> dict[str, npt.NDArray[Any]]:
        """Answers by task: the most probable class, or values in units of the labels.

        Parameters
        ----------
        X : array, sparse matrix or data frame, shape (n, n_features)

        Returns
        -------
        dict of str to ndarray, shape (n,) or (n, k)
            Auxiliary tasks are left out. An entire-space task has the probabilities of a click, of a conversion after
            it and of both, (n, 3).
        """
        margins = self._margins(X)
        return {task.name: task.answers(margins[task.name]) for task in self._predicted()}

    def predict_proba(self, X: Any) -> dict[str, Values]:
        """Probabilities of the classes, by task that has classes.

        Returns
        -------
        dict of str to ndarray of float64, shape (n, n_classes)
            Columns in the order of ``classes_[task]``. Of a task of several yes-or-no labels the probability of yes,
            (n, k).
        """
        margins = self._margins(X)
        return {
            task.name: task.probabilities(margins[task.name]) for task in self._predicted() if task.classes is not None
        }

    def predict_margin(self, X: Any) -> dict[str, npt.NDArray[np.float32]]:
        """Margins by task, float32 of shape (n, n_targets)."""
        margins = self._margins(X)
        return {task.name: margins[task.name] for task in self._predicted()}

    # --- what it knows after fit ------------------------------------------------------------------------------------

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_groups")

    @property
    def evals_result_(self) -> dict[str, dict[str, list[float]]]:
        """Metric of every task on every evaluation set, by round."""
        check_is_fitted(self)
        result: dict[str, dict[str, list[float]]] = {}
        for group in self._groups:
            for data, by_task in group.history.items():
                result.setdefault(data, {}).update({name: list(scores) for name, scores in by_task.items()})
        return result

    @property
    def best_iterations_(self) -> dict[str, int]:
        """Round that each task is predicted with, of a model that stopped early."""
        check_is_fitted(self)
        return {
            task.name: group.booster.best_iteration
            for group in self._groups
            for task in group.tasks
            if group.booster.best_iteration is not None
        }

    @property
    def feature_importances_(self) -> Values:
        """Total gain of every feature over all boosters, shape (n_features,); sums to 1 unless no tree has a split."""
        check_is_fitted(self)
        gains = [list(b.feature_importance("total_gain", groups=False).values()) for b in self.boosters_]
        gain: Values = np.array(gains).sum(axis=0)
        total = gain.sum()
        return gain / total if total > 0 else gain

    def booster_of(self, task: str) -> Booster:
        """The booster that learnt a task."""
        check_is_fitted(self)
        for group in self._groups:
            if task in [own.name for own in group.tasks]:
                return group.booster
        raise ValueError(f"there is no task {task!r}{parameters.nearest(task, [own.name for own in self._tasks])}")

    # --- files ------------------------------------------------------------------------------------------------------

    def _file_parts(self) -> FileParts:
        return pack_groups(self._tasks, self._groups)

    def _from_file_parts(self, parts: FileParts) -> None:
        self._set_groups(*read_groups(parts))
