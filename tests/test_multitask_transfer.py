# SPDX-License-Identifier: Apache-2.0
"""The transfer report and `share="auto"`: what they measure, and that the choice does not lose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from multitask_tables import mixed_labels, mixed_model, table
from sklearn.metrics import log_loss

from pygbt.multitask import MultiTask, TransferReport
from pygbt.multitask.gradients import task_gradient
from pygbt.multitask.options import read_options
from pygbt.multitask.task import learn_task

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


def related_and_foreign(n: int = 400, seed: int = 0) -> tuple[np.ndarray, dict[str, Any]]:
    """Three noisy tasks of one partition of the features, and one of another."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 10)).astype(np.float32)
    shared = (X[:, 0] > 0) * 2.0 - 1 + X[:, 1] * (X[:, 2] > 0)
    y = {f"kin{i}": (shared + rng.normal(scale=1.5, size=n) > 0).astype(float) for i in range(3)}
    y["foreign"] = (np.sin(3 * X[:, 7]) + X[:, 8] * X[:, 9] + rng.normal(scale=0.1, size=n) > 0).astype(float)
    return X, y


LOSSES = dict.fromkeys(("kin0", "kin1", "kin2", "foreign"), "logistic")


@pytest.fixture(scope="module")
def reported() -> MultiTask:
    X, y = related_and_foreign()
    return MultiTask(LOSSES, report=True, n_estimators=25, max_depth=3, n_jobs=1).fit(X, y)


def test_report_tells_kin_from_the_foreign_task(reported: MultiTask) -> None:
    report: TransferReport = reported.transfer_report_
    assert report.tasks == list(LOSSES) and report.share == "tree" and set(report.metrics) == {"logloss"}
    kin, foreign = slice(0, 3), 3
    assert ((report.kept > 0) & (report.kept <= 1)).all()
    assert report.correlation.shape == (len(report.rounds), 4, 4)
    assert report.correlation[0][:3, :3].min() > 0.1 > np.abs(report.correlation[0][foreign, kin]).max()
    assert report.cosine[0, 1] > 0.6 > report.cosine[0, foreign]
    assert (report.low <= report.difference).all() and (report.difference <= report.high).all()
    assert report.difference[foreign] > max(report.difference[kin])
    assert "foreign" in report.separate and not set(report.separate) & {"kin0", "kin1", "kin2"}


def test_report_as_text_table_and_picture(reported: MultiTask, tmp_path: Any) -> None:
    report = reported.transfer_report_
    text = str(report)
    assert all(task in text for task in LOSSES) and "separate foreign" in text
    frame = report.to_frame()
    assert frame.index.tolist() == list(LOSSES) and frame.loc["kin0", "kept"] == report.kept[0]
    figure = report.plot()
    assert len(figure.axes) == 6  # four panels, two colour bars
    figure.savefig(tmp_path / "report.png")
    assert (tmp_path / "report.png").stat().st_size > 10_000
    matplotlib.pyplot.close(figure)


def test_auto_is_deterministic_and_takes_the_foreign_task_out() -> None:
    X, y = related_and_foreign()
    params = {"share": "auto", "n_estimators": 25, "max_depth": 3}
    models = [MultiTask(LOSSES, **params, n_jobs=jobs).fit(X, y) for jobs in (1, 2)]
    assert models[0].digest() == models[1].digest() and models[0].shares_ == models[1].shares_
    assert str(models[0].transfer_report_) == str(models[1].transfer_report_)
    alone = [group for group in models[0].groups_ if len(group) == 1]
    assert ["foreign"] in alone and len(models[0].groups_[0]) >= 2
    Xt, yt = related_and_foreign(4000, seed=9)
    single = MultiTask(LOSSES, **{**params, "share": "none"}).fit(X, y)
    losses = [[log_loss(yt[name], model.predict_proba(Xt)[name]) for name in LOSSES] for model in (models[0], single)]
    assert np.mean(losses[0]) < np.mean(losses[1])
    assert losses[0][3] == pytest.approx(losses[1][3], rel=1e-6)


