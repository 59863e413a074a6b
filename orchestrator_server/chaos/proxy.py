"""A network that misbehaves: stands between clients and a server, and loses, doubles, delays,
cuts and garbles what passes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from orchestrator_server.chaos.ports import free_port

KINDS = (
    *("drop_request", "drop_response", "blackhole", "duplicate", "late"),
    *("truncate", "html", "status", "slow"),
)
CUT_SECONDS = 0.01  # aiohttp waits without end for what is under way if it is told 0
LOGIN_PAGE = "<html><body><form>Sign in to the network</form></body></html>"
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}


@dataclass
class Fault:
    """What happens to the next `times` requests whose path ends with `path`."""

    kind: str
    path: str = ""
    times: int = 1
    argument: float = 0  # late: seconds; truncate: bytes; status: the number; slow: bytes a second

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"There is no fault {self.kind!r}; there are {', '.join(KINDS)}.")


Choose = Callable[[web.Request], Fault | None]


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]


@dataclass
class FaultProxy:
    """Faults happen in the order they were added; `choose` may give more, at random for example."""

    server_url: str
    faults: list[Fault] = field(default_factory=list)
    choose: Choose = lambda request: None
    happened: list[str] = field(default_factory=list)  # "kind path", as they came
    passed: list[str] = field(default_factory=list)  # the path of each request
    url: str = ""
    _late: set[asyncio.Task[None]] = field(default_factory=set)

    def add(self, kind: str, path: str = "", times: int = 1, argument: float = 0) -> None:
        self.faults.append(Fault(kind, path, times, argument))

    def forget(self) -> None:
        """No faults any more, and nothing has passed."""
        self.faults.clear()
        self.passed.clear()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["FaultProxy"]:
        runner = web.ServerRunner(
            web.Server(self._pass, access_log=None, handler_cancellation=True),
            shutdown_timeout=CUT_SECONDS,
        )
        await runner.setup()
        # No limit: a black hole must not keep a place that others wait for.
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False
        )
        self._runner = runner
        try:
            await self.open()
            yield self
        finally:
            for task in self._late:
                task.cancel()
            await asyncio.gather(*self._late, return_exceptions=True)
            await runner.cleanup()
            await self._session.close()

    async def open(self) -> None:
        """Listen, at the same port as before."""
        port = int(self.url.rpartition(":")[2]) if self.url else free_port()
        self._site = web.TCPSite(self._runner, "127.0.0.1", port)
        await self._site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def refuse(self) -> None:
        """Refuse connections from now on, and cut those there are."""
        await self._site.stop()
        for connection in self._runner.server.connections if self._runner.server else ():
            if connection.transport is not None:
                connection.transport.abort()

    async def _pass(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        self.passed.append(request.path)
        fault = self._next(request)
        if fault is None:
            return _respond(await self._forward(request, body))
        self.happened.append(f"{fault.kind} {request.path}")
        return await self._disturbed(request, body, fault)

    def _next(self, request: web.BaseRequest) -> Fault | None:
        for fault in self.faults:
            if request.path.endswith(fault.path):
                fault.times -= 1
                if fault.times == 0:
                    self.faults.remove(fault)
                return fault
        return self.choose(request)  # type: ignore[arg-type]  # a BaseRequest is all it reads

    async def _disturbed(
        self, request: web.BaseRequest, body: bytes, fault: Fault
    ) -> web.StreamResponse:
        if fault.kind in ("drop_request", "blackhole", "late", "html", "status"):
            return await self._without_asking(request, body, fault)
        if fault.kind == "duplicate":
            both = (self._forward(request, body), self._forward(request, body))
            return _respond((await asyncio.gather(*both))[0])
        answer = await self._forward(request, body)
        if fault.kind == "truncate":
            return await _truncated(request, answer, int(fault.argument))
        if fault.kind == "slow":
            return await _slowly(request, answer, fault.argument)
        return _cut(request)  # drop_response

    async def _without_asking(
        self, request: web.BaseRequest, body: bytes, fault: Fault
    ) -> web.StreamResponse:
        """The server does not hear of it, or not yet."""
        match fault.kind:
            case "html":
                return web.Response(text=LOGIN_PAGE, content_type="text/html")
            case "status":
                return web.Response(status=int(fault.argument), text=LOGIN_PAGE)
            case "blackhole":
                await asyncio.Event().wait()
            case "late":
                task = asyncio.create_task(self._forward_late(request, body, fault.argument))
                self._late.add(task)
                task.add_done_callback(self._late.discard)
        return _cut(request)

    async def _forward(self, request: web.BaseRequest, body: bytes) -> Answer:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        try:
            async with self._session.request(
                request.method, self.server_url + request.path_qs, data=body, headers=headers,
                allow_redirects=False,
            ) as response:  # fmt: skip
                content = await response.read()
                kept = {k: v for k, v in response.headers.items() if k.lower() not in _HOP_BY_HOP}
                return Answer(response.status, content, kept)
        except aiohttp.ClientError:
            return Answer(502, b"the server is away", {"Content-Type": "text/plain"})

    async def _forward_late(self, request: web.BaseRequest, body: bytes, seconds: float) -> None:
        await asyncio.sleep(seconds)  # the fault itself: the message is under way that long
        await self._forward(request, body)


def _respond(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


def _cut(request: web.BaseRequest) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _truncated(request: web.BaseRequest, answer: Answer, size: int) -> web.StreamResponse:
    headers = answer.headers | {"Content-Length": str(len(answer.body))}
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    await response.write(answer.body[: min(size, len(answer.body) - 1)])
    return _cut(request)


async def _slowly(request: web.BaseRequest, answer: Answer, rate: float) -> web.StreamResponse:
    headers = answer.headers | {"Content-Length": str(len(answer.body))}
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    piece = max(1, int(rate / 10))
    for start in range(0, len(answer.body), piece):
        await response.write(answer.body[start : start + piece])
        await asyncio.sleep(0.1)  # the fault itself
    return response
