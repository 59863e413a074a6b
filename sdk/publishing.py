"""A folder becomes a package at the server, and its processes with it."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from sdk import packaging, project
from sdk.client import Client
from sdk.contract.packages import Package, PackagePreflight
from sdk.contract.processes import (
    Process,
    ProcessCreate,
    ProcessQuery,
    ProcessSecret,
    ProcessUpdate,
)
from sdk.errors import Refused
from sdk.project import ProcessPlan


class CannotPublish(Exception):
    """The server would not take it; the message says why."""


WAITS = "waits"


class Change(NamedTuple):
    process: Process
    did: str  # "made", "changed", "unchanged", or "waits" for somebody to release it
    secrets: list[ProcessSecret] = []  # those that it may read, or that its package asks for


class Published(NamedTuple):
    package: Package
    changes: list[Change]


async def publish(
    client: Client, folder: Path, archive: Path, told: Callable[[int], object]
) -> Published:
    """Ask first, then send, then make or change each process that the project names.

    Again after an interruption it goes on: the same bytes are the same package."""
    name, version = archive.stem.rsplit("_", 1)
    wanted = PackagePreflight(name=name, version=version, sha256=_sha256(archive))
    answer = await client.preflight_package(wanted)
    if not answer.can_publish:
        raise CannotPublish(answer.reason or f"{name} {version} cannot be published.")
    plans = project.processes(folder)
    package = await client.upload_package(archive, told=told)
    changes = []
    for process, plan in plans.items():
        try:
            changes.append(await _apply(client, package, process, plan))
        except Refused as error:
            raise CannotPublish(
                f"{name} {version} is published, but its process {process} is not there yet: "
                f"{error} When that is mended, `sdk publish` goes on from here."
            ) from error
    return Published(package, changes)


def pack(folder: Path, output: Path | None) -> Path:
    """The archive, after what can be known without the server is known to be right."""
    files = project.processes(folder)
    for name, plan in files.items():
        script = plan.script.partition(":")[0]
        if not (folder / script).is_file():
            raise packaging.CannotPack(f"Process {name} wants {script}, which is not in {folder}.")
    return packaging.pack(folder, output or folder / "dist")


async def _apply(client: Client, package: Package, name: str, plan: ProcessPlan) -> Change:
    known = await find_process(client, name)
    said = {"package_id": package.id, "script_path": plan.script, **plan.options()}
    if known is None:
        made = await client.create_process(ProcessCreate(name=name, **said))
        return await _change(client, made, "made")
    if all(getattr(known, field) == value for field, value in said.items()):
        return await _change(client, known, "unchanged")
    wanted = ProcessUpdate(**said)
    try:
        return await _change(client, await client.update_process(known.id, wanted), "changed")
    except Refused as error:
        if not error.is_about("secrets-granted"):
            raise
    return await _change(client, await client.propose_process_change(known.id, wanted), WAITS)


async def _change(client: Client, process: Process, did: str) -> Change:
    return Change(process, did, await secrets_of(client, process))


async def secrets_of(client: Client, process: Process) -> list[ProcessSecret]:
    """None where they need not be known: without a request or a grant nothing is said of them."""
    if not process.secrets and process.proposal is None:
        return []
    return await client.list_process_secrets(process.id)


def ungranted(process: Process, secrets: list[ProcessSecret]) -> list[str]:
    """A sentence for each secret that the package asks for and its jobs could not read."""
    sentences = []
    for secret in secrets:
        grant = f"sdk assets grant {quote(secret.name)} {quote(process.name)}"
        if not secret.exists:
            sentences.append(
                f"Process {process.name} asks for {secret.name}, and there is no such asset: "
                f"create it, then  {grant}"
            )
        elif not secret.granted:
            sentences.append(
                f"Process {process.name} asks for {secret.name}, which it may not read yet:  "
                f"{grant}"
            )
    return sentences


async def find_process(client: Client, name: str) -> Process | None:
    """The process of that name, in whatever case."""
    async for process in client.list_processes(ProcessQuery(search=name)):
        if process.name.casefold() == name.casefold():
            return process
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
