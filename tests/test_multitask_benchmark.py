# SPDX-License-Identifier: Apache-2.0
"""The benchmarks of many tasks at a small size: their losses are right, their verdicts follow from their numbers."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import log_loss, mean_poisson_deviance, mean_tweedie_deviance, root_mean_squared_error

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
if not BENCHMARKS.is_dir():  # a source distribution leaves them out
    pytest.skip("needs the benchmarks of the repository, which are not here", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

import multitask_conversion  # noqa: E402
import multitask_report  # noqa: E402
import multitask_sets  # noqa: E402
import multitask_sharing  # noqa: E402


def test_losses_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    y, p = rng.poisson(1.0, 200).astype(float), rng.gamma(2.0, size=200)
    binary, share = (y > 0).astype(float), rng.uniform(0.01, 0.99, 200)
    assert multitask_sets.loss_of("squared_error", y, p) == pytest.approx(root_mean_squared_error(y, p))
    assert multitask_sets.loss_of("logistic", binary, share) == pytest.approx(log_loss(binary, share))
    assert multitask_sets.loss_of("poisson", y, p) == pytest.approx(mean_poisson_deviance(y, p))
    assert multitask_sets.loss_of("tweedie", y, p) == pytest.approx(mean_tweedie_deviance(y, p, power=1.5))
    y[3] = np.nan
    assert np.isfinite(multitask_sets.loss_of("poisson", y, p))


def test_clicks_are_drawn_at_the_rate_that_is_said() -> None:
    odds = np.random.default_rng(0).normal(scale=3.0, size=1000)
    constant = multitask_conversion.intercept(odds)
    assert (1 / (1 + np.exp(-(odds + constant)))).mean() == pytest.approx(multitask_conversion.RATE)


def test_verdicts_follow_from_the_numbers() -> None:
    row = {"rows": 9, "features": 2, "tasks": 3, "chosen": [["tree:2", "none:1"], ["none:1"]]}
    losses = {way: [0.5, 0.6] for way in multitask_report.WAYS}
    for auto, verdict in (([0.4, 0.5], "met"), ([0.6, 0.71], "**missed**")):
        text = "\n".join(multitask_report.sharing_section({"a": {**row, "losses": {**losses, "auto": auto}}}))
        assert f"| {verdict} |" in text and "tree 1, none 1" in text
    engines = {
        "pygbt": {"fit_s": 2.0, "memory_mib": 1.0, "rmse": 1.0},
        "pygbt_sketch5": {"fit_s": 1.0, "memory_mib": 1.0, "rmse": 1.0},
        "xgboost": {"fit_s": 4.0, "memory_mib": 1.0, "rmse": 1.0},
        "catboost": {"error": "no such module"},
    }
    text = "\n".join(multitask_report.outputs_section({"100": {"rows": 9, "rounds": 1, "engines": engines}}))
    assert "| 2.0, 4.0 |" in text and "| **missed**, met |" in text and "no such module" in text


@pytest.mark.shared_data
def test_sharing_is_measured_and_reported() -> None:
    row = multitask_sharing.measure("mt_edm", 2, 2)
    assert set(row["losses"]) == set(multitask_sharing.WAYS) and all(len(x) == 2 for x in row["losses"].values())
    text = multitask_report.report({"sharing": {"mt_edm": {**row, "seeds": 2, "seconds": 1.0}}})
    assert "| mt_edm | 107 | 16 | 2 |" in text
