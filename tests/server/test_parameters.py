"""Parameters that do not fit are named, and never shown."""

import time

import pytest

from orchestrator_server.errors import Invalid
from orchestrator_server.parameters import check, check_schema

SCHEMA = {
    "type": "object",
    "properties": {
        "login": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "a/b": {"type": "array", "items": {"maxLength": 3}},
        "size": {"enum": ["s", "m"]},
    },
    "required": ["size"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("parameters", "pointer", "said"),
    [
        ({}, "#/parameters", "'size' is a required property"),
        ({"size": "s", "canary": 1}, "#/parameters", "'canary' was unexpected"),
        ({"size": "canary"}, "#/parameters/size", '`enum` is ["s","m"]'),
        ({"size": "s", "login": "canary"}, "#/parameters/login", "`anyOf` is"),
        ({"size": "s", "a/b": ["x", "canary"]}, "#/parameters/a~1b/1", "`maxLength` is 3"),
    ],
)
def test_what_does_not_fit_is_pointed_at(parameters, pointer, said):
    with pytest.raises(Invalid) as refused:
        check(parameters, SCHEMA)
    assert refused.value.pointer == pointer
    assert said in str(refused.value)
    assert "canary" not in str(refused.value).replace("'canary' was unexpected", "")


@pytest.mark.parametrize(
    ("format_", "right", "wrong"),
    [
        ("date", "2030-01-02", "tomorrow"),
        ("date-time", "2030-01-02T03:04:05+00:00", "2030-13-01T00:00:00"),
        ("uuid", "00000000-0000-0000-0000-000000000007", "7"),
        ("unknown", "anything", None),
    ],
)
def test_a_text_of_a_format_can_be_read_so(format_, right, wrong):
    schema = {"type": "object", "properties": {"at": {"type": "string", "format": format_}}}
    check({"at": right}, schema)
    if wrong is not None:
        with pytest.raises(Invalid, match="`format` is"):
            check({"at": wrong}, schema)


def test_what_fits_is_taken():
    check({"size": "m", "login": None, "a/b": []}, SCHEMA)
    check_schema(SCHEMA)


@pytest.mark.parametrize("keyword", ["pattern", "$ref", "uniqueItems", "patternProperties", "not"])
def test_what_could_keep_a_server_busy_is_not_for_a_schema(keyword):
    with pytest.raises(Invalid, match="cannot use"):
        check_schema({"type": "object", "properties": {"a": {keyword: True}}})


def test_a_check_ends_in_time():
    schema = {
        "type": "object",
        "properties": {"a": {"items": {"anyOf": [{"type": "string"}] * 900 + [{}]}}},
    }
    check_schema(schema)
    check({"a": [1] * 10}, schema)
    began = time.thread_time()
    with pytest.raises(Invalid, match="take too long to check"):
        check({"a": [1] * 100_000}, schema)
    assert time.thread_time() - began < 3


@pytest.mark.parametrize("keyword", ["type", "required"])
def test_a_schema_that_would_be_compared_each_with_each_is_refused_first(keyword):
    values = [{"a": i} for i in range(50_000)]
    began = time.thread_time()
    with pytest.raises(Invalid, match=f"`{keyword}` is a list of texts"):
        check_schema({"type": "object", "properties": {"a": {keyword: values}}})
    assert time.thread_time() - began < 2
