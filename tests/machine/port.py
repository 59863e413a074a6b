"""What both ways to the server have in common: its database, and what it does by itself."""

from orchestrator_server.audit import chain
from orchestrator_server.doctor import service as doctor
from orchestrator_server.maintenance import expired_jobs, lost_items, lost_robots
from tests.machine import tables
from tests.machine.answers import ok


class Port:
    """The verbs of the model, asked of the real server. `database` and `keys` are its own."""

    def __init__(self, world, clock):
        self.world, self.clock = world, clock
        self.database = self.keys = None

    async def look(self):
        """Each doer once, in the order of the watchdog."""
        lost = await self.database.write(lost_robots.run_once)
        late = await self.database.write(expired_jobs.run_once)
        return ok(lost=lost, late=late, items=await self.database.write(lost_items.run_once))

    async def rows(self):
        return await self.database.read(tables.read)

    async def findings(self):
        return await self.database.read(tables.found_by_doctor)

    async def examine(self):
        """All that `orchestrator doctor` looks at, once the trail has been chained."""
        await self.database.write(chain.link, self.keys)
        files = {file.name for file in (self.world.data / "packages").iterdir()}
        findings = await self.database.read(doctor.examine, self.keys, files)
        return [finding for finding in findings if finding.broken_by]
