"""The examples of docs/sdk.md work as they are written."""

import json
import re

import pytest

from tests.sdk.command import ROOT, Sdk

GUIDE = (ROOT / "docs/sdk.md").read_text("utf-8")


def block(language, containing):
    [found] = [b for b in re.findall(rf"```{language}\n(.*?)```", GUIDE, re.S) if containing in b]
    return found


@pytest.fixture
def package(tmp_path):
    project, local = block("toml", "[project]"), block("toml", "[assets]")
    (tmp_path / "pyproject.toml").write_text(project)
    (tmp_path / "main.py").write_text(block("python", "def pay"))
    (tmp_path / "report.py").write_text("print('report')\n")
    (tmp_path / "runwright.local.toml").write_text(local)
    return tmp_path


async def test_the_script_of_the_guide_runs(package):
    sdk = Sdk(package / "home")
    ended = await sdk("run", "--param", "limit=5", "--json", cwd=package)
    assert json.loads(ended.out)["result"] == {"paid": 1, "rate": 7}
    assert "Item 2 failed: nothing to pay" in ended.err
    assert (await sdk("check", package)).code == 0
    refused = await sdk("run", "--param", "limit=many", cwd=package)
    assert (refused.code, "limit" in refused.err) == (1, True)


def test_every_command_of_the_guide_exists():
    from sdk.cli.__main__ import COMMANDS

    named = set(re.findall(r"`?\bsdk ([a-z]+)\b", GUIDE)) - {"command"}
    assert named <= set(COMMANDS)
