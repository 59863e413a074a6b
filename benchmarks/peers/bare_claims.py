"""`python bare_claims.py psycopg | asyncpg`: claims a second of rows that wait in a table, by SKIP
LOCKED, sixteen at a time: what the driver and PostgreSQL alone can do."""

import asyncio
import os
import sys
import time

CLIENTS = 16
ROWS = 4_000
MAKE = f"""
DROP TABLE IF EXISTS bare_claims;
CREATE TABLE bare_claims (id BIGINT PRIMARY KEY, status TEXT NOT NULL);
INSERT INTO bare_claims SELECT n, 'pending' FROM generate_series(1, {ROWS}) AS n;
CREATE INDEX bare_claims_pending ON bare_claims (id) WHERE status = 'pending';
"""
CLAIM = """
UPDATE bare_claims SET status = 'running' WHERE id = (
    SELECT id FROM bare_claims WHERE status = 'pending' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id
"""


async def with_psycopg(url):
    import psycopg

    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:

        async def claim():
            return await (await connection.execute(CLAIM)).fetchone()

        return await _until_none(claim)


async def with_asyncpg(url):
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        return await _until_none(lambda: connection.fetchrow(CLAIM))
    finally:
        await connection.close()


async def _until_none(claim):
    count = 0
    while await claim() is not None:
        count += 1
    return count


async def make(url):
    import psycopg

    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(MAKE)


async def main(driver):
    url = os.environ["DATABASE"]
    await make(url)
    work = {"psycopg": with_psycopg, "asyncpg": with_asyncpg}[driver]
    began = time.perf_counter()
    counts = await asyncio.gather(*(work(url) for _ in range(CLIENTS)))
    assert sum(counts) == ROWS
    print(ROWS / (time.perf_counter() - began))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
