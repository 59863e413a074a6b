"""`robot-agent doctor`: every check finds what it is for, and says what to do."""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from robot_agent import checks, config, probe
from robot_agent.checks import Mark
from tests.agent.certificates import PrivateCA
from tests.agent.fake_server import serving
from tests.agent.proxies import proxying

posix = pytest.mark.skipif(sys.platform == "win32", reason="looks at the rights of files")


@pytest.fixture
async def server():
    async with serving() as fake:
        yield fake


@pytest.fixture
def key_file(tmp_path):
    file = tmp_path / "machine.key"
    file.write_text("good-key\n")
    file.chmod(0o600)
    return file


async def doctor(*options, **variables):
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "robot_agent", "doctor", "--json", *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **variables},
    )  # fmt: skip
    output, errors = await program.communicate()
    assert not errors, errors
    return program.returncode, {f["about"]: (f["mark"], f["sentence"]) for f in json.loads(output)}


async def test_where_all_is_well_it_says_so_and_changes_nothing(server, tmp_path, key_file):
    data = tmp_path / "data"
    code, found = await doctor(
        "--url", server.url, "--machine-key-file", str(key_file), "--data", str(data)
    )
    assert code == 0 and not data.exists() and server.registered == []
    marks = {about: mark for about, (mark, _) in found.items()}
    assert marks.keys() == {"Python", "uv", "Data folder", "Disk", "Machine key", "Proxy",
                            "Server", "Clock", *marks.keys() & {"Masking"}}  # fmt: skip
    assert {mark for about, mark in marks.items() if about != "Disk"} == {"ok"}


async def test_over_tls_it_says_who_signed_and_until_when(tmp_path, key_file):
    ca = PrivateCA(tmp_path)
    async with serving(ca.server(days=10)) as server:
        code, found = await doctor("--url", server.url, "--machine-key-file", str(key_file),
                                   "--ca-file", str(ca.file))  # fmt: skip
        mark, said = found["Certificate"]
        assert (code, mark) == (0, "warning")
        assert "Signed by Test CA of our own" in said and "renew it" in said
        code, found = await doctor("--url", server.url, "--machine-key-file", str(key_file))
    assert code == 1 and "signed by nobody" in found["Server"][1] and "Clock" not in found


async def test_through_a_proxy_it_sees_the_same(tmp_path, key_file):
    ca = PrivateCA(tmp_path)
    async with serving(ca.server()) as server, proxying("ada:se-cret") as proxy:
        code, found = await doctor("--url", server.url, "--machine-key-file", str(key_file),
                                   "--ca-file", str(ca.file), HTTPS_PROXY=proxy.url)  # fmt: skip
    assert code == 0 and found["Certificate"][0] == found["Clock"][0] == "ok"
    assert proxy.url.partition("@")[2] in found["Proxy"][1] and "se-cret" not in found["Proxy"][1]
    assert len(proxy.asked) == 2


async def test_with_register_it_says_whether_the_key_is_accepted(server, key_file):
    options = ("--url", server.url, "--machine-key-file", str(key_file), "--name", "bert")
    code, found = await doctor(*options, "--register")
    assert code == 0 and found["Machine key"] == ("ok", "The server accepts it.")
    info = server.registered[0]["machine_info"]
    assert info["python"] and "has_desktop" not in info  # that is for the agent to say
    key_file.write_text("bad-key")
    code, found = await doctor(*options, "--register")
    assert code == 1 and "does not accept the machine key" in found["Machine key"][1]


@pytest.mark.parametrize(
    ("options", "about", "sentence"),
    [
        (["--url", "server"], "Options", "must begin with http"),
        (["--url", "http://127.0.0.1:9"], "Server", "cannot be reached"),
        (["--url", "http://127.0.0.1:9", "--machine-key-file", "/no/such"], "Machine key",
         "cannot be read"),
        (["--url", "http://127.0.0.1:9", "--data", "/etc/passwd"], "Data folder",
         "not a directory"),
        (["--url", "http://127.0.0.1:9", "--min-free-mib", "999999999"], "Disk",
         "no job is taken"),
        (["--url", "https://127.0.0.1:9", "--ca-file", "/no/such"], "CA file", "cannot be read"),
    ],
)  # fmt: skip
async def test_what_stands_in_the_way_is_said_in_a_sentence(options, about, sentence):
    code, found = await doctor(*options)
    assert code == 1 and found[about][0] == "failed" and sentence in found[about][1]


@posix
def test_a_folder_or_a_key_that_others_can_read_is_warned_of(tmp_path, key_file):
    tmp_path.chmod(0o755)
    key_file.chmod(0o644)
    assert checks.data(tmp_path).mark is Mark.WARNING
    assert "chmod 600" in checks.key_file(key_file).sentence


@posix
def test_a_folder_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write everywhere
    found = checks.data(tmp_path / "not" / "there")
    assert found.mark is Mark.FAILED and str(tmp_path) in found.sentence


@pytest.mark.parametrize(
    ("offset", "mark", "words"),
    [(0.4, "ok", "agrees"), (3600, "warning", "3,600 s ahead"), (-90, "warning", "90 s behind"),
     (None, "warning", "does not tell")],
)  # fmt: skip
def test_the_clock_is_compared_and_nothing_fails_by_it(offset, mark, words):
    found = checks.clock(offset)
    assert found.mark == mark and words in found.sentence


def test_a_certificate_that_ends_soon_is_warned_of():
    soon = datetime.now(UTC) + timedelta(days=5)
    assert checks.certificate(soon, "X").mark is Mark.WARNING
    assert checks.certificate(soon + timedelta(days=90), "X").mark is Mark.OK


@pytest.mark.parametrize(
    ("url", "is_warned"),
    [("http://server.example:8000", True), ("http://server.example", True),
     ("http://127.0.0.1:8000", False), ("http://localhost", False), ("https://server", False)],
)  # fmt: skip
def test_a_way_without_tls_is_warned_of_unless_it_stays_on_this_machine(url, is_warned):
    settings = config.Config(url=url, name="bert", data=Path())
    assert (checks.plain(settings) is not None) is is_warned


def test_uv_that_is_missing_is_told_with_what_brings_it(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = checks.uv_program()
    assert found.mark is Mark.FAILED and "with `[agent]`" in found.sentence


def test_the_servers_date_is_read_to_the_second():
    assert probe._offset("Thu, 26 Nov 2026 12:00:00 GMT", 1795694400.5) == 0
    assert probe._offset("soon", 0) is None and probe._offset(None, 0) is None
