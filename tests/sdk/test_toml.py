"""TOML of strangers: parsed as tomllib does if that is cheap, and refused before if it is not."""

import os
import tomllib
import tracemalloc
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk.archives import toml

DEEP = ".".join("a" * 17)
MIB = 1024 * 1024


def repeated(text, size=toml.MAX_BYTES - 1000):
    return text * (size // len(text))


@pytest.mark.parametrize(
    "text",
    [
        f"{DEEP} = 1",
        f"[{DEEP}]",
        f"[[{DEEP}]]",
        f"x = {{ {DEEP} = 1 }}",
        f"x = [{{}}, {{ y = 1, {DEEP} = 1 }}]",
        f"[tool]\r\nx = 1 # {{\r\n{DEEP} = 1",
        DEEP.replace(".", " \t. ") + "=1",
        DEEP.replace("a", '"a"') + "=1",
        DEEP.replace("a", "'a.b'") + "=1",
        DEEP.replace("a", r'"\""') + "=1",
        f'x = """ \\""" "" # """\n{DEEP} = 1',
        f"x = ''' \\''''' # '''\n{DEEP} = 1",
        f'x = """"""\n{DEEP} = 1',
        f'x = """""" # "\n{DEEP} = """ """',
        f'"#" = "#" # "\n{DEEP} = 1',
        f"x = '\\' # '\n{DEEP} = 1",
    ],
)
def test_a_key_of_many_parts_is_refused_before_it_is_parsed(text, monkeypatch):
    tomllib.loads(text)  # it is TOML
    monkeypatch.setattr(tomllib, "loads", lambda text: pytest.fail("parsed"))
    with pytest.raises(ValueError, match="a key has more than 16 parts"):
        toml.parse(text.encode())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = " + "[" * 21 + "]" * 21, "nested more than 20 levels"),
        ("x = " + "{ a = " * 21 + "1" + "}" * 21, "nested more than 20 levels"),
        ("x = " + "[" * 100_000, "nested more than 20 levels"),
        ("x = 1" + "0" * 1_000, "more than 1000 characters"),
        ("x = 0." + "0" * 1_001, "more than 1000 characters"),
        ("a" * 1_001 + " = 1", "more than 1000 characters"),
        (repeated("[[a]]\na.a.a.a.a.a.a=1\n"), "too many keys, tables and lists"),
        (f"x = [{repeated('{},')}]", "too many keys, tables and lists"),
        ("\n".join(f"a{i} = []" for i in range(9_000)), "too many keys, tables and lists"),
        ("#" * (toml.MAX_BYTES + 1), "larger than 256 KiB"),
    ],
)
def test_what_is_expensive_is_refused_with_its_reason(text, reason, monkeypatch):
    monkeypatch.setattr(tomllib, "loads", lambda text: pytest.fail("parsed"))
    with pytest.raises(ValueError, match=reason):
        toml.parse(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        f'x = "{DEEP}"',
        f"x = '{DEEP}' # {DEEP}",
        f'x = """\n{DEEP}\n\\\n""" # {DEEP}',
        f"x = '''{DEEP}\n{'[' * 30}'''",
        f'"{DEEP}" = 1',
        "[[a.b]]\n'c.d'.e = 1.5\n[a.b.f]\ng = { h.i = [1, { j = 1979-05-27T07:32:00.5Z }] }",
        "\ufeffx = 1\r\n",
    ],
)
def test_what_is_cheap_is_parsed_as_tomllib_does(text):
    assert toml.parse(text.encode()) == tomllib.loads(text.removeprefix("\ufeff"))


@given(st.text("ab.='\"\\#[]{},1 \n\r\t", max_size=60))
@settings(max_examples=500)
def test_a_short_text_is_parsed_or_refused_as_by_tomllib(text):
    try:
        expected = tomllib.loads(text)
    except ValueError:
        expected = ValueError
    try:
        assert toml.parse(text.encode()) == expected
    except ValueError:
        assert expected is ValueError


BEFORE = st.text("a.='\"\\#[]{},1 \n", max_size=30)
BEHIND = st.sampled_from(
    ["=1", "=1}", "]", "]]", "'''\na=1", '"""\na=1', "'=1", '"=1', "=''", '=""', "\n=1"]
)


@given(BEFORE, BEHIND)
@settings(max_examples=2_000)
def test_nothing_before_or_behind_a_key_hides_it(before, behind):
    text = f"{before}{DEEP}{behind}"
    try:
        parsed = tomllib.loads(text)
    except ValueError:
        return
    if _deepest(parsed) > toml.MAX_KEY_PARTS:  # the key was not in a string
        with pytest.raises(ValueError, match="a key has more than 16 parts"):
            toml.parse(text.encode())


def _deepest(value):
    return 1 + max(map(_deepest, value.values()), default=0) if isinstance(value, dict) else 0


@pytest.mark.parametrize(
    "text",
    [
        repeated("[[a]]\nb.b.b.b.b=1\n", 90_000) + "#" * 160_000,
        "\n".join(f"[a{i}.{'.'.join('a' * 15)}]" for i in range(900)) + "\n#" + "x" * 200_000,
        "x = [" + repeated("{a=1},", 60_000) + "]",
        'x = "' + repeated("\\n") + '"',
        "x = [" + repeated("1,") + "]",
        repeated('"""'),
        '"""' + repeated("\\"),
        repeated("#\n"),
        "x = [" + repeated("'',") + "]",
    ],
)
def test_the_dearest_texts_that_are_parsed_cost_little(text):
    tracemalloc.start()
    began = process_time()
    try:
        toml.parse(text.encode())
    except ValueError:
        pass
    finally:
        seconds, (_, peak) = process_time() - began, tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 24 * MIB
    assert seconds < 5  # a quarter of a second when nothing is traced


def test_a_lock_file_of_megabytes_is_parsed():
    wheel = f'{{ url = "https://files.example/{"x" * 90}.whl", hash = "sha256:{"0" * 64}" }},\n'
    needs = '{ name = "aiohttp", marker = "sys_platform == \'win32\'" },\n'
    package = (
        '[[package]]\nname = "a"\nversion = "1.2"\nsource = { registry = "https://x.example" }\n'
        f"dependencies = [\n{needs * 10}]\nwheels = [\n{wheel * 10}]\n[package.metadata]\nx = 1.5\n"
    )
    text = repeated(package, 5 * MIB)
    assert len(toml.parse(text.encode(), max_bytes=8 * MIB)["package"]) == text.count("[[")


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path):
    file = tmp_path / "pyproject.toml"
    with file.open("wb") as stream:
        stream.truncate(1024 * MIB)  # sparse
    with pytest.raises(ValueError, match="larger than 256 KiB"):
        toml.read(file)


def test_a_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pyproject.toml")
    with pytest.raises(ValueError, match="not a regular file"):
        toml.read(tmp_path / "pyproject.toml")
