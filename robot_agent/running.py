"""The job a robot has at the moment, as its loops see it."""

import asyncio
import json
import logging
import os
from pathlib import Path

import msgspec

from robot_agent.clock import now
from robot_agent.journal import Entry, State
from robot_agent.secrets_read import SecretsRead
from robot_agent.spool import Spool
from sdk import strict_json
from sdk.contract.jobs import Progress
from sdk.contract.runner import Assignment, JobAction, JobBeat
from sdk.running import regular_files
from sdk.running.environment import stop_file
from sdk.running.process import StopOrder

PROGRESS_BYTES = 4096
MESSAGE_CHARACTERS = 200  # as the contract has it, also where a cover is longer than its secret

log = logging.getLogger(__name__)


class RunningJob:
    def __init__(self, assignment: Assignment, folder: Path, life: str) -> None:
        self.assignment = assignment
        self.life = life
        self.folder = folder
        self.order = StopOrder()
        self.spool = Spool(folder / "output.log")
        self.secrets: SecretsRead | None = None
        self.phase = "preparing"  # then "starting", "running", "reporting"
        self.since = now()
        self.is_asked_to_finish = False
        self._progress: Progress | None = None
        self._progress_seen: tuple[int, int] | None = None

    def __str__(self) -> str:
        return f"job {self.assignment.id} (attempt {self.assignment.attempt})"

    def beat(self) -> JobBeat:
        covered = self._covered_progress()
        return JobBeat(
            id=self.assignment.id,
            attempt=self.assignment.attempt,
            phase=self.phase,
            # Not while it is made ready: after a crash before the start, the next life may.
            life=None if self.phase == "preparing" else self.life,
            progress=covered,
            secrets_known=self.secrets.known.reads if covered and self.secrets else None,
        )

    def _covered_progress(self) -> Progress | None:
        """Nothing for now, if a secret was read that we do not know yet."""
        if self._progress is None or self.secrets is None or self.secrets.is_stale():
            return None
        message = self.secrets.known.mask.message(self._progress.message)[:MESSAGE_CHARACTERS]
        return msgspec.structs.replace(self._progress, message=message)

    def entry(self, robot: str, robot_id: int) -> Entry:
        """This attempt, as the journal knows it."""
        return Entry(
            robot=robot,
            claim_key=self.assignment.claim_key or "",
            state=State.CLAIMING,
            robot_id=robot_id,
            job_id=self.assignment.id,
            attempt=self.assignment.attempt,
        )

    def forget_progress(self) -> bool:
        """Send none until the script writes it again; whether there was any."""
        progress, self._progress = self._progress, None
        return progress is not None

    def is_meant_by(self, action: JobAction) -> bool:
        return (action.id, action.attempt) == (self.assignment.id, self.assignment.attempt)

    async def ask_to_finish(self) -> None:
        """Let the script know that a person wants it to finish early; when is its own affair."""
        if not self.is_asked_to_finish:
            log.info("A person asks %s to finish early.", self)
        self.is_asked_to_finish = True
        try:
            await asyncio.to_thread(_make, stop_file(self.folder))
        except FileNotFoundError:
            log.debug("%s has no folder yet; the next beat asks again.", self)
        except OSError as error:
            log.warning("%s cannot be asked to finish early: %s", self, error)

    async def has_new_progress(self) -> bool:
        """Read what the script says about its progress, if it has said something since."""
        try:
            return await asyncio.to_thread(self._read_progress)
        except FileNotFoundError:
            return False
        except (OSError, ValueError, RecursionError) as error:
            log.debug("The progress of %s cannot be read: %s", self, error)
            return False

    def _read_progress(self) -> bool:
        with regular_files.opened(self.folder / "progress.json") as file:
            state = os.fstat(file.fileno())
            seen = (state.st_mtime_ns, state.st_ino)
            if seen == self._progress_seen:
                return False
            self._progress_seen = seen
            said = strict_json.fit_values(json.loads(file.read(PROGRESS_BYTES)))
            self._progress = msgspec.convert(said, Progress)
            return True


def _make(file: Path) -> None:
    os.close(regular_files.descriptor_of(file, os.O_WRONLY | os.O_CREAT))
