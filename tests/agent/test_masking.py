"""No spelling of a secret leaves the machine, wherever its output is cut."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_agent.masking import Mask, self_test

SECRET = 'pa"ss wörd/1\n+line two=longer'
SPELLINGS = {
    "as it is": SECRET.encode(),
    "JSON": json.dumps(SECRET).encode(),
    "JSON with letters of its own": json.dumps(SECRET, ensure_ascii=False).encode(),
    "URL": quote(SECRET, safe="").encode(),
    "URL in small letters": quote(SECRET).lower().encode(),
    "hex": SECRET.encode().hex().encode(),
    "HEX": SECRET.encode().hex().upper().encode(),
    "Python": repr(SECRET).encode(),
    "one line": b"+line two=longer",
    "Windows": SECRET.replace("\n", "\r\n").encode(),
    **{
        f"base64 after {n}": base64.b64encode(b"x" * n + SECRET.encode() + b"tail")
        for n in range(3)
    },
    **{
        f"base64 for URLs after {n}": base64.urlsafe_b64encode(b"x" * n + SECRET.encode())
        for n in range(3)
    },
}


def core(spelling, mask):
    """What of it must not be seen: the longest of its pieces that the mask covers."""
    covered = mask.cover(spelling)
    assert len(covered) == len(spelling)
    first, last = covered.find(b"*"), covered.rfind(b"*") + 1
    assert first >= 0 and set(covered[first:last]) == {ord("*")}, covered
    return spelling[first:last]


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_each_spelling_is_covered_wherever_it_is_cut(spelling):
    mask = Mask([SECRET])
    hidden = core(spelling, mask)
    assert len(hidden) >= len(spelling) - 12
    content = b"before " + spelling + b" after"
    for cut in range(len(content) + 1):
        held = mask.begun_at_end(content[:cut])
        parts = content[: cut - held], content[cut - held :]
        sent = b"".join(mask.cover(part) for part in parts)
        assert hidden not in sent and len(sent) == len(content), cut
        assert sent.startswith(b"before ") and sent.endswith(b" after")


@given(st.text(min_size=1, max_size=60), st.binary(max_size=30), st.binary(max_size=30))
def test_whatever_the_secret_is_it_is_covered_and_nothing_moves(value, before, after):
    mask, plain = Mask([value]), value.encode()
    sent = mask.cover(before + plain + after)
    assert len(sent) == len(before + plain + after)
    if len(plain) >= 4:
        assert plain not in sent or plain.strip(b"*") == b""


def test_in_a_result_keys_and_texts_are_covered_and_the_rest_stays():
    mask = Mask(["hunter22"])
    value = {"a": ["is hunter22", 7, None], "hunter22": {"b": True}}
    assert mask.json(value) == {"a": ["is ***", 7, None], "***": {"b": True}}


def test_what_is_too_short_to_tell_apart_is_left():
    assert Mask(["abc", ""]).cover(b"abcabc") == b"abcabc"


def test_only_the_beginning_of_a_value_is_held_back():
    mask = Mask(["hunter22"])
    assert mask.begun_at_end(b"nothing to see.") == 0
    assert mask.begun_at_end(b"it is hunt") == 4
    assert mask.begun_at_end(b"it is hunter22.") == 0


def test_the_self_test_finds_nothing():
    assert self_test() == []
