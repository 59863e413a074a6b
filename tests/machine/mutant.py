"""A deliberate bug: a small change of one text."""

from pathlib import Path
from typing import NamedTuple


class CannotMutate(Exception):
    """The text that a mutant changes is not there once: the code has moved on."""


class Mutant(NamedTuple):
    name: str  # what would be wrong
    file: str
    old: str
    new: str

    def changed(self, root: Path) -> str:
        """The text of its file with the bug in it; CannotMutate if it does not fit any more."""
        text = (root / self.file).read_text("utf-8")
        found = text.count(self.old)
        if found != 1:
            raise CannotMutate(
                f"{self.name!r}: its text is {found} times in {self.file}; "
                f"write the mutant anew for the code as it is: {self.old!r}"
            )
        return text.replace(self.old, self.new)
