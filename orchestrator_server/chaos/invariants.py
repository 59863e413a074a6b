"""What must hold after every disturbance, read from where it is kept: the database, the robots'
journals, what the scripts noted, the processes of this machine."""

import re
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from orchestrator_server import keys
from orchestrator_server.chaos.site import FINAL, Site
from orchestrator_server.chaos.waiting import until
from orchestrator_server.db.open import open_database
from orchestrator_server.doctor import service as doctor
from orchestrator_server.doctor.service import Finding
from sdk.contract.jobs import Job, JobQuery, JobStatus
from sdk.running import proc
from sdk.running.environment import mark_of

CLEAR_SECONDS = 70.0  # a log that hangs is sent for a minute after its report
_TRUNCATED = re.compile(rb"\n\[(output|log) .*", re.DOTALL)


async def check_all(site: Site) -> list[Finding]:
    """One finding for each invariant, the kept ones too."""
    jobs = [job async for job in site.client.list_jobs(JobQuery(limit=500))]
    found = await _as_the_doctor_finds(site)  # I1, I3, I6, I7
    found += [
        Finding("I2: each attempt starts its script once at most", started_twice(site)),
        Finding("I2: a job starts as often as it may", started_too_often(site, jobs)),
        Finding("I4: a result is the one the script gave", given_otherwise(jobs)),
        Finding("I5: an end is for good", left_their_end(site, jobs)),
        Finding("I8: every job ends", [f"job {j.id}" for j in jobs if j.status not in FINAL]),
        Finding("I9: nothing is left over", await left_over(site)),
        Finding("I10: a log is what was printed", await printed_otherwise(site, jobs)),
    ]
    return found


async def _as_the_doctor_finds(site: Site) -> list[Finding]:
    config = site.config
    there = {file.name for file in (config.data / "packages").iterdir()}
    database = await open_database(config, lambda: datetime.now(UTC))
    try:
        loaded = keys.load(config.key_file, check=await database.read(keys.stored_check))
        return await database.read(doctor.examine, loaded, there)
    finally:
        await database.close()


def started_twice(site: Site) -> list[str]:
    starts = Counter(note.split()[1] for note in site.notes() if note.startswith("started "))
    return [f"{fence}: {count} times" for fence, count in starts.items() if count > 1]


def started_too_often(site: Site, jobs: list[Job]) -> list[str]:
    starts = Counter(
        int(note.split()[1].partition(".")[0])
        for note in site.notes()
        if note.startswith("started ")
    )
    return [f"job {job.id}" for job in jobs if starts[job.id] > job.max_attempts]


def given_otherwise(jobs: list[Job]) -> list[str]:
    return [
        f"job {job.id}: {job.result!r}"
        for job in jobs
        if job.status is JobStatus.COMPLETED and job.result != {"fence": f"{job.id}.{job.attempt}"}
    ]


def left_their_end(site: Site, jobs: list[Job]) -> list[str]:
    now = {job.id: job for job in jobs}
    return [
        f"job {job_id}"
        for job_id, then in site.final.items()
        if msgspec.structs.replace(now[job_id], progress=None)
        != msgspec.structs.replace(then, progress=None)
    ]


async def left_over(site: Site) -> list[str]:
    """Processes of scripts, and folders of jobs; what is being cleared away is given its time."""
    marks = [mark_of(site.data_of(name).absolute() / "jobs") for name in site.agents]
    with suppress(TimeoutError):
        await until(lambda: not _left(site, marks), CLEAR_SECONDS)
    return _left(site, marks)


def _left(site: Site, marks: list[str]) -> list[str]:
    running = {pid for mark in marks for pid in proc.look(mark.encode()).marked}
    running |= site.hidden() & proc.living()
    folders = [
        str(folder) for name in site.agents for folder in (site.data_of(name) / "jobs").glob("*/*")
    ]
    return [f"process {pid}" for pid in sorted(running)] + folders


async def printed_otherwise(site: Site, jobs: list[Job]) -> list[str]:
    """What a script kept a copy of. Of one that was killed the last write may be in the copy
    alone."""
    wrong = []
    for copy in sorted(site.effects.glob("*.printed")):
        job_id, attempt = map(int, copy.name.split(".")[:2])
        job = next((job for job in jobs if job.id == job_id), None)
        log = await _whole_log(site, job_id, attempt)
        state = job and (job.status, job.attempt)
        if not _agree(log, copy.read_bytes(), state == (JobStatus.COMPLETED, attempt)):
            wrong.append(f"attempt {attempt} of job {job_id}")
    return wrong


def _agree(log: bytes, printed: bytes, is_whole: bool) -> bool:
    marked = _TRUNCATED.search(log)
    if marked:
        return printed.startswith(log[: marked.start()])
    return log == printed if is_whole else printed.startswith(log)


async def _whole_log(site: Site, job_id: int, attempt: int) -> bytes:
    whole = b""
    while piece := await site.client.read_log(job_id, len(whole), attempt):
        whole += piece
    return whole


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
