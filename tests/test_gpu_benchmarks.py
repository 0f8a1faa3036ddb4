# SPDX-License-Identifier: Apache-2.0
"""`make gpu-bench` where there is no GPU: rehearsed by the emulator, written to a folder, read by the page."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from emulator import EMULATED

from pygbt import devices

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
if not BENCHMARKS.is_dir():  # a source distribution leaves them out
    pytest.skip("needs the benchmarks of the repository, which are not here", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))
import gpu_bench  # noqa: E402
import gpu_report  # noqa: E402
import machine  # noqa: E402

pytestmark = pytest.mark.skipif(EMULATED is None, reason="this build has no emulator")

QUICK = "batch,predict-shallow,A001,atomics,bins-1000000"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(machine, "RESULTS", tmp_path)
    monkeypatch.setattr(devices, "MODULE", devices.MODULE)
    return tmp_path


def bench(folder: Path, *arguments: str) -> int:
    return gpu_bench.main(
        [
            "--emulated",
            "--share",
            "0.00002",
            "--repeats",
            "1",
            "--results",
            str(folder),
            "--sections",
            QUICK,
            *arguments,
        ]
    )


def test_sections_are_measured_once_and_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(folder) == 0
    files = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(files) == {f"{p}-emulated.json" for p in ("gpu", "gpu-batch", "gpu-predict", "gpu-bins")}
    capsys.readouterr()
    assert bench(folder) == 0 and bench(folder, "--list") == 0  # nothing is left to do
    assert "not yet measured" not in capsys.readouterr().out
    assert files == {path.name: path.read_text() for path in folder.iterdir()}

    training = json.loads(files["gpu-emulated.json"])["training"]["A001"]
    assert training["digests_agree"] and len(training["engines"]["pygbt cuda"]["train"]) == 1
    [batch] = json.loads(files["gpu-batch-emulated.json"])["train_batch"].values()
    assert batch["models"] == 3 and batch["loss"]["train_batch"] == batch["loss"]["train in a loop"]
    assert all(
        row["peak_bytes"] <= row.get("budget_bytes", 2**40)
        for row in json.loads(files["gpu-bins-emulated.json"])["bins"]
    )

    # Another build has measured nothing; what it measures takes the place of what was there, the rest stays.
    monkeypatch.setattr(gpu_bench.Session, "build", "another")
    assert bench(folder, "--list") == 0
    assert capsys.readouterr().out.count("not yet measured") == 5
    assert (
        gpu_bench.main(
            ["--emulated", "--share", "0.00002", "--repeats", "1", "--results", str(folder), "--sections", "atomics"]
        )
        == 0
    )
    result = machine.load("gpu-emulated")
    assert result["training"] == json.loads(files["gpu-emulated.json"])["training"]
    assert result["sections"]["atomics"] == "another" != result["sections"]["A001"]


def test_what_fails_or_has_no_time_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(session: gpu_bench.Session) -> dict[str, Any]:
        raise RuntimeError("no such thing")

    section = gpu_bench.SECTIONS["atomics"]
    monkeypatch.setitem(gpu_bench.SECTIONS, "batch", gpu_bench.Section("gpu-batch", 1.0, fail))
    monkeypatch.setitem(gpu_bench.SECTIONS, "A001", gpu_bench.Section("gpu", 1e9, section.run))
    monkeypatch.setitem(gpu_bench.SECTIONS, "predict-shallow", gpu_bench.Section("gpu", 1.0, section.run, "no_library"))
    monkeypatch.setitem(gpu_bench.SECTIONS, "bins-1000000", section)
    assert bench(folder) == 1
    out = capsys.readouterr().out
    assert "failed: batch\n" in out and "left for another call: A001\n" in out
    assert "predict-shallow: left out, needs no_library" in out
    assert set(machine.load("gpu-emulated")["sections"]) == {"atomics", "bins-1000000"}
    with pytest.raises(SystemExit):
        gpu_bench.main(["--sections", "nothing"])
    with pytest.raises(SystemExit):
        gpu_bench.main(["--share", "0.1"])


def test_the_page_says_what_is_not_yet_measured(folder: Path) -> None:
    page = gpu_report.page("nowhere")
    assert page.startswith("# Speed on a GPU") and "None" not in page
    bars, roofline = page.split("## Datasets")[0], page.split("## Against the ceilings")[1].split("## Notes")[0]
    assert bars.count("not yet measured") == 1 + 2 * len(gpu_report.BARS) + 2 * 3
    assert roofline.count("not yet measured") == 11
    # Everything that a machine has measured is shown: the shapes of the emulator's rehearsal under their own names.
    times = {"pygbt device": [0.02, 0.03, 0.02], "xgboost device": [0.1, 0.1, 0.2], "pygbt host": [0.05]}
    machine.save("gpu-predict-nowhere", {
        "gpu": "nowhere", "build": {"compiler": "none"}, "date": "today",
        "prediction": {"shallow": {"rows": {"10000000": times}}},
    })  # fmt: skip
    seconds = {"train_batch": 1.0, "train in a loop": 2.0, "XGBoost in a loop": 14.0}
    machine.save("gpu-batch-nowhere", {
        "gpu": "nowhere", "build": {"compiler": "none"},
        "train_batch": {gpu_report.BATCH[0]: {"date": "then", "seconds": seconds}},
    })  # fmt: skip
    page = gpu_report.page("nowhere")
    assert "device arrays | 20.0 ms | 100.0 ms | **5.0** [4] | today |" in page
    assert "host arrays | 50.0 ms | not yet measured |  | today |" in page
    assert "one after another | 1.00 s | 14.00 s | 14.0 [15] | then |" in page


def test_every_bar_has_a_section() -> None:
    """One call fills every row of the page."""
    assert set(gpu_report.BARS) <= set(gpu_bench.SECTIONS)
    assert {"batch", "predict-shallow", "bins-10000000", "bins-1000000", "stages-A10"} <= set(gpu_bench.SECTIONS)
    assert sum(section.seconds for section in gpu_bench.SECTIONS.values()) <= 480
