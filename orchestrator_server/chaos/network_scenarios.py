"""The network between robots and server loses, doubles, delays, cuts and garbles."""

import asyncio

from orchestrator_server.chaos.scenario import expect, must, scenario
from orchestrator_server.chaos.site import Site
from sdk.contract.jobs import Reason

OUTAGE_SECONDS = 15.0
LATE_SECONDS = 3.0


async def _with(site: Site, *faults: tuple[str, str, int, float], do: str = "lines") -> None:
    """A job and another one, while that happens on the way."""
    for kind, path, times, argument in faults:
        site.proxy.add(kind, path, times, argument)
    await site.start_agent()
    for _ in range(2):
        expect(await site.ended(await site.job(do)), "completed")
    must(not site.proxy.faults, "The faults did not happen.")


@scenario("C-18", "the answer to a claim is lost")
async def lost_claim(site: Site) -> None:
    await _with(site, ("drop_response", "/next-job", 2, 0))


@scenario("C-19", "a claim is sent twice at once")
async def doubled_claim(site: Site) -> None:
    await _with(site, ("duplicate", "/next-job", 2, 0))


@scenario("C-20", "a claim arrives when its robot has gone on")
async def late_claim(site: Site) -> None:
    site.proxy.add("late", "/next-job", 1, LATE_SECONDS)
    await site.start_agent()
    first, second = await site.job(), await site.job()
    for job_id in (first, second):
        expect(await site.ended(job_id), "completed")
    await asyncio.sleep(LATE_SECONDS)  # until it has arrived
    expect(await site.ended(await site.job()), "completed")


@scenario("C-21", "the answer to a report is lost")
async def lost_report(site: Site) -> None:
    await _with(site, ("drop_response", "/update", 2, 0))


@scenario("C-22", "a report is doubled, and arrives again much later")
async def late_report(site: Site) -> None:
    await _with(site, ("late", "/update", 1, LATE_SECONDS), ("duplicate", "/update", 1, 0))
    await asyncio.sleep(LATE_SECONDS)  # until it has arrived


@scenario("C-23", "nobody answers for fifteen seconds", is_slow=True)
async def outage(site: Site) -> None:
    await site.start_agent()
    job_id = await site.job("lines", lines=100)
    await site.noted("started")
    site.proxy.add("drop_request", "", 10_000)
    await asyncio.sleep(1)  # what was under way then is answered by nobody either
    before = len(site.proxy.happened)
    await asyncio.sleep(OUTAGE_SECONDS)
    requests = len(site.proxy.happened) - before
    site.proxy.faults.clear()
    must(requests <= OUTAGE_SECONDS + 1, f"It asked {requests} times in {OUTAGE_SECONDS:.0f} s.")
    expect(await site.ended(job_id), "completed")


@scenario("C-23+", "the server's address refuses connections for a while")
async def refused(site: Site) -> None:
    await site.start_agent()
    job_id = await site.job("lines", lines=100)
    await site.noted("started")
    await site.proxy.refuse()
    await site.noted("finished")
    await site.proxy.open()
    expect(await site.ended(job_id), "completed")


@scenario("C-24", "whoever takes the log never answers")
async def hanging_log(site: Site) -> None:
    site.proxy.add("blackhole", "/logs", 1)
    await site.start_agent()
    job_id = await site.job("lines", lines=100)
    job = await site.ended(job_id)
    expect(job, "completed")


@scenario("C-25", "the line is slow")
async def slow(site: Site) -> None:
    site.proxy.add("slow", "/download", 1, 1000)
    site.proxy.add("slow", "/heartbeat", 3, 200)
    await site.start_agent()
    expect(await site.ended(await site.job("lines")), "completed")


@scenario("C-27", "answers are cut in the middle")
async def cut(site: Site) -> None:
    paths = ("/next-job", "/update", "/heartbeat", "/logs", "/register-robot")
    await _with(site, *(("truncate", path, 1, 20) for path in paths))


@scenario("C-28", "somebody else's login page answers")
async def login_page(site: Site) -> None:
    paths = ("/next-job", "/update", "/heartbeat", "/download")
    faults = [("html", path, 1, 0.0) for path in paths]
    await _with(site, *faults, ("status", "/update", 1, 502), ("status", "/next-job", 1, 502))


@scenario("C-45", "a package arrives cut")
async def cut_package(site: Site) -> None:
    await _with(site, ("truncate", "/download", 2, 100))


@scenario("C-44", "a package rots on the server's disk")
async def rotten_package(site: Site) -> None:
    job_id = await site.job()
    [file] = (site.config.data / "packages").iterdir()
    content = file.read_bytes()
    file.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])
    await site.start_agent()
    expect(await site.ended(job_id), "failed", reason=Reason.PACKAGE_CORRUPT)
    file.write_bytes(content)
    expect(await site.ended(await site.job()), "completed")


@scenario("C-46", "a package is gone when a robot comes for it")
async def missing_package(site: Site) -> None:
    job_id = await site.job()
    [file] = (site.config.data / "packages").iterdir()
    content = file.read_bytes()
    file.unlink()
    await site.start_agent()
    expect(await site.ended(job_id), "failed", reason=Reason.PACKAGE_MISSING)
    file.write_bytes(content)
    expect(await site.ended(await site.job()), "completed")
