"""What is done to a site during a soak, by the dice: kills, outages, and faults on the way.

The dice fall the same for the same seed; what they meet is a matter of the machine's timing.
"""

import asyncio
from collections import Counter

from aiohttp import web

from orchestrator_server.chaos.proxy import Fault
from orchestrator_server.chaos.site import Site
from tests.soak import crew
from tests.soak.plan import Plan

SHARE_OF_FAULTS = 0.03  # of all requests of robots
KINDS = {
    **{"drop_request": 5, "drop_response": 5, "duplicate": 5, "late": 3, "truncate": 3},
    **{"html": 2, "status": 3, "slow": 2, "blackhole": 1},
}
STATUSES = (500, 502, 503, 504, 429)
AGENT_LIVES_SECONDS = (15.0, 45.0)  # until the next one of them is killed
AGENT_IS_AWAY_SECONDS = (0.0, 5.0)
BETWEEN_OUTAGES_SECONDS = (20.0, 60.0)
OUTAGE_SECONDS = (1.0, 8.0)


class Trouble:
    def __init__(self, site: Site, plan: Plan) -> None:
        self._site = site
        self._plan = plan
        self._of_messages = plan.dice("messages")
        # The first lives on, to be compared with itself.
        self._mortal = crew.real_names(plan)[1:] + crew.simulated_names(plan)[1:]
        self.is_away: set[str] = set()  # killed by us, and not yet started again
        self.kills: Counter[str] = Counter()
        self.outages = 0

    def choose(self, request: web.BaseRequest) -> Fault | None:
        """For a FaultProxy."""
        dice = self._of_messages
        if dice.random() >= SHARE_OF_FAULTS:
            return None
        [kind] = dice.choices(list(KINDS), list(KINDS.values()))
        argument = {
            "late": dice.uniform(0.1, 5),
            "truncate": dice.randrange(200),
            "status": dice.choice(STATUSES),
            "slow": dice.uniform(200, 2000),
        }
        return Fault(kind, argument=argument.get(kind, 0))

    async def kill_the_server(self) -> None:
        while True:
            await asyncio.sleep(self._plan.server_lives_seconds)
            await self._site.server.kill()
            self.kills["server"] += 1
            await self._site.start_server()

    async def kill_agents(self) -> None:
        dice = self._plan.dice("agents")
        while self._mortal:
            await asyncio.sleep(dice.uniform(*AGENT_LIVES_SECONDS))
            name = dice.choice(self._mortal)
            await self._kill(name, dice.uniform(*AGENT_IS_AWAY_SECONDS))

    async def _kill(self, name: str, away_seconds: float) -> None:
        self.is_away.add(name)
        await self._site.agents[name].kill()
        self.kills[name] += 1
        self._site.forgive_hidden()  # without a trace, and nobody left who adopted them
        try:
            await asyncio.sleep(away_seconds)
        finally:
            await self._site.agents[name].start()
            self.is_away.discard(name)

    async def cut_the_network(self) -> None:
        dice = self._plan.dice("network")
        while True:
            await asyncio.sleep(dice.uniform(*BETWEEN_OUTAGES_SECONDS))
            await self._site.proxy.refuse()
            self.outages += 1
            try:
                await asyncio.sleep(dice.uniform(*OUTAGE_SECONDS))
            finally:
                await self._site.proxy.open()
