"""Each byte of output reaches the server once, in order."""

import asyncio
from pathlib import Path

import pytest

from robot_agent.log_stream import LONGEST_PAUSE_SECONDS, follow, send_rest, sender
from robot_agent.reporting import LATE_LOG_SECONDS
from robot_agent.secrets_read import SecretsRead
from robot_agent.spool import Spool
from sdk.contract.problem import Problem
from sdk.contract.runner import LogAnswer
from sdk.contract.runner import SecretsRead as SecretsTold
from sdk.errors import Forbidden, LogGap
from sdk.robot_client import LOG_CHUNK_BYTES


class Receiver:
    """Appends as the server does; `refusals` come first."""

    def __init__(self, *refusals, limit=None):
        self.content, self.refusals, self.limit = b"", list(refusals), limit
        self.calls, self.came = 0, asyncio.Event()

    async def send(self, offset, chunk, secrets_known=0):
        self.calls += 1
        self.came.set()
        assert len(chunk) <= LOG_CHUNK_BYTES
        if self.refusals:
            raise self.refusals.pop(0)
        if offset > len(self.content):
            raise gap(len(self.content))
        self.content = self.content[:offset] + chunk
        full = self.limit is not None and len(self.content) >= self.limit
        return LogAnswer(next_offset=len(self.content), truncated=full)


def gap(next_offset):
    return LogGap(Problem(title="Gap", status=416), next_offset)


@pytest.fixture
def output(tmp_path):
    return tmp_path / "output.log"


class NoSecrets:
    async def answered(self, call, stop=None):
        return SecretsTold(count=0, values=[])


def none_read():
    """Of a script that reads no secrets."""
    return SecretsRead(NoSecrets(), 1, 1, Path("nowhere"))


async def the_whole(output, receiver):
    ended = asyncio.Event()
    ended.set()
    async with asyncio.timeout(5):
        return await follow(Spool(output), ended=ended, send=receiver.send, secrets=none_read())


async def test_a_large_log_goes_in_pieces(output):
    output.write_bytes(bytes(range(256)) * 3000)
    receiver = Receiver()
    assert await the_whole(output, receiver) == 768_000
    assert receiver.content == output.read_bytes() and receiver.calls == 3


async def test_output_is_sent_while_it_grows_and_the_last_byte_is_not_missed(output):
    receiver, ended = Receiver(), asyncio.Event()
    following = asyncio.create_task(
        follow(Spool(output), ended=ended, send=receiver.send, secrets=none_read())
    )
    output.write_bytes(b"first ")
    async with asyncio.timeout(5):
        await receiver.came.wait()
        with output.open("ab") as file:
            file.write(b"last")
        ended.set()
        await following
    assert receiver.content == b"first last"


async def test_a_server_that_lost_what_it_had_gets_it_again(output):
    output.write_bytes(b"x" * (LOG_CHUNK_BYTES + 10))
    receiver = Receiver()
    forget = receiver.send

    async def forgetful(offset, chunk, secrets_known):
        if receiver.calls == 1:
            receiver.content = receiver.content[:100]
        return await forget(offset, chunk)

    receiver.send = forgetful
    await the_whole(output, receiver)
    assert receiver.content == output.read_bytes()


@pytest.mark.parametrize(
    "refusal", [Forbidden(Problem(title="No", status=403)), gap(99)], ids=["403", "gap ahead"]
)
async def test_a_refusal_ends_the_log_without_an_error(output, refusal):
    output.write_bytes(b"hello")
    receiver = Receiver(refusal)
    assert await the_whole(output, receiver) == 0
    assert receiver.calls == 1


async def test_the_limit_of_the_server_ends_the_log(output):
    output.write_bytes(b"x" * (LOG_CHUNK_BYTES * 3))
    receiver = Receiver(limit=10)
    await the_whole(output, receiver)
    assert receiver.calls == 1


async def test_a_job_that_never_started_has_no_log(output):
    assert await the_whole(output, Receiver()) == 0


async def test_what_an_earlier_life_did_not_send_is_sent_from_where_the_servers_log_ends(output):
    output.write_bytes(b"0123456789")
    receiver = Receiver()
    receiver.content = b"0123"
    assert await send_rest(Spool(output), receiver.send, none_read()) == 10
    assert (receiver.content, receiver.calls) == (b"0123456789", 2)


async def test_a_log_that_is_there_is_not_sent_again(output):
    output.write_bytes(b"0123456789")
    receiver = Receiver()
    receiver.content = b"0123456789"
    assert await send_rest(Spool(output), receiver.send, none_read()) == 10
    assert receiver.calls == 1


async def test_a_log_the_server_has_closed_is_left(output):
    output.write_bytes(b"0123456789")
    receiver = Receiver(Forbidden(Problem(title="No", status=403)))
    await send_rest(Spool(output), receiver.send, none_read())
    assert receiver.calls == 1


async def test_a_log_is_tried_again_and_again_in_the_minute_that_it_has_after_the_report():
    """Its pauses were up to a minute: the server was back, and the log was never sent."""

    class Link:
        async def answered(self, call, stop=None, **pauses):
            return pauses

    pauses = await sender(Link(), 1, 1)(0, b"", 0)
    assert pauses == {"most_seconds": LONGEST_PAUSE_SECONDS}
    assert LONGEST_PAUSE_SECONDS * 5 <= LATE_LOG_SECONDS
