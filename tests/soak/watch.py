"""What the programs of a site use, looked at every few seconds."""

import asyncio
import time
from collections import defaultdict
from pathlib import Path

import psutil

from orchestrator_server.chaos.programs import Program
from orchestrator_server.chaos.site import Site
from tests.soak.flatness import Sample

LOOK_SECONDS = 2.0
MIB = 1024 * 1024
OF_SQLITE = "etilqs_"  # removed as soon as it is open; a kill in between leaves it to the system
SCRATCH = "tmp"  # the TMPDIR of all programs, in the folder of the site


class Watch:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._began = time.monotonic()
        self.samples: dict[str, list[Sample]] = defaultdict(list)
        self.requests = 0

    async def look_on(self) -> None:
        """Until canceled."""
        while True:
            self._sample("server", self._site.server)
            for name, program in self._site.agents.items():
                self._sample(name, program)
            self.count_requests()
            await asyncio.sleep(LOOK_SECONDS)

    def count_requests(self) -> None:
        """And forget them: a long soak has millions."""
        self.requests += len(self._site.proxy.passed)
        self._site.proxy.passed.clear()

    def _sample(self, name: str, program: Program) -> None:
        if not program.lives:
            return
        try:
            process = psutil.Process(program.pid)
            with process.oneshot():
                used = (
                    process.memory_info().rss / MIB,
                    process.num_fds(),
                    process.num_threads(),
                    len(temporary(self._site, name)),
                )
                age = time.time() - process.create_time()
        except psutil.NoSuchProcess:
            return  # killed this very moment
        self.samples[name].append(Sample(time.monotonic() - self._began, age, used))


def temporary(site: Site, name: str) -> list[Path]:
    """The files of a program that are there for a while only; folders of jobs count as one."""
    if name == "server":
        return _uploads(site)
    data = site.data_of(name)
    return [*(data / "jobs").glob("*/*"), *(data / "packages").glob("*.part")]


def left(site: Site) -> list[str]:
    """What should be gone when everybody rests, also from where programs put what is temporary."""
    found = [f for f in (site.folder / SCRATCH).iterdir() if not f.name.startswith(OF_SQLITE)]
    for name in ("server", *site.agents):
        found += temporary(site, name)
    return [str(file.relative_to(site.folder)) for file in found]


def _uploads(site: Site) -> list[Path]:
    """What is arriving at the server, or was when it was killed. On PostgreSQL it may be arriving
    at another server, and stays for an hour: there is nothing to judge."""
    if site.config.database_url:
        return []
    data = site.config.data
    return [*(data / "packages").glob(".incoming-*"), *(data / "artifacts" / "incoming").glob("*")]
