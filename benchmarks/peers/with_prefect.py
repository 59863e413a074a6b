"""A flow that does nothing, each run a process of its own; `python with_prefect.py deploy` makes it
known, `python with_prefect.py COUNT` says how many seconds so many runs took."""

import asyncio
import sys
import time
from pathlib import Path

from prefect import flow
from prefect.client.orchestration import get_client

POOL = "peers"


@flow
def nothing():
    pass


async def drive(count):
    async with get_client() as client:
        deployment = await client.read_deployment_by_name("nothing/nothing")
        began = time.perf_counter()
        left = [
            (await client.create_flow_run_from_deployment(deployment.id)).id for _ in range(count)
        ]
        while left:
            run = await client.read_flow_run(left[0])
            if run.state.is_final():
                assert run.state.is_completed(), run.state
                left.pop(0)
            else:
                await asyncio.sleep(0.1)
        print(time.perf_counter() - began)


if __name__ == "__main__":
    if sys.argv[1] == "deploy":
        here = Path(__file__)
        nothing.from_source(source=str(here.parent), entrypoint=f"{here.name}:nothing").deploy(
            name="nothing", work_pool_name=POOL
        )
    else:
        asyncio.run(drive(int(sys.argv[1])))
