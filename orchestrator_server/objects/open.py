"""Opens the object store that the configuration names."""

from orchestrator_server.config import Config
from orchestrator_server.keys import Keys
from orchestrator_server.objects import incoming
from orchestrator_server.objects.folder import FolderStore
from orchestrator_server.objects.store import Missing, ObjectStore, WrongStore

OWNER = "runwright-owner"


async def open_store(config: Config, keys: Keys, *, may_sign: bool = True) -> ObjectStore:
    """The folder of the server, or a bucket, which is this installation's from now on.

    Raises WrongStore if it is another's, or nobody's and `may_sign` is not given.
    """
    store = store_at(config, config.store)
    if config.store is None:
        return store
    mark = keys.mark_of_installation()
    if may_sign:
        await _sign(store, config, mark)
    try:
        owner = await _owner(store)
    except Missing as error:
        raise WrongStore(f"Nothing of Runwright is at {config.store}; is it right?") from error
    if owner != mark:
        raise WrongStore(
            f"{config.store} belongs to another installation of Runwright; give this one a folder "
            "of its own in the bucket."
        )
    return store


def store_at(config: Config, url: str | None) -> ObjectStore:
    if url is None:
        return FolderStore(config.data)
    try:  # only who uses one needs its library
        from orchestrator_server.objects.bucket import BucketStore
    except ImportError as error:
        raise WrongStore(
            "An object store needs the extra `s3`: install Runwright again with `[s3]` after the "
            "path of its checkout or wheel."
        ) from error
    return BucketStore(url)


async def _sign(store: ObjectStore, config: Config, mark: str) -> None:
    """Unless somebody has."""
    file = incoming.new_path(config.data)
    try:
        file.write_text(mark)
        await store.put(OWNER, file)
    finally:
        file.unlink(missing_ok=True)


async def _owner(store: ObjectStore) -> str:
    pieces = store.read(OWNER, 0, 1000)
    return b"".join([piece async for piece in pieces]).decode(errors="replace")
