"""Say "I am here"; hear which job to stop."""

import asyncio
import logging
import random
import time
from datetime import UTC, datetime

from robot_agent.ahead import Ahead
from robot_agent.clock import now
from robot_agent.link import Link
from robot_agent.running import RunningJob
from sdk.contract.jobs import Reason
from sdk.contract.runner import AgentSettings, Heartbeat, JobAction
from sdk.errors import Refused
from sdk.retry import WORTH_REPEATING, pause_seconds

JITTER = 0.2  # so that robots started together do not beat together
PROGRESS_SECONDS = 1.0  # how often news of progress may hurry a beat
FENCE_STOP_SECONDS = 40.0  # the server's lease is 60: be gone before the job is somebody else's
FENCE_KILL_SECONDS = 50.0
FENCE_LOOK_SECONDS = 0.5
NOT_TAKEN = frozenset({400, 413, 422})  # by what it holds, not by who sends it
STUCK_SECONDS = 90.0  # a beat waits for its answer for ten seconds at most, and then for the next

log = logging.getLogger(__name__)
_dice = random.SystemRandom()


class Heart:
    """Beats for one robot and its job, if it has one; also notices when nobody hears it."""

    def __init__(self, link: Link, ahead: Ahead) -> None:
        self.running: RunningJob | None = None
        self.settings = AgentSettings()
        self.jobs_taken = 0
        self.acknowledged_at: datetime | None = None  # the last time that the server heard it
        self.turned_at = now()  # when it last began to beat, heard or not
        self._link = link
        self._ahead = ahead
        self._answered_at: datetime | None = None  # by the server's clock
        self._heard_at = now()  # when the last acknowledged beat was sent
        self._failures = 0

    @property
    def name(self) -> str:
        return self._link.name

    @property
    def trouble(self) -> str | None:
        """Why this robot takes no jobs."""
        return self._link.news.trouble

    @property
    def silent_seconds(self) -> float:
        return now() - self._heard_at

    def is_beating(self) -> bool:
        """Whether it goes on trying, be it heard or not."""
        return self._link.is_registering or now() - self.turned_at < STUCK_SECONDS

    async def beat_for_ever(self) -> None:
        while True:
            self.turned_at = now()
            try:
                await self.beat()
                self._note_success()
            except (*WORTH_REPEATING, Refused) as error:
                self._note_failure(error)
            await self._wait()

    async def fence_for_ever(self) -> None:
        """Stop the job while it is certainly still ours, when no beat gets through."""
        while True:
            await asyncio.sleep(FENCE_LOOK_SECONDS)
            if self.running is not None:
                self._fence(self.running)

    async def beat(self) -> None:
        """Beat once and do what the answer says; raises what the connection raises."""
        job, sent_at, sent_time = self.running, now(), time.time()
        info = self._link.news.since_told()
        beat = Heartbeat(
            robot_id=self._link.robot_id,
            jobs=[job.beat()] if job else [],
            machine_info=info,
            changes_since=self._answered_at,
            supports_may_build=True,
        )
        try:
            answer = await self._link.once(lambda client: client.beat(beat))
        except Refused as refusal:
            if job is not None and refusal.status in NOT_TAKEN and job.forget_progress():
                log.warning("The server does not take the progress of %s: %s", job, refusal)
            raise
        self._link.news.note_told(info)
        self._link.news.machine.note_clock(sent_time, answer.server_time)
        self._heard_at = max(self._heard_at, sent_at)
        self.acknowledged_at = datetime.now(UTC)
        self.settings = answer.settings
        self._answered_at = answer.server_time
        self._ahead.hear(self._link, answer.prepare)
        for action in answer.jobs:
            # Matched by attempt too: the answer may be about an earlier try of the same job.
            if job is not None and job.is_meant_by(action):
                await obey(job, action)

    def _fence(self, job: RunningJob) -> None:
        silent_seconds = now() - max(self._heard_at, job.since)
        if silent_seconds >= FENCE_KILL_SECONDS and not job.order.at_once.is_set():
            log.error("No beat acknowledged for %.0f s: killing %s.", silent_seconds, job)
            job.order.kill(Reason.ROBOT_LOST)
        elif silent_seconds >= FENCE_STOP_SECONDS and not job.order.given.is_set():
            log.error("No beat acknowledged for %.0f s: stopping %s.", silent_seconds, job)
            job.order.stop(Reason.ROBOT_LOST)

    async def _wait(self) -> None:
        seconds: float = self.settings.heartbeat_seconds
        if self._failures:  # sooner than usual: each lost beat brings the fence nearer
            seconds = min(seconds, pause_seconds(self._failures, None, 1.0, seconds))
        due = now() + seconds * _dice.uniform(1 - JITTER, 1 + JITTER)
        while (left := due - now()) > 0:
            await asyncio.sleep(min(left, PROGRESS_SECONDS))
            if self.running is not None and await self.running.has_new_progress():
                return

    def _note_failure(self, error: Exception) -> None:
        self._failures += 1
        if self._failures == 1:
            log.warning("A beat of robot %s was not acknowledged: %s", self._link.name, error)

    def _note_success(self) -> None:
        if self._failures:
            log.info("The beats of robot %s are acknowledged again.", self._link.name)
        self._failures = 0


async def obey(job: RunningJob, action: JobAction) -> None:
    if action.action != "continue" and not job.order.given.is_set():
        log.info("The server says %s to %s.", action.action, job)
    if action.secrets_read and job.secrets is not None:
        job.secrets.hear_of(action.secrets_read)
    match action.action:
        case "stop":
            job.order.stop(Reason.CANCELED_BY_USER)
        case "kill":
            job.order.kill(Reason.CANCELED_BY_USER)
        case "forget":
            job.order.kill(Reason.ROBOT_LOST)
    if action.stop_requested:
        await job.ask_to_finish()
