"""Who gives the robots work, and changes their mind: jobs, cancels, new versions of the package."""

import asyncio
import shutil
import zipfile
from collections import Counter

from orchestrator_server.chaos.site import FINAL, Site
from sdk.contract.jobs import JobQuery, JobStatus
from sdk.errors import NotAnOrchestrator, Refused, Unavailable, Unreachable
from tests.soak.plan import Plan

AWAY = (Unreachable, Unavailable, NotAnOrchestrator)
LOOK_SECONDS = 0.5
SEEN_SECONDS = 5.0
PUBLISH_SECONDS = 20.0
LINE_SECONDS = 0.5
JOB_SECONDS = (3.0, 17.0)
ATTEMPTS = (1, 1, 2, 3)
KINDS = ("lines",) * 7 + ("quick", "raw", "family", "will not work")
CANCELED, WITH_ARTIFACT = 0.05, 0.1  # of all jobs


class Operator:
    def __init__(self, site: Site, plan: Plan) -> None:
        self._site = site
        self._dice = plan.dice("operator")
        self._backlog = max(4, (plan.robots + plan.agents) // 4)
        self._canceling: set[asyncio.Task[None]] = set()
        self.did: Counter[str] = Counter()

    async def give_work(self) -> None:
        """Keep a few jobs waiting, never many: until canceled."""
        while True:
            try:
                waiting = await self._site.client.list_jobs(
                    JobQuery(status=JobStatus.PENDING, limit=self._backlog)
                )
                for _ in range(self._backlog - len(waiting)):
                    await self._submit()
            except AWAY:
                self.did["answers that did not come"] += 1
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Remember how jobs ended when that was first seen, to be held against the end."""
        while True:
            for status in FINAL:
                try:
                    for job in await self._site.client.list_jobs(
                        JobQuery(status=status, limit=200)
                    ):
                        self._site.final.setdefault(job.id, job)
                except AWAY:
                    self.did["answers that did not come"] += 1
            await asyncio.sleep(SEEN_SECONDS)

    async def publish(self) -> None:
        """A new version now and then, so that packages are uploaded and fetched all the time."""
        number = 0
        while True:
            await asyncio.sleep(PUBLISH_SECONDS)
            number += 1
            archive = self._site.folder / f"probe_1.0.{number}.zip"
            shutil.copy(self._site.folder / "probe_1.0.0.zip", archive)
            with zipfile.ZipFile(archive, "a") as package:
                package.writestr("version.txt", self._dice.randbytes(100_000))
            try:
                await self._site.client.upload_package(archive)
                [process] = await self._site.client.list_processes()
                await self._site.client.upgrade_process(process.id)
                self.did["packages published"] += 1
            except AWAY:
                self.did["answers that did not come"] += 1

    async def _submit(self) -> None:
        dice, wanted = self._dice, {}
        seconds = dice.uniform(*JOB_SECONDS)
        if dice.random() < WITH_ARTIFACT:
            wanted["artifact"] = "note"
        job_id = await self._site.job(
            dice.choice(KINDS),
            times=dice.choice(ATTEMPTS),
            priority=dice.choice((0, 0, 5)),
            lines=round(seconds / LINE_SECONDS),
            pause=LINE_SECONDS,
            **wanted,
        )
        self.did["jobs submitted"] += 1
        if dice.random() < CANCELED:
            task = asyncio.create_task(self._cancel(job_id, dice.uniform(0, JOB_SECONDS[1])))
            self._canceling.add(task)
            task.add_done_callback(self._canceling.discard)

    async def _cancel(self, job_id: int, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        try:
            job = await self._site.client.cancel_job(job_id)
        except (*AWAY, Refused):
            self.did["answers that did not come"] += 1
            return
        self._site.final.setdefault(job_id, job)
        self.did["cancels acknowledged"] += 1
