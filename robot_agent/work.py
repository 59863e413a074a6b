"""Claim a job, run it, again and again, for one robot."""

import asyncio
import logging
import secrets
from contextlib import suppress

from robot_agent import job_folder, job_runner, recovery
from robot_agent.clock import now
from robot_agent.exits import AgentExit, Status
from robot_agent.journal import Attempt, Unwritable
from robot_agent.link import IN_USE
from robot_agent.reporting import Following
from robot_agent.running import RunningJob
from robot_agent.workplace import Workplace
from sdk.contract.jobs import Reason
from sdk.contract.runner import Assignment, NextJobAnswer
from sdk.errors import Refused
from sdk.failpoints import failpoint
from sdk.retry import WORTH_REPEATING, GaveUp

WAIT_SECONDS = 20.0  # how long the server may hold a question that has no answer yet
ASK_SECONDS = 1.0  # never ask more often than this
REFUSED_SECONDS = 5.0  # how often a robot asks again that is held by a job whose report was refused
IN_USE_SECONDS = 150.0  # how long a robot waits for the job of another agent: two leases, and more
IN_USE_PAUSE_SECONDS = 2.0
TROUBLE_SECONDS = 5.0  # how often a full disk is looked at

log = logging.getLogger(__name__)


class Work:
    def __init__(self, place: Workplace) -> None:
        self._place = place
        self._stopping = place.stopping
        self._in_use_since: float | None = None  # the first of the answers that say so

    async def run(self) -> None:
        try:
            following = await recovery.finish(self._place)
            while following.job is not None or not self._stopping.is_set():
                following = await self._once(following)
        except GaveUp:
            log.warning("A report is not delivered yet; the next start of this agent does it.")

    async def _once(self, following: Following) -> Following:
        """One job, asked for if it is not here. A key that was granted nothing is as good as a
        fresh one."""
        key, asked_at = following.key or secrets.token_urlsafe(16), now()
        ended = following.ended
        if following.job is not None:
            return await self._take(following.job, key, ended)
        if await self._is_in_trouble(key, ended):
            await self._rest(TROUBLE_SECONDS)
            return Following(key, None, ended)
        failpoint("agent.after_claiming")
        answer = await self._claim(key)
        if answer is not None and answer.job is not None:
            return await self._take(answer.job, key, ended)
        if answer is not None:
            self._in_use_since = None
        # The server's wait is the pause, unless it did not wait.
        await self._rest(ASK_SECONDS - (now() - asked_at))
        return Following(None if answer is not None and answer.key_used else key, None, ended)

    async def _is_in_trouble(self, key: str, ended: Attempt) -> bool:
        """Whether this machine cannot promise to remember a job; the server is told why."""
        news = self._place.link.news
        trouble = await asyncio.to_thread(self._place.reserve.trouble)
        try:
            await self._place.journal.claiming(self._place.link.name, key, ended)
        except Unwritable as error:
            trouble = str(error)
        if trouble != news.trouble:
            log.warning("%s", f"No job is taken: {trouble}" if trouble else "Jobs are taken again.")
            news.trouble = trouble
        return trouble is not None

    async def _claim(self, key: str) -> NextJobAnswer | None:
        """Ask with `key` until there is an answer; None if the agent is to stop before."""
        ask = asyncio.create_task(
            self._place.link.answered(
                lambda client: client.claim(self._place.link.question(key, WAIT_SECONDS))
            )
        )
        stop = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({ask, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not ask.done():
                ask.cancel()
                await asyncio.wait({ask})  # it may still be answered in the last moment
            return await self._claim_last(key) if ask.cancelled() else ask.result()
        except Refused as refusal:
            if not refusal.is_about(IN_USE):
                raise _final(refusal) from refusal
            await self._wait_for_another(str(refusal))
            return None
        finally:
            stop.cancel()
            ask.cancel()

    async def _claim_last(self, key: str) -> NextJobAnswer | None:
        """The question was withdrawn; a job granted meanwhile must not be left behind."""
        try:
            return await self._place.link.once(
                lambda client: client.claim(self._place.link.question(key))
            )
        except (*WORTH_REPEATING, Refused) as error:
            log.warning("Whether a job was granted at the last moment is not known: %s", error)
            return None

    async def _take(self, assignment: Assignment, key: str, ended: Attempt) -> Following:
        failpoint("agent.after_answer")
        if assignment.claim_key != key:
            return await self._not_ours_to_start(assignment, key, ended)
        self._in_use_since = None
        folder = job_folder.of(self._place.own_jobs, assignment.id, assignment.attempt)
        job = RunningJob(assignment, folder, self._place.life)
        if self._place.hurry.is_set():
            job.order.stop(Reason.OPERATOR)
        self._place.heart.running = job
        self._place.heart.jobs_taken += 1
        try:
            return await job_runner.run(self._place, job)
        finally:
            self._place.heart.running = None

    async def _not_ours_to_start(
        self, assignment: Assignment, key: str, ended: Attempt
    ) -> Following:
        """Wait, if it is the attempt that we ended: its lease is renewed no more."""
        if ended == (assignment.id, assignment.attempt):
            log.warning("Job %d, whose report was refused, holds this robot until its lease ends.",
                        assignment.id)  # fmt: skip
            await self._rest(REFUSED_SECONDS)
        else:
            await self._wait_for_another(_of_another(assignment, self._place.link.name))
        return Following(key, None, ended)

    async def _wait_for_another(self, message: str) -> None:
        """Another agent has a job as this robot. It has ended, and then its lease ends too; or one
        of us is about to be refused by the server; or neither, which a person must decide."""
        if not self._place.link.is_told_apart:  # that server cannot decide
            raise AgentExit(Status.NAME_IN_USE, message)
        if self._in_use_since is None:
            log.warning("%s Asking again until its lease has ended.", message)
            self._in_use_since = now()
        elif now() - self._in_use_since > IN_USE_SECONDS:
            raise AgentExit(Status.NAME_IN_USE, message)
        await self._rest(IN_USE_PAUSE_SECONDS)

    async def _rest(self, seconds: float) -> None:
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)


def _final(refusal: Refused) -> AgentExit:
    return AgentExit(Status.SOFTWARE, f"The server refuses to give this robot work: {refusal}")


def _of_another(assignment: Assignment, robot: str) -> str:
    """Our journal would know the key: so this is somebody else's job, who may be running it."""
    return (
        f"Job {assignment.id} was granted to another agent that calls itself {robot}, a copy of "
        "this one perhaps: give one of them another name and data folder. If there is none, this "
        "agent has lost its journal, and can go on when that job's lease has ended."
    )
