"""JSON that two parsers could read differently is refused; all other comes through unchanged."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator_server.errors import Malformed
from orchestrator_server.strict_json import MAX_DEPTH, decode

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), inner,
        max_size=4),
    max_leaves=20,
)  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"{} x", b"\xef\xbb\xbf{}", '{"a": 1}'.encode("utf-16"), b"\xff", b"nul",
        b'{"a": 1, "a": 2}', b'[{"b": {"a": 1, "a": 1}}]', b"NaN", b"[Infinity]", b"[-Infinity]",
        b"1e999", b"-1e999", b"9" * 5000, b"9223372036854775808", b"-9223372036854775809",
        b'"\\u0000"', b'{"\\u0000": 1}', b'"\\ud800"', b'[["x", "\\udfff"]]', b'"\x00"', b'"\n"',
        b"[" * 100_000, b"[" * 65 + b"]" * 65, b'{"a":' * 65 + b"1" + b"}" * 65,
        json.dumps({str(n): n for n in range(1001)}).encode(),
    ],
)  # fmt: skip
def test_it_is_refused(body):
    with pytest.raises(Malformed):
        decode(body)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * MAX_DEPTH + b"]" * MAX_DEPTH,
        b'"' + b"[{" * 100 + b'"',
        b'["\\"[[[[", ' + b"1, " * 10 + b"2]",
        b'"\\\\u0000"',
        b"9007199254740993",
        '"\U0001f600"'.encode(),
        b'"\\ud83d\\ude00"',
    ],
)
def test_it_is_taken_as_it_is(body):
    assert decode(body) == json.loads(body)


@given(VALUES)
def test_every_value_comes_through(value):
    assert decode(json.dumps(value).encode()) == value
    assert decode(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body):
    try:
        decode(body)
    except Malformed:
        return
    json.loads(body)


def test_a_long_text_costs_little():
    body = json.dumps(["x" * 1_000_000, *[[]] * 65]).encode()
    tracemalloc.start()
    decode(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * len(body)
