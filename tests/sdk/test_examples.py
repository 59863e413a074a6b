"""The packages in `examples/` run, and their results are right."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sdk.packaging import pack

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


class Robot:
    """Runs a copy of an example in a folder of its own, with the files a robot provides."""

    def __init__(self, name: str, folder: Path, parameters: dict[str, Any]) -> None:
        self.package, self.work, self.files = (folder / f for f in ("package", "work", "files"))
        shutil.copytree(EXAMPLES / name, self.package)
        self.work.mkdir()
        self.files.mkdir()
        (self.files / "parameters.json").write_text(json.dumps(parameters), encoding="utf-8")

    def start(self) -> subprocess.Popen[str]:
        files = {name: self.files / f"{name}.json" for name in ("parameters", "result", "progress")}
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "utf-8",
            **{f"RUNWRIGHT_{name.upper()}": str(path) for name, path in files.items()},
        }
        return subprocess.Popen(
            [sys.executable, self.package / "main.py"],
            cwd=self.work,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )

    def read(self, name: str) -> Any:
        return json.loads((self.files / f"{name}.json").read_text(encoding="utf-8"))


def completed(robot: Robot) -> str:
    with robot.start() as script:
        output, _ = script.communicate(timeout=30)
    assert script.returncode == 0, output
    return output


@pytest.mark.parametrize("name", ["invoices", "text_files", "long_job"])
def test_each_example_can_be_packed(tmp_path: Path, name: str) -> None:
    assert pack(EXAMPLES / name, tmp_path).name == f"{name}_1.0.0.zip"


def test_invoices_are_summed_and_the_wrong_one_is_reported(tmp_path: Path) -> None:
    robot = Robot("invoices", tmp_path, {})
    with (EXAMPLES / "invoices" / "invoices.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["number"] != "2026-0017"]

    output = completed(robot)

    total = str(sum(Decimal(row["gross"]) for row in rows))
    problem = "gross is 3241.78, but net and VAT make 3232.78"
    rejected = [{"number": "2026-0017", "problem": problem}]
    assert robot.read("result") == {"invoices": 24, "rejected": rejected, "total_gross": total}
    assert f"Invoice 2026-0017: {problem}\n" in output
    assert robot.read("progress")["fraction"] == 1.0


def test_the_reports_on_invoices_agree_with_the_result(tmp_path: Path) -> None:
    robot = Robot("invoices", tmp_path, {})
    completed(robot)

    report = json.loads((robot.work / "report.json").read_text(encoding="utf-8"))
    page = (robot.work / "report.md").read_text(encoding="utf-8")

    gross = sum(Decimal(customer["gross"]) for customer in report["customers"].values())
    assert str(gross) == robot.read("result")["total_gross"]
    assert sum(customer["invoices"] for customer in report["customers"].values()) == 24
    for name, customer in report["customers"].items():
        row = f"| {name} | {customer['invoices']} | {customer['net']} | {customer['gross']} |"
        assert row in page
    assert "- 2026-0017: " in page


@pytest.mark.parametrize("gross", ["", "abc", "NaN", "Infinity"])
def test_an_invoice_without_a_proper_amount_is_rejected(tmp_path: Path, gross: str) -> None:
    robot = Robot("invoices", tmp_path, {})
    with (robot.package / "invoices.csv").open("a", encoding="utf-8") as file:
        file.write(f"2026-0026,Somebody,2026-03-23,10.00,19,{gross},EUR\n")

    completed(robot)

    result = robot.read("result")
    assert result["invoices"] == 24
    assert [entry["number"] for entry in result["rejected"]] == ["2026-0017", "2026-0026"]


def test_text_files_of_any_encoding_become_utf_8(tmp_path: Path) -> None:
    robot = Robot("text_files", tmp_path, {})

    output = completed(robot)

    encodings = {"utf-8": 2, "utf-8-sig": 1, "utf-16": 1, "cp1252": 2}
    assert robot.read("result") == {"files": 6, "encodings": encodings}
    assert "offer.txt: cp1252\n" in output
    words = {
        "harbour": "Båtplatser",
        "kitchen": "Küchenplan",
        "offer": "1 450 €",
        "stock": "Stan",
    }
    for name, word in words.items():
        text = (robot.work / "converted" / f"{name}.txt").read_bytes().decode()
        assert word in text
        assert not text.startswith("\ufeff")
        assert "\r" not in text
        assert text.count("\n") == 3


def test_a_long_job_does_as_many_steps_as_asked_and_reports_each(tmp_path: Path) -> None:
    robot = Robot("long_job", tmp_path, {"steps": 7, "seconds_per_step": 0})

    output = completed(robot)

    assert output.splitlines()[-1] == "step 7 of 7: 720 temperatures"
    assert len(output.splitlines()) == 7
    assert robot.read("progress") == {"fraction": 1.0, "message": "step 7 of 7"}


def test_the_result_of_a_long_job_does_not_depend_on_its_steps(tmp_path: Path) -> None:
    with (EXAMPLES / "long_job" / "temperatures.csv").open(encoding="utf-8", newline="") as file:
        values = [float(row["celsius"]) for row in csv.DictReader(file)]
    expected = {
        "temperatures": len(values),
        "lowest": min(values),
        "highest": max(values),
        "average": round(sum(values) / len(values), 2),
    }

    for steps in (1, 13, 1000):
        robot = Robot("long_job", tmp_path / str(steps), {"steps": steps, "seconds_per_step": 0})
        completed(robot)
        assert robot.read("result") == expected


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no polite SIGTERM")
def test_a_long_job_that_is_cancelled_stops_at_once_and_in_good_order(tmp_path: Path) -> None:
    robot = Robot("long_job", tmp_path, {"steps": 2000, "seconds_per_step": 0.05})

    with robot.start() as script:
        assert script.stdout is not None
        assert script.stdout.readline() == "step 1 of 2000: 0 temperatures\n"
        script.send_signal(signal.SIGTERM)
        output, _ = script.communicate(timeout=30)

    last = output.splitlines()[-1]
    assert last.startswith("stopping after step ")
    assert "Traceback" not in output
    assert script.returncode == 1
    assert not (robot.files / "result.json").exists()
