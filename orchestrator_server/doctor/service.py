"""Looks, without touching anything, for what must never be, and for what should be reviewed."""

from collections.abc import Iterable
from datetime import timedelta

import msgspec

from orchestrator_server.audit import chain
from orchestrator_server.db import queries
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.grants import service as grants
from orchestrator_server.keys import Keys
from orchestrator_server.packages import editing as packages
from orchestrator_server.robots import labeling

sql = queries.load(__package__)

SHOWN = 5
REVIEWED = 100
REFUSALS_SINCE = timedelta(days=30)
PROMISES = {
    "One attempt runs for each running job": sql.unattended,
    "No attempt runs without its job": sql.orphaned,
    "A robot runs one job": sql.doubled,
    "A claim key was granted once": sql.granted_twice,
    "What ended says how": sql.unexplained,
    "The recorded result is the attempt's": sql.contradicted,
    "No attempt is beyond the last": sql.beyond,
    "An item in progress is in somebody's hands": sql.unheld,
    "What is in use was not deleted": sql.deleted_in_use,
    "Every change of a job is in the audit trail": sql.unrecorded,
}


class Finding(msgspec.Struct, frozen=True):
    """A promise, and what breaks it; nothing, if it holds."""

    promise: str
    broken_by: list[str]


class Review(msgspec.Struct, frozen=True):
    """What is in order, and still worth a look by an operator; nothing, if there is none."""

    subject: str
    items: list[str]


class _What(msgspec.Struct, frozen=True):
    what: str


def examine(tx: Transaction, keys: Keys, package_files: set[str]) -> list[Finding]:
    """One finding for each promise, the kept ones too."""
    return [*_rows(tx), _trail(tx, keys), _files(tx, package_files)]


def review(tx: Transaction) -> list[Review]:
    """What only an operator can judge."""
    since = tx.now - REFUSALS_SINCE
    refused = tx.all(sql.refused_reads, _What, since=since, limit=REVIEWED)
    lasting = tx.all(sql.tokens_without_end, _What, limit=REVIEWED)
    return [
        Review(
            "Secrets granted by the upgrade, because the process had read them: confirm each by "
            "granting it again, or revoke it",
            grants.from_upgrade(tx, REVIEWED),
        ),
        Review("Secrets that jobs were refused in the last 30 days", [row.what for row in refused]),
        Review(
            "Labels from before the upgrade that the robot's machine does not allow",
            labeling.inherited(tx, REVIEWED),
        ),
        Review(
            "Robots as which a second agent wanted to work in the last 30 days",
            [row.what for row in tx.all(sql.second_agents, _What, since=since, limit=REVIEWED)],
        ),
        Review("API tokens without scopes or expiry", [row.what for row in lasting]),
    ]


def _rows(tx: Transaction) -> Iterable[Finding]:
    for promise, query in PROMISES.items():
        found = tx.all(query, _What, limit=SHOWN)
        yield Finding(promise, [row.what for row in found])


def _trail(tx: Transaction, keys: Keys) -> Finding:
    broken = chain.verify(tx, keys).broken
    return Finding(
        "The audit trail is as it was written",
        [f"link {broken.seq}: {broken.why}"] if broken else [],
    )


def _files(tx: Transaction, there: set[str]) -> Finding:
    missing = packages.missing_files(packages.stored_files(tx), there)
    return Finding("Every package has its file", missing[:SHOWN])
