"""The verbs of the model as requests to the whole server, over a real socket."""

from contextlib import AsyncExitStack

import msgspec

from orchestrator_server.app import create_app
from orchestrator_server.http.keys import DATABASE, HEARD, KEYS, MAINTENANCE
from tests.conftest import serving
from tests.machine import facts
from tests.machine.answers import Answer, ok
from tests.machine.port import Port
from tests.support.world import api_at

LATE_SECONDS = 60.0


class HttpPort(Port):
    _job_tokens: dict

    async def open(self):
        self._open = AsyncExitStack()
        served = await self._open.enter_async_context(
            serving(create_app(self.world.config, self.clock))
        )
        self._app, self._api = served, await self._open.enter_async_context(api_at(served["url"]))
        self._job_tokens = {}
        self.database, self.keys = served[DATABASE], served[KEYS]
        # Nothing happens by itself while a machine runs; it looks when the machine says so.
        await served[MAINTENANCE].stop()

    async def close(self):
        await self._open.aclose()

    async def restart(self):
        tokens = self._job_tokens
        await self.close()
        await self.open()
        self._job_tokens = tokens
        return ok()

    async def rows(self):
        await self._app[HEARD].flush()  # as whoever asks for robots does
        return await super().rows()

    async def come_late(self):
        await self._app[MAINTENANCE]._tick(late_seconds=LATE_SECONDS)
        return ok()

    # Robots

    async def claim(self, robot_id, key, instance):
        wanted = {"claim_key": key, "agent_instance": instance}
        answer = await self._robot(robot_id, "next-job", wanted)
        if answer.status == 200 and (job := answer.said["job"]) is not None:
            self._job_tokens[job["id"], job["attempt"]] = job["job_token"]
        return answer

    async def report(self, robot_id, job_id, said):
        return await self._robot(robot_id, f"jobs/{job_id}/update", said)

    async def beat(self, robot_id, named):
        return await self._robot(robot_id, "heartbeat", {"jobs": named})

    # People

    async def create(self, wanted):
        return await self._person("POST", "/api/jobs", wanted)

    async def cancel(self, job_id):
        return await self._person("POST", f"/api/jobs/{job_id}/cancel")

    async def stop(self, job_id):
        return await self._person("POST", f"/api/jobs/{job_id}/stop")

    async def change(self, job_id, changes):
        return await self._person("PUT", f"/api/jobs/{job_id}", changes)

    async def retry(self, job_id):
        return await self._person("POST", f"/api/jobs/{job_id}/retry")

    async def pause(self, robot_id):
        return await self._person("POST", f"/api/robots/{robot_id}/pause", {})

    async def resume(self, robot_id):
        return await self._person("POST", f"/api/robots/{robot_id}/resume")

    async def activate(self, process_id, is_active):
        changes = {"is_active": is_active}
        return await self._person("PUT", f"/api/processes/{process_id}", changes)

    # Items

    async def put(self, wanted):
        return await self._person("POST", "/api/queue-items", {"payload": {}} | wanted)

    async def take(self, worker, queue_id, key):
        wanted = {"queue": facts.QUEUES[queue_id].name, "claim_key": key}
        return await self._worker(worker, "claim", wanted)

    async def complete(self, worker, item_id, said):
        return await self._worker(worker, f"{item_id}/complete", said)

    async def fail(self, worker, item_id, said):
        return await self._worker(worker, f"{item_id}/fail", said)

    async def renew(self, worker, item_id, said):
        return await self._worker(worker, f"{item_id}/renew", said)

    async def _robot(self, robot_id, what, said):
        token = self.world.robots[robot_id]
        return await self._ask("POST", f"/api/runner/{what}", token, said)

    async def _person(self, method, path, said=None):
        return await self._ask(method, path, self.world.person, said)

    async def _worker(self, worker, what, said):
        kind, id_, *attempt = worker
        headers = self.world.robots.get(id_)
        if kind == "job":
            headers = {"Authorization": f"Bearer {self._job_tokens[id_, attempt[0]]}"}
        return await self._ask("POST", f"/api/queue-items/{what}", headers, said)

    async def _ask(self, method, path, headers, said):
        body = {} if said is None else {"json": msgspec.to_builtins(said)}
        answer = await self._api.ask(method, path, headers=headers, **body)
        if answer.status >= 400:
            return Answer(answer.status, answer.kind)
        return Answer(answer.status, said=answer.body)
