"""Hear at once that a job is to stop: a question the server answers when there is word."""

import asyncio

from robot_agent.clock import now
from robot_agent.heartbeat import obey
from robot_agent.link import Link
from robot_agent.running import RunningJob
from sdk.errors import Refused

WAIT_SECONDS = 20.0
ASK_SECONDS = 1.0  # never ask more often than this
QUIET_SECONDS = 0.3  # a job that ends sooner is not asked about: that would cost a connection
FIRST_PAUSE_SECONDS = 5.0  # while nobody answers; beats tell the same, and come sooner


async def listen(link: Link, job: RunningJob) -> None:
    """Do what the server says, until it says stop, or that it does not know the question."""
    assignment = job.assignment
    await asyncio.sleep(QUIET_SECONDS)
    while True:
        asked_at, knows = now(), job.is_asked_to_finish
        try:
            action = await link.answered(
                lambda client, knows=knows: client.order(  # type: ignore[misc]  # as it is now
                    assignment.id, assignment.attempt, stop_requested=knows, wait=WAIT_SECONDS
                ),
                first_seconds=FIRST_PAUSE_SECONDS,
            )
        except Refused:
            return  # an older server: the beats tell it
        await obey(job, action)
        if action.action != "continue":
            return
        await asyncio.sleep(max(0.0, ASK_SECONDS - (now() - asked_at)))
