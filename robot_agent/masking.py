"""Finds the values of secrets, as they are and as they are usually written, and covers them. Pure.

In bytes a value is covered by as many asterisks as it has bytes, so that each byte of a log keeps
its place (record 21); in texts by three.
"""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

LEAST_BYTES = 4  # a shorter one is in every other line
LEAST_LINE_BYTES = 8  # of one line of several
COVER = "***"
_FOR_URLS = str.maketrans("+/", "-_")


class Mask:
    def __init__(self, values: Iterable[str] = ()) -> None:
        forms = {form for value in values for form in _forms(value) if len(form) >= LEAST_BYTES}
        self._forms = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, self._forms)))
        self._first = {form[:1] for form in self._forms}
        self.longest_bytes = len(self._forms[0]) if self._forms else 0

    def cover(self, content: bytes) -> bytes:
        """Of the same length."""
        if not self._forms:
            return content
        return self._pattern.sub(lambda found: b"*" * len(found[0]), content)

    def text(self, text: str) -> str:
        if not self._forms:
            return text
        content = text.encode(errors="surrogatepass")
        return self._pattern.sub(COVER.encode(), content).decode(errors="surrogatepass")

    def json(self, value: Any) -> Any:
        """Its texts and keys; what is no text stays."""
        if not self._forms:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.json(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self.json(item) for key, item in value.items()}
        return value

    def begun_at_end(self, content: bytes) -> int:
        """How many bytes at the end may be the beginning of a value, which are to wait for more."""
        for size in range(min(len(content), self.longest_bytes - 1), 0, -1):
            tail = content[-size:]
            if tail[:1] in self._first and any(form.startswith(tail) for form in self._forms):
                return size
        return 0


def _forms(value: str) -> Iterator[bytes]:
    lines = [line.strip() for line in value.splitlines()]
    parts = [line for line in lines if len(line.encode()) >= LEAST_LINE_BYTES]
    for part in {value, value.strip(), *(parts if len(lines) > 1 else [])}:
        if len(part.encode(errors="replace")) >= LEAST_BYTES:
            for text in _spellings(part):
                yield text.encode(errors="surrogatepass")
    if "\n" in value:
        yield from (
            v.encode() for v in _spellings(value.replace("\r\n", "\n").replace("\n", "\r\n"))
        )


def _spellings(value: str) -> set[str]:
    plain = value.encode(errors="surrogatepass")
    quoted = {quote(plain, safe=""), quote(plain), quote_plus(plain)}
    return {
        value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        html.escape(value),
        *quoted,
        *(re.sub("%..", lambda found: found[0].lower(), text) for text in quoted),
        plain.hex(),
        plain.hex().upper(),
        *_base64(plain),
    }


def _base64(plain: bytes) -> Iterator[str]:
    """What is the same of it wherever it stands in a longer text (RFC 4648)."""
    to_the_end = base64.b64encode(plain).decode().rstrip("=")
    yield from (to_the_end, to_the_end.translate(_FOR_URLS))
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + plain).decode().rstrip("=")
        first = (0, 2, 3)[before]  # the characters that also depend on what comes before
        last = len(encoded) - ((before + len(plain)) % 3 != 0)  # and the one on what comes after
        yield encoded[first:last]
        yield encoded[first:last].translate(_FOR_URLS)


def self_test() -> list[str]:
    """The spellings of a planted value that get through, cut at any place; [] if none does."""
    value = 'canary "ä" & 7/8'
    mask = Mask([value])
    through = []
    for form in sorted(_spellings(value)):
        content = b"before " + form.encode() + b" after"
        for cut in range(len(content)):
            held = mask.begun_at_end(content[:cut])
            sent = mask.cover(content[: cut - held]) + mask.cover(content[cut - held :])
            if form.encode() in sent:
                through.append(form)
                break
    return through
