# SPDX-License-Identifier: Apache-2.0
# Types of the compiled engine. Private: the public API is the pygbt package.
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

Column = Any
Columns = npt.NDArray[Any] | Sequence[Column] | tuple[Any, ...]
# (values [row][k], form, temperatures [row], trust [row])
TeacherColumns = tuple[npt.NDArray[np.float32], str, npt.NDArray[np.float32] | None, npt.NDArray[np.float32] | None]

probe: ModuleType

def metric_larger_is_better(name: str) -> bool: ...
def link_values(objective: str, margins: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]: ...
def build_info() -> dict[str, Any]: ...
def set_device(device: str, makers: object) -> None: ...
def evaluate_metric(name: str, params: Params, dataset: Dataset, margins: npt.NDArray[np.float32]) -> float: ...

class Params:
    default_metric: str
    def __init__(self, values: dict[str, object]) -> None: ...
    def __getattr__(self, name: str) -> Any: ...

class Cuts:
    n_features: int
    def edges(self, feature: int) -> npt.NDArray[np.float64]: ...
    def n_bins(self, feature: int) -> int: ...
    def is_categorical(self, feature: int) -> bool: ...
    def is_wide(self, feature: int) -> bool: ...
    def to_arrays(self) -> dict[str, npt.NDArray[Any]]: ...
    @staticmethod
    def from_arrays(arrays: dict[str, npt.NDArray[Any]]) -> Cuts: ...

class Dataset:
    n_rows: int
    n_features: int
    n_labels: int
    cuts: Cuts
    has_weights: bool
    weight_unit: float
    device: str
    device_ordinal: int
    bin_bytes: int
    def __init__(
        self,
        columns: Columns,
        n_categories: Any,
        *,
        max_bin: int = 256,
        labels: npt.NDArray[np.float32] | None = None,
        weights: npt.NDArray[np.float64] | None = None,
        base_margin: npt.NDArray[np.float32] | None = None,
        group_sizes: npt.NDArray[np.int64] | None = None,
        reference: Dataset | Cuts | None = None,
        first_row: int = 0,
        n_threads: int = 0,
        device: str = "cpu",
        device_ordinal: int = 0,
        teacher: TeacherColumns | None = None,
        max_device_bytes: int = 0,
    ) -> None: ...
    def take(
        self,
        rows: npt.NDArray[np.uint32] | None,
        *,
        labels: npt.NDArray[np.float32] | None = None,
        weights: npt.NDArray[np.float64] | None = None,
        base_margin: npt.NDArray[np.float32] | None = None,
        teacher: TeacherColumns | None = None,
        group_sizes: npt.NDArray[np.int64] | None = None,
        n_threads: int = 0,
    ) -> Dataset: ...
    def shares_bins(self, other: Dataset) -> bool: ...
    def bins(self, by_column: bool = False) -> npt.NDArray[np.uint16]: ...
    def sparse_blocks(self) -> list[list[int]]: ...
    def slots(self) -> list[list[int]]: ...
    def planned_slots(self, rows_per_sum: int) -> list[list[int]]: ...
    def labels(self) -> npt.NDArray[np.float32]: ...
    def fixed_weights(self) -> npt.NDArray[np.uint32]: ...

class Model:
    n_features: int
    n_outputs: int
    n_trees: int
    n_iterations: int
    trees_per_iteration: int
    objective: str
    base_score: npt.NDArray[np.float32]
    cuts: Cuts
    def predict(
        self,
        columns: Columns,
        *,
        output: str,
        begin: int,
        end: int,
        n_threads: int = 0,
        base_margin: npt.NDArray[np.float32] | None = None,
        plain: bool = False,
        device: str = "cpu",
        device_ordinal: int = 0,
        path: str = "auto",
    ) -> npt.NDArray[Any]: ...
    def predict_at(
        self,
        rows: tuple[int, tuple[int, ...], tuple[int, ...], np.dtype[Any]],
        to: int,
        *,
        output: str,
        begin: int,
        end: int,
        base_margin: tuple[int, tuple[int, ...], tuple[int, ...], np.dtype[Any]] | None = None,
        categories: Sequence[tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]] | None] | None = None,
        device: str = "cuda",
        device_ordinal: int = 0,
        path: str = "auto",
    ) -> None: ...
    def slice(self, begin: int, end: int, step: int = 1) -> Model: ...
    def tree(self, index: int) -> dict[str, Any]: ...
    def to_arrays(self) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]: ...
    @staticmethod
    def from_arrays(arrays: Mapping[str, npt.NDArray[Any]], meta: Mapping[str, Any]) -> Model: ...
    def feature_importance(self, kind: str) -> npt.NDArray[np.float64]: ...

def row_predictor(
    model: Model, *, begin: int, end: int, value: bool, otherwise: Callable[[Any], Any]
) -> Callable[[Any], Any]: ...

class OwnWorkers:
    def __init__(self) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *error: object) -> None: ...

