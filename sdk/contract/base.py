"""The kinds of message on the wire.

Each message repeats `frozen=True, kw_only=True`: msgspec does not inherit the
second, and type checkers do not see the first.
"""

from typing import Annotated, Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")


def whole(pattern: str) -> str:
    """A pattern for a text from end to end; a `$` alone lets a line end pass in Python."""
    return rf"^{pattern}$(?!\n)"


MAX_ID = 2**63 - 1
Id = Annotated[int, Meta(ge=1, le=MAX_ID)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
Text = Annotated[str, Meta(max_length=4096)]
Search = Annotated[str, Meta(min_length=1, max_length=200)]
MASK = "***"  # what every people's route shows instead of a secret
Label = Annotated[str, Meta(pattern=whole("[A-Za-z0-9][A-Za-z0-9._:/-]{0,62}"))]
Labels = Annotated[list[Label], Meta(max_length=20)]
Sha256 = Annotated[str, Meta(pattern=whole("[0-9a-f]{64}"))]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body sent to the server, which rejects a misspelt field instead of ignoring it."""

    def given(self) -> dict[str, Any]:
        """The fields that were sent, where leaving one out is not the same as sending null."""
        fields = msgspec.structs.asdict(self)
        return {name: value for name, value in fields.items() if value is not msgspec.UNSET}


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands behind the question mark of an address; as strict as a Request."""


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """Sent by the server. Readers skip unknown fields, so old robots can meet a new server."""


class ListQuery(Query, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    cursor: Annotated[str, Meta(pattern=whole("[1-9][0-9]{0,17}"))] | None = None

    @property
    def before_id(self) -> int | None:
        """Lists are newest first, so a page begins below the last id of the one before."""
        return int(self.cursor) if self.cursor else None


class Page(NamedTuple, Generic[T]):
    """A part of a list. On the wire: the array, and `rel="next"` in `Link` if there is more."""

    items: list[T]
    more: bool = False
