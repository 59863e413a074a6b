"""Lines that people and programs can read: a level, words, and fields (logfmt)."""

import json
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Log:
    def info(self, message: str, **fields: "Any") -> None:
        _write("info", message, fields)

    def warning(self, message: str, **fields: "Any") -> None:
        _write("warning", message, fields)

    def error(self, message: str, **fields: "Any") -> None:
        _write("error", message, fields)


def _write(level: str, message: str, fields: "dict[str, Any]") -> None:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    said = {"time": at, "level": level, "msg": message, **fields}
    line = " ".join(f"{name}={_spelled(value)}" for name, value in said.items())
    print(line, file=sys.stdout, flush=True)


def _spelled(value: "Any") -> str:
    is_json = value is None or isinstance(value, bool | int | float | list | tuple | dict)
    text = json.dumps(value, default=str, ensure_ascii=False) if is_json else str(value)
    plain = text and text.isprintable() and not set(text) & set(' ="')
    return text if plain else json.dumps(text, ensure_ascii=False)


log = Log()
