"""Several processes on one port and one PostgreSQL; one that ends is started again."""

import asyncio
import multiprocessing
import signal
import socket
from contextlib import closing, suppress
from itertools import count
from multiprocessing.context import SpawnProcess

import msgspec
import structlog

from orchestrator_server import log as logs
from orchestrator_server.access.passwords import Passwords
from orchestrator_server.app import create_first_admin
from orchestrator_server.cli import options
from orchestrator_server.cli.worker import SHUTDOWN_SECONDS, serve, show_setup
from orchestrator_server.config import Config
from orchestrator_server.db.transaction import Database
from orchestrator_server.keys import Keys

AGAIN_SECONDS = 1.0
PATIENCE_SECONDS = SHUTDOWN_SECONDS + 5.0

log = structlog.get_logger(__name__)
_spawn = multiprocessing.get_context("spawn")  # each begins as new: no lock or thread is copied


def run(config: Config, workers: int) -> None:
    """Run `workers` processes until SIGTERM or SIGINT; one that cannot start stops them all."""
    if config.database_url is None:
        options.fail(
            f"--workers {workers} needs PostgreSQL, for a SQLite file has one server; give "
            "--database-url, or leave --workers out."
        )
    if not hasattr(socket, "SO_REUSEPORT"):
        options.fail("--workers needs a system whose processes can share a port; leave it out.")
    token = options.on_database(config, lambda *found: _prepare(config, *found))
    try:
        reserved = _reserve(config.host, config.port)
    except (OSError, OverflowError) as error:
        options.fail(f"{config.host}:{config.port} cannot be used: {error}.")
    with closing(reserved) as port:
        config = msgspec.structs.replace(
            config, port=port.getsockname()[1], workers=workers, admin_password=None
        )
        if token is not None:
            show_setup(config, token)
        options.run(lambda: _keep(config))


async def _keep(config: Config) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    numbers = range(1, config.workers + 1)
    async with asyncio.TaskGroup() as group:
        kept = [
            group.create_task(_keep_one(msgspec.structs.replace(config, worker=number), stopping))
            for number in numbers
        ]
    if options.EXIT_CONFIG in [task.result() for task in kept]:
        raise SystemExit(options.EXIT_CONFIG)


async def _keep_one(config: Config, stopping: asyncio.Event) -> int | None:
    """Until all are to stop; its last status."""
    for life in count():
        process = _spawn.Process(target=_work, args=(config,), name=f"worker {config.worker}")
        try:
            process.start()
        except OSError as error:  # the system has no room for it now
            log.error("a worker could not be started", worker=config.worker, why=str(error))
            await _or_stopped(stopping, AGAIN_SECONDS)
            continue
        ended = asyncio.create_task(_ended(process))
        stop = asyncio.create_task(stopping.wait())
        await asyncio.wait({ended, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if process.exitcode == options.EXIT_CONFIG and life == 0:
            stopping.set()  # it has said why, and would again; later, what it needs may come back
        if stopping.is_set():
            return await _stop(process, ended)
        log.error("a worker ended; another is started", worker=config.worker,
                  status=process.exitcode)  # fmt: skip
        await _or_stopped(stopping, AGAIN_SECONDS)
    return None


async def _or_stopped(stopping: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)


async def _stop(process: SpawnProcess, ended: asyncio.Task[None]) -> int | None:
    process.terminate()
    await asyncio.wait({ended}, timeout=PATIENCE_SECONDS)
    if not ended.done():
        log.error("a worker did not stop, and was killed", worker=process.name)
        process.kill()
    await ended
    return process.exitcode


async def _ended(process: SpawnProcess) -> None:
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    loop.add_reader(process.sentinel, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(process.sentinel)
    process.join()


def _work(config: Config) -> None:
    logs.configure(config.log_format or "console", config.log_level or "INFO")
    options.run(lambda: serve(config))


def _reserve(host: str, port: int) -> socket.socket:
    """A port that our workers may share. It must be nobody's: not even of others who share."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.create_server((host, port), family=family)) as probe:
        port = probe.getsockname()[1]
    shared = socket.socket(family, socket.SOCK_STREAM)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    shared.bind((host, port))  # but does not listen: no connection comes to it
    return shared


async def _prepare(config: Config, database: Database, keys: Keys) -> str | None:
    """Once, before several find it; migrated it was on the way here."""
    passwords = Passwords(keys.pepper)
    try:
        return await create_first_admin(database, passwords, config)
    finally:
        passwords.close()
