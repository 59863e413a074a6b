"""Who is woken for a job, and who is let alone."""

import asyncio

import pytest

from orchestrator_server.db.wakeups import Wakeups
from orchestrator_server.jobs.wants import Taker, Wants

ONE = Taker(1, None, frozenset())
SAP = Taker(2, 7, frozenset({"sap", "desktop"}))


@pytest.mark.parametrize(
    ("wants", "fitting"),
    [
        (Wants(), {ONE, SAP}),
        (Wants(robot_id=1), {ONE}),
        (Wants(machine_id=7), {SAP}),
        (Wants(labels=("sap",)), {SAP}),
        (Wants(labels=("sap", "excel")), set()),
        (Wants(robot_id=1, labels=("sap",)), set()),
    ],
)
def test_a_job_fits_who_has_what_it_wants(wants, fitting):
    assert {taker for taker in (ONE, SAP) if wants.fit(taker)} == fitting


async def test_one_is_woken_who_fits_and_has_waited_longest():
    wakeups = Wakeups()
    with (
        wakeups.listening(ONE) as first,
        wakeups.listening(SAP) as second,
        wakeups.listening(SAP) as third,
    ):
        assert wakeups.wake_one(Wants(labels=("sap",)).fit)
        assert (first.done(), second.done(), third.done()) == (False, True, False)
        assert wakeups.wake_one(Wants().fit)
        assert (first.done(), third.done()) == (True, False)
        assert not wakeups.wake_one(Wants(robot_id=1).fit)  # it was woken already
    assert wakeups.count == 0


async def test_a_server_that_stops_lets_everybody_go():
    wakeups = Wakeups()
    waiting = [asyncio.create_task(wakeups.wait(taker, 60)) for taker in (ONE, SAP)]
    await asyncio.sleep(0)
    wakeups.close()
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting)
        await wakeups.wait(ONE, 60)
