"""Put every secret under a new key, step by step; begun again, it goes on where it stopped."""

from pathlib import Path

import msgspec

from orchestrator_server import keys
from orchestrator_server.assets import reads
from orchestrator_server.assets.service import place, sql
from orchestrator_server.db.transaction import Database, Transaction
from orchestrator_server.sealing import Sealer, key_id_of
from orchestrator_server.settings import service as settings
from sdk.failpoints import failpoint

BATCH = 100


class _Sealed(msgspec.Struct, frozen=True):
    id: int
    sealed: str


async def rotate(database: Database, key_file: Path) -> int:
    """Make a new key, unless a rotation is unfinished; return how many secrets moved to it.

    Servers that are running notice the new key file by themselves. The key before stays in
    the file until the next rotation, for a server that was sealing at this very moment.
    """
    used = await database.read(keys_in_use)
    current = keys.load(key_file, check=await database.read(keys.stored_check))
    if not used - {current.sealing_id}:
        current = keys.with_new_sealing(key_file, keep=used)
    sealer = Sealer(keys.KeyFile(key_file, current))
    moved = await _move_all(database, sealer, current.sealing_id)
    await database.write(reads.rewrap_replaced, sealer)
    await database.write(settings.rewrap_password, sealer)
    await database.write(keys.replace_check, current.check_value())
    return moved


def keys_in_use(tx: Transaction) -> set[str]:
    """The ids of the keys that some secret was sealed with."""
    found = reads.replaced_keys(tx)
    after_id = 0
    while batch := tx.all(sql.sealed_after, _Sealed, after_id=after_id, limit=BATCH):
        found |= {key_id_of(row.sealed) for row in batch}
        after_id = batch[-1].id
    password = settings.read(tx).email.password
    return found | ({key_id_of(password)} if password else set())


async def _move_all(database: Database, sealer: Sealer, key_id: str) -> int:
    moved = after_id = 0
    while True:
        count, last_id = await database.write(_move_some, sealer, key_id, after_id)
        if last_id is None:
            return moved
        moved, after_id = moved + count, last_id
        failpoint("rotation.after_batch")


def _move_some(
    tx: Transaction, sealer: Sealer, key_id: str, after_id: int
) -> tuple[int, int | None]:
    batch = tx.all(sql.sealed_after, _Sealed, after_id=after_id, limit=BATCH)
    old = [row for row in batch if key_id_of(row.sealed) != key_id]
    for row in old:
        sealed = sealer.rewrap(row.sealed, place(row.id))
        tx.run(sql.move, id=row.id, before=row.sealed, sealed=sealed)
    return len(old), batch[-1].id if batch else None
