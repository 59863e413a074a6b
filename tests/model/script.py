"""Robots and people who, one request after the other, get every answer there is."""

from orchestrator_server.http.keys import DATABASE
from orchestrator_server.maintenance import lost_robots


class Script:
    def __init__(self, server, admin, clock) -> None:
        self._server, self._admin, self._clock = server, admin, clock

    async def run(self) -> None:
        self._process = await self._admin.make_process(max_attempts=2)
        one, two = await self._admin.make_robot("one"), await self._admin.make_robot("two")
        await self._a_job_that_is_lost_and_then_done(one, two)
        await self._a_job_that_is_lost_for_good(two)
        await self._a_job_that_is_canceled(two)

    async def _a_job_that_is_lost_and_then_done(self, one, two) -> None:
        job = await self._admin.make_job(self._process)
        await report(one, job, attempt=1)  # never claimed
        await claim(one, "k1")
        await claim(one, "k1")
        await claim(one, "k1", instance="elsewhere")
        await claim(two, "k1")
        await beat(one, job, 1)
        await report(two, job, attempt=1)  # not its own
        await self._end_a_lease()
        await beat(one, job, 1)
        await report(one, job, attempt=1, result="late")
        await claim(one, "k1")
        await claim(one, "k2")
        await report(one, job)  # of which attempt?
        for result in ("first", "first", "second"):
            await report(one, job, attempt=2, result=result)
        await self._cancel(job)

    async def _a_job_that_is_lost_for_good(self, robot) -> None:
        await self._admin.make_job(self._process, max_attempts=1)
        await claim(robot, "k2")
        await self._end_a_lease()

    async def _a_job_that_is_canceled(self, robot) -> None:
        job = await self._admin.make_job(self._process)
        await claim(robot, "k3")
        await self._cancel(job)
        await beat(robot, job, 1)
        await report(robot, job, attempt=1, result="late")

    async def _end_a_lease(self) -> None:
        self._clock.advance(seconds=61)
        assert await self._server[DATABASE].write(lost_robots.run_once) == 1

    async def _cancel(self, job) -> None:
        await self._admin.post(f"/api/jobs/{job['id']}/cancel", 200)


async def claim(robot, key: str, instance: str = "here") -> None:
    await robot.post("/api/runner/next-job", claim_key=key, agent_instance=instance)


async def beat(robot, job, attempt: int) -> None:
    await robot.post("/api/runner/heartbeat", 200, jobs=[{"id": job["id"], "attempt": attempt}])


async def report(robot, job, **said) -> None:
    await robot.post(f"/api/runner/jobs/{job['id']}/update", **{"status": "completed", **said})
