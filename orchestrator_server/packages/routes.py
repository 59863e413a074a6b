"""Packages over HTTP: upload by people, download by robots."""

import asyncio
from typing import NamedTuple

from aiohttp import BodyPartReader, web

from orchestrator_server.access.callers import Fetcher, Person, RobotCaller
from orchestrator_server.errors import Invalid, Malformed, OrchestratorError, Unavailable
from orchestrator_server.etags import Expected
from orchestrator_server.http import bodies, downloads, repeats
from orchestrator_server.http.keys import DATA_FOLDER, DATABASE, OBJECTS
from orchestrator_server.http.routes import delete, fetcher_get, get, post, put
from orchestrator_server.http.serving import reply
from orchestrator_server.objects.incoming import Incoming, receive
from orchestrator_server.objects.store import tidy
from orchestrator_server.packages import editing, reading, service
from orchestrator_server.packages.storage import FOLDER, MAX_PACKAGE_BYTES
from orchestrator_server.repeats.service import check, once
from sdk.contract.base import Page
from sdk.contract.packages import (
    Package,
    PackagePreflight,
    PackagePreflightAnswer,
    PackageQuery,
    PackageUpdate,
)
from sdk.failpoints import failpoint

CHUNK_BYTES = 256 * 1024
_FORM_BYTES = 64 * 1024  # what the form adds to the archive
_FIELD_BYTES = 1024


class _Form(NamedTuple):
    file_name: str
    fields: dict[str, str]


async def upload_package(request: web.Request, person: Person) -> web.Response:
    """Publish a package: multipart `file`, and optionally `name` and `version`.

    The same bytes again answer 200 with the package there is; other bytes under the same
    version are refused. A refused upload leaves nothing behind.
    """
    objects, database = request.app[OBJECTS], request.app[DATABASE]
    async with receive(request.app[DATA_FOLDER], MAX_PACKAGE_BYTES, "A package") as incoming:
        form = await _receive(request, incoming)
        upload = await asyncio.to_thread(_checked, incoming, form)
        repeated = repeats.of(request, person, upload)
        if repeated is not None:
            await database.read(check, repeated)
        file_path = f"{upload.name.lower()}_{upload.version}_{incoming.path.name}.zip"
        await objects.put(FOLDER + file_path, incoming.path)
        failpoint("upload.after_rename")
        try:
            published = await database.write(
                once, repeated, service.Published, service.publish, person.actor, upload, file_path
            )
        except Unavailable:
            raise  # it may have happened all the same
        except OrchestratorError:
            await tidy(objects, [FOLDER + file_path])
            raise
    # A request that is repeated has brought its file once more, and is answered as before.
    needless = {published.replaced, file_path} - {None, published.file_path}
    await tidy(objects, [f"{FOLDER}{path}" for path in needless])
    return reply(published.package, status=201 if published.is_new else 200)


async def list_packages(request: web.Request, wanted: PackageQuery) -> Page[Package]:
    """List packages, newest first."""
    return await request.app[DATABASE].read(service.list_packages, wanted)


async def get_package(request: web.Request, package_id: int) -> Package:
    """Get one package."""
    return await request.app[DATABASE].read(service.get, package_id)


async def update_package(
    request: web.Request,
    person: Person,
    package_id: int,
    wanted: PackageUpdate,
    expected: Expected,
) -> Package:
    """Activate or deactivate a package; rename one that nothing refers to."""
    return await request.app[DATABASE].write(
        editing.update, person.actor, package_id, wanted, expected
    )


async def delete_package(request: web.Request, person: Person, package_id: int) -> None:
    """Delete a package that no process and no unfinished job needs, and its file."""
    file_path = await request.app[DATABASE].write(editing.delete, person.actor, package_id)
    await tidy(request.app[OBJECTS], [FOLDER + file_path])


async def preflight_package(
    request: web.Request, person: Person, wanted: PackagePreflight
) -> PackagePreflightAnswer:
    """Ask whether a version could be published, before sending it."""
    return await request.app[DATABASE].read(editing.preflight, wanted)


async def download_package(
    request: web.Request, caller: Fetcher, package_id: int
) -> web.StreamResponse:
    """Fetch the archive of a package. A robot gets those whose jobs it runs, or may be given."""
    database = request.app[DATABASE]
    if isinstance(caller, RobotCaller):
        stored = await database.read(service.file_for, caller, package_id)
    else:
        stored = await database.read(service.file_of, package_id)
    wanted = downloads.Wanted(
        FOLDER + stored.file_path, stored.size_bytes, stored.sha256, "The file of this package"
    )
    return await downloads.send(request, wanted, {"Content-Type": "application/zip"})


async def _receive(request: web.Request, incoming: Incoming) -> _Form:
    """Read the form; the archive goes to disk as it comes."""
    bodies.check_size(request, MAX_PACKAGE_BYTES + _FORM_BYTES)
    file_name: str | None = None
    fields: dict[str, str] = {}
    async for part in bodies.parts(request):
        if part.name == "file" and file_name is None and part.filename:
            file_name = part.filename
            await _save(request, part, incoming)
        elif part.name in ("name", "version") and part.name not in fields and not part.filename:
            fields[part.name] = await _text(request, part)
        else:
            raise Malformed("The form has one `file` and optionally one `name` and `version`.")
    if file_name is None:
        raise Malformed("The form has no `file`; send the archive as multipart/form-data.")
    incoming.complete()
    return _Form(file_name, fields)


async def _save(request: web.Request, part: BodyPartReader, incoming: Incoming) -> None:
    while chunk := await bodies.in_time(request, part.read_chunk(CHUNK_BYTES)):
        incoming.write(chunk)


async def _text(request: web.Request, part: BodyPartReader) -> str:
    value = b""
    while chunk := await bodies.in_time(request, part.read_chunk(_FIELD_BYTES)):
        value += chunk
        if len(value) > _FIELD_BYTES:
            raise Malformed("A field of the form is too long.")
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Malformed("A field of the form is not UTF-8.") from error


def _checked(incoming: Incoming, form: _Form) -> service.Upload:
    name, version = reading.name_of(form.file_name)
    for field, value in (("name", name), ("version", version)):
        if form.fields.get(field, value) != value:
            raise Invalid(
                f"The file is named {form.file_name}, but the {field} given is "
                f"{form.fields[field]}; they must agree.",
                pointer=f"#/{field}",
            )
    contents = reading.contents(incoming.path)
    return service.Upload(name, version, incoming.sha256, incoming.size_bytes, contents)


ROUTES = [
    post(
        "/api/packages/upload",
        upload_package,
        may="packages:create",
        status=201,
        media_types=("multipart/form-data",),
        limit_bytes=MAX_PACKAGE_BYTES + _FORM_BYTES,
        gives=Package,
        repeatable=True,
        sdk="publish",
    ),
    get("/api/packages", list_packages, may="packages:view", sdk="publish"),
    get(
        "/api/packages/{package_id}",
        get_package,
        may="packages:view",
        sdk=("publish", "manage"),
    ),
    post("/api/packages/preflight", preflight_package, may="packages:create", sdk="publish"),
    put("/api/packages/{package_id}", update_package, may="packages:edit"),
    delete("/api/packages/{package_id}", delete_package, may="packages:delete"),
    fetcher_get(
        "/api/packages/{package_id}/download",
        download_package,
        may="packages:view",
        sdk="publish",
    ),
]
