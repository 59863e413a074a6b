"""A task that runs a script as a process of its own; `python with_procrastinate.py COUNT SCRIPT`
says how many seconds so many of them took."""

import asyncio
import os
import sys
import time

from procrastinate import App, PsycopgConnector

app = App(connector=PsycopgConnector(conninfo=os.environ["DATABASE"]))


@app.task(name="run")
async def run(script):
    process = await asyncio.create_subprocess_exec(sys.executable, script)
    assert await process.wait() == 0


async def drive(count, script):
    async with app.open_async():
        began = time.perf_counter()
        for _ in range(count):
            await run.defer_async(script=script)
        for status in ("todo", "doing"):
            while await app.job_manager.list_jobs_async(status=status):
                await asyncio.sleep(0.05)
        print(time.perf_counter() - began)


if __name__ == "__main__":
    asyncio.run(drive(int(sys.argv[1]), sys.argv[2]))
