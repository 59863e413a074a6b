"""What a statement is given comes back as it was meant, from both databases."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from orchestrator_server.db.queries import Query
from sdk.contract.jobs import JobStatus

MOMENT = Query("q", "SELECT :at AS at", postgres="SELECT CAST(:at AS timestamptz) AS at")
TEXT = Query("q", "SELECT CAST(:said AS TEXT) AS said")
FLAG = Query("q", "SELECT :said AS said", postgres="SELECT CAST(:said AS boolean) AS said")
NOON = datetime(2026, 3, 29, 12, 0, 0, 5, tzinfo=UTC)


class Moment(msgspec.Struct):
    at: datetime


class Said(msgspec.Struct):
    said: str


class Flag(msgspec.Struct):
    said: bool


def found(tx, query, type_, **given):
    [row] = tx.all(query, type_, **given)
    return row


@pytest.mark.parametrize(
    "same",
    [
        NOON,
        NOON.replace(tzinfo=None),
        NOON.astimezone(timezone(timedelta(hours=14))),
        NOON.astimezone(timezone(timedelta(hours=-3, minutes=-30))),
    ],
)
async def test_a_moment_is_the_same_in_whichever_zone_it_was_told(database, same):
    assert (await database.read(found, MOMENT, Moment, at=same)).at == NOON


async def test_moments_that_differ_by_a_microsecond_differ(database):
    for at in (NOON, NOON + timedelta(microseconds=1)):
        assert (await database.read(found, MOMENT, Moment, at=at)).at == at


async def test_a_word_of_our_own_is_its_text(database):
    said = (await database.read(found, TEXT, Said, said=JobStatus.PENDING)).said
    assert said == "pending"


@pytest.mark.parametrize("flag", [True, False])
async def test_a_flag_is_a_flag(database, flag):
    assert (await database.read(found, FLAG, Flag, said=flag)).said is flag
