"""Brings a database up to date: its schema, and with it what only code can work out."""

from orchestrator_server.access import roles
from orchestrator_server.db.migrate import Step, migrate
from orchestrator_server.db.transaction import Database, Transaction
from orchestrator_server.grants import service as grants


def _grants(tx: Transaction) -> None:
    roles.update_built_in_roles(tx)
    grants.grant_earlier_readers(tx)


STEPS: dict[str, Step] = {"0012_grants.sql": _grants}


async def upgrade(database: Database) -> None:
    """CannotMigrate if the database is a newer release's."""
    await migrate(database, STEPS)