class Trainer:
    on_device: bool
    n_iterations: int
    n_outputs: int
    default_metric: str
    def __init__(
        self,
        params: Params,
        dataset: Dataset,
        init_model: Model | None = None,
        tasks: Sequence[dict[str, Any]] = (),
        sharing: dict[str, Any] = ...,
    ) -> None: ...
    def transfer(self) -> dict[str, Any]: ...
    def add_valid(self, dataset: Dataset) -> int: ...
    def step(self, learning_rate: float) -> bool: ...
    def steps(self, learning_rates: Sequence[float]) -> bool: ...
    def scored_steps(self, learning_rates: Sequence[float], metrics: Sequence[tuple[int, str]]) -> list[float]: ...
    def step_custom(
        self, learning_rate: float, gradient: npt.NDArray[np.float32], hessian: npt.NDArray[np.float32]
    ) -> bool: ...
    def step_custom_device(
        self, learning_rate: float, gradient: tuple[int, int, int, bool], hessian: tuple[int, int, int, bool]
    ) -> bool: ...
    def device_scores(self, set: int = -1) -> int | None: ...
    def device_values(self, set: int, out: int) -> None: ...
    def scores(self, set: int = -1) -> npt.NDArray[np.float32]: ...
    def values(self, set: int = -1) -> npt.NDArray[np.float32]: ...
    def check_metric(self, name: str) -> None: ...
    def metric(self, name: str, set: int = -1) -> float: ...
    def model(self) -> Model: ...

class CodedTable:
    n_rows: int
    exact: bool
    n_features: int
    wide: list[bool]
    def __init__(
        self, columns: Any, n_categories: Sequence[int], n_threads: int = 0, in_place: bool = False
    ) -> None: ...
    @staticmethod
    def of_bins(dataset: Dataset) -> CodedTable: ...
    def codes(self, feature: int) -> npt.NDArray[np.uint32]: ...
    def values(self, feature: int) -> npt.NDArray[np.float64]: ...

class Response:
    n_rows: int
    @staticmethod
    def classes(
        labels: npt.NDArray[np.int32],
        n_classes: int,
        weights: npt.NDArray[np.float64] | None = None,
        n_threads: int = 0,
    ) -> Response: ...
    @staticmethod
    def targets(
        targets: npt.NDArray[np.float64], weights: npt.NDArray[np.float64] | None = None, n_threads: int = 0
    ) -> Response: ...
    def class_weights(self) -> npt.NDArray[np.float64]: ...

def grow_cart(
    table: CodedTable,
    response: Response,
    options: dict[str, Any],
    n_threads: int = 0,
    tell: Callable[[int], None] | None = None,
) -> DecisionTree: ...
def natural_draws(response: Response) -> int: ...

class ForestTrainer:
    n_trees: int
    n_draws: int
    def __init__(
        self,
        table: CodedTable,
        response: Response,
        options: dict[str, Any],
        *,
        bootstrap: bool = True,
        n_draws: int = 0,
        votes: bool = False,
        balanced: bool = False,
        least_share: float = 0.0,
        start: Model | None = None,
        n_threads: int = 0,
    ) -> None: ...
    def grow(self, n_trees: int) -> None: ...
    def model(self) -> Model: ...
    def counts(self, index: int) -> npt.NDArray[np.uint32]: ...
    def out_of_bag(
        self, model: Model, columns: Columns, n_threads: int = 0
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]: ...

def row_hashes(
    table: CodedTable, response: Response, n_threads: int = 0, targets: Any = None
) -> npt.NDArray[np.uint64]: ...
def bootstrap_counts(
    hashes: npt.NDArray[np.uint64],
    weights: npt.NDArray[np.uint32] | None = None,
    *,
    n_draws: int = 0,
    seed: int = 0,
    index: int = 0,
) -> npt.NDArray[np.uint32]: ...
def resolve_threads(requested: int = 0) -> int: ...
def coded_leaves(tree: DecisionTree, table: CodedTable, n_threads: int = 0) -> npt.NDArray[np.int32]: ...
def coded_labels(tree: DecisionTree, table: CodedTable, n_threads: int = 0) -> npt.NDArray[np.int32]: ...
def coded_values(tree: DecisionTree, table: CodedTable, n_threads: int = 0) -> npt.NDArray[np.float64]: ...
def tree_votes(
    trees: Sequence[DecisionTree],
    votes: Sequence[float],
    n_classes: int,
    columns: Any,
    wide: Sequence[bool],
    n_threads: int = 0,
) -> npt.NDArray[np.float64]: ...
def tree_sums(
    trees: Sequence[DecisionTree],
    factor: float,
    start: Sequence[float],
    first: Sequence[int],
    columns: Any,
    wide: Sequence[bool],
    n_threads: int = 0,
) -> npt.NDArray[np.float64]: ...
def select_columns(table: CodedTable, features: Sequence[int]) -> CodedTable: ...
def renumber_features(tree: DecisionTree, features: Sequence[int]) -> DecisionTree: ...
def log_odds(share: float) -> float: ...
def relative_losses(
    errors: npt.NDArray[np.float64], counted: npt.NDArray[np.float64] | None, loss: str
) -> npt.NDArray[np.float64]: ...
def margin_values(loss: str, margins: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]: ...

