"""Tokens and keys of ours are covered by their shape, whether a job may know them or not."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator_server import keys as key_files
from orchestrator_server.access import secrets, tokens
from robot_agent.masking import in_pieces
from robot_agent.secrets_read import Known, cover
from sdk.contract.runner import JobReport
from sdk.masking import shapes
from sdk.masking.mask import Mask

NOW = datetime(2026, 11, 29, tzinfo=UTC)
KEYS = key_files._new()
LONGEST_ID = 10**18 - 1
KINDS = {kind: secrets.new(kind).text for kind in ("mky", "rbt", "ses", "rst", "api", "sdk")}
KINDS |= {
    "job": tokens.job_token(KEYS, 1, 1),
    "job, long": tokens.job_token(KEYS, LONGEST_ID, 10**10 - 1),
    "sign-in": tokens.sign(KEYS, 1, KINDS["ses"], NOW, 3600),
    "sdk session": tokens.sign(KEYS, LONGEST_ID, KINDS["sdk"], NOW, 86400, tokens.SDK),
}
FOREIGN = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIn0."
    + "S" * 43
)


@pytest.mark.parametrize("token", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("values", [[], ["hunter22", "rw_mky_something"]])
def test_a_token_is_covered_wherever_the_log_is_cut(token, values):
    mask = Mask(values)
    assert len(token) <= shapes.LONGEST_BYTES
    content = b"x=" + token.encode() + b"\n"
    for cut in range(len(content) + 1):
        sent = in_pieces(mask, content, cut)
        assert (len(sent), sent[:2], sent[-1:]) == (len(content), b"x=", b"\n")
        shown = sent[2:-1].replace(b"*", b"")
        assert shown in (b"", b"e", b"ey"), (cut, sent)  # of a JWT, which all begin so


@pytest.mark.parametrize("token", KINDS.values(), ids=KINDS)
def test_a_token_is_covered_in_all_else_that_is_sent(token):
    report = JobReport(
        status="failed",
        error_message=f"ValueError: {token!r} is refused",
        result={"a": [token, {token: f"Bearer {token}"}]},
    )
    sent = cover(report, Known(Mask()))
    assert token not in json.dumps(sent.result) and token not in (sent.error_message or "")
    assert sent.error_message == "ValueError: '***' is refused"
    assert sent.result == {"a": ["***", {"***": "Bearer ***"}]}
    assert Mask().text(f"{token}.txt") == "***.txt"
    assert Mask().message(f"at {token[:40]}") == "at ***"  # cut within it
    assert Mask().message(f"at {token[:40]}…") == "at ***…"


@given(
    st.sampled_from(sorted(KINDS.values())), st.binary(max_size=60), st.binary(max_size=60),
    st.integers(0, 600),
)  # fmt: skip
def test_whatever_is_around_a_token_it_is_covered(token, before, after, cut):
    content = before + b" " + token.encode() + b" " + after
    sent = in_pieces(Mask(), content, min(cut, len(content)))
    begin = len(before) + 1
    assert len(sent) == len(content)
    assert sent[begin + 2 : begin + len(token)] == b"*" * (len(token) - 2)


def test_two_that_follow_each_other_are_both_covered():
    cut_short = KINDS["job"][:-20]
    text = cut_short + KINDS["mky"] + KINDS["rbt"]
    assert Mask().text(text).replace("*", "") in ("", cut_short)


@pytest.mark.parametrize(
    "text",
    [
        FOREIGN,
        "rw_lock rw_sem_init rw_mky_ rw_mky_short rw_MKY_" + "a" * 49,
        "eyJ eyJ.eyJ. reader writer",
        "rw_job_1 rw_job_1_2",
    ],
)
def test_what_only_resembles_one_stays(text):
    assert Mask().text(text) == text
    assert Mask().cover(text.encode()) == text.encode()
    assert in_pieces(Mask(), text.encode(), len(text) // 2) == text.encode()


def test_a_hostile_log_costs_no_more_than_a_moment():
    for text in (b"eyJ" * 20_000, b"rw_" * 20_000, (b"eyJ" + b"A" * 190 + b".") * 300):
        assert Mask().cover(text) == text
