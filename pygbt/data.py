# SPDX-License-Identifier: Apache-2.0
"""`Dataset`: a table made ready for training: bins, labels, weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from . import _core, device_arrays, devices
from .columns import Table, device_table, read_table, take_rows
from .device_arrays import DeviceArray
from .queries import group_sizes
from .row_columns import RowColumns, narrow, row_numbers
from .schema import Features, Schema

if TYPE_CHECKING:
    from .booster import Booster

__all__ = ["Dataset", "Schema"]


class Dataset:
    """A training table in bins, with labels and weights; validated once, never changed.

    Parameters
    ----------
    X : array, sparse matrix or data frame, shape (n, n_features)
        numpy (float32, float64, integers, bool, in any order, without a copy), list of rows, pandas, polars, pyarrow,
        or scipy sparse. NaN and nulls are missing values; infinities are ordinary extremes; integers beyond 2**53 are
        rounded to float64. Referenced, not copied: do not change it while the Dataset is used. An array of numbers on
        a GPU (cupy, torch, jax, `DeviceArray`) is read where it lies.
    y : array-like, shape (n,) or (n, K), optional
        Labels: numbers, class numbers 0 .. K-1, or a column per target or class. Held as float32. Labels, weights and
        margins may be arrays on a GPU; they are copied to the host, which checks them and finds base scores. NaN means
        that a row has no label; that is allowed beside a `teacher` and in tables of several columns, where a cell
        without label has no gradient.
    weight : array-like, shape (n,), optional
        Row weights >= 0. Weight 2 is exactly the same as the row twice.
    group : sequence of int, optional
        Sizes of consecutive groups of rows (queries); they add up to n. Ranking objectives and metrics need it.
    base_margin : array-like, shape (n,) or (n, K), optional
        Margin that training starts from, per row.
    feature_names : sequence of str, optional
        Names of the columns in place of the table's own (or of f0, f1, ..).
    categorical_features : "auto", list of str or int, or None
        Columns whose values are categories. "auto" takes the columns of a category type (pandas category, polars Enum
        and Categorical, pyarrow dictionary). Listed columns may hold integers or text; a category type that is not
        listed counts as numeric. At most 65535 categories a column.
    max_bin : int, default 256
        Bins of a numeric column, the one for missing values included; 2 to 65536. A column of fewer distinct values
        keeps them exactly. Beyond 256, bins take two bytes.
    reference : Dataset or Booster, optional
        Use its columns, categories and bin edges; `train` does this for evaluation sets. The four arguments
        about columns must then be left alone and `max_bin` is not used.
    feature_groups : dict of str to list of str or int, optional
        Named groups of columns that are sampled together or at their own rate and reported as one.
    qid : array-like, shape (n,), optional
        The query of every row, in place of `group`: rows of one query lie side by side.
    sparse_missing : bool, default False
        Entries that a sparse matrix does not store are missing values instead of zeros.
    teacher : array-like, shape (n,) or (n, K), optional
        What a teacher predicts for the rows: the student learns from it beside the labels (`teacher_alpha`,
        `teacher_temperature` and `teacher_match` of the parameters) or, without `y`, from it alone. NaN: it says
        nothing there.
    teacher_form : {"probabilities", "logits", "values"}, optional
        Unit of `teacher`. By default probabilities for softmax, one_vs_rest and logistic, and values (in units of the
        label) for every other objective.
    teacher_temperature : array-like, shape (n,), optional
        Factor on the temperature of each row.
    teacher_weight : array-like, shape (n,), optional
        Trust in the teacher on each row, 0 to 1: a factor on the weight of the soft part.
    device : str, optional
        Where edges and bins are found and stay: ``"cpu"``, or ``"cuda"`` (``"cuda:1"``: the second GPU) to train there.
        By default where `X` lies if that is a GPU, else where `reference` lies, else the host. It never changes a
        model.
    max_device_bytes : int, optional
        With a GPU: the most bytes of its memory that this table may hold at any time, its bins included. Columns are
        then taken in turns, and those that have no room as a whole are read from where they lie several times, part by
        part; edges and bins are the same. By default what is free there. See the notes.
    n_threads : int, default 0
        Threads for binning; 0 = all that the process may use. Never changes a result.

    Attributes
    ----------
    core : _core.Dataset
        The bins; internal.
    schema : Schema
        Names, categories and groups of the columns.

    Raises
    ------
    ValueError, TypeError
        The message names the argument.
    NotImplementedError
        This build or machine has no such device.
    MemoryError
        The bins do not fit, or `max_device_bytes` is less than they and the least memory that makes them: the message
        says how many bytes are enough. Nothing has been held then.

    Notes
    -----
    Edges are exact weighted quantiles of all values, found by counting or sorting; they depend on the values and their
    weights only, not on the order of rows, the number of threads or the device.

    `max_device_bytes` covers what makes this Dataset and what it keeps: bins (a byte a value, two where a column has
    more than 256 bins), keys, sorted copies, weights, chunks on their way from the host; not arrays on the GPU that the
    caller owns, nor CUDA itself, nor what an allocation is rounded up to. It goes on for the Datasets that `subset` and
    `rebin` make, each by itself. A training on the GPU takes more, beside it: the bins once more, row by row (up to
    twice their bytes), about 45 bytes a row and up to 22 for every further output, and histograms of up to 2 GiB.
    """

    def __init__(
        self,
        X: Any,
        y: Any = None,
        weight: Any = None,
        group: Sequence[int] | npt.NDArray[Any] | None = None,
        base_margin: Any = None,
        feature_names: Sequence[str] | None = None,
        categorical_features: Literal["auto"] | Features | None = "auto",
        max_bin: int = 256,
        reference: Dataset | Booster | None = None,
        *,
        feature_groups: Mapping[str, Features] | None = None,
        qid: npt.ArrayLike | None = None,
        sparse_missing: bool = False,
        teacher: Any = None,
        teacher_form: Literal["probabilities", "logits", "values"] | None = None,
        teacher_temperature: Any = None,
        teacher_weight: Any = None,
        n_threads: int = 0,
        device: str | None = None,
        max_device_bytes: int | None = None,
    ) -> None:
        max_bin = _integer(max_bin, "max_bin", 2, 65_536)
        n_threads = _integer(n_threads, "n_threads", 0, 1 << 20)
        there = device_arrays.view(X)
        self._place = _place_of(device, there, reference)
        self._max_device_bytes = _budget(max_device_bytes, self._place)
        table = read_table(X) if there is None else device_table(there)
        cuts: _core.Cuts | None = None
        if reference is None:
            self.schema = Schema.infer(
                table,
                categorical_features=categorical_features,
                feature_names=feature_names,
                feature_groups=feature_groups,
                sparse_missing=sparse_missing,
            )
        else:
            own = (feature_names, feature_groups, None if categorical_features == "auto" else categorical_features)
            if any(argument is not None for argument in own) or sparse_missing:
                raise ValueError(
                    "reference brings its columns: leave feature_names, categorical_features, feature_groups and "
                    "sparse_missing alone"
                )
            self.schema, cuts = _binning_of(reference)
        self._max_bin = max_bin
        self._n_threads = n_threads
        if qid is not None:
            if group is not None:
                raise ValueError("group and qid say the same; leave one out")
            group = group_sizes(qid, table.n_rows)
        self._build(
            X if there is None else there,
            table,
            cuts,
            RowColumns.read(
                table.n_rows,
                label=y,
                weight=weight,
                group=group,
                base_margin=base_margin,
                teacher=teacher,
                teacher_form=teacher_form,
                teacher_temperature=teacher_temperature,
                teacher_weight=teacher_weight,
            ),
            owner="Dataset" if reference is None else "the reference",
        )

    def _build(self, X: Any, table: Table, cuts: _core.Cuts | None, of_rows: RowColumns, *, owner: str) -> None:
        self._X = X
        self._taken: npt.NDArray[np.int64] | None = None
        self._of_rows = of_rows
        columns = self.schema.encode_table(table, owner=owner)
        if isinstance(columns, DeviceArray):
            columns = ("device", columns.pointer, columns.dtype, columns.shape, columns.strides)
        self.core = _core.Dataset(
            columns,
            self.schema.n_categories,
            max_bin=self._max_bin,
            group_sizes=of_rows.group,
            reference=cuts,
            n_threads=self._n_threads,
            device=self._place[0],
            device_ordinal=self._place[1],
            max_device_bytes=self._max_device_bytes or 0,
            **of_rows.core_arguments(),
        )

    def _rows(
        self,
        rows: npt.NDArray[np.int64] | None,
        schema: Schema,
        cuts: _core.Cuts | None,
        *,
        n_threads: int | None = None,
        place: tuple[str, int] | None = None,
    ) -> Dataset:
        """These rows (or all) read by a schema, in the given bins (or in new ones), on this device or another one."""
        other = object.__new__(Dataset)
        other.schema, other._max_bin = schema, self._max_bin
        other._n_threads = self._n_threads if n_threads is None else n_threads
        other._place = self._place if place is None else place
        other._max_device_bytes = self._max_device_bytes if other._place[0] == "cuda" else None
        of_rows = self._of_rows.take(rows)
        if rows is not None and other._place == self._place and cuts is self.core.cuts and schema == self.schema:
            return self._with(other, rows, of_rows)
        if self._taken is not None:
            rows = self._taken if rows is None else self._taken[rows]
        X = self._X if rows is None else take_rows(self._X, rows)
        table = device_table(X) if isinstance(X, DeviceArray) else read_table(X)
        other._build(X, table, cuts, of_rows, owner="the reference")
        return other

    def _with(self, other: Dataset, rows: npt.NDArray[np.int64] | None, of_rows: RowColumns) -> Dataset:
        """`other` made of these rows (or all, sharing their bins) and the columns that belong to them."""
        other._X, other._of_rows = self._X, of_rows
        other._taken = self._taken
        if rows is not None:
            other._taken = rows if self._taken is None else self._taken[rows]
        other.core = self.core.take(
            None if rows is None else rows.astype(np.uint32),
            group_sizes=of_rows.group,
            n_threads=other._n_threads,
            **of_rows.core_arguments(),
        )
        return other

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.core.n_rows

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return self.core.n_features

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, n_features)."""
        return self.n_rows, self.n_features

    @property
    def device(self) -> str:
        """Where the bins lie: ``"cpu"``, or ``"cuda:0"`` and so on."""
        name, ordinal = self._place
        return name if name == "cpu" else f"{name}:{ordinal}"

    @property
    def max_bin(self) -> int:
        """Bins a numeric column may have, as given."""
        return self._max_bin

    @property
    def feature_names(self) -> list[str]:
        """Names of the columns; f0, f1, .. where the table has none."""
        return list(self.schema.feature_names)

    @property
    def categorical_features(self) -> list[str]:
        """Names of the categorical columns."""
        pairs = zip(self.schema.feature_names, self.schema.categories, strict=True)
        return [name for name, values in pairs if values is not None]

    @property
    def groups(self) -> dict[str, list[int]]:
        """Named feature groups: the places of their columns."""
        return {name: list(places) for name, places in self.schema.groups.items()}

    @property
    def label(self) -> npt.NDArray[np.float32] | None:
        """Labels as float32, shape (n,) or (n, K); None without."""
        return narrow(self._of_rows.label)

    @property
    def weight(self) -> npt.NDArray[np.float64] | None:
        """Weights as given, shape (n,); None without."""
        return self._of_rows.weight

    @property
    def base_margin(self) -> npt.NDArray[np.float32] | None:
        """Margins as float32, shape (n,) or (n, K); None without."""
        return narrow(self._of_rows.base_margin)

    @property
    def group(self) -> npt.NDArray[np.int64] | None:
        """Sizes of the groups of rows; None without."""
        return self._of_rows.group

    @property
    def teacher(self) -> npt.NDArray[np.float32] | None:
        """What the teacher says, as float32, shape (n,) or (n, K); None without."""
        return narrow(self._of_rows.teacher)

    def __repr__(self) -> str:
        parts = [f"{self.n_rows} rows", f"{self.n_features} features"]
        if self.categorical_features:
            parts.append(f"{len(self.categorical_features)} categorical")
        if self._of_rows.label is not None:
            parts.append(f"{self._of_rows.label.shape[1]} label column(s)")
        if self._of_rows.weight is not None:
            parts.append("weighted")
        if self._of_rows.teacher is not None:
            parts.append("with a teacher")
        if self.device != "cpu":
            parts.append(f"on {self.device}")
        return f"Dataset({', '.join(parts)})"

    def rebin(self, reference: Dataset | Booster) -> Dataset:
        """Return the same table in the bins of another one; itself if it already is.

        Parameters
        ----------
        reference : Dataset or Booster
            Whose columns, categories and edges to use.
        """
        schema, cuts = _binning_of(reference)
        if cuts is self.core.cuts and schema == self.schema:
            return self
        return self._rows(None, schema, cuts)

    def replace(self, *, y: Any = None, weight: Any = None, base_margin: Any = None) -> Dataset:
        """Return the same rows with other labels, weights or margins; the bins are shared, not copied.

        Parameters
        ----------
        y : array-like, shape (n,) or (n, K), optional
        weight : array-like, shape (n,), optional
        base_margin : array-like, shape (n,) or (n, K), optional
            As for `Dataset`; what is not given stays.

        Notes
        -----
        Equal to ``Dataset(X, y, weight=weight, reference=self)`` of the same table: edges stay, also where weights
        would have moved them.
        """
        other = object.__new__(Dataset)
        other.schema, other._max_bin, other._n_threads = self.schema, self._max_bin, self._n_threads
        other._place, other._max_device_bytes = self._place, self._max_device_bytes
        return self._with(other, None, self._of_rows.replace(self.n_rows, y=y, weight=weight, base_margin=base_margin))

    def on_device(self, place: tuple[str, int], *, n_threads: int | None = None) -> Dataset:
        """Return the same table in the same bins with these on another device: a name and a number."""
        return self._rows(None, self.schema, self.core.cuts, n_threads=n_threads, place=place)

    def new_edges(self, *, n_threads: int | None = None) -> Dataset:
        """Return the same rows in bins whose edges are found anew, from these rows and their weights."""
        return self._rows(None, self.schema, None, n_threads=n_threads)

    def subset(self, rows: npt.ArrayLike, *, new_edges: bool = False, n_threads: int | None = None) -> Dataset:
        """Return some of the rows, in the given order, as a Dataset with the same columns and categories.

        Parameters
        ----------
        rows : array-like of int, or of bool, shape (n,)
            Row numbers (repeats are allowed) or a mask.
        new_edges : bool, default False
            Find bin edges from these rows alone instead of sharing the present ones.
        n_threads : int, optional
            Threads of this call, instead of those of this Dataset.

        Raises
        ------
        ValueError
            A row number is out of range, or the Dataset has groups of rows and `rows` is not a list of whole ones,
            each in its order.
        """
        cuts = None if new_edges else self.core.cuts
        return self._rows(row_numbers(rows, self.n_rows), self.schema, cuts, n_threads=n_threads)