class BoostWeights:
    total: float
    def __init__(self, sample_weight: npt.NDArray[np.float64] | None, n_rows: int, n_threads: int = 0) -> None: ...
    def mean_loss(self, loss: npt.NDArray[np.float64]) -> float: ...
    def update(self, loss: npt.NDArray[np.float64], vote: float) -> None: ...
    def classes(
        self, labels: npt.NDArray[np.int32], n_classes: int, factor: npt.NDArray[np.float64] | None = None
    ) -> Response: ...
    def targets(self, targets: npt.NDArray[np.float64]) -> Response: ...
    def mean_exponential(self, x: npt.NDArray[np.float64]) -> float: ...
    def values(self) -> npt.NDArray[np.float64]: ...
    def units(self) -> npt.NDArray[np.uint32]: ...

class FirstOrder:
    mean_loss: float
    margins: npt.NDArray[np.float64]
    def __init__(
        self,
        loss: str,
        labels: npt.NDArray[np.float64],
        n_targets: int = 1,
        sample_weight: npt.NDArray[np.float64] | None = None,
        level: float = 0.5,
        n_threads: int = 0,
    ) -> None: ...
    def start(self) -> npt.NDArray[np.float64]: ...
    def begin_round(self) -> None: ...
    def negative_gradient(self, target: int = 0) -> npt.NDArray[np.float64]: ...
    def leaf_steps(
        self, target: int, leaf: npt.NDArray[np.int32], n_leaves: int, line_search: str = "exact"
    ) -> npt.NDArray[np.float64]: ...
    def advance(self, target: int, leaf: npt.NDArray[np.int32], step: npt.NDArray[np.float64], rate: float) -> None: ...

class DecisionTree:
    n_nodes: int
    n_leaves: int
    depth: int
    def to_arrays(self) -> dict[str, Any]: ...
    @staticmethod
    def from_arrays(arrays: dict[str, Any], n_features: int) -> DecisionTree: ...
    def cut_below(self, cut: npt.NDArray[np.uint8]) -> DecisionTree: ...
    def values(self, columns: Any, wide: Sequence[bool], n_threads: int = 0) -> npt.NDArray[np.float64]: ...
    def leaves(self, columns: Any, wide: Sequence[bool], n_threads: int = 0) -> npt.NDArray[np.int32]: ...
    def labels(self, columns: Any, wide: Sequence[bool], n_threads: int = 0) -> npt.NDArray[np.int32]: ...

def grow_c45(
    table: CodedTable, response: Response, settings: dict[str, Any], tell: Callable[[int], None] | None = None
) -> DecisionTree: ...
def needed_conditions(
    table: CodedTable,
    target: npt.NDArray[np.int32],
    weight: npt.NDArray[np.float64] | None,
    rules: list[list[tuple[int, int, int, bytes | None]]],
    labels: Sequence[int],
    confidence: float,
    exact: bool,
    n_threads: int = 0,
    tell: Callable[[int], None] | None = None,
) -> list[tuple[list[int], float, float]]: ...
def covered_cases(
    table: CodedTable, rules: list[list[tuple[int, int, int, bytes | None]]], n_threads: int = 0
) -> list[npt.NDArray[np.int32]]: ...

class RuleSubset:
    def __init__(
        self,
        table: CodedTable,
        rules: list[list[tuple[int, int, int, bytes | None]]],
        weight: npt.NDArray[np.float64],
        right: npt.NDArray[np.uint8],
        n_threads: int = 0,
    ) -> None: ...
    @property
    def covered(self) -> tuple[float, float]: ...
    @property
    def own(self) -> npt.NDArray[np.float64]: ...
    def toggle(self, rule: int) -> None: ...

def first_rules(
    table: CodedTable, rules: list[list[tuple[int, int, int, bytes | None]]], n_threads: int = 0
) -> npt.NDArray[np.int64]: ...
def report_c45_split(
    table: CodedTable, response: Response, settings: dict[str, Any], tree: DecisionTree, node: int
) -> dict[str, Any]: ...
def added_errors(
    cases: npt.NDArray[np.float64], errors: npt.NDArray[np.float64], confidence: float, exact: bool
) -> npt.NDArray[np.float64]: ...
def squared_deviate(confidence: float, exact: bool) -> float: ...

class HeldOut:
    weight: npt.NDArray[np.float64]
    loss: npt.NDArray[np.float64]
    squared: npt.NDArray[np.float64]
    stays: npt.NDArray[np.float64]
    stays_squared: npt.NDArray[np.float64]

prune: Any
