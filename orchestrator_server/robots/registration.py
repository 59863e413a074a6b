"""The verb by which an agent makes itself known as a robot. A plain unit of work."""

from datetime import datetime

import msgspec

from orchestrator_server import names
from orchestrator_server.access import secrets
from orchestrator_server.access.callers import Actor
from orchestrator_server.access.secrets import Secret
from orchestrator_server.audit import service as audit
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Conflict
from orchestrator_server.machines import service as machines
from orchestrator_server.robots import agent_runs, labeling, service
from orchestrator_server.robots.agent_runs import Registering, Runs, Verdict
from orchestrator_server.robots.service import Named, sql
from sdk.contract.audit import ActorType
from sdk.contract.runner import RobotRegister, RobotRegistered


class _Number(msgspec.Struct, frozen=True):
    number: int


def register(
    tx: Transaction, origin: Actor, wanted: RobotRegister, online_since: datetime
) -> RobotRegistered | Conflict:
    """Make the robot, or give one that this machine owns a new token.

    Returns the Conflict for a second agent, so that its trace is kept. Audited is what changes:
    a new robot, another agent, another version or other labels, and not each start.
    """
    machine_id = machines.id_of_key(tx, wanted.machine_key)
    machines.hold(tx, machine_id)  # the labels that it allows stay until the robot has its own
    name = names.clean_plain(wanted.name, what="robot")
    actor = msgspec.structs.replace(origin, type=ActorType.ROBOT, name=name)
    token = secrets.new("rbt")
    robot_id, is_new = _robot(tx, name, machine_id, token, wanted)
    known = tx.one(sql.agent_runs, Runs, missing="The robot is gone.", id=robot_id)
    agent = _numbered(tx, machine_id, wanted)
    verdict = agent_runs.judge(known, agent, tx.now, online_since)
    if verdict is Verdict.REFUSED:
        return _refused(tx, actor, robot_id, known, agent)
    is_changed = is_new or known.agent_instance != agent.instance
    if not is_new:
        is_changed |= known.agent_version != wanted.agent_version
        is_changed |= _renew(tx, robot_id, token, wanted)
    _save(tx, robot_id, agent_runs.after(known, agent, verdict, tx.now))
    machines.seen(tx, machine_id, wanted.machine_info)
    if is_changed:
        shown = service.get(tx, robot_id, online_since)
        audit.record(tx, actor, "robot.registered", after=shown, name=name)
    return RobotRegistered(
        robot_id=robot_id, api_token=token.text, name=name, machine_id=machine_id
    )


def _robot(
    tx: Transaction, name: str, machine_id: int, token: Secret, wanted: RobotRegister
) -> tuple[int, bool]:
    """The robot of that name, and whether it was made; held until this unit ends."""
    robot = tx.maybe(sql.by_name, Named, name_key=names.key(name))
    if robot is None:
        told = (wanted.machine_info or {}, wanted.agent_version, wanted.labels)
        return service.insert(tx, name, machine_id, token, *told), True
    if robot.machine_id != machine_id:
        raise Conflict(
            f"The name {name} belongs to a robot of another machine; choose another name.",
            kind="name-taken",
        )
    service.hold(tx, robot.id)
    return robot.id, False


def _renew(tx: Transaction, robot_id: int, token: Secret, wanted: RobotRegister) -> bool:
    """Give the robot its new token and what its agent says; whether its labels are others now."""
    info = wanted.machine_info or {}
    tx.run(sql.renew_token, id=robot_id, token_hash=token.hash, token_hint=token.hint)
    tx.run(sql.tell, id=robot_id, machine_info=Json(info), agent_version=wanted.agent_version)
    if wanted.labels is not None:
        tx.run(sql.request_labels, id=robot_id, requested_labels=Json(wanted.labels))
    return labeling.relabel(tx, robot_id)


def _numbered(tx: Transaction, machine_id: int, wanted: RobotRegister) -> Registering:
    """The agent, with the number of its run: the same for all robots of the machine, so that of
    two agents that start together with several robots one is the first for all of them."""
    number = None
    if wanted.life is not None:
        run = {"machine_id": machine_id, "run": wanted.life}
        found = tx.all(sql.run_number, _Number, **run) or tx.all(
            sql.next_run_number, _Number, **run
        )
        number = found[0].number
    return Registering(wanted.agent_instance, wanted.life, number)


def _save(tx: Transaction, robot_id: int, runs: Runs) -> None:
    saved = msgspec.structs.asdict(runs)
    for name in ("agent_version", "last_heartbeat", "duplicate_agent_at"):
        del saved[name]
    tx.run(sql.save_agent_runs, id=robot_id, **saved)


def _refused(
    tx: Transaction, actor: Actor, robot_id: int, known: Runs, agent: Registering
) -> Conflict:
    tx.run(sql.note_duplicate, id=robot_id)
    if not agent_runs.is_known_duplicate(known, tx.now):
        instances = {"agent_instance": agent.instance, "at_work": known.agent_instance}
        audit.record(
            tx,
            actor,
            "robot.duplicate_refused",
            entity_id=robot_id,
            name=actor.name,
            metadata=instances,
        )
    return Conflict(
        f"Another agent works as robot {actor.name}, with the same machine key, and registered "
        "first; if this machine was cloned, give this agent a name, a machine key and a data "
        "folder of its own. If that agent has ended, start this one again in a minute.",
        kind="robot-in-use",
    )
