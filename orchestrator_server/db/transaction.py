"""The one way the rest of the server talks to a database.

A unit of work is a plain function whose first parameter is a Transaction:

    def cancel(tx: Transaction, actor: str, job_id: int) -> Job: ...

    job = await database.write(cancel, "ada", 7)

Plain, not async, and that is the point. Nobody can await inside a transaction, so
nobody can hold one open while waiting for the network; and a whole unit costs one
trip to a database thread, not one for each statement.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from orchestrator_server.db import rows
from orchestrator_server.db.queries import Query
from orchestrator_server.errors import NotFound
from sdk.contract.base import ListQuery, Page

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")


class Session(Protocol):
    """What an adapter lends to a Transaction: its connection, in two words."""

    def fetch(self, query: Query, params: Mapping[str, Any]) -> list[dict[str, Any]]: ...
    def script(self, sql: str) -> None: ...


class Transaction:
    """One unit of work, at one instant: every query in it sees the same `:now`."""

    __slots__ = ("_session", "now")

    def __init__(self, session: Session, now: datetime) -> None:
        self._session = session
        self.now: Final = now

    def all(self, query: Query, type_: type[T], **params: Any) -> list[T]:
        found = self._session.fetch(query, {"now": self.now, **params})
        decode = rows.decoder(type_)
        return [decode(row) for row in found]

    def maybe(self, query: Query, type_: type[T], **params: Any) -> T | None:
        found = self.all(query, type_, **params)
        return found[0] if found else None

    def one(self, query: Query, type_: type[T], *, missing: str, **params: Any) -> T:
        """The row; without one, NotFound with the sentence `missing`."""
        found = self.maybe(query, type_, **params)
        if found is None:
            raise NotFound(missing)
        return found

    def page(self, query: Query, type_: type[T], wanted: ListQuery, **params: Any) -> Page[T]:
        """One page of `query`, which takes `:limit` and, optionally, `:before_id`."""
        found = self.all(query, type_, limit=wanted.limit + 1, before_id=wanted.before_id, **params)
        return Page(items=found[: wanted.limit], more=len(found) > wanted.limit)

    def run(self, query: Query, **params: Any) -> None:
        self._session.fetch(query, {"now": self.now, **params})

    def script(self, sql: str) -> None:
        """Run many statements without parameters. For migrations; all else has a named query."""
        self._session.script(sql)


class Database(Protocol):
    dialect: str
    words: dict[str, str]  # how a migration's ${words} are spelled here

    @property
    def urgent(self) -> "Database":
        """The same database by a way of its own, for what cannot wait behind everything else."""

    async def write(
        self, unit: Callable[Concatenate[Transaction, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run `unit(tx, …)`; return what it returns, once that is committed.

        What it raises undoes it and is raised here. A caller that is cancelled meanwhile
        stops waiting; its unit may happen all the same.
        """

    async def read(
        self, unit: Callable[Concatenate[Transaction, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run `unit(tx, …)` on one unchanging view of the database. It cannot write."""

    async def close(self) -> None: ...
