"""C-26: robots whose machines vanish without a word; their connections do not stay for ever."""

import asyncio
import ctypes
import json
import socket
import struct
import sys

import psutil
import pytest

from tests.support.processes import a_server
from tests.support.world import api_at

SO_ATTACH_FILTER = 26  # socket(7)
DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)  # one instruction: return 0, keep nothing
PEERS = 20
IDLE_SECONDS = 120  # more than any connection is kept


def vanish(peer):
    """From now on it hears nothing and acknowledges nothing; nor does it say good-bye."""
    code = ctypes.create_string_buffer(DROP_ALL)
    program = struct.pack("HL", 1, ctypes.addressof(code))
    peer.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def asking_for_work(url, token):
    host, port = url.removeprefix("http://").split(":")
    body = json.dumps({"wait_seconds": 2}).encode()
    peer = socket.create_connection((host, int(port)))
    peer.sendall(
        b"POST /api/runner/next-job HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        + f"X-Robot-Token: {token}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    return peer


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="filters sockets as Linux does")
async def test_what_vanished_without_a_word_frees_its_descriptor(tmp_path):
    async with a_server(tmp_path / "data") as server, api_at(server.url) as api:
        admin = await api.sign_in()
        tokens = [
            (await admin.post("/api/robots", 201, name=f"robot {n}"))["api_token"]
            for n in range(PEERS)
        ]
        process = psutil.Process(server.process.pid)
        before = process.num_fds()
        peers = [asking_for_work(server.url, token) for token in tokens]
        try:
            async with asyncio.timeout(10):
                while process.num_fds() < before + PEERS:
                    await asyncio.sleep(0.05)
            for peer in peers:
                vanish(peer)
            async with asyncio.timeout(IDLE_SECONDS):
                while process.num_fds() > before:
                    await asyncio.sleep(0.5)
            assert (await admin.get("/api/health/live", 200)) is not None
        finally:
            for peer in peers:
                peer.close()
