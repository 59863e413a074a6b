"""The block of a script that says what it needs (PEP 723), read in linear time."""

import time

import pytest

from sdk.running import needs
from sdk.running.files import Unreadable

NEEDS = '# /// script\n# dependencies = ["tin"]\n#\n# requires-python = ">=3.11"\n# ///\n'


@pytest.fixture
def of(tmp_path):
    def read(source):
        script = tmp_path / "main.py"
        script.write_text(source, encoding="utf-8")
        return needs.of(tmp_path, script)

    return read


@pytest.mark.parametrize(
    "source",
    [NEEDS, f"#!/usr/bin/python\n{NEEDS}import tin\n", NEEDS.removesuffix("\n"), f"# ///\n{NEEDS}"],
)
def test_a_block_is_found(of, source):
    found = of(source)
    assert (found.kind, found.python) == (needs.Kind.SCRIPT, ">=3.11")


@pytest.mark.parametrize(
    "source",
    [
        NEEDS.replace("# ///\n", ""),
        NEEDS.replace("#\n", "\n"),
        NEEDS.replace("# /// script", "# /// pyproject"),
        f"x = 1  {NEEDS}",
        "# /// script\n# ///\n",
    ],
)
def test_what_is_no_block_is_none(of, source):
    assert of(source).kind == needs.Kind.NOTHING


def test_two_blocks_are_one_too_many(of):
    with pytest.raises(Unreadable, match="2 blocks"):
        of(f"{NEEDS}\n{NEEDS}")


@pytest.mark.parametrize("lines", ["# /// script\n", "# /// script\n#\n", "# ///\n", "#\n"])
def test_a_file_of_openings_takes_no_longer_than_it_is(of, lines):
    began = time.process_time()
    assert of(lines * 30_000).kind == needs.Kind.NOTHING
    assert time.process_time() - began < 3