def _binning_of(reference: Dataset | Booster) -> tuple[Schema, _core.Cuts]:
    if isinstance(reference, Dataset):
        return reference.schema, reference.core.cuts
    schema, model = getattr(reference, "_schema", None), getattr(reference, "_model", None)
    if not isinstance(schema, Schema) or model is None:
        raise TypeError(f"reference must be a Dataset or a Booster, got {type(reference).__name__}")
    return schema, model.cuts


def _place_of(device: str | None, there: DeviceArray | None, reference: Dataset | Booster | None) -> tuple[str, int]:
    """Name and number of the device that the bins are to lie on."""
    if device is not None:
        place = devices.place_of(device)
        if there is not None and place != ("cuda", there.ordinal):
            raise ValueError(
                f"device={device!r}, but X is an array on cuda:{there.ordinal}; leave device alone, or copy X to where "
                "the Dataset is to lie"
            )
        return place
    if there is not None:
        return devices.place_of(f"cuda:{there.ordinal}")
    return reference._place if isinstance(reference, Dataset) else ("cpu", 0)


def _budget(max_device_bytes: int | None, place: tuple[str, int]) -> int | None:
    """Bytes of a device that a table may hold; None: what is free."""
    if max_device_bytes is None:
        return None
    budget = _integer(max_device_bytes, "max_device_bytes", 1, 1 << 62)
    if place[0] == "cpu":
        raise ValueError(
            'max_device_bytes limits the memory of a GPU, but this Dataset lies on device="cpu"; leave it out, or '
            'say device="cuda"'
        )
    return budget


def _integer(value: Any, name: str, least: int, most: int) -> int:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if not least <= value <= most:
        raise ValueError(f"{name} must lie between {least} and {most}, got {value}")
    return int(value)
