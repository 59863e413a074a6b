"""Robots and people who use a server badly: everything they send may be lost, doubled or late."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from orchestrator_server.http.keys import DATABASE
from orchestrator_server.maintenance import lost_robots

ROBOTS = 3
AT_ONCE = 6  # requests that are on their way together
CLOCK_STEPS_SECONDS = (20, 61)  # past the pause of a failure; past a lease
REPORTS = (
    {"status": "completed", "result": 1},
    {"status": "completed", "result": {"pages": 2}},
    {"status": "failed", "error_message": "went wrong"},
    {"status": "failed", "reason": "agent_restarted", "started": "unknown"},
    {"status": "failed", "error_message": "no such customer", "error_type": "business"},
)
Deed = Callable[[], Awaitable[object]]


class Robot:
    def __init__(self, api, name: str) -> None:
        self.api, self.name = api, name
        self.keys: list[str] = []
        self.grants: list[dict] = []


class Traffic:
    def __init__(self, server, admin, clock, seed: int) -> None:
        self._server, self._admin, self._clock = server, admin, clock
        self._dice = Random(seed)
        self._robots: list[Robot] = []
        self._jobs: list[int] = []
        self._sent: list[Deed] = []  # what may come once more

    async def run(self, rounds: int) -> None:
        self._process = await self._admin.make_process(max_attempts=2)
        for n in range(ROBOTS):
            self._robots.append(Robot(await self._admin.make_robot(f"robot {n}"), f"r{n}"))
        await self._make_job(self._robots[0])()
        for _ in range(rounds):
            deeds = [self._deed() for _ in range(AT_ONCE)]
            self._sent += deeds
            deeds += self._dice.choices(self._sent[-20:], k=2)  # doubled, or late
            deeds += self._dice.choices(self._sent, k=1)  # very late
            await asyncio.gather(*(deed() for deed in deeds))

    def _deed(self) -> Deed:
        deeds = {
            self._claim: 8,
            self._report: 4,
            self._beat: 5,
            self._cancel: 1,
            self._make_job: 2,
            self._pass_time: 1,
        }
        [choose] = self._dice.choices(list(deeds), list(deeds.values()))
        return choose(self._dice.choice(self._robots))

    def _claim(self, robot: Robot) -> Deed:
        if not robot.keys or self._dice.random() < 0.5:
            robot.keys.append(f"{robot.name}-{len(robot.keys)}")
        key = robot.keys[-1] if self._dice.random() < 0.7 else self._dice.choice(robot.keys)
        body = {"claim_key": key, "agent_instance": self._dice.choice([robot.name] * 9 + ["x"])}
        is_lost = self._dice.random() < 0.3

        async def claim() -> None:
            answer = await robot.api.post("/api/runner/next-job", **body)
            assert answer.status in (200, 409), answer.body
            if answer.status == 200 and answer.body["job"] and not is_lost:
                robot.grants.append(answer.body["job"])

        return claim

    def _report(self, robot: Robot) -> Deed:
        job, attempt, key = self._attempt_of(robot)
        body = {**self._dice.choice(REPORTS), "attempt": attempt}
        if self._dice.random() < 0.1:
            del body["attempt"]
        if self._dice.random() < 0.5:
            body["claim_key"] = key if self._dice.random() < 0.9 else "older"

        async def report() -> None:
            answer = await robot.api.post(f"/api/runner/jobs/{job}/update", **body)
            assert answer.status in (200, 403, 409, 422), answer.body

        return report

    def _beat(self, robot: Robot) -> Deed:
        job, attempt, _ = self._attempt_of(robot)
        body = {"jobs": [{"id": job, "attempt": attempt}]}
        return lambda: robot.api.post("/api/runner/heartbeat", 200, **body)

    def _attempt_of(self, robot: Robot) -> tuple[int, int, str]:
        """Mostly the robot's last one, else an older one, else one it cannot know of."""
        luck = self._dice.random()
        if not robot.grants or luck > 0.95:
            return self._dice.choice(self._jobs), self._dice.choice([1, 2]), "guessed"
        grant = robot.grants[-1] if luck < 0.8 else self._dice.choice(robot.grants)
        return grant["id"], grant["attempt"], grant["claim_key"]

    def _cancel(self, _: Robot) -> Deed:
        job = self._dice.choice(self._jobs[-4:])
        return lambda: self._admin.post(f"/api/jobs/{job}/cancel")

    def _make_job(self, _: Robot) -> Deed:
        async def make() -> None:
            self._jobs.append((await self._admin.make_job(self._process))["id"])

        return make

    def _pass_time(self, _: Robot) -> Deed:
        seconds = self._dice.choice(CLOCK_STEPS_SECONDS)

        async def end() -> None:
            self._clock.advance(seconds=seconds)
            await self._server[DATABASE].write(lost_robots.run_once)

        return end
