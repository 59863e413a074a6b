"""What is to be known of the process of a script, whoever its parent is."""

from typing import Protocol


class Child(Protocol):
    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...  # negative: ended by that signal

    async def wait(self) -> int: ...
