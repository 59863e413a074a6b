"""Who is woken for a job, and who is let alone."""

import asyncio

import pytest

from orchestrator_server.db.wakeups import Wakeups
from orchestrator_server.jobs.wants import Demand, Taker, Wants

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


def test_a_paused_robot_is_woken_for_what_is_its_own_alone():
    paused = Taker(1, None, frozenset(), is_paused=True)
    assert not Wants().fit(paused)
    assert Wants(robot_id=1).fit(paused)


def test_each_job_is_given_to_one_who_waits():
    demand = Demand([(Wants(labels=("sap",)), 2), (Wants(robot_id=9), 1), (Wants(machine_id=7), 1)])
    taken = [taker for taker in [ONE, SAP, ONE, SAP, SAP, SAP] if demand.take(taker)]
    assert taken == [SAP, SAP, SAP]
    assert demand.take(Taker(9, None, frozenset()))
    assert not demand.take(Taker(9, None, frozenset()))


def test_jobs_for_who_is_not_there_cost_those_who_are_nothing(monkeypatch):
    demand = Demand([(Wants(robot_id=number), 1) for number in range(1000, 2000)])
    asked = []
    monkeypatch.setattr(Wants, "fit", lambda self, _: asked.append(self))
    assert not any(demand.take(Taker(number, None, frozenset())) for number in range(1000))
    assert asked == []


async def test_whoever_it_is_said_of_is_woken():
    wakeups = Wakeups()
    with wakeups.listening(ONE) as first, wakeups.listening(SAP) as second:
        with wakeups.listening(ONE) as third:
            assert wakeups.wake_each(lambda taker: taker is ONE)
            assert (first.done(), second.done(), third.done()) == (True, False, True)
        assert not wakeups.wake_each(lambda taker: taker is ONE)  # they were woken already


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
