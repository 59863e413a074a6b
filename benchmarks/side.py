"""A server of its own, with a process and a robot for each client, and what is asked of it."""

import asyncio
import sys
import time
from contextlib import asynccontextmanager

import aiohttp
import psutil

from benchmarks import bare
from benchmarks.agent import cpu_seconds
from tests.support.processes import ServerProcess
from tests.support.world import ADMIN_PASSWORD, api_at

CLIENTS = 16
IDLE_ROBOTS = (1, 100, 1000)
QUEUE = "invoices"
IDLE_SECONDS = 30.0
ASKED = 200  # times, where each is timed
SIGN_INS = 4
DRAINED = 1_280  # jobs, where a queue is emptied
MANY_JOBS = 100_000
LINE = b"x" * 119 + b"\n"
CHUNK = LINE * 50


@asynccontextmanager
async def a_side(folder, database_url, workers=1):
    server = ServerProcess(folder, database_url)
    if workers > 1:
        server._arguments += ["--workers", str(workers)]
    try:
        await server.start()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            async with api_at(server.url) as api:
                admin = await api.sign_in()
                process = await admin.make_process()
                robots = [await admin.make_robot(f"robot {n}") for n in range(CLIENTS)]
                await admin.post("/api/queues", 201, name=QUEUE)
            yield Side(server, folder, session, admin, process, robots)
    finally:
        await server.stop()


