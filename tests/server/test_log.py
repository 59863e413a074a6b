"""What the server logs, as it reaches a terminal or a file."""

import io
import json
import logging
import sys

import pytest
import structlog

from orchestrator_server import log as logs

HOSTILE = "\x1b[2Jx\x1b]52;c;eA==\x07\r\n\x9b31m\x7f\u202e\u2028\x00 y"
RAW = "\x1b\x07\r\x9b\x7f\u202e\u2028\x00"


@pytest.fixture
def logged(monkeypatch, request):
    """What has been logged, in one of the formats."""
    out = io.StringIO()
    log_format, out.isatty = request.param, lambda: request.param == "colors"
    monkeypatch.setattr(sys, "stderr", out)
    root, ours = logging.getLogger(), logging.getLogger("orchestrator_server")
    before = (root.handlers[:], root.level, ours.level)
    logs.configure("json" if log_format == "json" else "console", "DEBUG")
    yield out
    root.handlers[:], _, _ = before
    root.setLevel(before[1])
    ours.setLevel(before[2])
    structlog.reset_defaults()


def every_way(log):
    log.warning("a path was asked for", path=HOSTILE, many=[HOSTILE], named={HOSTILE: HOSTILE})
    log.warning(HOSTILE, stack=HOSTILE)
    with structlog.contextvars.bound_contextvars(request_id=HOSTILE):
        log.warning("bound")
    library = logging.getLogger("aiohttp.server")
    library.warning("from %s", HOSTILE)
    for logger in (log, library):
        try:
            raise ValueError(HOSTILE) from KeyError(HOSTILE)
        except ValueError:
            logger.exception("it failed")
    log.warning("bytes and objects", raw=HOSTILE.encode("utf-8", "surrogatepass"), it=Hostile())


class Hostile:
    def __repr__(self):
        return HOSTILE


@pytest.mark.parametrize("logged", ["console", "json"], indirect=True)
def test_no_control_character_reaches_a_log(logged):
    every_way(structlog.get_logger("orchestrator_server.test"))
    text = logged.getvalue()
    assert not set(RAW) & set(text)
    assert text.count("x1b[2Jx" if text[0] != "{" else "u001b[2Jx") >= 10
    assert all(c.isprintable() or c in "\n\t" for c in text)


@pytest.mark.parametrize("logged", ["colors"], indirect=True)
def test_colors_of_our_own_stay(logged):
    every_way(structlog.get_logger("orchestrator_server.test"))
    text = logged.getvalue()
    for sequence in ("\x1b[0m", "\x1b[1m", "\x1b[33m", "\x1b[31m"):
        text = text.replace(sequence, "")
    assert len(text) < len(logged.getvalue())
    assert "\x1b[2J" not in text
    assert not set(RAW) - {"\x1b"} & set(text)


@pytest.mark.parametrize("logged", ["console"], indirect=True)
def test_no_text_passes_for_a_line_of_its_own(logged):
    log = structlog.get_logger("orchestrator_server.test")
    forged = "x\n2030-01-01T00:00:00Z [info     ] all is well"
    log.warning(forged, path=forged)
    try:
        raise ValueError(forged)
    except ValueError:
        log.exception("it failed", why=forged)
    lines = logged.getvalue().splitlines()
    assert [line for line in lines if line.startswith("2030")] == []
    assert sum("all is well" in line for line in lines) == 3
    assert "    ValueError: x" in lines


@pytest.mark.parametrize("logged", ["json"], indirect=True)
def test_what_is_escaped_in_json_is_still_what_it_was(logged):
    structlog.get_logger("orchestrator_server.test").warning("asked", path="\x7f\x1b\u202e")
    assert json.loads(logged.getvalue())["path"] == "\x7f\x1b\u202e"


def test_half_a_character_is_escaped_too():
    """On its own: what collects the output of the tests cannot carry it."""
    assert logs.escaped("a\ud800\n") == "a\\ud800\\n"