def test_auto_of_tasks_that_share_nothing_trains_them_apart() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 12)).astype(np.float32)
    y = {f"t{i}": np.sin(3 * X[:, 2 * i]) * X[:, 2 * i + 1] for i in range(4)}
    model = MultiTask(dict.fromkeys(y, "squared_error"), share="auto", n_estimators=30, max_depth=4).fit(X, y)
    single = MultiTask(dict.fromkeys(y, "squared_error"), share="none", n_estimators=30, max_depth=4).fit(X, y)
    Xt = rng.normal(size=(2000, 12)).astype(np.float32)
    truth = {f"t{i}": np.sin(3 * Xt[:, 2 * i]) * Xt[:, 2 * i + 1] for i in range(4)}
    errors = [np.mean([((m.predict(Xt)[k] - truth[k]) ** 2).mean() for k in y]) for m in (model, single)]
    assert errors[0] <= 1.02 * errors[1]


def test_auto_and_report_with_masks_mixed_losses_and_early_stopping() -> None:
    X, signal = table(300)
    model = mixed_model(share="auto", early_stopping_rounds=4, auxiliary=["amount"], n_estimators=12)
    model.fit(X, mixed_labels(signal))
    assert model.transfer_report_.tasks == ["bought", "kind", "visits", "range"]
    assert set(model.predict(X)) == set(model.tasks_)
    plain = mixed_model().fit(X, mixed_labels(signal))
    with pytest.raises(AttributeError, match="transfer_report_"):
        _ = plain.transfer_report_


def loss_value(loss: str, z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Losses of rows from float64 margins, shape (n,)."""
    if loss == "entire_space":
        return entire_space(z, y)
    mu = np.exp(z)
    one_hot = np.eye(z.shape[1])[y[:, 0].astype(int)] if loss in ("softmax", "one_vs_rest") else y
    softplus = np.logaddexp(0.0, z)
    of = {
        "squared_error": 0.5 * (z - y) ** 2,
        "logistic": softplus - y * z,
        "one_vs_rest": softplus - one_hot * z,
        "softmax": (np.log(np.exp(z).sum(axis=1, keepdims=True)) - (one_hot * z).sum(axis=1, keepdims=True))
        / z.shape[1],
        "poisson": mu - y * z,
        "gamma": z + y / mu,
        "tweedie": mu**0.5 / 0.5 + y * mu**-0.5 / 0.5,
        "huber": np.where(np.abs(z - y) < 1, 0.5 * (z - y) ** 2, np.abs(z - y) - 0.5),
        "quantile": np.where(y > z, 0.3 * (y - z), 0.7 * (z - y)),
        "absolute_error": 0.5 * np.abs(z - y),
    }
    return np.broadcast_to(of[loss], z.shape).sum(axis=1)


def entire_space(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    a, b = 1 / (1 + np.exp(-z.T))
    click, both = y[:, 0], y[:, 0] * y[:, 1]
    return -(click * np.log(a) + (1 - click) * np.log1p(-a) + both * np.log(a * b) + (1 - both) * np.log1p(-a * b))


@pytest.mark.parametrize(
    "loss",
    ["squared_error", "logistic", "one_vs_rest", "softmax", "poisson", "gamma", "tweedie", "huber", "quantile"]
    + ["absolute_error", "entire_space"],
)
def test_gradients_of_the_report_are_those_of_the_losses(loss: str) -> None:
    rng = np.random.default_rng(0)
    n, width = 40, 3 if loss in ("softmax", "one_vs_rest") else 2 if loss == "entire_space" else 1
    y = rng.integers(0, 3 if width == 3 else 2, size=(n, 2 if loss == "entire_space" else 1)).astype(np.float32)
    if loss not in ("softmax", "one_vs_rest", "logistic", "entire_space"):
        y = rng.gamma(2.0, size=(n, 1)).astype(np.float32)
    z = rng.normal(size=(n, width)).astype(np.float32)
    options = {"loss": loss, **({"quantile_alpha": [0.3]} if loss == "quantile" else {})}
    task = learn_task(read_options({"t": options}, None, (), {})[0], y if loss == "entire_space" else y[:, 0], None)
    found, step = task_gradient(task, z, y), 1e-6
    for k in range(width):
        shift = np.zeros(width)
        shift[k] = step
        z64, y64 = z.astype(np.float64), y.astype(np.float64)
        expected = (loss_value(loss, z64 + shift, y64) - loss_value(loss, z64 - shift, y64)) / (2 * step)
        np.testing.assert_allclose(found[:, k], expected, rtol=1e-4, atol=1e-5)
    y[3] = np.nan
    assert np.isnan(task_gradient(task, z, y)[3]).all()
