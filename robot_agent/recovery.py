"""Goes on where an earlier life of this agent stopped, by what its journal says.

| found    | done                                                                     |
|----------|--------------------------------------------------------------------------|
| claiming | asked again with the same key: what was granted to it was never started  |
| starting | never started again: what is left of it is killed, and that is reported  |
| started  | the same; it is known that the script had started                        |
| exited   | the rest of the log, and the report, are sent again, and the question    |
|          | for the next job with the key that went with it                          |
"""

import asyncio
import logging
from pathlib import Path

from robot_agent import artifacts, job_folder, log_stream, reporting
from robot_agent.journal import Entry, Journal, State
from robot_agent.reporting import Following
from robot_agent.secrets_read import SecretsRead
from robot_agent.spool import Spool
from robot_agent.workplace import Workplace
from sdk.contract.jobs import Reason
from sdk.contract.runner import JobReport
from sdk.running import family
from sdk.running.counts import Swept
from sdk.running.environment import mark_of, secrets_file
from sdk.running.outcome import SENTENCES, sendable, swept_sentence

log = logging.getLogger(__name__)


async def take_stock(journal: Journal, jobs: Path) -> list[str]:
    """Before anything else, also without a server: whatever still runs is killed, and noted.

    Returns the robots that have something to finish.
    """
    for entry in journal.entries():
        if entry.state in (State.STARTING, State.STARTED):
            folder = job_folder.of(jobs / str(entry.robot_id), entry.job_id, entry.attempt)
            swept = await asyncio.to_thread(family.sweep, mark_of(folder))
            await journal.exited(entry, _restarted(entry, swept))
    swept = await asyncio.to_thread(family.sweep, mark_of(jobs))
    if swept.killed:
        log.warning("Killed %d processes that no job accounts for.", swept.killed)
    return [entry.robot for entry in journal.entries()]


async def finish(place: Workplace) -> Following:
    """Report what has ended; return the key that this robot was asking with, if it was asking."""
    found = [e for e in place.journal.entries() if e.robot == place.link.name]
    entry = found[0] if found else None
    if entry is None or entry.report is None:
        await asyncio.to_thread(job_folder.clear_away, job_folder.left(place.own_jobs))
        return Following(entry.claim_key, None, entry.of) if entry else Following()
    folder = job_folder.of(place.jobs / str(entry.robot_id), entry.job_id, entry.attempt)
    await asyncio.to_thread(job_folder.clear_away, job_folder.left(place.own_jobs, folder))
    spool = Spool(folder / "output.log")
    await asyncio.to_thread(spool.close_unwatched)
    secrets = SecretsRead(place.link, entry.job_id, entry.attempt, secrets_file(folder))
    send = log_stream.sender(place.link, entry.job_id, entry.attempt)
    stream = asyncio.create_task(log_stream.send_rest(spool, send, secrets))
    bring = artifacts.Bringer(place.link, entry.job_id, entry.attempt, secrets)
    ended = asyncio.Event()
    ended.set()
    bringing = asyncio.create_task(
        artifacts.follow_and_tell(
            folder / "work", ended=ended, bring=bring, spool=spool, stream=stream, send=send
        )
    )
    try:
        report = sendable(entry.report)  # an earlier version may have written it
        return await reporting.conclude(place, entry, report, stream, bringing, secrets)
    finally:
        stream.cancel()
        bringing.cancel()


def _restarted(entry: Entry, swept: Swept) -> JobReport:
    log.warning("Job %d was with this agent before it restarted.", entry.job_id)
    return JobReport(
        status="failed",
        reason=Reason.AGENT_RESTARTED,
        error_message=SENTENCES[Reason.AGENT_RESTARTED] + swept_sentence(swept),
        attempt=entry.attempt,
        claim_key=entry.claim_key or None,
        started="yes" if entry.state is State.STARTED else "unknown",
    )
