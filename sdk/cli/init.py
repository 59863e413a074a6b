"""`sdk init`: the beginning of a package, which runs, with a test that passes."""

import re
from pathlib import Path

import click

from sdk.cli.terminal import Failure, as_json, say, show
from sdk.packaging import NAME

PYPROJECT = """\
[project]
name = "{name}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = []

[tool.runwright.processes]
{key} = "main.py:main"
"""

MAIN = '''\
"""What the robot does. Each parameter of `main` is a parameter of the job."""

from sdk.runtime import job


def main(name: str = "world", times: int = 1) -> dict:
    """Greet somebody."""
    for number in range(1, times + 1):
        print(f"Hello, {name}!")  # output becomes the log of the job
        job.progress(number / times, f"{number} of {times}")
    return {"greeted": name, "times": times}  # and this its result
'''

TEST = """\
from main import main


def test_it_greets(capsys):
    assert main("Ada", times=2) == {"greeted": "Ada", "times": 2}
    assert capsys.readouterr().out == "Hello, Ada!\\nHello, Ada!\\n"
"""

IGNORED = """\
__pycache__/
.venv/
dist/
runwright.local.toml
"""


@click.command("init")
@click.argument("name")
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where to make it.  [default: ./NAME]"
)
@as_json
def command(name: str, folder: Path | None, as_json: bool) -> None:
    """Make a package called NAME that runs, with a test."""
    if not NAME.fullmatch(name):
        raise click.UsageError(
            f"{name!r} is no name for a package: letters, digits, - and _, at most 100."
        )
    folder = folder or Path(name)
    files = {
        "pyproject.toml": PYPROJECT.format(name=name, key=_key(name)),
        "main.py": MAIN,
        "test_main.py": TEST,
        ".gitignore": IGNORED,
    }
    if there := [file for file in files if (folder / file).exists()]:
        raise Failure(f"{folder / there[0]} exists already; nothing was made.")
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8")
    show({"folder": str(folder), "files": list(files)}, str(folder), as_json=as_json)
    say(f"Try it:  cd {folder} && sdk run --param name=Ada")
    say("Then:    sdk login URL, sdk publish, and sdk start " + name + " --follow")


def _key(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else f'"{name}"'
