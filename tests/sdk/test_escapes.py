"""What a script prints colors a terminal, and does nothing else to it."""

import asyncio
import json
import logging
import os
import pty
import re
import subprocess
import sys
import termios

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_agent.__main__ import _Formatter
from sdk.cli.terminal import _json
from sdk.escapes import LogFilter, clean, clean_json
from tests.sdk.command import ROOT, Sdk

HOSTILE = {
    "clipboard": b"\x1b]52;c;cm0gLXJm\x07",
    "title": b"\x1b]0;owned\x1b\\",
    "link": b"\x1b]8;;http://evil.example\x1b\\text\x1b]8;;\x1b\\",
    "device control": b'\x1bP$q"p\x1b\\',
    "clear": b"\x1b[2J\x1b[H",
    "up": b"\x1b[1A",
    "question": b"\x1b[6n\x1b[c\x05",
    "8-bit": "\x9b2J\x9d0;x\x9c\x90q\x9c".encode(),
    "raw 8-bit": b"\x9b2J\x9d0;x\x9c",
    "reset": b"\x1bc",
    "backspace": b"secret\x08\x08\x08",
    "long color": b"\x1b[" + b"1;" * 500 + b"m",
    "color of another kind": b"\x1b[>4;2m\x1b[?1m",
    "bell and null": b"\x07\x00\x7f\x0e",
    "reversed": "\u202etxt.exe\u2066\u200f".encode(),
}
COLORS = b"\x1b[1;31mred\x1b[0m \x1b[38;2;1;2;3mblue\x1b[m 50%\r100%\r\n\tdone \xf0\x9f\x98\x80\n"
STEERING = [*map(chr, [*range(8), 8, *range(0x0B, 0x0D), *range(0x0E, 0x20), *range(0x7F, 0xA0)])]


def shown(*pieces):
    log = LogFilter()
    return "".join([*map(log.shown, pieces), log.rest()])


@pytest.mark.parametrize("name", HOSTILE)
def test_control_sequences_do_not_pass_however_they_are_cut(name):
    content = b"before " + HOSTILE[name] + b" after"
    whole = shown(content)
    assert whole.startswith("before ")
    assert whole.endswith(" after")
    assert not set(whole) & {*STEERING, "\u202e", "\u2066", "\u200f"}
    for cut in range(len(content)):
        assert shown(content[:cut], content[cut:]) == whole
    assert shown(*(content[i : i + 1] for i in range(len(content)))) == whole


def test_colors_progress_bars_and_letters_pass_however_they_are_cut():
    assert shown(COLORS) == COLORS.decode()
    for cut in range(len(COLORS)):
        assert shown(COLORS[:cut], COLORS[cut:]) == COLORS.decode()


def test_a_color_that_is_left_on_is_ended():
    assert shown(b"\x1b[31mred") == "\x1b[31mred\x1b[0m"
    assert shown(b"\x1b[31mred\x1b[0m") == "\x1b[31mred\x1b[0m"


def test_what_was_begun_is_held_and_not_for_ever():
    log = LogFilter()
    assert log.shown(b"a\x1b[3") == "a"
    assert log.shown(b"1mb") == "\x1b[31mb"
    assert log.shown(b"\x1b[" + b"1" * 100) == "?[" + "1" * 100
    assert log.shown(b"c\x1b") == "c"
    assert log.rest() == "?\x1b[0m"


@given(st.lists(st.binary(max_size=8)))
def test_no_bytes_are_a_command(pieces):
    text = shown(*pieces)
    assert not set(re.sub(r"\x1b\[[0-9;:]*m", "", text)) & set(STEERING)


def test_json_is_the_same_and_holds_no_control_character():
    value = {"name": "a\x1b\x9b\x7f\u202e\u2028ü"}
    assert json.loads(_json(value)) == value
    assert not set(_json(value)) & {*STEERING, "\u202e", "\u2028"}
    assert clean_json('"ü"') == '"ü"'


def test_the_log_of_an_agent_is_clean():
    record = logging.LogRecord("x", logging.INFO, "", 0, "no %s", ("\x1b[2J\x9b",), None)
    assert _Formatter("%(message)s").format(record) == "no ?[2J?"


def on_a_terminal(*arguments, env):
    """The bytes that a terminal gets from `sdk`."""
    ours, its = pty.openpty()
    mode = termios.tcgetattr(its)
    mode[1] &= ~termios.OPOST  # as they are
    termios.tcsetattr(its, termios.TCSANOW, mode)
    process = subprocess.Popen(
        [sys.executable, "-m", "sdk.cli", *arguments],
        cwd=ROOT, env=env, stdin=its, stdout=its, stderr=its,
    )  # fmt: skip
    os.close(its)
    told = b""
    try:
        while piece := os.read(ours, 65536):
            told += piece
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    assert process.wait(60) == 0, told
    return told


async def test_a_log_on_a_terminal_is_colored_and_steers_nothing(admin, tmp_path):
    robot = await admin.make_robot()
    await admin.make_job(await admin.make_process())
    job = (await robot.post("/api/runner/next-job", 200, claim_key="1"))["job"]
    content = b"".join(HOSTILE.values()) + COLORS
    await robot.ask(
        "POST", f"/api/runner/jobs/{job['id']}/logs?attempt=1&offset=0", data=content, status=200
    )
    await robot.post(
        f"/api/runner/jobs/{job['id']}/update", 200, status="completed", attempt=1, result="\x9b2J"
    )
    sdk = Sdk(tmp_path)
    await sdk.sign_in(admin, "run")
    for arguments in (["logs", "1"], ["logs", "1", "--follow"]):
        told = await asyncio.to_thread(on_a_terminal, *arguments, env=sdk.env)
        assert COLORS in told
        assert not set(told.decode()) & (set(STEERING) - {"\x1b"})
        assert told.count(b"\x1b") == COLORS.count(b"\x1b")
        assert b"?]52;c;cm0gLXJm?" in told
    for arguments in (["logs", "1", "--raw"], ["logs", "1", "--follow", "--raw"]):
        assert content in await asyncio.to_thread(on_a_terminal, *arguments, env=sdk.env)
    process = await sdk.start("logs", "1")
    out, _ = await process.communicate()
    assert out == content


def test_a_script_run_here_does_not_steer_the_terminal_either(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "p"\nversion = "1.0.0"\n')
    (tmp_path / "main.py").write_text("print('a\\x1b[2Jb \\x1b[32mgreen\\x1b[0m')")
    told = on_a_terminal("run", "--folder", str(tmp_path), env=Sdk(tmp_path).env)
    assert b"a?[2Jb \x1b[32mgreen\x1b[0m" in told


def test_clean_is_letters_alone():
    assert clean("a\x1b[2J\x9b\u202eb\tc\n") == "a?[2J??b\tc\n"
