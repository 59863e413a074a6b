"""Covers what must not be seen: in bytes by as many asterisks, in texts by three. Pure.

Two values may overlap, so every place where one begins is looked at, and all that belongs to any
of them is covered. The expression knows only how they begin: a key of some kilobytes would take
seconds to compile.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from sdk.masking import shapes
from sdk.masking.forms import LEAST_BYTES, forms

COVER = "***"
HEAD_BYTES = 8
CUT = "…"  # where a text that was too long ends

Span = tuple[int, int]


class Mask:
    """Covers the given values, and what has the shape of a token or key of ours.

    Made ready when the first text comes: many jobs say nothing."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = frozenset(values)

    @property
    def longest_bytes(self) -> int:
        return max(shapes.LONGEST_BYTES, len(self._forms[0]) if self._forms else 0)

    @cached_property
    def _forms(self) -> list[bytes]:
        return forms(self._values)

    @cached_property
    def _by_head(self) -> dict[bytes, list[bytes]]:
        """Each the longest first."""
        found: dict[bytes, list[bytes]] = defaultdict(list)
        for form in self._forms:
            found[form[:HEAD_BYTES]].append(form)
        return found

    @cached_property
    def _sizes(self) -> list[int]:
        return sorted({len(head) for head in self._by_head}, reverse=True)

    @cached_property
    def _begins(self) -> re.Pattern[bytes] | None:
        return _any_of(self._by_head)

    @cached_property
    def _first_parts(self) -> set[bytes]:
        return {head[:n] for head in self._by_head for n in range(1, len(head))}

    def cover(self, content: bytes, ends: Iterable[int] = ()) -> bytes:
        """Of the same length. At `ends` the text was cut: a value that had begun is covered too,
        if as much of it is there as makes a value."""
        covered = bytearray(content)
        for begin, end in self._spans(content, ends):
            covered[begin:end] = b"*" * (end - begin)
        return bytes(covered)

    def text(self, text: str) -> str:
        return self._in_text(text, cut=False)

    def message(self, text: str) -> str:
        """A sentence that may have been cut, at its end or at an ellipsis, within a value."""
        return self._in_text(text, cut=True)

    def json(self, value: Any) -> Any:
        """Its texts, keys and numbers; nothing of it, if it is deeper than Python can go."""
        try:
            return self._in_json(value)
        except RecursionError:
            return COVER

    def piece(self, window: bytes, start: int, most: int, ends: Iterable[int] = ()) -> bytes:
        """At most so many bytes of a stream, from the byte `start` of `window` on.

        Before `start` the window holds `longest_bytes` of what went before, if there are as many,
        for a value that begins there; after `most` as many of what follows. What may be the
        beginning of a value waits for the rest of it, unless the stream has an end there.
        """
        ends = list(ends)
        ready = len(window)
        if ready not in ends:
            ready = min(self._begun(window, ready), shapes.begun(window, ready))
        return self.cover(window, ends)[start : min(ready, start + most)]

    def _in_text(self, text: str, *, cut: bool) -> str:
        content = text.encode(errors="surrogatepass")
        ends = [*_places(content, CUT.encode()), len(content)] if cut else []
        parts, at = [], 0
        for begin, end in self._spans(content, ends):
            parts += [content[at:begin], COVER.encode()]
            at = end
        return b"".join([*parts, content[at:]]).decode(errors="surrogatepass")

    def _in_json(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return COVER if self._spans(repr(value).encode()) else value
        if isinstance(value, list):
            return [self._in_json(item) for item in value]
        if isinstance(value, dict):
            covered: dict[str, Any] = {}
            for key, item in value.items():
                name = self.text(key)
                while name in covered:  # two that differed in their secrets alone
                    name += "*"
                covered[name] = self._in_json(item)
            return covered
        return value

    def _spans(self, content: bytes, ends: Iterable[int] = ()) -> list[Span]:
        """What is to be covered, in order; what overlaps or touches is one."""
        found = [*self._values_in(content), *shapes.spans(content)]
        for end in ends:
            begun = (
                (self._begun(content, end), LEAST_BYTES),
                (shapes.begun(content, end), shapes.LEAST_BYTES),
            )
            found += [(begin, end) for begin, least in begun if end - begin >= least]
        return _merged(found)

    def _values_in(self, content: bytes) -> Iterator[Span]:
        at = 0
        while self._begins is not None and (place := self._begins.search(content, at)):
            if end := self._end_of(content, place.start()):
                yield place.start(), end
            at = place.start() + 1

    def _end_of(self, content: bytes, begin: int) -> int:
        """Where the longest value ends that begins there; 0 if none does."""
        most = 0
        for size in self._sizes:
            for form in self._by_head.get(content[begin : begin + size], ()):
                if content.startswith(form, begin):
                    most = max(most, len(form))
                    break
        return begin + most if most else 0

    def _begun(self, content: bytes, end: int) -> int:
        """Where what may be the beginning of a value begins, if one is cut at `end`; else `end`."""
        begun = end
        for size in range(min(HEAD_BYTES - 1, end), 0, -1):
            if content[end - size : end] in self._first_parts:
                begun = end - size
                break
        tail = content[max(0, end - self.longest_bytes) : end]
        for form in self._forms:
            head = form[:HEAD_BYTES]
            at = tail.find(head, max(0, len(tail) - len(form) + 1))
            while at >= 0:
                if form.startswith(tail[at:]):
                    begun = min(begun, end - len(tail) + at)
                    break
                at = tail.find(head, at + 1)
        return begun


def _any_of(heads: Iterable[bytes]) -> re.Pattern[bytes] | None:
    """One expression, by first bytes: so a byte that begins nothing is passed at once."""
    rests: dict[bytes, list[bytes]] = defaultdict(list)
    for head in heads:
        rests[head[:1]].append(re.escape(head[1:]))
    branches = [re.escape(first) + b"(?:" + b"|".join(r) + b")" for first, r in rests.items()]
    return re.compile(b"|".join(branches)) if branches else None


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _places(content: bytes, what: bytes) -> list[int]:
    return [found.start() for found in re.finditer(re.escape(what), content)]
