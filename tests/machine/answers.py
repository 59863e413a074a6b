"""What a request is answered: the same shape from the store, from the wire and from the model."""

from typing import Any, NamedTuple

PLAIN = {401: "unauthenticated", 403: "forbidden", 404: "not-found", 409: "conflict"}
PLAIN |= {400: "malformed", 422: "invalid"}


class Answer(NamedTuple):
    """A status of HTTP, the problem if it was refused, and what was said.

    The model says only what it knows of; None stands for what may be left out.
    """

    status: int
    kind: str = ""
    said: Any = None

    def fits(self, expected):
        same = (self.status, self.kind) == (expected.status, expected.kind)
        return same and _holds(self.said, expected.said or {})


class _Sentence:
    """Equal to any text that says something: how the server puts it is not the model's."""

    def __eq__(self, other):
        return other is self or (isinstance(other, str) and other != "")

    def __hash__(self):
        return 0

    def __repr__(self):
        return "<a sentence>"

    def __deepcopy__(self, _memo):
        return self


A_SENTENCE: Any = _Sentence()


def ok(**said):
    return Answer(200, said=said)


def made(**said):
    return Answer(201, said=said)


def refused(status, kind=None):
    return Answer(status, kind or PLAIN[status])


def _holds(said, expected):
    if isinstance(expected, dict) and expected:
        known = said if isinstance(said, dict) else {}
        return all(_holds(known.get(name), value) for name, value in expected.items())
    if isinstance(expected, list):
        return len(said) == len(expected) and all(map(_holds, said, expected))
    return expected in ({}, said)
