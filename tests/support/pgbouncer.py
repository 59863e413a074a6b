"""A PgBouncer (Debian's package of that name) that lends connections by transaction."""

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.support.processes import free_port

PATIENCE_SECONDS = 20
SETTINGS = """
[databases]
* = {database}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 5
"""


def program():
    """None where it is not installed."""
    return shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")


@contextmanager
def in_front_of(url):
    """The address of a pooler whose clients are many more than its connections."""
    said = conninfo_to_dict(url)
    name = said.pop("dbname")
    port = free_port()
    database = " ".join(f"{key}={value}" for key, value in said.items())
    with tempfile.TemporaryDirectory(prefix="runwright-pgbouncer-") as folder:
        Path(folder).chmod(0o755)
        settings, log = Path(folder) / "settings.ini", Path(folder) / "log"
        settings.write_text(SETTINGS.format(database=database, port=port))
        who = ["-u", "nobody"] if os.geteuid() == 0 else []
        with log.open("wb") as written:
            process = subprocess.Popen(
                [program(), *who, str(settings)], stdout=written, stderr=written
            )
        try:
            pooled = f"postgresql://{said.get('user', 'postgres')}@127.0.0.1:{port}/{name}"
            _wait(pooled, process, log)
            yield pooled
        finally:
            process.terminate()
            process.wait()


def _wait(url, process, log):
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        else:
            return
