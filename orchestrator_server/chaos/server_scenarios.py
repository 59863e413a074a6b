"""The server is killed, stopped or restarted while robots work."""

import asyncio
import signal

from orchestrator_server.chaos.scenario import expect, must, scenario
from orchestrator_server.chaos.site import Site

PAUSE_SECONDS = 20.0  # four ticks of the watchdog


async def _dies_at(site: Site, failpoint: str) -> None:
    """One job, while the server dies at that place and is started again."""
    await site.server.stop()
    await site.start_server(f"{failpoint}=kill")
    job_id = await site.job()
    await site.start_agent()
    await site.server.ended()
    await site.start_server()
    expect(await site.ended(job_id), "completed")


@scenario("C-1", "the server is killed before a claim is committed")
async def before_claim(site: Site) -> None:
    await _dies_at(site, "claim.before_commit")


@scenario("C-2", "the server is killed after a claim, before its answer")
async def after_claim(site: Site) -> None:
    await _dies_at(site, "claim.after_commit")


@scenario("C-3", "the server is killed before a result is committed")
async def before_result(site: Site) -> None:
    await _dies_at(site, "result.before_commit")


@scenario("C-4", "the server is killed after a result, before its answer")
async def after_result(site: Site) -> None:
    await _dies_at(site, "result.after_commit")


@scenario("C-6", "the server is asked to stop while scripts print and report")
async def stopped_in_order(site: Site) -> None:
    await site.start_agent("robot", "", "--robots", "4")
    jobs = [await site.job("lines") for _ in range(4)]
    await site.noted("started", 4)
    await site.server.stop()
    await site.start_server()
    for job_id in jobs:
        expect(await site.ended(job_id), "completed")


@scenario("C-7", "the server stands still for twenty seconds", is_slow=True)
async def stands_still(site: Site) -> None:
    await site.start_agent()
    job_id = await site.job("wait")
    await site.noted("started")
    site.server.signal(signal.SIGSTOP)
    await asyncio.sleep(PAUSE_SECONDS)
    site.server.signal(signal.SIGCONT)
    site.let_go()
    expect(await site.ended(job_id), "completed")
    [paused] = [e for e in (await site.client.list_events()).items if e.action == "server.paused"]
    must(paused, "The audit trail does not say that the server stood still.")


@scenario("C-65", "a script kills its agent, each time it is tried")
async def poison(site: Site) -> None:
    job_id = await site.job("kill_agent", times=3)
    for _ in range(3):
        agent = await site.start_agent()
        await agent.ended()
    await site.start_agent()
    job = await site.ended(job_id)
    expect(job, "failed", reason=job.reason, attempt=3)
    reasons = [str(attempt.reason) for attempt in await site.client.list_attempts(job_id)]
    must(reasons == ["agent_restarted"] * 3, f"The three losses are told as {reasons}.")
