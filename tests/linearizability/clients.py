"""Robots that ask for jobs through a network that misbehaves, and what they saw."""

import asyncio
import itertools
import secrets
from random import Random

from orchestrator_server.chaos.proxy import Fault
from sdk.contract.runner import JobReport, NextJob
from sdk.retry import until_answered
from sdk.robot_client import RobotClient
from tests.linearizability.checker import Operation, Stray
from tests.linearizability.specification import Claim, Create, Report

FAULTS = ("drop_request", "drop_response", "duplicate", "late", "truncate")
AT_MOST_LATE_SECONDS = 0.2
SHARE_OF_FAULTS = 0.3
PRIORITIES = (-1, 0, 0, 5)


def faults(seed: int):
    """One request in a few meets with something, by the dice."""
    dice = Random(seed)

    def choose(request):
        if not request.path.startswith("/api/runner/") or dice.random() > SHARE_OF_FAULTS:
            return None
        kind = dice.choice(FAULTS)
        late = dice.uniform(0, AT_MOST_LATE_SECONDS)
        return Fault(kind, argument=late if kind == "late" else dice.randrange(200))

    return choose


class History:
    """Each request from its first sending to its answer, on one clock that only counts."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.strays: list[Stray] = []
        self.tick = itertools.count().__next__

    async def record(self, asked, asking, seen):
        """Ask, and write down what `seen` makes of the answer."""
        began = self.tick()
        if isinstance(asked, Claim) and all(s.asked != asked for s in self.strays[-50:]):
            self.strays.append(Stray(asked, began))  # once it was granted its job, it takes nothing
        answer = await asking
        self.operations.append(Operation(asked, seen(answer), began, self.tick()))
        return answer


class Floor:
    """Robots at work, and who gives them jobs."""

    def __init__(self, seed: int) -> None:
        self.history = History()
        self.left = 0  # jobs that are not finished
        self._dice = Random(seed)

    async def produce(self, admin, process, jobs: int) -> None:
        """Jobs in bursts, so that robots wait at times and jobs at others."""
        for number in range(jobs):
            wanted = Create(0, self._dice.choice(PRIORITIES))
            began = self.history.tick()
            job = await admin.make_job(process, priority=wanted.priority)
            made = wanted._replace(job=job["id"])
            ended = self.history.tick()
            self.history.operations.append(Operation(made, made.job, began, ended))
            if number % 8 == 7:
                await asyncio.sleep(self._dice.uniform(0, 0.2))  # a burst is over

    async def work(self, client: RobotClient, robot: int) -> None:
        """Until no job is left; a key is kept until it was granted something."""
        key = secrets.token_urlsafe(8)
        while self.left:
            question = NextJob(robot_id=robot, claim_key=key, wait_seconds=0)
            answer = await self.history.record(
                Claim(robot, key),
                _until_answered(lambda q=question: client.claim(q)),
                lambda answer: answer.job and answer.job.id,
            )
            if answer.job is None:
                key = secrets.token_urlsafe(8) if answer.key_used else key
                await asyncio.sleep(self._dice.uniform(0, 0.05))
                continue
            key = secrets.token_urlsafe(8)
            await self._report(client, robot, answer.job)
            self.left -= 1

    async def _report(self, client: RobotClient, robot: int, job) -> None:
        report = JobReport(status="completed", attempt=job.attempt, claim_key=job.claim_key)
        await self.history.record(
            Report(robot, job.id),
            _until_answered(lambda: client.report(job.id, report)),
            lambda _: job.id,
        )


async def _until_answered(call):
    return await until_answered(call, first_seconds=0.01, most_seconds=0.05)
