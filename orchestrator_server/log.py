"""How the server logs: one line an event, for people or as JSON, with the request's id."""

import logging
import sys

import structlog

from sdk.escapes import clean

_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def _only_letters(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """What a client sent must not steer the terminal that shows the log."""
    return {key: clean(value) if isinstance(value, str) else value for key, value in event.items()}


def configure(log_format: str, level: str = "INFO") -> None:
    """`log_format` is `console` or `json`; libraries that use `logging` look the same."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            pad_event_to=0,
            # Never with local variables, which are shown where `rich` is installed: there may
            # be a secret among them.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    processors = _SHARED if log_format == "json" else _SHARED[:-1]
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
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _only_letters,
                renderer,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level="WARNING", force=True)  # of libraries
    logging.getLogger("orchestrator_server").setLevel(level)
