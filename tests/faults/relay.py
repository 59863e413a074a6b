"""What stands between a server and its PostgreSQL, and cuts the line at the worst moment."""

import asyncio
from contextlib import asynccontextmanager
from urllib.parse import urlencode

from psycopg.conninfo import conninfo_to_dict

PIECE_BYTES = 65536
COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"  # a message of PostgreSQL's protocol, whole


class Relay:
    """Passes bytes on, both ways. `cut_at` arms it, once: the transaction that says so is
    committed, and whoever began it never hears of that."""

    def __init__(self, socket):
        self._socket = socket
        self._cut_at = None
        self._serving = set()
        self.has_cut = asyncio.Event()

    def cut_at(self, words):
        """Cut the line of the next transaction with these words, once its COMMIT has arrived."""
        self._cut_at = words.encode()
        self.has_cut.clear()

    def url_of(self, database_url):
        said = conninfo_to_dict(database_url)
        where = {"host": "127.0.0.1", "port": self.port, "user": said["user"]}
        plain = {"sslmode": "disable", "gssencmode": "disable"}  # so that it can read along
        return f"postgresql:///{said['dbname']}?{urlencode(where | plain)}"

    @asynccontextmanager
    async def there(self):
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await asyncio.gather(*self._serving)

    async def _serve(self, client_reader, client):
        self._serving.add(asyncio.current_task())
        server_reader, server = await asyncio.open_unix_connection(str(self._socket))
        line = _Line(client, server)
        try:
            answering = asyncio.create_task(self._answers(server_reader, line))
            await self._questions(client_reader, line)
            server.close()
            await answering
        finally:
            client.close()
            server.close()
            self._serving.discard(asyncio.current_task())

    async def _questions(self, reader, line):
        """Until the client hangs up. What it says is kept until its transaction ends."""
        said = b""
        while piece := await _read(reader):
            said += piece
            if COMMIT in piece:
                if self._cut_at and self._cut_at in said:
                    self._cut_at, line.is_cut = None, True
                said = b""
            line.server.write(piece)
            await line.server.drain()

    async def _answers(self, reader, line):
        while piece := await _read(reader):
            if line.is_cut:  # an answer to COMMIT: it is done, and nobody will know
                self.has_cut.set()
                line.client.transport.abort()
                return
            line.client.write(piece)


class _Line:
    def __init__(self, client, server):
        self.client, self.server = client, server
        self.is_cut = False


async def _read(reader):
    try:
        return await reader.read(PIECE_BYTES)
    except ConnectionError:
        return b""
