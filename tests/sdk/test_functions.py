"""The functions of a script, found without its syntax tree: as the syntax tree has them."""

import ast
import sysconfig
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk.archives import functions

STDLIB = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))


def found(source):
    return [
        (f.name, f.definition and (ast.dump(f.definition.args), ast.get_docstring(f.definition)))
        for f in functions.of(source)
    ]


def parsed(source):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            (node.name, (ast.dump(node.args), ast.get_docstring(node)))
            for node in ast.parse(source).body
            if isinstance(node, functions.Definition) and not node.name.startswith("_")
        ]


def test_they_are_those_of_the_syntax_tree_in_the_standard_library():
    sources = [file.read_text(encoding="utf-8") for file in STDLIB]
    assert sum(len(parsed(source)) for source in sources) > 1_000
    for file, source in zip(STDLIB, sources, strict=True):
        assert found(source) == parsed(source), file


@pytest.mark.parametrize(
    "source",
    [
        "x = '''\ndef no(): pass\n'''\ndef yes(): pass",
        'x = """ \\"""\ndef no(): pass\n"""\ndef yes(): pass',
        "x = 'a\\\ndef no(): pass'\ndef yes(): pass",
        "# '''\ndef yes(a='#', b='''\n)''', c={1: [2]}) -> 'x:': # a\n\n  # b\n  r'Doc\\d.'",
        "if 1:\n    def no(): pass\nclass C:\n    def no(self): pass\ndef yes(a: d[str, int]): 0",
        "@task(\n'x')\nasync  def yes(\n    a,  # (\n    *, b=(1, 2)\n): 'Doc.'; 1",
        "def yes(): 'no docstring'.upper()\ndef too(): f'{1}'\ndef three(): 'a', 1",
        "def a(): pass\r\ndef b(): 'x'\r\n\r\ndef c(x=lambda y: y): 'z'",
        "def a(): pass\rdef b(): pass",
    ],
)
def test_nothing_but_definitions_is_taken_for_one(source):
    assert found(source) == parsed(source)


def test_a_definition_that_this_python_cannot_parse_has_a_name():
    assert found("def later(x: int ???): pass\ndef main(a): pass")[0] == ("later", None)
    assert found("def main(a=" + "(" * 5_000) == [("main", None)]


@given(st.text("def f():'\"\\#\n\t (ab)[]{}:,=async", max_size=60))
@settings(max_examples=500)
def test_what_can_be_parsed_is_found_as_it_is(text):
    try:
        expected = parsed(text)
    except (SyntaxError, ValueError):
        found(text)
    else:
        assert found(text) == expected


@pytest.mark.parametrize(
    "piece",
    [
        "'''",
        "\\",
        "#",
        "#\n",
        "def ",
        "def f(",
        "def f(\n'''",
        "def f():#\n",
        "async\t",
        "\r",
        "'\\\n",
    ],
)
@pytest.mark.parametrize("before", ["", "'", "'''", "def f():\n"])
def test_a_scan_takes_no_longer_than_the_text_is(before, piece):
    began = time.process_time()
    for _ in zip(
        range(100), functions.of(before + piece * (256 * 1024 // len(piece))), strict=False
    ):
        pass
    assert time.process_time() - began < 2
