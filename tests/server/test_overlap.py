"""On PostgreSQL two changes can overlap; here they do, since the first is held open."""

import asyncio
import threading
from datetime import timedelta

import msgspec

from orchestrator_server import etags
from orchestrator_server.access import resets, roles, service
from orchestrator_server.access.callers import SYSTEM, Actor, Person
from orchestrator_server.access.rules import EVERYTHING
from orchestrator_server.assets import service as assets
from orchestrator_server.db.queries import Query
from orchestrator_server.errors import Conflict, Invalid, PreconditionFailed
from orchestrator_server.etags import Expected
from orchestrator_server.keys import KeyFile, load
from orchestrator_server.machines import editing as machine_editing
from orchestrator_server.machines import service as machines
from orchestrator_server.robots import editing as robot_editing
from orchestrator_server.robots import registration
from orchestrator_server.robots import service as robots
from orchestrator_server.sdk_sessions import deciding
from orchestrator_server.sdk_sessions import service as sdk_sessions
from orchestrator_server.sealing import Sealer
from sdk.contract.access import RoleCreate, RoleUpdate
from sdk.contract.assets import AssetCreate, AssetUpdate
from sdk.contract.audit import ActorType
from sdk.contract.machines import MachineCreate, MachineUpdate
from sdk.contract.robots import RobotUpdate
from sdk.contract.runner import RobotRegister
from sdk.contract.sdk_auth import SdkConfirm, SdkStart

HELD_SECONDS = 0.3
BOSS = Person(id=1, username="boss", permissions=EVERYTHING, token_id=1, actor=SYSTEM)


