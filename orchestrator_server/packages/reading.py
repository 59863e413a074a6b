"""What an uploaded file is: the rules are `sdk.archives`, the refusals ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator_server.errors import Invalid
from sdk.archives import BadPackage, archive
from sdk.archives.manifest import Manifest


def name_of(file_name: str) -> tuple[str, str]:
    """Name and version of `name_version.zip`."""
    with _refused():
        return archive.parse_name(file_name)


def check_name(name: str, version: str) -> None:
    """Raise Invalid if no package can be called so."""
    with _refused():
        archive.check_name(name, version)


def contents(file: Path) -> Manifest:
    """What the archive holds; Invalid if it is not one that we take."""
    with _refused():
        return archive.inspect(file)


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except BadPackage as error:
        raise Invalid(str(error), pointer="#/file") from error
