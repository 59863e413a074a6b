"""How the server logs: one line an event, for people or as JSON, with the request's id."""

import json
import logging
import sys
import textwrap
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, TextIO

import structlog

_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def configure(log_format: str, level: str = "INFO") -> None:
    """`log_format` is `console` or `json`; libraries that use `logging` look the same."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(serializer=_json)
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            pad_event_to=0,
            # Never with local variables, which are shown where `rich` is installed: there may
            # be a secret among them.
            exception_formatter=_traceback,
        )
    )
    processors = _SHARED if log_format == "json" else _SHARED[:-1]
    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    last = [meta, renderer] if log_format == "json" else [meta, _escape, renderer]
    structlog.configure(
        processors=[*processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=processors,
            processors=last,
        )
    )
    logging.basicConfig(handlers=[handler], level="WARNING", force=True)  # of libraries
    logging.getLogger("orchestrator_server").setLevel(level)


def escaped(text: str, *, but: str = "") -> str:
    """What is logged must not steer the terminal on which it is read, nor end its line."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in but else c.encode("unicode_escape").decode() for c in text
    )


class _Shown:
    """A value whose `repr` is this text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _escape(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """For the console, which writes most strings as they are."""
    for name, value in event.items():
        if name == "exc_info":
            continue  # `_traceback` has it
        if name in ("exception", "stack"):
            event[name] = _indented(str(value))
        elif name == "event":
            event[name] = escaped(str(value))
        elif not (isinstance(value, str) and value.isprintable()):
            event[name] = _Shown(escaped(repr(value)))
    return event


def _traceback(
    out: TextIO, exc_info: tuple[type[BaseException], BaseException, TracebackType | None]
) -> None:
    lines = traceback.format_exception(*exc_info)
    out.write("\n" + _indented("".join(lines).rstrip()))


def _indented(text: str) -> str:
    """So that no line of it passes for a line of the log."""
    return textwrap.indent(escaped(text, but="\n\t"), "    ", lambda line: True)


def _json(event: Any, **how: Any) -> str:
    return json.dumps(event, **how).replace("\x7f", "\\u007f")  # all else it escapes itself
