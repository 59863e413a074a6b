"""Who works during a soak: real agents, and simulated ones with many robots each."""

import asyncio
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from orchestrator_server.chaos.programs import Program
from orchestrator_server.chaos.site import Site
from orchestrator_server.chaos.waiting import WAIT_SECONDS
from sdk.contract.robots import RobotQuery
from tests.soak.plan import Plan
from tests.soak.simulated import SERVER_VARIABLE

ROOT = Path(__file__).parents[2]
SIMULATED = "tests.soak.simulated"
RESTART_SECONDS = 5.0


def real_names(plan: Plan) -> list[str]:
    return [f"agent-{number}" for number in range(1, plan.agents + 1)]


def simulated_names(plan: Plan) -> list[str]:
    return [f"simulated-{number}" for number in range(1, len(plan.groups) + 1)]


def robots(plan: Plan) -> dict[str, int]:
    """How many robots each program has to do with."""
    real = dict.fromkeys(real_names(plan), 1)
    simulated = dict(zip(simulated_names(plan), plan.groups, strict=True))
    return {"server": plan.agents + plan.robots, **real, **simulated}


async def start(site: Site, plan: Plan) -> None:
    """Return when all robots are there."""
    for name in real_names(plan):
        await site.start_agent(name)
    present = plan.agents
    for name, robots in zip(simulated_names(plan), plan.groups, strict=True):
        site.agents[name] = _simulated(site, name, robots)
        await site.agents[name].start()
        # One group after another: a hundred at once from one address are told to come later.
        present += robots
        await _are_there(site, present)


async def look_after(site: Site, is_away: Collection[str], ended: Counter[str]) -> None:
    """Start again who ended by itself, as a service manager does, until canceled.

    Who is away was killed by us, who start it again.
    """
    while True:
        for name, program in site.agents.items():
            if not program.lives and name not in is_away:
                ended[f"{name} (status {await program.ended()})"] += 1
                await program.start()
        await asyncio.sleep(RESTART_SECONDS)


def unforeseen(ended: Counter[str]) -> list[str]:
    """A sentence for each agent that ended by itself, which none should."""
    return [f"{what} ended by itself; see its log." for what in sorted(ended)]


def _simulated(site: Site, name: str, robots: int) -> Program:
    key_file = site.folder / "machine.key"  # written for the first real agent
    arguments = ["run", "--url", site.proxy.url, "--machine-key-file", str(key_file)]
    arguments += ["--name", name, "--robots", str(robots), "--min-free-mib", "0"]
    arguments += ["--data", str(site.data_of(name))]
    environment = {SERVER_VARIABLE: site.url, "PYTHONPATH": str(ROOT)}
    return Program(SIMULATED, arguments, site.folder / f"{name}.log", environment)


async def _are_there(site: Site, count: int) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while (
            len([robot async for robot in site.client.list_robots(RobotQuery(limit=500))]) < count
        ):
            await asyncio.sleep(0.2)  # no event tells
