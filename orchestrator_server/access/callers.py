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
Caller = Person | Worker
