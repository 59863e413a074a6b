"""A backup is made while robots work; its copy is sound, says what it is, and goes on."""

import asyncio
import shutil
from collections import Counter

from tests.faults.doctor import broken_promises
from tests.program.test_backup import orchestrator
from tests.program.test_server_process import all_jobs, prepare, work
from tests.support.processes import a_server
from tests.support.world import api_at

ROBOTS, JOBS = 4, 200


async def survives_a_backup_under_load(config, copy, folder):
    """`config` and `copy` are of the same kind; nothing is in the copy yet."""
    async with a_server(config.data, config.database_url) as server, api_at(server.url) as api:
        robots, seen = await prepare(await api.sign_in(), ROBOTS, JOBS)
        working = asyncio.gather(*each_works(robots, seen))
        made = await orchestrator(config, "backup", folder)
        assert made.exit_code == 0, made.output
        assert not working.done(), "the work was over before the backup was made"
        await working

    restored = await orchestrator(copy, "restore", folder)
    assert restored.exit_code == 0, restored.output
    shutil.copy2(config.key_file, copy.key_file)
    assert await broken_promises(copy.data, copy.database_url) == {}
    async with a_server(copy.data, copy.database_url) as server, api_at(server.url) as api:
        admin = await api.sign_in()
        await asyncio.gather(*each_works([api.as_(**r.headers) for r in robots], seen))
        jobs = await all_jobs(admin)
        assert set(jobs) == set(seen)
        assert {job["status"] for job in jobs.values()} == {"completed"}
        await server.stop()
        await server.start()
        [event] = (await admin.get("/api/audit?action=database.restored"))["items"]
        assert event["actor_username"] == "system"
    assert await broken_promises(copy.data, copy.database_url) == {}


def each_works(robots, seen):
    return [work(robot, f"r{n}", seen, Counter()) for n, robot in enumerate(robots)]
