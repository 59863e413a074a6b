"""What the jobs of one robot have in common."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from robot_agent.environments.shelf import Shelf
from robot_agent.heartbeat import Heart
from robot_agent.journal import Journal
from robot_agent.limits import Limits
from robot_agent.link import Link
from robot_agent.reserve import Reserve
from robot_agent.warm.here import Parents
from sdk.running.launch import Launch


@dataclass(frozen=True)
class Workplace:
    link: Link
    heart: Heart
    url: str
    jobs: Path  # of all robots
    packages: Path  # shared by all robots of the agent
    shelf: Shelf
    parents: Parents
    journal: Journal
    reserve: Reserve
    limits: Limits
    launch: Launch  # of its scripts
    life: str  # of this process: a copy of the agent, or its next start, is another one
    stopping: asyncio.Event  # set when this robot is to take no more jobs
    hurry: asyncio.Event  # set when the agent must end soon

    @property
    def own_jobs(self) -> Path:
        """Of this robot alone."""
        return self.jobs / str(self.link.robot_id)
