"""What is sent is covered by as much as it says, whatever happens at the same time."""

import asyncio

import pytest

from robot_agent.log_stream import follow, send_rest, sender
from robot_agent.secrets_read import SecretsRead
from robot_agent.spool import CUT, Spool
from sdk.contract.problem import Problem
from sdk.contract.runner import LogAnswer
from sdk.contract.runner import SecretsRead as Told
from sdk.errors import Conflict, LogGap, NotFound
from sdk.retry import GaveUp


class Server:
    """Knows which secrets were read, and refuses what was covered without one of them."""

    def __init__(self):
        self.read, self.log, self.refused, self.asked = [], b"", [], 0
        self.answer_after = None  # asked for the secrets, it waits for that
        self.tells = True

    async def answered(self, call, stop=None, **_):
        if stop is not None and stop.is_set():
            raise GaveUp
        return await call(self)

    async def secrets_read(self, job_id, attempt):
        self.asked += 1
        if not self.tells:
            raise NotFound(Problem(title="No such route", status=404))
        told = Told(count=len(self.read), values=list(self.read))
        if self.answer_after is not None:
            await self.answer_after.wait()
        return told

    async def append_log(self, job_id, attempt, offset, chunk, *, secrets_known):
        if secrets_known < len(self.read):
            self.refused.append(chunk)
            raise Conflict(Problem(title="No", status=409, type="/problems/secrets-read"))
        if offset > len(self.log):
            raise LogGap(Problem(title="Gap", status=416), len(self.log))
        self.log = self.log[:offset] + chunk
        return LogAnswer(next_offset=len(self.log))


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def secrets(server, tmp_path):
    return SecretsRead(server, 1, 1, tmp_path / "secrets-read")


@pytest.fixture
def output(tmp_path):
    return tmp_path / "output.log"


async def the_whole(output, server, secrets, *, most=16 << 20):
    ended, spool = asyncio.Event(), Spool(output)
    spool.keep_at_most(most)
    spool.close()
    ended.set()
    async with asyncio.timeout(5):
        await follow(spool, ended=ended, send=sender(server, 1, 1), secrets=secrets)
    return server.log


async def test_what_is_noted_is_asked_for_before_anything_is_sent(
    output, server, secrets, tmp_path
):
    output.write_bytes(b"it is hunter22\n")
    (tmp_path / "secrets-read").write_text("'door'\n")
    server.read = ["hunter22"]
    assert await the_whole(output, server, secrets) == b"it is ********\n"
    assert (server.refused, server.asked) == ([], 1)


async def test_what_is_refused_is_sent_again_covered(output, server, secrets):
    output.write_bytes(b"it is hunter22\n")
    server.read = ["hunter22"]
    assert await the_whole(output, server, secrets) == b"it is ********\n"
    assert (len(server.refused), server.asked) == (1, 1)


async def test_a_piece_goes_with_the_number_of_its_own_mask(output, server, secrets):
    """Somebody else learns of the secret between the covering and the sending."""
    output.write_bytes(b"it is hunter22\n")
    server.read, send = ["hunter22"], sender(server, 1, 1)

    async def slowly(offset, chunk, secrets_known):
        await secrets.ask()
        return await send(offset, chunk, secrets_known)

    ended = asyncio.Event()
    ended.set()
    await follow(Spool(output), ended=ended, send=slowly, secrets=secrets)
    assert server.log == b"it is ********\n"


async def test_nobody_takes_a_question_that_is_not_answered_for_an_answer(
    server, secrets, tmp_path
):
    (tmp_path / "secrets-read").write_text("'door'\n")
    server.read, server.answer_after = ["hunter22"], asyncio.Event()
    first, second = (asyncio.create_task(secrets.keep_up()) for _ in range(2))
    await asyncio.sleep(0.05)
    assert secrets.is_stale() and not first.done() and not second.done()
    server.answer_after.set()
    for known in await asyncio.gather(first, second):
        assert (known.mask.text("hunter22"), known.reads) == ("***", 1)
    assert (server.asked, secrets.is_stale()) == (1, False)


async def test_a_value_stays_covered_that_the_server_no_longer_has(server, secrets):
    server.read = ["hunter22"]
    await secrets.ask()
    server.read = ["another1"]
    assert (await secrets.ask()).mask.text("hunter22, another1") == "***, ***"


async def test_a_server_that_refuses_whatever_is_covered_is_not_asked_for_ever(
    output, server, secrets
):
    output.write_bytes(b"it is hunter22\n")
    server.read, server.tells = ["hunter22"], False
    assert await the_whole(output, server, secrets) == b""
    assert server.asked <= 2


async def test_an_earlier_server_that_tells_nothing_is_asked_once_for_each_note(
    output, server, secrets, tmp_path
):
    output.write_bytes(b"hello\n" * 100_000)
    (tmp_path / "secrets-read").write_text("'door'\n")
    server.tells = False
    assert await the_whole(output, server, secrets) == b"hello\n" * 100_000
    assert server.asked == 1


async def test_an_agent_that_must_end_does_not_wait_for_an_answer(secrets, tmp_path):
    (tmp_path / "secrets-read").write_text("'door'\n")
    hurry = asyncio.Event()
    hurry.set()
    with pytest.raises(GaveUp):
        await secrets.keep_up(hurry)


async def test_a_live_log_waits_for_no_more_than_the_beginning_of_a_value(output, server, secrets):
    server.read = ["hunter22"]
    await secrets.ask()
    ended = asyncio.Event()
    output.write_bytes(b"it is hunt")
    following = asyncio.create_task(
        follow(Spool(output), ended=ended, send=sender(server, 1, 1), secrets=secrets)
    )
    async with asyncio.timeout(5):
        while server.log != b"it is ":
            await asyncio.sleep(0.02)
        with output.open("ab") as file:
            file.write(b"er22, and hunt")
        while server.log != b"it is ********, and ":
            await asyncio.sleep(0.02)
        ended.set()
        await following
    assert server.log == b"it is ********, and ****"  # as much of it as makes a value


async def test_a_value_that_the_end_of_the_spool_cuts_is_covered(output, server, secrets):
    server.read = ["hunter22-and-much-more"]
    await secrets.ask()
    output.write_bytes(b"x" * 1000 + b"hunter22-and-much-more" + b"y" * 5000)
    log = await the_whole(output, server, secrets, most=1000 + 256 + 15)
    assert log.startswith(b"x" * 1000 + b"*" * 15 + CUT)
    server.log = server.log[:1004]  # as a server that was killed has it; then, the next life
    await send_rest(Spool(output), sender(server, 1, 1), secrets)
    assert server.log == log


async def test_a_value_longer_than_a_piece_is_covered(output, server, secrets):
    value = "".join(f"{number:x}'" for number in range(50_000))  # 3 bytes or more in a URL
    server.read = [value]
    output.write_bytes(b"<" + value.encode() + b"> and " + value.encode().hex().encode() + b"\n")
    log = await the_whole(output, server, secrets)
    assert log.strip(b"<> and\n*") == b""
    assert len(log) == output.stat().st_size
