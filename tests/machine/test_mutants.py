"""Each deliberate bug still fits the code; whether it is caught, `make mutants` says."""

from pathlib import Path

import pytest

from tests.machine.mutant import CannotMutate, Mutant
from tests.machine.mutants import MUTANTS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_its_text_is_in_the_code_once(mutant):
    assert mutant.changed(ROOT) != (ROOT / mutant.file).read_text("utf-8")


def test_no_two_have_one_name():
    names = [mutant.name for mutant in MUTANTS]
    assert len(names) == len(set(names)) >= 11


@pytest.mark.parametrize("old", ["a = 1", "nowhere"])
def test_a_text_that_is_not_there_once_is_an_error_that_says_so(tmp_path, old):
    (tmp_path / "code.py").write_text("a = 1\na = 1\n")
    with pytest.raises(CannotMutate, match=r"times in code\.py"):
        Mutant("nothing", "code.py", old, "b").changed(tmp_path)
