"""Scripts do what they like."""

import re

from orchestrator_server.chaos.scenario import expect, must, scenario
from orchestrator_server.chaos.site import Site
from sdk.contract.jobs import JobStatus, Reason
from sdk.running import proc

AGENT_BYTES = 100 * 1024 * 1024
FLOOD_BYTES = 300 * 1024 * 1024


@scenario("C-47", "a canceled script does not listen")
async def deaf(site: Site) -> None:
    await site.start_agent()
    job_id = await site.job("deaf")
    await site.noted("deaf")
    pid = int(site.notes()[0].split()[2])
    await site.client.cancel_job(job_id)
    await site.gone(pid, 15.0)
    expect(await site.ended(job_id), "canceled", reason=Reason.CANCELED_BY_USER)
    expect(await site.ended(await site.job()), "completed")
    [attempt] = await site.client.list_attempts(job_id)
    late = attempt.late_report or {}
    must("were killed" in str(late) or "was killed" in str(late), f"What was killed: {late}")


@scenario("C-48", "a script leaves children, also such as hide")
async def family(site: Site) -> None:
    await site.start_agent()
    expect(await site.ended(await site.job("family")), "completed")


@scenario("C-48+", "a script with children, also such as hide, is canceled")
async def canceled_family(site: Site) -> None:
    await site.start_agent()
    job_id = await site.job("family", linger=True)
    await site.noted("family")
    await site.client.cancel_job(job_id)
    expect(await site.ended(job_id), "canceled", reason=Reason.CANCELED_BY_USER)
    expect(await site.ended(await site.job()), "completed")


@scenario("C-50", "a script prints without end")
async def flood(site: Site) -> None:
    agent = await site.start_agent()
    job_id = await site.job("flood", mib=FLOOD_BYTES // 1024**2)
    expect(await site.ended(job_id), "completed")
    used = proc.memory_bytes(agent.pid)
    must(used < AGENT_BYTES, f"The agent uses {used:,} bytes of memory.")
    end = await site.log_end(job_id)
    told = re.fullmatch(r"\[at least ([0-9,]+) bytes were printed\]", end)
    must(told, f"The log ends with {end!r}.")
    counted = int(told[1].replace(",", "")) if told else 0
    must(0.9 * FLOOD_BYTES <= counted <= FLOOD_BYTES, f"{counted:,} bytes were counted.")


@scenario("C-51", "a script prints whatever bytes there are")
async def raw(site: Site) -> None:
    await site.start_agent()
    expect(await site.ended(await site.job("raw")), "completed")


@scenario("C-55", "a script multiplies")
async def bomb(site: Site) -> None:
    await site.start_agent("robot", "", "--job-processes", "40")
    job = await site.ended(await site.job("bomb", processes=60))
    expect(job, "failed", reason=Reason.SCRIPT_FAILED)
    must("processes" in (job.error_message or ""), f"It is told as {job.error_message!r}.")


@scenario("C-56", "a script runs for ever")
async def for_ever(site: Site) -> None:
    await site.start_agent()
    job_id = await site.job("deaf", timeout_seconds=2)
    expect(await site.ended(job_id), "failed", reason=Reason.SCRIPT_TIMEOUT)


@scenario("C-57", "a script leaves a result of fifty megabytes")
async def large_result(site: Site) -> None:
    await site.start_agent()
    job = await site.ended(await site.job("large_result", mib=50))
    expect(job, "failed", reason=Reason.SCRIPT_FAILED)


@scenario("C-58", "a script kills its agent")
async def kills_its_agent(site: Site) -> None:
    agent = await site.start_agent()
    job_id = await site.job("kill_agent")
    await agent.ended()
    await site.start_agent()
    expect(await site.ended(job_id), "failed", reason=Reason.AGENT_RESTARTED)


@scenario("C-59", "a script stops itself")
async def stops_itself(site: Site) -> None:
    await site.start_agent()
    job_id = await site.job("stop_itself", timeout_seconds=2)
    expect(await site.ended(job_id), "failed", reason=Reason.SCRIPT_TIMEOUT)


@scenario("C-9+", "a job is canceled the moment it is taken")
async def canceled_at_once(site: Site) -> None:
    await site.start_agent()
    jobs = [await site.job() for _ in range(5)]
    for job_id in jobs:
        await site.client.cancel_job(job_id)
    for job_id in jobs:
        job = await site.ended(job_id)
        must(job.status in (JobStatus.CANCELED, JobStatus.COMPLETED), f"It is {job.status}.")
    expect(await site.ended(await site.job()), "completed")
