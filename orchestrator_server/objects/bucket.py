"""The object store of many machines: S3, Google Cloud Storage or Azure Blob Storage.

By obstore (https://developmentseed.org/obstore/), which finds address and credentials where the
tools of each of them do: in its environment variables, or with the machine's own role.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import obstore
import structlog
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store, from_url

from orchestrator_server.errors import Unavailable
from orchestrator_server.objects.store import Missing, Object, WrongStore

SCHEMES = ("s3", "gs", "az", "azure", "abfs", "abfss")
PART_BYTES = 8 * 1024 * 1024  # of what is sent in parts, two at a time
PIECE_BYTES = 1024 * 1024  # a request for each: a slow client holds no connection to the store
RETRIES = 3
PATIENCE_SECONDS = 20
_QUERY = re.compile(r"\?[^\s,]*")  # of an address in an error: a signature may be in it

log = structlog.get_logger(__name__)


class BucketStore:
    def __init__(self, url: str) -> None:
        """`url` is a bucket and, after it, a folder in it; raises WrongStore if it cannot be one.

        Nothing is asked yet.
        """
        self._url = url
        scheme = url.partition("://")[0]
        if scheme not in SCHEMES:
            raise WrongStore(f"{url} is no object store; give s3://, gs:// or az://BUCKET/FOLDER.")
        plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true"
        try:
            self._store = from_url(
                url,
                config={"checksum_algorithm": "SHA256"} if scheme == "s3" else None,
                client_options={"allow_http": plain, "connect_timeout": "5s", "timeout": "120s"},
                retry_config={
                    "max_retries": RETRIES,
                    "retry_timeout": timedelta(seconds=PATIENCE_SECONDS),
                },
            )
        except (BaseError, ValueError) as error:
            raise WrongStore(f"{url} cannot be used: {_words(error)}.") from error

    async def put(self, name: str, file: Path, *, replace: bool = False) -> None:
        """The store counts the bytes again; S3 compares their SHA-256 too."""
        size_bytes = (await asyncio.to_thread(file.stat)).st_size
        in_parts = size_bytes > PART_BYTES
        if in_parts and not replace:  # parts cannot be put "if absent"
            with suppress(Missing):
                await self.size_bytes(name)
                return
        try:
            with _ours(name):
                await obstore.put_async(
                    self._store,
                    name,
                    file,
                    mode=None if in_parts or replace else "create",
                    use_multipart=in_parts,
                    chunk_size=PART_BYTES,
                    max_concurrency=2,
                )
        except AlreadyExistsError:
            return
        except Missing:
            await asyncio.to_thread(file.stat)  # if it is the file that is missing
            raise self._no_bucket() from None
        kept_bytes = await self.size_bytes(name)
        if kept_bytes < size_bytes:  # more: a log that grew meanwhile
            log.error("an object is not what was sent", name=name, kept_bytes=kept_bytes)
            raise Unavailable("The object store kept other bytes than it was sent; try again.")

    async def size_bytes(self, name: str) -> int:
        with _ours(name):
            return (await obstore.head_async(self._store, name))["size"]

    async def read(self, name: str, start: int, stop: int) -> AsyncIterator[bytes]:
        stop = min(stop, await self.size_bytes(name))
        while start < stop:
            end = min(start + PIECE_BYTES, stop)
            with _ours(name):
                piece = await obstore.get_range_async(self._store, name, start=start, end=end)
            yield bytes(piece)
            start = end

    async def remove(self, names: Sequence[str]) -> None:
        if isinstance(self._store, S3Store):  # many in one request, and what is missing is no error
            if names:
                with _ours(names[0]):
                    await obstore.delete_async(self._store, names)
            return
        for name in names:
            with suppress(Missing), _ours(name):
                await obstore.delete_async(self._store, name)

    async def list(self, folder: str) -> AsyncIterator[Object]:
        pages = obstore.list(self._store, folder, chunk_size=1000)
        try:
            with _ours(folder):
                while page := await anext(pages, None):
                    for found in page:
                        yield Object(found["path"], found["size"], found["last_modified"])
        except Missing:
            raise self._no_bucket() from None

    def _no_bucket(self) -> Unavailable:
        log.error("there is no bucket", url=self._url)
        return Unavailable(f"There is no bucket at {self._url}; make it first.")


@contextmanager
def _ours(name: str) -> Iterator[None]:
    """The errors of obstore as ours; its words are for the log alone."""
    try:
        yield
    except FileNotFoundError:
        raise Missing(name) from None
    except AlreadyExistsError:
        raise
    except BaseError as error:
        log.error("the object store did not do what it was asked", name=name, why=_words(error))
        raise Unavailable(
            "The object store does not answer as it should; try again in a moment. The server's "
            "log says why."
        ) from None  # its text may hold an address with a signature


def _words(error: Exception) -> str:
    return _QUERY.sub("", str(error).partition("\n")[0]).strip().rstrip(".")
