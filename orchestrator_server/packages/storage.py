"""The files of packages in the object store."""

from datetime import datetime

from orchestrator_server.objects.store import ObjectStore

MAX_PACKAGE_BYTES = 100 * 1024 * 1024
FOLDER = "packages/"


async def there(store: ObjectStore) -> set[str]:
    """The `file_path` of each file."""
    return {found.name.removeprefix(FOLDER) async for found in store.list(FOLDER)}


async def sweep(store: ObjectStore, needed: set[str], *, before: datetime | None) -> set[str]:
    """Remove what no row refers to, left by a server that was killed; say what is there.

    What has come since `before` may be an upload that another server is receiving. Without it,
    nothing is removed.
    """
    kept, lost = set(), []
    async for found in store.list(FOLDER):
        file_path = found.name.removeprefix(FOLDER)
        if file_path in needed:
            kept.add(file_path)
        elif before and found.modified_at <= before and "/" not in file_path:
            lost.append(found.name)
    await store.remove(lost)
    return kept
