"""Who is asking: a person, a robot, or a running job. Pure."""

import msgspec

from orchestrator_server.errors import Forbidden
from sdk.contract.audit import ActorType


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who did it, as the audit remembers them."""

    type: ActorType
    name: str
    user_id: int | None = None
    ip_address: str | None = None
    user_agent: str | None = None


SYSTEM = Actor(type=ActorType.SYSTEM, name="system")


class Person(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    username: str
    permissions: frozenset[str]  # "jobs:view", …
    token_id: int
    actor: Actor
    via: str = "session"  # or "api", for an API token, or "sdk", after `sdk login`
    scopes: frozenset[str] = frozenset()  # what an SDK token was confirmed for

    def must_be_signed_in(self) -> None:
        """Some things are for the person alone, not for a program that holds their token."""
        if self.via != "session":
            raise Forbidden("A token for programs cannot do this; sign in with your password.")

    def must_be_for(self, scopes: tuple[str, ...]) -> None:
        """An SDK token opens the routes of its scopes; any other token, those of its person."""
        if self.via != "sdk" or self.scopes & set(scopes):
            return
        if not scopes:
            raise Forbidden("SDK token not permitted for this endpoint", kind="sdk-token")
        raise Forbidden(
            f"SDK token not permitted for this endpoint: it needs the scope {scopes[0]}; "
            f"sign in with `sdk login --scope {scopes[0]}`.",
            kind="sdk-token",
        )

    @property
    def may_grant_secrets(self) -> bool:
        """Whether this caller decides which processes read secrets, and what those run."""
        is_for_it = self.via != "sdk" or "manage" in self.scopes
        return is_for_it and "assets:edit" in self.permissions

    @property
    def may_start_jobs(self) -> bool:
        """Whether this caller decides that code of a package is run."""
        is_for_it = self.via != "sdk" or "run" in self.scopes
        return is_for_it and "jobs:create" in self.permissions

    def must_hold(self, permissions: frozenset[str]) -> None:
        """Nobody gives, or takes charge of, more than they have."""
        if lacking := sorted(permissions - self.permissions):
            raise Forbidden(
                f"That would take the permission {lacking[0]}, which you do not have yourself.",
                kind="cannot-grant-more-than-you-have",
            )

    def must(self, permission: str) -> None:
        if permission not in self.permissions:
            raise Forbidden(f"You need the permission {permission}; ask an administrator for it.")


class RobotCaller(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    machine_id: int | None
    actor: Actor


class JobCaller(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    attempt: int
    actor: Actor


Worker = RobotCaller | JobCaller
Fetcher = RobotCaller | Person
Caller = Person | Worker
