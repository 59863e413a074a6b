"""The documents say what is true."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_client_is_fresh():
    from docs.generate_client import FOLDER, modules

    for name, text in modules().items():
        assert (FOLDER / name).read_text("utf-8") == text, f"{name}: run make docs"


def test_the_api_reference_is_fresh():
    made = subprocess.run(
        [sys.executable, "-c", "from docs import generate_api; print(generate_api.markdown())"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.rstrip()
    assert (ROOT / "docs/api.md").read_text("utf-8").rstrip() == made, "run: make docs"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 80


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_every_file_a_document_names_is_there(document):
    links = re.findall(r"\]\(([^)#:]+)\)", document.read_text("utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("command", ["serve", "migrate", "user", "demo"])
def test_every_command_explains_itself(command):
    explained = subprocess.run(
        [sys.executable, "-m", "orchestrator_server", command, "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert explained.startswith("Usage: orchestrator")


def test_each_promise_names_tests_that_are_there():
    text = (ROOT / "docs/guarantees.md").read_text("utf-8")
    promises = text.partition("\n## Not promised")[0].split("\n## ")[1:]
    for promise in promises:
        title, *lines = promise.splitlines()
        named = re.findall(r"^- `(tests/\S+)::(test_\w+)`$", "\n".join(lines), re.MULTILINE)
        assert named, f"{title}: no test holds it"
        assert len(named) == sum(line.startswith("- ") for line in lines), f"{title}: unreadable"
        for file, function in named:
            assert re.search(rf"def {function}\(", (ROOT / file).read_text("utf-8")), function
