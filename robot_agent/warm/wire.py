"""What the agent and a parent of warm starts say to each other: JSON with its length before it."""

import asyncio
import socket
import sys

import msgspec

MOST_BYTES = 4096

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
    """The next message. EOFError if there is none, or if it is none that a parent sends: a module
    that it has loaded may have written it."""
    [size] = LENGTH.unpack(await _exactly(connection, LENGTH.size))
    if size > MOST_BYTES:
        raise EOFError(f"a message of {size:,} bytes")
    try:
        return msgspec.json.decode(await _exactly(connection, size), type=dict[str, int])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EOFError("a message that is none") from error


async def _exactly(connection: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        piece = await asyncio.get_running_loop().sock_recv(connection, size - len(content))
        if not piece:
            raise EOFError
        content += piece
    return content
