"""The verbs of the model as units of work on a real database, without HTTP."""

from functools import partial

import msgspec

from orchestrator_server.access.callers import Actor, JobCaller, Person, RobotCaller
from orchestrator_server.access.rules import EVERYTHING
from orchestrator_server.db.open import open_database
from orchestrator_server.errors import Conflict, OrchestratorError
from orchestrator_server.etags import Expected
from orchestrator_server.http.problems import status_of
from orchestrator_server.jobs import attempts, claiming, editing, service
from orchestrator_server.keys import load
from orchestrator_server.maintenance import leases
from orchestrator_server.processes import editing as processes
from orchestrator_server.queue_items import claims
from orchestrator_server.queue_items import service as items
from orchestrator_server.robots import editing as robot_editing
from orchestrator_server.robots import service as robots
from orchestrator_server.runner import heartbeats
from sdk.contract.audit import ActorType
from sdk.contract.jobs import JobCreate, JobUpdate
from sdk.contract.processes import ProcessUpdate
from sdk.contract.queues import ItemClaim, ItemComplete, ItemCreate, ItemFail, ItemRenew
from sdk.contract.robots import RobotPause
from sdk.contract.runner import Heartbeat, JobReport, NextJob
from sdk.contract.settings import JobSettings
from tests.machine import facts
from tests.machine.answers import PLAIN, Answer, ok
from tests.machine.port import Port

SETTINGS = JobSettings()
ADMIN = Person(
    id=1,
    username="admin",
    permissions=EVERYTHING,
    token_id=1,
    actor=Actor(type=ActorType.USER, name="admin"),
)


class StorePort(Port):
    async def open(self):
        self.keys = load(self.world.config.key_file, check=None)
        self.database = await open_database(self.world.config, self.clock)

    async def close(self):
        await self.database.close()

    async def restart(self):
        """As a server starts: with a new lease for everybody."""
        await self.close()
        await self.open()
        return await self.come_late()

    async def come_late(self):
        await self.database.write(leases.begin_anew, SETTINGS)
        return ok()

    # Robots

    async def claim(self, robot_id, key, instance):
        wanted = NextJob(claim_key=key, agent_instance=instance)
        return await self._do(_claim, _robot(robot_id), wanted)

    async def report(self, robot_id, job_id, said):
        """As the route does: what comes too late is kept by a unit of its own."""
        robot = _robot(robot_id)
        try:
            report = msgspec.convert(said, JobReport)
            done = await self.database.write(attempts.report, robot, job_id, report, SETTINGS)
            return Answer(200, said=msgspec.to_builtins(done))
        except msgspec.ValidationError:
            return Answer(422, PLAIN[422])
        except Conflict as refusal:
            if refusal.kind in ("stale-attempt", "job-canceled"):
                await self.database.write(attempts.keep_late, robot, job_id, report)
            return _refusal(refusal)
        except OrchestratorError as error:
            return _refusal(error)

    async def beat(self, robot_id, named):
        beat = msgspec.convert({"jobs": named}, Heartbeat)
        return await self._do(_beat, _robot(robot_id), beat)

    # People

    async def create(self, wanted):
        job = msgspec.convert(wanted, JobCreate)
        return await self._do(_made(service.create), ADMIN, job, SETTINGS, status=201)

    async def cancel(self, job_id):
        return await self._do(service.cancel, ADMIN.actor, job_id)

    async def stop(self, job_id):
        return await self._do(editing.ask_to_stop, ADMIN.actor, job_id)

    async def change(self, job_id, changes):
        wanted = msgspec.convert(changes, JobUpdate)
        return await self._do(editing.update, ADMIN.actor, job_id, wanted, Expected())

    async def retry(self, job_id):
        return await self._do(_made(editing.retry), ADMIN, job_id, status=201)

    async def pause(self, robot_id):
        wanted = RobotPause()
        return await self._do(robot_editing.pause, ADMIN.actor, robot_id, wanted, self.clock())

    async def resume(self, robot_id):
        return await self._do(robot_editing.resume, ADMIN.actor, robot_id, self.clock())

    async def activate(self, process_id, is_active):
        wanted = ProcessUpdate(is_active=is_active)
        return await self._do(processes.update, ADMIN, process_id, wanted, Expected())

    # Items

    async def put(self, wanted):
        item = msgspec.convert({"payload": {}} | wanted, ItemCreate)
        return await self._do(items.create, ADMIN.actor, item, status=201)

    async def take(self, worker, queue_id, key):
        wanted = ItemClaim(queue=facts.QUEUES[queue_id].name, claim_key=key)
        return await self._do(claims.claim, _caller(worker), wanted)

    async def complete(self, worker, item_id, said):
        wanted = msgspec.convert(said, ItemComplete)
        return await self._do(claims.complete, _caller(worker), item_id, wanted)

    async def fail(self, worker, item_id, said):
        wanted = msgspec.convert(said, ItemFail)
        return await self._do(claims.fail, _caller(worker), item_id, wanted)

    async def renew(self, worker, item_id, said):
        wanted = msgspec.convert(said, ItemRenew)
        return await self._do(claims.renew, _caller(worker), item_id, wanted)

    async def _do(self, unit, *args, status=200):
        try:
            done = await self.database.write(unit, *args)
        except OrchestratorError as error:
            return _refusal(error)
        return Answer(status, said=msgspec.to_builtins(done))


def _refusal(error):
    status = status_of(error).value
    return Answer(status, error.kind or PLAIN[status])


def _robot(id_):
    actor = Actor(type=ActorType.ROBOT, name=f"r{id_}")
    machine_id = facts.ROBOTS[id_].machine_id
    return RobotCaller(id=id_, name=f"r{id_}", machine_id=machine_id, actor=actor)


def _caller(worker):
    kind, id_, *attempt = worker
    if kind == "robot":
        return _robot(id_)
    actor = Actor(type=ActorType.JOB, name=f"job {id_}")
    return JobCaller(id=id_, attempt=attempt[0], actor=actor)


def _token(job_id, attempt):
    return f"{job_id}.{attempt}"


def _made(unit):
    """The job of the target that a unit gives."""
    return partial(_job_of, unit)


def _job_of(unit, tx, *args):
    return unit(tx, *args).job


def _claim(tx, robot, wanted):
    answer, _ = claiming.claim_or_wait(tx, robot, wanted, SETTINGS, _token)
    return answer


def _beat(tx, robot, beat):
    answer = heartbeats._take(tx, robot, beat, None, SETTINGS)
    robots.heard(tx, [robot.id], tx.now)
    return {"status": "ok", "jobs": answer.actions}
