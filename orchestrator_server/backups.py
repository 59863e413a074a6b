"""Backups: the database at one moment, the files it speaks of, and a list to verify them by.

The database comes first and the files after it: a package or a log that came meanwhile is too
much, which does no harm; one that the database names is never missing.
"""

import hashlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import msgspec

import orchestrator_server
from orchestrator_server.config import Config
from orchestrator_server.maintenance import high_water

LIST = "backup.json"
DATABASE = "runwright.db"
DUMP = "database.dump"  # of PostgreSQL
FOLDERS = ("packages", "logs", "artifacts")
PAGES_AT_ONCE = 500  # so that the server's writes get their turn


class CannotBackUp(Exception):
    """The message says what stands in the way, and what to do."""


class Backup(msgspec.Struct, frozen=True):
    """What is in a backup: each file with its SHA-256."""

    made_at: datetime
    version: str
    database: str  # sqlite or postgres
    digests: dict[str, str]
    size_bytes: int

    @property
    def files(self) -> int:
        return len(self.digests)


def make(config: Config, folder: Path, now: datetime) -> Backup:
    """Write a backup into the new `folder`; half a backup is never left behind."""
    if folder.exists():
        raise CannotBackUp(f"{folder} exists already; name a new folder.")
    beside = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True, mode=0o700)
    try:
        _save_database(config, beside)
        for name in FOLDERS:
            _copy_folder(config.data / name, beside / name)
        made = _listed(config, beside, now)
        (beside / LIST).write_bytes(msgspec.json.format(msgspec.json.encode(made)))
        beside.rename(folder)
    except OSError as error:
        raise CannotBackUp(f"The backup could not be written: {error}.") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return made


def restore(config: Config, folder: Path) -> Backup:
    """Verify every byte of a backup, then put it where a server finds it."""
    backup = verify(folder)
    kind = _kind(config)
    if backup.database != kind:
        raise CannotBackUp(f"This backup is of {backup.database}, not of {kind}.")
    if config.sqlite_path.exists() or any((config.data / name).exists() for name in FOLDERS):
        raise CannotBackUp(f"There is data in {config.data} already; restore into an empty folder.")
    config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in FOLDERS:
        _copy_folder(folder / name, config.data / name)
    if kind == "sqlite":
        shutil.copyfile(folder / DATABASE, config.sqlite_path)
        _check_sqlite(config.sqlite_path)
    else:
        _postgres_tool("pg_restore", config, "--exit-on-error", str(folder / DUMP), into=True)
    known = high_water.read(config.data)  # of what was there before, if it was left
    high_water.write(
        config.data, high_water.Mark(known.event_id if known else None, is_restored=True)
    )
    return backup


def verify(folder: Path) -> Backup:
    """The list of a backup, every file of which is there and as it was."""
    try:
        backup = msgspec.json.decode((folder / LIST).read_bytes(), type=Backup)
    except (OSError, msgspec.MsgspecError) as error:
        raise CannotBackUp(f"{folder} is not a backup, or not a whole one.") from error
    for name, digest in backup.digests.items():
        file = folder / name
        if not file.resolve().is_relative_to(folder.resolve()) or not file.is_file():
            raise CannotBackUp(f"{name} is missing from the backup; use another one.")
        if _digest(file) != digest:
            raise CannotBackUp(f"{name} is not what was saved; use another backup.")
    return backup


def _save_database(config: Config, folder: Path) -> None:
    if _kind(config) == "postgres":
        _postgres_tool("pg_dump", config, "--format=custom", f"--file={folder / DUMP}")
        return
    if not config.sqlite_path.exists():
        raise CannotBackUp(f"There is no database in {config.data}; is --data right?")
    with (
        closing(sqlite3.connect(f"file:{config.sqlite_path}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(folder / DATABASE)) as target,
    ):
        source.backup(target, pages=PAGES_AT_ONCE, sleep=0.01)
    _check_sqlite(folder / DATABASE)


def _check_sqlite(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        [found] = connection.execute("PRAGMA integrity_check").fetchone()
    if found != "ok":
        raise CannotBackUp(f"The database in {file} is damaged: {found}.")


def _postgres_tool(tool: str, config: Config, *arguments: str, into: bool = False) -> None:
    """Run PostgreSQL's own tool. The address, which has a password in it, is no argument."""
    path = shutil.which(tool)
    if path is None:
        raise CannotBackUp(f"PostgreSQL's {tool} is not installed here; install its client tools.")
    named = ["--dbname=service=runwright"] if into else ["service=runwright"]
    with _service_file(config) as environment:
        done = subprocess.run(  # noqa: S603 -- a fixed tool, and arguments of our own
            [path, *named, *arguments], env=environment, capture_output=True, text=True
        )
    if done.returncode != 0:
        raise CannotBackUp(f"{tool} failed: {done.stderr.strip()[-500:]}")


class _service_file:  # noqa: N801 -- used like a function
    """A connection service file (libpq, 34.17) with the address, for as long as it is needed."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def __enter__(self) -> dict[str, str]:
        from psycopg.conninfo import conninfo_to_dict

        told = conninfo_to_dict(self._config.database_url or "")
        lines = ["[runwright]", *(f"{name}={value}" for name, value in told.items())]
        self._file = self._config.data / f".pg_service.{os.getpid()}"
        self._file.touch(mode=0o600)
        self._file.write_text("\n".join(lines) + "\n")
        return {**os.environ, "PGSERVICEFILE": str(self._file)}

    def __exit__(self, *_: object) -> None:
        self._file.unlink(missing_ok=True)


def _copy_folder(source: Path, target: Path) -> None:
    """What vanishes meanwhile, such as an upload under way, was not part of the data."""
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    for file in _files(source):
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(file, copy)
        except FileNotFoundError:
            copy.unlink(missing_ok=True)


def _listed(config: Config, folder: Path, now: datetime) -> Backup:
    files = list(_files(folder))
    return Backup(
        made_at=now,
        version=orchestrator_server.version(),
        database=_kind(config),
        digests={str(file.relative_to(folder)): _digest(file) for file in files},
        size_bytes=sum(file.stat().st_size for file in files),
    )


def _files(folder: Path) -> Iterator[Path]:
    return (f for f in sorted(folder.rglob("*")) if f.is_file() and f.name[0] != ".")


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _kind(config: Config) -> str:
    return "sqlite" if config.database_url is None else "postgres"
