"""What one job may use: its memory, its processes, its output. Over it, the job is ended."""

import asyncio
from dataclasses import dataclass

from robot_agent.spool import Spool
from sdk.contract.jobs import Reason
from sdk.running.counts import Use
from sdk.running.family import Family
from sdk.running.process import StopOrder

LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Limits:
    """0: as much as there is."""

    memory_bytes: int = 0
    processes: int = 0
    output_bytes: int = 0


async def watch(family: Family, spool: Spool, limits: Limits, order: StopOrder) -> None:
    """Kill the family once it uses more than its limits; runs until canceled."""
    while limits != Limits():
        await asyncio.sleep(LOOK_SECONDS)
        use = Use()
        if limits.memory_bytes or limits.processes:  # a walk over all processes
            use = await asyncio.to_thread(family.use)
        if over := _over(use, spool.printed_bytes(), limits):
            order.kill(*over)
            return


def _over(use: Use, printed_bytes: int, limits: Limits) -> tuple[Reason, str] | None:
    if 0 < limits.memory_bytes < use.memory_bytes:
        return Reason.OUT_OF_MEMORY, (
            f"The script and what it started used {use.memory_bytes:,} bytes of memory; "
            f"{limits.memory_bytes:,} are allowed on this robot."
        )
    if 0 < limits.processes < use.processes:
        return Reason.SCRIPT_FAILED, (
            f"The script had {use.processes} processes; {limits.processes} are allowed on this "
            "robot."
        )
    if 0 < limits.output_bytes < printed_bytes:
        return Reason.OUTPUT_LIMIT, (
            f"The script printed {printed_bytes:,} bytes; {limits.output_bytes:,} are allowed on "
            "this robot."
        )
    return None
