"""The developers' command line, as it is called from a shell."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import click
from click.testing import CliRunner

from sdk.cli.__main__ import COMMANDS, main

ROOT = Path(__file__).parents[2]


def a_package(folder: Path) -> Path:
    folder.mkdir()
    (folder / "main.py").write_text("print('hello')\n", encoding="utf-8")
    project = '[project]\nname = "hello"\nversion = "1.0.0"\n'
    (folder / "pyproject.toml").write_text(project, encoding="utf-8")
    return folder


def test_pack_prints_the_path_of_the_archive_and_nothing_else(tmp_path: Path) -> None:
    folder = a_package(tmp_path / "p")

    ended = subprocess.run(
        [sys.executable, "-m", "sdk.cli", "pack", str(folder), "--output", str(tmp_path / "out")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )

    archive = tmp_path / "out" / "hello_1.0.0.zip"
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"{archive}\n", "")
    assert archive.is_file()


def test_pack_puts_the_archive_into_dist_unless_told_otherwise(tmp_path: Path) -> None:
    folder = a_package(tmp_path / "p")

    CliRunner().invoke(main, ["pack", str(folder)], catch_exceptions=False)

    assert (folder / "dist" / "hello_1.0.0.zip").is_file()


def test_what_cannot_be_packed_is_said_on_stderr_and_exits_with_1(tmp_path: Path) -> None:
    ended = CliRunner().invoke(main, ["pack", str(tmp_path)])

    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "so name and version must be given." in ended.stderr


def test_a_place_that_cannot_be_written_is_said_without_a_traceback(tmp_path: Path) -> None:
    folder = a_package(tmp_path / "p")
    (tmp_path / "file").touch()

    ended = CliRunner().invoke(main, ["pack", str(folder), "--output", str(tmp_path / "file/x")])

    assert (ended.exit_code, ended.stdout) == (1, "")
    assert ended.stderr.startswith("Error: ")


def test_the_version_is_the_one_installed() -> None:
    ended = CliRunner().invoke(main, ["--version"], catch_exceptions=False)

    assert ended.stdout == f"sdk, version {metadata.version('runwright')}\n"


def test_each_command_is_listed_and_explains_itself() -> None:
    listed = CliRunner().invoke(main, ["--help"], catch_exceptions=False).stdout

    for name in COMMANDS:
        assert f"\n  {name} " in listed
        assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0


def test_an_unknown_command_is_a_mistake_of_usage() -> None:
    assert CliRunner().invoke(main, ["terminal"]).exit_code == 2


def test_asking_for_the_version_loads_no_command() -> None:
    code = (
        "import sys; from sdk.cli.__main__ import main; main(['--version'], standalone_mode=False);"
        "sys.exit('sdk.cli.pack' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=30).returncode == 0


def test_each_shell_can_complete() -> None:
    for shell, word in (("bash", "complete"), ("zsh", "compdef"), ("fish", "complete")):
        ended = CliRunner().invoke(main, ["completion", shell])
        assert (ended.exit_code, word in ended.stdout, "_SDK_COMPLETE" in ended.stdout) == (
            0,
            True,
            True,
        )


def test_no_command_asks_anything_of_a_terminal_that_is_not_there() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "sdk/cli").glob("*.py"))
    assert "click.prompt" not in sources
    assert "click.confirm" not in sources


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    context = click.Context(main)
    said = {name: main.get_command(context, name) for name in COMMANDS}
    assert {n: c and c.get_short_help_str(limit=200) for n, c in said.items()} == COMMANDS


def test_asking_for_help_loads_no_command() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from sdk.cli.__main__ import main; "
        "CliRunner().invoke(main, ['--help']); "
        "print(sorted({'aiohttp', 'msgspec', 'keyring', 'sdk.client'} & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert ended.stdout == "[]\n"


def test_every_command_that_gives_data_gives_json_too() -> None:
    context = click.Context(main)
    raw = {"logs", "completion"}  # bytes of a script, and lines for a shell
    for name in set(COMMANDS) - raw:
        command = main.get_command(context, name)
        assert command is not None
        assert "--json" in {option for p in command.params for option in p.opts}, name
