"""A soak from its beginning to its end."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from unittest.mock import patch

from orchestrator_server.chaos.invariants import check_all
from orchestrator_server.chaos.site import Broken, Site, Timers
from orchestrator_server.doctor.service import Finding
from sdk.contract.jobs import JobQuery, JobStatus
from tests.soak import crew
from tests.soak.flatness import ends
from tests.soak.operator import AWAY, Operator
from tests.soak.plan import Plan
from tests.soak.report import Outcome
from tests.soak.trouble import Trouble
from tests.soak.watch import SCRATCH, Watch, left

HEARTBEAT_SECONDS = 10
SETTLE_SECONDS = 240.0  # leases that must end, and the pauses between attempts
LOOK_SECONDS = 1.0


async def soak(plan: Plan, folder: Path) -> Outcome:
    """Trouble for as long as planned, then peace; then it shows what holds."""
    outcome = Outcome(plan)
    (folder / SCRATCH).mkdir()
    with patch.dict(os.environ, TMPDIR=str(folder / SCRATCH)):
        async with Site.open(folder, plan.database_url) as site:
            await site.client.change_jobs_settings(Timers(HEARTBEAT_SECONDS))
            await crew.start(site, plan)
            trouble = Trouble(site, plan)
            manager = asyncio.create_task(crew.look_after(site, trouble.is_away, outcome.ended))
            try:
                await _disturb(site, trouble, outcome)
                await _settle(site, outcome)
                await _judge(site, outcome)
            except Broken as error:
                outcome.others.append(str(error))
            finally:
                manager.cancel()
                await asyncio.gather(manager, return_exceptions=True)
    outcome.others += crew.unforeseen(outcome.ended)
    return outcome


async def _disturb(site: Site, trouble: Trouble, outcome: Outcome) -> None:
    plan = outcome.plan
    operator, watch = Operator(site, plan), Watch(site)
    site.proxy.choose = trouble.choose
    try:
        await _for_a_while(
            plan.seconds,
            operator.give_work(),
            operator.look(),
            operator.publish(),
            trouble.kill_the_server(),
            trouble.kill_agents(),
            trouble.cut_the_network(),
            watch.look_on(),
        )
    finally:
        site.proxy.choose = lambda request: None
        watch.count_requests()
    if not site.server.lives:
        await site.start_server()
    outcome.operator, outcome.kills, outcome.outages = operator.did, trouble.kills, trouble.outages
    outcome.faults = Counter(told.partition(" ")[0] for told in site.proxy.happened)
    outcome.requests = watch.requests
    robots = crew.robots(plan)
    outcome.used = {
        name: ends(seen, plan.seconds, robots[name]) for name, seen in watch.samples.items()
    }


async def _for_a_while(seconds: float, *endless: Coroutine[Any, Any, None]) -> None:
    """Run them together until the time is up; if one fails, all end."""
    tasks = [asyncio.create_task(one) for one in endless]
    try:
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _settle(site: Site, outcome: Outcome) -> None:
    """Until every job has ended; the invariants tell of those that do not."""
    began = time.monotonic()
    while await _is_busy(site) and time.monotonic() - began < SETTLE_SECONDS:
        await asyncio.sleep(LOOK_SECONDS)
    outcome.settled_seconds = time.monotonic() - began


async def _is_busy(site: Site) -> bool:
    try:
        for status in (JobStatus.PENDING, JobStatus.RUNNING):
            if await site.client.list_jobs(JobQuery(status=status, limit=1)):
                return True
    except AWAY:
        return True
    return False


async def _judge(site: Site, outcome: Outcome) -> None:
    outcome.findings = await check_all(site)  # waits for what is being cleared away
    outcome.findings.append(Finding("Nothing temporary is left", left(site)))
    async for job in site.client.list_jobs(JobQuery(limit=500)):
        outcome.jobs[f"{job.status} ({job.reason})" if job.reason else str(job.status)] += 1
        outcome.attempts[job.attempt] += 1
