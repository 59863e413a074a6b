"""What earlier releases left behind, unpacked, for each of them and on each database."""

import json
import tarfile
from pathlib import Path

import psycopg
import pytest

HERE = Path(__file__).parent
RELEASES = sorted(folder.name for folder in HERE.iterdir() if (folder / "manifest.json").exists())
CASES = [(release, kind) for release in RELEASES for kind in ("sqlite", "postgres")]


class Recorded:
    """The data of one release: `data` is the server's folder, `told` its part of the manifest."""

    def __init__(self, release, kind, folder, database_url):
        self.release, self.database_url = HERE / release, database_url
        self.told = json.loads((self.release / "manifest.json").read_text())[kind]
        self.data, self.agent = folder / "server", folder / "agent"
        self.signed_in, self.clients = folder / "signed-in", folder / "clients"
        for name, to in (
            (kind, self.data),
            (f"agent-{kind}", self.agent),
            (f"sdk-{kind}", self.signed_in),
            ("clients", self.clients),
        ):
            with tarfile.open(self.release / f"{name}.tar.gz") as archive:
                archive.extractall(to, filter="data")
            to.chmod(0o700)


@pytest.fixture(params=CASES, ids=["-".join(case) for case in CASES])
def recorded(request, tmp_path):
    release, kind = request.param
    if kind == "sqlite":
        yield Recorded(release, kind, tmp_path, None)
        return
    databases = request.getfixturevalue("postgres_databases")
    name = databases.create()
    try:
        recorded = Recorded(release, kind, tmp_path, databases.url_of(name))
        with psycopg.connect(recorded.database_url) as connection:
            connection.execute((recorded.data / "dump.sql").read_text())
        yield recorded
    finally:
        databases.drop(name)
