"""A proxy for tests: CONNECT, and plain HTTP by the whole address; perhaps with a password."""

import asyncio
import base64
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Proxy:
    def __init__(self, password):
        self.asked, self.url = [], ""
        self._wanted = password and b"Basic " + base64.b64encode(password.encode())

    async def serve(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            line, *headers = head.split(b"\r\n")
            method, target, _ = line.decode().split()
            self.asked.append(f"{method} {target}")
            if self._wanted and not any(self._wanted in header for header in headers):
                writer.write(
                    b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Type: text/html\r\n"
                    b"Proxy-Authenticate: Basic\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
                await writer.drain()
                return
            await self._pass_on(method, target, head, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _pass_on(self, method, target, head, reader, writer):
        parts = urlsplit(target if method != "CONNECT" else f"//{target}")
        theirs, ours = await asyncio.open_connection(parts.hostname, parts.port)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            ours.write(head.replace(target.encode(), path.encode(), 1))
        await asyncio.gather(copy(reader, ours), copy(theirs, writer))


async def copy(reader, writer):
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def proxying(password=None):
    proxy = Proxy(password)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    proxy.url = f"http://{password + '@' if password else ''}{host}:{port}"
    try:
        yield proxy
    finally:
        server.close()
