# SPDX-License-Identifier: Apache-2.0
"""What docs/results/distillation.md rests on, at a small size: complete, repeatable, and a page that follows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sklearn")

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
if not BENCHMARKS.is_dir():  # a source distribution leaves them out
    pytest.skip("needs the benchmarks of the repository, which are not here", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

import distillation_fashion  # noqa: E402
import distillation_report  # noqa: E402
import distillation_sets  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402


@pytest.mark.shared_data
def test_four_sets_and_their_section(tmp_path: Path) -> None:
    pytest.importorskip("xgboost")
    rows = [distillation_sets.run(name, 0, distillation_sets.QUICK, repeats=1) for name in ("otto", "adult")]
    for row in rows:
        expected = {"alone", "distilled", "regressors", "xgboost"} | ({"vector_leaf"} if row["classes"] > 2 else set())
        assert set(row["losses"]) == expected | {"teacher"}
        assert set(row["seconds"]) == expected
        assert all(0 < loss < 3 for loss in row["losses"].values())
    again = distillation_sets.run("adult", 0, distillation_sets.QUICK, repeats=1)
    assert again["losses"] == rows[1]["losses"]
    size = vars(distillation_sets.QUICK)
    page = "\n".join(distillation_report.sets_section(rows, size))
    assert "| otto | softmax distillation |" in page
    assert "on 600 training" not in page
    pytest.importorskip("matplotlib")
    distillation_report.draw(rows, tmp_path / "gap.png")
    assert (tmp_path / "gap.png").stat().st_size > 5_000


def test_fashion_and_its_section(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = load_digits(return_X_y=True)
    parts = [(X[part] / 16, y[part]) for part in (slice(400), slice(400, 900), slice(900, 1200))]
    smaller = distillation_fashion.Images(*parts[0], X[1200:1400] / 16, *parts[1], *parts[2])
    monkeypatch.setattr(distillation_fashion, "images", lambda seed, size: smaller)
    row = distillation_fashion.run(0, distillation_fashion.QUICK)
    assert set(row["teachers"]) == {"networks", "booster"}
    for part in row["teachers"].values():
        assert part["left_out"]["accuracy_after"] >= 0
        assert {t for t, _, _ in part["trials"]} == {1.0, 2.0, 4.0, 8.0}
    page = "\n".join(distillation_report.fashion_section([row, row], vars(distillation_fashion.QUICK)))
    assert "| distilled from the booster |" in page
    assert "| network ensemble | " in page


def test_verdicts_follow_from_the_numbers() -> None:
    def row(own: float, theirs: float, seconds: float) -> dict[str, Any]:
        losses = {"alone": 0.5, "distilled": own, "regressors": 0.48, "xgboost": theirs, "teacher": 0.4}
        return {"losses": losses, "seconds": {"distilled": 1.0, "xgboost": seconds}}

    assert distillation_report.verdict([row(0.44, 0.45, 4.0)]) == {"best": True, "ratio": 4.0, "own": "distilled"}
    assert not distillation_report.verdict([row(0.46, 0.45, 4.0)])["best"]


def test_sections_are_put_into_the_page_and_others_stay() -> None:
    text = "# Title\n\nBy hand.\n"
    once = distillation_report.put(text, "one", "## 1\n\nfirst")
    assert distillation_report.put(once, "one", "## 1\n\nsecond") == once.replace("first", "second")
    both = distillation_report.put(once, "two", "## 2")
    assert both.startswith("# Title\n\nBy hand.\n")
    assert both.index("first") < both.index("## 2")
