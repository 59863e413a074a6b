"""The agent is killed at each step of a job, stopped, or there twice."""

import asyncio
import signal

from orchestrator_server.chaos.scenario import expect, must, scenario
from orchestrator_server.chaos.site import Site
from sdk.contract.jobs import JobStatus, Reason

LEASE_AND_MORE_SECONDS = 72.0


async def _dies_at(site: Site, failpoint: str) -> int:
    """One job, whose agent dies at that place and is started again."""
    job_id = await site.job()
    agent = await site.start_agent("robot", f"agent.{failpoint}=kill")
    await agent.ended()
    await site.start_agent()
    await site.ended(job_id)
    return job_id


@scenario("C-8", "the agent is killed while it asks for a job")
async def while_claiming(site: Site) -> None:
    expect(await site.ended(await _dies_at(site, "after_claiming")), "completed")


@scenario("C-9", "the agent is killed when it has been given a job")
async def before_starting(site: Site) -> None:
    expect(await site.ended(await _dies_at(site, "after_answer")), "completed")


@scenario("C-10", "the agent is killed at the moment of the start")
async def at_the_start(site: Site) -> None:
    job_id = await _dies_at(site, "after_starting")
    expect(await site.ended(job_id), "failed", reason=Reason.AGENT_RESTARTED)
    [attempt] = await site.client.list_attempts(job_id)
    must(attempt.started == "unknown", f"Whether it started is told as {attempt.started!r}.")
    must(not site.notes(), "Its script was started all the same.")


@scenario("C-10+", "the agent is killed when it has said that it starts a script")
async def after_its_life_was_told(site: Site) -> None:
    job_id = await _dies_at(site, "after_life")
    expect(await site.ended(job_id), "failed", reason=Reason.AGENT_RESTARTED)
    must(not site.notes(), "Its script was started all the same.")
    expect(await site.ended(await site.job()), "completed")


@scenario("C-11", "the agent is killed while a script runs")
async def while_running(site: Site) -> None:
    agent = await site.start_agent()
    job_id = await site.job("deaf")
    await site.noted("deaf")
    pid = int(site.notes()[0].split()[2])
    await agent.kill()
    await site.gone(pid, 1.0)
    await site.start_agent()
    expect(await site.ended(job_id), "failed", reason=Reason.AGENT_RESTARTED)
    [attempt] = await site.client.list_attempts(job_id)
    must(attempt.started == "yes", f"Whether it started is told as {attempt.started!r}.")


@scenario("C-11+", "the agent is killed while a script and all it spawned run")
async def while_a_family_runs(site: Site) -> None:
    agent = await site.start_agent()
    job_id = await site.job("family", linger=True)
    await site.noted("family")
    await agent.kill()
    await site.start_agent()
    expect(await site.ended(job_id), "failed", reason=Reason.AGENT_RESTARTED)
    site.forgive_hidden()  # without a trace, and its adopter dead: nobody can know whose it is


@scenario("C-12", "the agent is killed when a script has ended, before its report")
async def before_report(site: Site) -> None:
    expect(await site.ended(await _dies_at(site, "after_exited")), "completed")


@scenario("C-12+", "the agent is killed after its report, before it forgets the job")
async def after_report(site: Site) -> None:
    expect(await site.ended(await _dies_at(site, "after_report")), "completed")
    second = await site.job()
    expect(await site.ended(second), "completed")


@scenario("C-14", "the agent stands still until its lease has ended", is_slow=True)
async def stands_still(site: Site) -> None:
    agent = await site.start_agent()
    job_id = await site.job("wait")
    await site.noted("started")
    agent.signal(signal.SIGSTOP)
    site.let_go()
    await asyncio.sleep(LEASE_AND_MORE_SECONDS)
    expect(await site.ended(job_id), "failed", reason=Reason.ROBOT_LOST)
    agent.signal(signal.SIGCONT)
    expect(await site.ended(await site.job()), "completed")
    [attempt] = await site.client.list_attempts(job_id)
    must(attempt.late_report, "The report that came too late is not kept with its attempt.")


@scenario("C-16", "a copy of an idle agent works under the same name")
async def copied(site: Site) -> None:
    """Under a name of its own: the server remembers that there was a copy, and refuses another
    agent of that name for as long as this one may be at work."""
    await site.start_agent("twin")
    await site.asked(1)
    copied = site.copy_of("twin")
    job_id = await site.job("wait")
    await site.noted("started")
    copy = await site.start_agent("copy", "", "--name", "twin", data=copied)
    status = await copy.ended()
    must(status == 75, f"The copy ended with status {status}.")
    site.let_go()
    expect(await site.ended(job_id), "completed")


@scenario("C-16+", "a copy of an agent at work works under the same name")
async def copied_at_work(site: Site) -> None:
    """The copy cannot know that it is not the one that was restarted: it reports that, and the
    other one ends its script."""
    await site.start_agent("busy twin")
    job_id = await site.job("wait")
    await site.noted("started")
    pid = int(site.notes()[0].split()[2])
    await site.start_agent("copy", "", "--name", "busy twin", data=site.copy_of("busy twin"))
    expect(await site.ended(job_id), "failed", reason=Reason.AGENT_RESTARTED)
    await site.gone(pid, 15.0)


@scenario("C-62", "the agent's journal cannot be written")
async def read_only(site: Site) -> None:
    agent = await site.start_agent("robot", "journal.write=raise:30")
    job_id = await site.job()
    await site.said("robot", "No job is taken: The journal cannot be written")
    job = await site.when(job_id, JobStatus.PENDING)
    must(job.attempt == 0, "It took a job that it could not have remembered.")
    await agent.stop()
    await site.start_agent()
    expect(await site.ended(job_id), "completed")


@scenario("C-54", "the disk is full when a script ends")
async def full_disk(site: Site) -> None:
    # The fourth row is the report's: claiming, starting, started, exited.
    await site.start_agent("robot", "journal.write=raise:28@4")
    expect(await site.ended(await site.job()), "completed")
