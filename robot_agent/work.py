"""Claim a job, run it, again and again, for one robot."""

import asyncio
import logging
import secrets
from contextlib import suppress

from robot_agent import job_runner, reporting
from robot_agent.clock import now
from robot_agent.exits import AgentExit, Status
from robot_agent.job_runner import Workplace
from robot_agent.running import RunningJob
from sdk.contract.jobs import Reason
from sdk.contract.runner import Assignment, JobReport, NextJob, NextJobAnswer
from sdk.errors import Refused
from sdk.retry import WORTH_REPEATING, GaveUp

WAIT_SECONDS = 20.0  # how long the server may hold a question that has no answer yet
ASK_SECONDS = 1.0  # never ask more often than this

log = logging.getLogger(__name__)


class Work:
    def __init__(self, place: Workplace, stopping: asyncio.Event) -> None:
        self._place = place
        self._stopping = stopping  # finish the job, take no more

    async def run(self) -> None:
        try:
            await reporting.deliver_leftovers(self._place.link, self._place.jobs, self._place.hurry)
            while not self._stopping.is_set():
                await self._once()
        except GaveUp:
            log.warning("A report is not delivered yet; the next start of this agent does it.")

    async def _once(self) -> None:
        key, asked_at = secrets.token_urlsafe(16), now()
        answer = await self._claim(key)
        if answer is not None and answer.job is not None:
            await self._take(answer.job, key)
        else:  # the server's wait is the pause, unless it did not wait
            await self._rest(ASK_SECONDS - (now() - asked_at))

    async def _claim(self, key: str) -> NextJobAnswer | None:
        """Ask with `key` until there is an answer; None if the agent is to stop before."""
        ask = asyncio.create_task(
            self._place.link.answered(lambda client: client.claim(self._question(key)))
        )
        stop = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({ask, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not ask.done():
                ask.cancel()
                await asyncio.wait({ask})  # it may still be answered in the last moment
            return await self._claim_last(key) if ask.cancelled() else ask.result()
        except Refused as refusal:
            raise _final(refusal) from refusal
        finally:
            stop.cancel()
            ask.cancel()

    async def _claim_last(self, key: str) -> NextJobAnswer | None:
        """The question was withdrawn; a job granted meanwhile must not be left behind."""
        try:
            return await self._place.link.once(
                lambda client: client.claim(self._question(key, wait_seconds=0))
            )
        except (*WORTH_REPEATING, Refused) as error:
            log.warning("Whether a job was granted at the last moment is not known: %s", error)
            return None

    def _question(self, key: str, wait_seconds: float = WAIT_SECONDS) -> NextJob:
        link = self._place.link
        return NextJob(
            robot_id=link.robot_id,
            claim_key=key,
            agent_instance=link.instance,
            wait_seconds=wait_seconds,
        )

    async def _take(self, assignment: Assignment, key: str) -> None:
        if assignment.claim_key != key:
            await self._disown(assignment)
            return
        folder = self._place.jobs / f"{assignment.id}-{assignment.attempt}"
        job = RunningJob(assignment, folder)
        if self._place.hurry.is_set():
            job.order.stop(Reason.OPERATOR)
        self._place.heart.running = job
        try:
            await job_runner.run(self._place, job)
        finally:
            self._place.heart.running = None

    async def _disown(self, assignment: Assignment) -> None:
        """An earlier life of this agent got it, and may have started it: never start it again."""
        log.warning("Job %d was with this agent before it restarted.", assignment.id)
        report = JobReport(
            status="failed",
            reason=Reason.AGENT_RESTARTED,
            error_message="The agent was restarted while it had this job.",
            attempt=assignment.attempt,
            started="unknown",
        )
        await reporting.deliver(self._place.link, assignment.id, report, self._place.hurry)

    async def _rest(self, seconds: float) -> None:
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)


def _final(refusal: Refused) -> AgentExit:
    if refusal.is_about("robot-in-use"):
        return AgentExit(Status.NAME_IN_USE, str(refusal))
    return AgentExit(Status.SOFTWARE, f"The server refuses to give this robot work: {refusal}")
