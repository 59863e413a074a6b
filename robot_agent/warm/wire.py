"""What the agent and a parent of warm starts say to each other: JSON with its length before it."""

import asyncio
import json
import socket
import sys

MOST_BYTES = 4096  # of what a parent says

assert sys.platform != "win32"  # noqa: S101 -- for mypy, which then skips this file there

if sys.platform != "win32":
    from robot_agent.warm.parent import LENGTH


async def send(connection: socket.socket, content: bytes, descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    head = LENGTH.pack(len(content))
    # Four bytes always find room: we wait for each answer before we send again.
    socket.send_fds(connection, [head], [descriptor])
    await loop.sock_sendall(connection, content)


async def receive(connection: socket.socket) -> dict[str, int]:
    [size] = LENGTH.unpack(await _exactly(connection, LENGTH.size))
    if size > MOST_BYTES:
        raise EOFError  # it is none of ours that says so much
    told: dict[str, int] = json.loads(await _exactly(connection, size))
    return told


async def _exactly(connection: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        piece = await asyncio.get_running_loop().sock_recv(connection, size - len(content))
        if not piece:
            raise EOFError
        content += piece
    return content
