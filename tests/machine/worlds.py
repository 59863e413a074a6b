"""Worlds to begin in: made once, by the server itself, and copied for each run of a machine."""

import asyncio
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator_server.app import create_app
from orchestrator_server.config import Config
from tests.conftest import serving
from tests.machine import facts
from tests.support.world import ADMIN_PASSWORD, api_at


class World(NamedTuple):
    """A data folder, a database, and the credentials of those who ask."""

    data: Path
    database_url: str | None
    person: dict[str, str]
    robots: dict[int, dict[str, str]]

    @property
    def config(self):
        return Config(data=self.data, database_url=self.database_url, admin_password=ADMIN_PASSWORD)


class Template:
    def __init__(self, world, databases=None, name=None):
        self._world, self._databases, self._name = world, databases, name

    @contextmanager
    def copy(self):
        with tempfile.TemporaryDirectory(prefix="runwright-machine-") as folder:
            data = shutil.copytree(self._world.data, Path(folder) / "data")
            if self._name is None:
                yield self._world._replace(data=data)
                return
            clone = self._databases.create(self._name)
            try:
                url = self._databases.url_of(clone)
                yield self._world._replace(data=data, database_url=url)
            finally:
                self._databases.drop(clone)


def on_sqlite(folder):
    return Template(_made(folder, None))


def on_postgres(folder, databases):
    name = databases.create()
    return Template(_made(folder, databases.url_of(name)), databases, name)


def _made(folder, url) -> World:
    empty = World(folder / "data", url, {}, {})
    return asyncio.run(_fill(empty))


async def _fill(world):
    app = create_app(world.config, lambda: facts.START)
    async with serving(app) as served, api_at(served["url"]) as stranger:
        admin = await stranger.sign_in()
        token = await admin.post("/api/access/tokens", 201, name="machine")
        await admin.post("/api/machines", 201, name="host")
        package = await admin.upload()
        script: Any = {"package_id": package["id"], "script_path": "main.py"}
        for id_, limit in facts.LIMITS.items():
            wanted = {"name": f"p{id_}", "concurrency_limit": limit, **script}
            assert (await admin.post("/api/processes", 201, **wanted))["id"] == id_
        for queue in facts.QUEUES.values():
            await admin.post("/api/queues", 201, **queue._asdict())
        robots = {id_: await _robot(admin, id_, robot) for id_, robot in facts.ROBOTS.items()}
    return world._replace(person={"Authorization": f"Bearer {token['token']}"}, robots=robots)


async def _robot(admin, id_, robot):
    made = await admin.post("/api/robots", 201, name=f"r{id_}", **robot._asdict())
    assert made["id"] == id_
    return {"X-Robot-Token": made["api_token"]}