async def overlapping(database, first, second):
    """What became of two units, the second of which begins while the first is not committed."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    release = threading.Event()

    def held(tx):
        outcome = first(tx)
        loop.call_soon_threadsafe(done.set)
        release.wait(10)
        return outcome

    one = asyncio.create_task(database.write(held))
    await done.wait()
    two = asyncio.create_task(database.write(second))
    # The second has come as far as it can: to the end, or to where it waits for the first.
    await asyncio.wait([two], timeout=HELD_SECONDS)
    release.set()
    return await asyncio.gather(one, two, return_exceptions=True)


async def a_token(database):
    def make(tx):
        user = service.create_user(tx, SYSTEM, "ada", "v2$x", is_admin=False)
        return service.keep_token(tx, "reset", user.id, tx.now + resets.VALID).text

    return await database.write(make)


async def test_a_reset_token_works_once_though_two_use_it_at_once(postgres):
    token = await a_token(postgres)
    first, second = await overlapping(
        postgres,
        lambda tx: resets.reset(tx, SYSTEM, token, "v2$first"),
        lambda tx: resets.reset(tx, SYSTEM, token, "v2$second"),
    )
    assert first is None
    assert isinstance(second, Invalid)
    known = await postgres.read(service.find, "ada")
    assert known.password_hash == "v2$first"


async def test_of_two_who_edit_the_same_state_of_a_role_one_is_told(postgres):
    role = await postgres.write(roles.create, BOSS, RoleCreate(name="clerk"))
    seen = etags.expected(etags.of(role))
    first, second = await overlapping(
        postgres,
        lambda tx: roles.update(tx, BOSS, role.id, RoleUpdate(name="one"), seen),
        lambda tx: roles.update(tx, BOSS, role.id, RoleUpdate(name="two"), seen),
    )
    assert first.name == "one"
    assert isinstance(second, PreconditionFailed)


async def test_an_edit_of_an_asset_does_not_bring_its_old_secret_back(postgres, tmp_path):
    sealer = Sealer(KeyFile(tmp_path / "keys.json", load(tmp_path / "keys.json", check=None)))
    wanted = AssetCreate(name="api", type="secret", value="old")
    asset = await postgres.write(assets.create, SYSTEM, sealer, wanted)

    def change(**fields):
        update = AssetUpdate(**fields)
        return lambda tx: assets.update(tx, SYSTEM, sealer, asset.id, update, Expected())

    await overlapping(postgres, change(value="new"), change(description="of the bank"))
    stored = await postgres.read(assets._stored, asset.id)
    assert stored.description == "of the bank"
    assert sealer.open(stored.sealed, assets.place(asset.id)) == "new"


async def test_nobody_collects_a_token_while_the_password_changes(postgres, tmp_path):
    keys = load(tmp_path / "keys.json", check=None)
    origin = Actor(type=ActorType.SYSTEM, name="anonymous", ip_address="127.0.0.1")

    def begin(tx):
        user = service.create_user(tx, SYSTEM, "ada", "v2$x", is_admin=False)
        service.keep_token(tx, "session", user.id, tx.now + timedelta(hours=1))
        [token] = tx.all(Query("tokens", "SELECT id FROM tokens"), sdk_sessions.Id)
        ada = Person(
            id=user.id,
            username="ada",
            permissions=frozenset(),
            token_id=token.id,
            actor=SYSTEM,
        )
        started = sdk_sessions.start(
            tx, keys, origin, SdkStart(machine_name="laptop"), may_share=True
        )
        deciding.confirm(tx, ada, SdkConfirm(user_code=started.user_code))
        return started, service.find(tx, "ada")

    started, known = await postgres.write(begin)
    boss = msgspec.structs.replace(BOSS, id=known.id, token_id=0)
    _, collected = await overlapping(
        postgres,
        lambda tx: resets.change(tx, boss, known, "v2$new"),
        lambda tx: sdk_sessions.collect(tx, origin, started.session_id, None, 60),
    )
    assert collected is sdk_sessions.EXPIRED


async def test_of_two_who_decide_at_once_one_is_told(postgres, tmp_path):
    keys = load(tmp_path / "keys.json", check=None)

    def begin(tx):
        people = [service.create_user(tx, SYSTEM, name, None, is_admin=False) for name in "ab"]
        for person in people:
            service.keep_token(tx, "session", person.id, tx.now + timedelta(hours=1))
        started = sdk_sessions.start(
            tx, keys, SYSTEM, SdkStart(machine_name="laptop"), may_share=True
        )
        return [p.id for p in people], started.user_code

    ids, code = await postgres.write(begin)
    one, two = (msgspec.structs.replace(BOSS, id=i, token_id=i) for i in ids)
    wanted = SdkConfirm(user_code=code)
    first, second = await overlapping(
        postgres,
        lambda tx: deciding.confirm(tx, one, wanted),
        lambda tx: deciding.confirm(tx, two, wanted),
    )
    assert first.status == "ok"
    assert isinstance(second, Conflict)


async def test_a_robot_keeps_no_label_that_its_machine_loses_as_the_robot_comes(postgres, clock):
    since = clock() - timedelta(minutes=1)

    async def a_machine(name, **wanted):
        return await postgres.write(
            machines.create, SYSTEM, MachineCreate(name=name, **wanted), since
        )

    def register(tx, machine, name):
        said = RobotRegister(machine_key=machine.machine_key, name=name, labels=["finance"])
        return registration.register(tx, SYSTEM, said, since).robot_id

    def disallow(tx, machine):
        wanted = MachineUpdate(allowed_labels=[])
        machine_editing.update(tx, SYSTEM, machine.id, wanted, Expected(), since)

    def move(tx, robot_id, machine):
        wanted = RobotUpdate(machine_id=machine.id)
        robot_editing.update(tx, SYSTEM, None, robot_id, wanted, Expected(), since)
        return robot_id

    mill, other = await a_machine("mill", allowed_labels=["finance"]), await a_machine("other")
    _, new = await overlapping(
        postgres, lambda tx: disallow(tx, mill), lambda tx: register(tx, mill, "new")
    )
    old = await postgres.write(register, other, "old")
    press = await a_machine("press", allowed_labels=["finance"])
    _, moved = await overlapping(
        postgres, lambda tx: disallow(tx, press), lambda tx: move(tx, old, press)
    )
    for robot_id, refused in ((new, ["finance"]), (moved, [])):  # it requests nothing there yet
        robot = await postgres.read(robots.get, robot_id, since)
        assert (robot.labels, robot.refused_labels) == ([], refused)