class Side:
    def __init__(self, server, data, session, admin, process, robots):
        self._server, self._data = server, data
        self._session, self._process = session, process
        self._admin = admin.headers
        self.robots = [robot.headers for robot in robots]

    @property
    def pid(self):
        return self._server.process.pid

    async def _ask(self, path, headers, **body):
        async with self._session.post(self._server.url + path, json=body, headers=headers) as said:
            assert said.status < 300, await said.text()
            return await said.json()

    async def _create(self):
        return await self._ask("/api/jobs", self._admin, process_id=self._process["id"])

    async def _claim_and_report(self, number, wait_seconds=0):
        question = {"claim_key": f"{number}-{time.perf_counter_ns()}", "wait_seconds": wait_seconds}
        job = (await self._ask("/api/runner/next-job", self.robots[number], **question))["job"]
        if job is None:
            return False
        report = {"status": "completed", "attempt": job["attempt"]}
        await self._ask(f"/api/runner/jobs/{job['id']}/update", self.robots[number], **report)
        return True

    async def cycle(self, number, until):
        count = 0
        while time.perf_counter() < until:
            await self._create()
            count += await self._claim_and_report(number)
        return count

    async def beat(self, number, until):
        count, beat = 0, {"jobs": [], "supports_may_build": True}
        while time.perf_counter() < until:
            said = await self._ask("/api/runner/heartbeat", self.robots[number], **beat)
            beat["changes_since"] = said["server_time"]
            count += 1
        return count

    async def item(self, number, until):
        """Items that are put in, taken and completed."""
        count, robot = 0, self.robots[number]
        while time.perf_counter() < until:
            await self._ask("/api/queue-items", self._admin, queue_id=1, payload={"n": number})
            key = f"{number}-{time.perf_counter_ns()}"
            claim = await self._ask("/api/queue-items/claim", robot, queue=QUEUE, claim_key=key)
            item = claim["item"]
            path = f"/api/queue-items/{item['id']}/complete"
            await self._ask(path, robot, attempt=item["attempt"], result={})
            count += 1
        return count

    async def make_jobs(self, count):
        for first in range(0, count, CLIENTS):
            await asyncio.gather(*(self._create() for _ in range(min(CLIENTS, count - first))))

    async def drain(self):
        """Claims and reports a second, until no job is left."""

        async def work(number):
            count = 0
            while await self._claim_and_report(number):
                count += 1
            return count

        began = time.perf_counter()
        counts = await asyncio.gather(*map(work, range(CLIENTS)))
        return sum(counts) / (time.perf_counter() - began)

    async def log(self, number, until):
        """Lines of a job that prints all the time."""
        await self._create()
        key = {"claim_key": f"log-{number}-{time.perf_counter_ns()}"}
        headers = self.robots[number]
        job = (await self._ask("/api/runner/next-job", headers, **key))["job"]
        path = f"{self._server.url}/api/runner/jobs/{job['id']}"
        binary = headers | {"Content-Type": "application/octet-stream"}
        offset = 0
        while time.perf_counter() < until:
            where = f"{path}/logs?attempt=1&offset={offset}"
            async with self._session.post(where, data=CHUNK, headers=binary) as said:
                offset = (await said.json())["next_offset"]
        await self._ask(
            f"/api/runner/jobs/{job['id']}/update", headers, status="completed", attempt=1
        )
        return offset // len(LINE)

    async def latency(self):
        """From asking for a job to its being in the hands of a robot that waits."""
        times = []
        for _ in range(ASKED):
            claimed = asyncio.create_task(self._claimed_at(0))
            await asyncio.sleep(0.02)  # it waits at the server by now
            began = time.perf_counter()
            await self._create()
            times.append((await claimed - began) * 1000)
        return times

    async def _claimed_at(self, number):
        question = {"claim_key": f"late-{time.perf_counter_ns()}", "wait_seconds": 20}
        job = (await self._ask("/api/runner/next-job", self.robots[number], **question))["job"]
        at = time.perf_counter()
        path = f"/api/runner/jobs/{job['id']}/update"
        await self._ask(path, self.robots[number], status="completed", attempt=job["attempt"])
        return at

    async def sign_ins(self):
        """Of a robot that asks for a job: alone, and while people sign in one after the other."""
        quiet = await self._asked()
        said = {"username": "admin", "password": ADMIN_PASSWORD}

        async def sign_in():
            while True:
                await self._ask("/api/auth/login", {}, **said)

        people = [asyncio.create_task(sign_in()) for _ in range(SIGN_INS)]
        try:
            return quiet, await self._asked()
        finally:
            for person in people:
                person.cancel()
            await asyncio.wait(people)

    async def _asked(self):
        times = []
        for _ in range(ASKED):
            began = time.perf_counter()
            await self._ask("/api/runner/next-job", self.robots[0])
            times.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(0.005)
        return times

    async def pending(self):
        """Claim and report with few jobs waiting, and with very many."""
        few, many = [], []
        for times, waiting in ((few, 10), (many, MANY_JOBS)):
            await self._create()
            await asyncio.to_thread(bare.multiply, self._data / "runwright.db", waiting)
            for _ in range(ASKED):
                await self._create()  # so that as many wait at each claim
                began = time.perf_counter()
                assert await self._claim_and_report(0)
                times.append((time.perf_counter() - began) * 1000)
        return few, many

    async def crowds(self):
        """Of growing crowds of robots that have nothing to do: how many there are, the server's
        share of a core, MB and connections."""
        tokens, found = [], []
        async with api_at(self._server.url) as api:
            admin = api.as_(**self._admin)
            for robots in IDLE_ROBOTS:
                for n in range(len(tokens), robots):
                    robot = await admin.make_robot(f"idle {n}")
                    tokens.append(robot.headers["X-Robot-Token"])
                found.append([robots, *await with_crowd(self._server.url, self.pid, tokens)])
        return found


async def with_crowd(url, pid, tokens):
    """What robots without work cost that server: its share of a core, MB and connections."""
    crowd = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.crowd", url, str(IDLE_SECONDS + 60)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        crowd.stdin.write("\n".join(tokens).encode())
        crowd.stdin.close()
        await crowd.stdout.readline()
        before = cpu_seconds(pid)
        await asyncio.sleep(IDLE_SECONDS)
        share = (cpu_seconds(pid) - before) / IDLE_SECONDS
        assert crowd.returncode is None
        server = psutil.Process(pid)
        connections = [c for c in server.net_connections() if c.status == "ESTABLISHED"]
        return share, server.memory_info().rss / 1e6, len(connections)
    finally:
        crowd.kill()
        await crowd.wait()
