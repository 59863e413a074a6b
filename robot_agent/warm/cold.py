"""Where there is no fork, each start is a cold one."""

from collections.abc import Sequence
from pathlib import Path

from robot_agent.environments.shelf import Environment
from sdk.running.family import Family
from sdk.running.launch import SAME, Launch
from sdk.running.process import Start


class MayHaveStarted(Exception):
    """Not here."""


class Parents:
    def __init__(self, folder: Path) -> None:
        pass

    def start_of(
        self, environment: Environment, preload: Sequence[str], launch: Launch = SAME
    ) -> Start:
        return Family.start

    async def close(self) -> None:
        pass
