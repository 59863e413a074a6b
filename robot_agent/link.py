"""A robot's connection to the server: registers it, and again when its token is refused."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from importlib import metadata
from typing import TypeVar

import msgspec

from robot_agent.exits import AgentExit, SecondAgent, Status
from robot_agent.machine_info import Machine, News
from robot_agent.outage import Outage
from robot_agent.pulse import Pulse
from sdk import robot_client
from sdk.contract.runner import NextJob, RobotRegister, RobotRegistered
from sdk.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotAnOrchestrator,
    Refused,
    Unauthenticated,
    Unreachable,
)
from sdk.retry import until_answered
from sdk.robot_client import RobotClient
from sdk.transport import Transport

T = TypeVar("T")

IN_USE = "robot-in-use"  # the kind of a refusal: another agent works as this robot
AGAIN_SECONDS = 1.0  # a server that refuses each new token must not be flooded

log = logging.getLogger(__name__)


class Link:
    def __init__(
        self,
        transport: Transport,
        name: str,
        machine_key: str,
        instance: str,
        pulse: Pulse,
        machine: Machine | None = None,
        outage: Outage | None = None,
        life: str | None = None,
    ) -> None:
        """`life` is of the process: by it the server tells a restart from a second agent."""
        self.name = name
        self.is_told_apart = life is not None  # until a server says that it does not know of it
        self._life = life
        self.instance = instance
        self.robot_id = 0  # until it is registered
        self.news = News(machine or Machine())
        self._transport = transport
        self._machine_key = machine_key
        self._pulse = pulse
        self._outage = outage or Outage()
        self._client: RobotClient | None = None
        self._registering = asyncio.Lock()

    @property
    def is_registering(self) -> bool:
        return self._registering.locked()

    async def register(self, stop: asyncio.Event | None = None) -> None:
        info = self.news.everything()
        request = RobotRegister(
            name=self.name,
            machine_key=self._machine_key,
            machine_info=info,
            agent_version=metadata.version("runwright"),
            agent_instance=self.instance,
            life=self._life,
        )
        try:
            registered = await self._registered(request, stop)
        except Refused as refusal:
            raise _final(self.name, refusal) from refusal
        self.robot_id = registered.robot_id
        self.news.note_told(info)
        self._pulse.note(self.name)
        self._client = RobotClient(self._transport, registered.api_token)
        log.info("Robot %s is registered as number %d.", self.name, self.robot_id)

    async def _registered(
        self, request: RobotRegister, stop: asyncio.Event | None
    ) -> RobotRegistered:
        async def ask(said: RobotRegister) -> RobotRegistered:
            call = partial(robot_client.register, self._transport, said)
            return await until_answered(lambda: self._in_turn(call), stop=stop)

        if self.is_told_apart:
            with suppress(Invalid):  # perhaps of a server that is older than `life`
                return await ask(request)
            self.is_told_apart = False
        return await ask(msgspec.structs.replace(request, life=None))

    async def once(self, call: Callable[[RobotClient], Awaitable[T]]) -> T:
        """Ask one time, or again with a new token if the old one no longer counts."""
        while True:
            client = self._client
            if client is None:
                raise RuntimeError(f"Robot {self.name} is not registered yet.")
            try:
                answer = await self._in_turn(partial(call, client))
            except Unauthenticated:
                await self._register_again(client)
            else:
                self._pulse.note(self.name)
                return answer

    async def _in_turn(self, ask: Callable[[], Awaitable[T]]) -> T:
        await self._outage.turn()
        try:
            answer = await ask()
        except (Unreachable, NotAnOrchestrator):
            self._outage.note(is_answered=False)
            raise
        except Refused:
            self._outage.note(is_answered=True)
            raise
        self._outage.note(is_answered=True)
        return answer

    async def answered(
        self,
        call: Callable[[RobotClient], Awaitable[T]],
        stop: asyncio.Event | None = None,
        **pauses: float,
    ) -> T:
        return await until_answered(lambda: self.once(call), stop=stop, **pauses)

    def question(self, key: str, wait_seconds: float = 0) -> NextJob:
        """For a job, to be granted to that key."""
        return NextJob(
            robot_id=self.robot_id,
            claim_key=key,
            agent_instance=self.instance,
            wait_seconds=wait_seconds,
        )

    def leave(self) -> None:
        """This robot has ended in order; nobody need wonder that it is silent."""
        self._pulse.forget(self.name)

    async def _register_again(self, refused: RobotClient) -> None:
        async with self._registering:
            if self._client is not refused:
                return  # another loop of this robot was faster
            log.warning("The token of robot %s is no longer known.", self.name)
            await asyncio.sleep(AGAIN_SECONDS)
            await self.register()


def _final(name: str, refusal: Refused) -> AgentExit:
    match refusal:
        case Unauthenticated() | Forbidden():
            return AgentExit(
                Status.KEY_REFUSED, f"The server does not accept the machine key: {refusal}"
            )
        case Conflict() if refusal.is_about(IN_USE):
            return SecondAgent(Status.NAME_IN_USE, str(refusal))
        case Conflict():
            return AgentExit(Status.NAME_IN_USE, f"Robot {name} cannot register: {refusal}")
    return AgentExit(Status.CONFIG, f"The server does not accept robot {name}: {refusal}")
