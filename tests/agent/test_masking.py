"""No spelling of a secret leaves the machine, wherever its output is cut."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_agent import masking
from robot_agent.masking import in_pieces, self_test
from sdk.masking import mask as of_masks
from sdk.masking.mask import Mask
from sdk.masking.spellings import LINES, SPELLINGS, VALUE


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("values", [[VALUE, LINES], [LINES, "of the doctor", VALUE, "hunter22"]])
def test_each_spelling_is_covered_wherever_it_is_cut(spell, values):
    mask, spelled = Mask(values), spell()
    content = b"x" + spelled.text.encode() + b"\n"
    for cut in range(len(content) + 1):
        sent = in_pieces(mask, content, cut)
        assert len(sent) == len(content)
        assert (sent[:1], sent[-1:]) == (b"x", b"\n")
        assert spelled.is_covered_in(sent[1:-1].decode(errors="replace")), (cut, sent)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(TEXTS, st.binary(max_size=20), st.binary(max_size=20), st.integers(0, 80))
def test_whatever_the_secret_is_it_is_covered_and_nothing_moves(value, before, after, cut):
    plain = value.strip().encode()
    content = before + value.encode() + after
    sent = in_pieces(Mask([value]), content, min(cut, len(content)))
    assert len(sent) == len(content)
    if len(plain) >= 4:
        begin = len(before) + value.encode().index(plain)
        assert sent[begin : begin + len(plain)] == b"*" * len(plain)


@given(TEXTS, st.binary(max_size=8), st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]))
def test_whatever_is_around_it_in_base64_all_but_its_ends_is_covered(value, before, encode):
    value = value.strip()
    if len(value.encode()) < 5:
        return
    sent = Mask([value]).cover(encode(before + value.encode() + b"!!"))
    begin = -(-len(before) * 8 // 6)
    end = (len(before) + len(value.encode())) * 8 // 6
    assert set(sent[begin:end]) == {ord("*")}


@given(st.lists(st.text("ab", min_size=4, max_size=9), min_size=1, max_size=4), st.text("ab"))
def test_of_values_that_overlap_nothing_is_left(values, text):
    content, sent = text.encode(), Mask(values).cover(text.encode())
    for value in values:
        for at in range(len(content)):
            if content.startswith(value.encode(), at):
                assert sent[at : at + len(value)] == b"*" * len(value)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=9), st.integers(1, 30))
def test_in_any_pieces_a_stream_is_what_it_is_as_a_whole(looks, most):
    """As the robot sends it: looked at while it grows, so many bytes at a time."""
    mask = Mask([VALUE, "overlap-lapover", "lapover-overlap"])
    content = b"".join(s().text.encode() + b"|" for s in list(SPELLINGS.values())[:4])
    content += b"overlap-lapover-overlap " + VALUE[:-3].encode()
    ends = [min(sum(looks[: i + 1]), len(content)) for i in range(len(looks))]
    sent = b""
    for end in [*ends, len(content)]:
        over = [] if end < len(content) else [len(content)]
        while True:
            begin = max(0, len(sent) - mask.longest_bytes)
            window = content[begin : min(end, len(sent) + most + mask.longest_bytes)]
            at_end = over if begin + len(window) == len(content) else []
            piece = mask.piece(window, len(sent) - begin, most, [e - begin for e in at_end])
            if not piece:
                break
            sent += piece
    assert sent == mask.cover(content, [len(content)])


def test_a_value_that_was_cut_is_covered_as_far_as_it_goes():
    mask = Mask(["hunter22"])
    assert mask.cover(b"it is hunter2", [13]) == b"it is *******"
    assert mask.cover(b"it is hun", [9]) == b"it is hun"
    assert mask.message("ValueError: hunter2… The script ended.") == (
        "ValueError: ***… The script ended."
    )
    assert mask.message("half of hunter2") == "half of ***"
    assert mask.text("the hunter") == "the hunter"


def test_in_a_result_keys_texts_and_numbers_are_covered_and_the_rest_stays():
    mask = Mask(["hunter22", "4711.25", "90210"])
    value = {"a": ["is hunter22", 7, None, 90210, 4711.25, -0.5], "hunter22": {"b": True}}
    assert mask.json(value) == {"a": ["is ***", 7, None, "***", "***", -0.5], "***": {"b": True}}
    assert mask.json({"hunter22": 1, "90210": 2}) == {"***": 1, "****": 2}


def test_a_result_that_is_deeper_than_python_goes_is_covered_as_a_whole():
    deep = "hunter22"
    for _ in range(5000):
        deep = [deep]
    assert Mask(["hunter22"]).json(deep) == "***"


def test_what_is_too_short_to_tell_apart_is_left():
    assert Mask(["abc", "", "  "]).cover(b"abcabc") == b"abcabc"


def test_only_the_beginning_of_a_value_is_held_back():
    mask = Mask(["hunter22"])
    assert mask.piece(b"nothing to see.", 0, 99) == b"nothing to see."
    assert mask.piece(b"it is hunt", 0, 99) == b"it is "
    assert mask.piece(b"it is hunter22.", 0, 99) == b"it is ********."


def test_what_comes_before_a_piece_is_looked_at():
    """A server that was killed has the first half of a value, covered, in its log."""
    assert Mask(["hunter22"]).piece(b"is hunter22 ", 7, 99, [12]) == b"**** "


def test_white_space_around_a_value_is_nothing_of_it():
    assert Mask([" hunter22\n"]).cover(b"<hunter22>") == b"<********>"


def test_json_of_other_languages_is_covered():
    mask = Mask(["a/b<ü>&c"])
    for spelled in (r"a\/b<ü>&c", r"a/b\u003cü\u003e\u0026c", r"a/b<\u00FC>&c"):
        assert json.loads(f'"{spelled}"') == "a/b<ü>&c"
        assert set(mask.text(spelled)) == {"*"}


def test_a_key_of_the_largest_size_is_no_burden():
    mask = Mask([("k" * 63 + "\n") * 1024])
    assert mask.cover(b"k" * 63 + b"\n") == b"*" * 63 + b"\n"


def test_the_self_test_finds_nothing_and_would_find_something(monkeypatch):
    assert self_test() == []
    real = of_masks.forms
    monkeypatch.setattr(of_masks, "forms", lambda v: [f for f in real(v) if b"%" not in f])
    assert {"URL", "URL, every byte"} <= set(self_test()) < set(SPELLINGS)
    monkeypatch.setattr(of_masks, "forms", real)
    monkeypatch.setattr(masking.Mask, "_begun", lambda self, content, end: end)
    assert set(self_test()) == set(SPELLINGS)
