"""What is stored, read from the tables, and what must be true of it whatever happened before."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from orchestrator_server.db.queries import Query
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.doctor import service as doctor
from tests.machine import records
from tests.machine.records import Rows


class _What(msgspec.Struct, frozen=True):
    what: str


FINAL = ("completed", "failed", "canceled")


def _all_of(table, record, where="true", order="1, 2"):
    columns = ", ".join(record.__struct_fields__)
    return Query(table, f"SELECT {columns} FROM {table} WHERE {where} ORDER BY {order}")


JOBS = _all_of("jobs", records.Job)
ATTEMPTS = _all_of("attempts", records.Attempt)
ROBOTS = _all_of("robots", records.Robot)
ITEMS = _all_of("queue_items", records.Item)
ITEM_ATTEMPTS = _all_of("queue_item_attempts", records.ItemAttempt)
EVENTS = _all_of("audit_events", records.Event, "entity_type IN ('job', 'queue_item')", "id")


def read(tx: Transaction) -> Rows:
    events = {}
    for event in tx.all(EVENTS, records.Event):
        events.setdefault((event.entity_type, event.entity_id), []).append(event.told)
    attempts = [_known(attempt) for attempt in tx.all(ATTEMPTS, records.Attempt)]
    item_attempts = tx.all(ITEM_ATTEMPTS, records.ItemAttempt)
    return Rows(
        jobs={job.id: job for job in tx.all(JOBS, records.Job)},
        attempts={(each.job_id, each.attempt): each for each in attempts},
        robots={robot.id: robot for robot in tx.all(ROBOTS, records.Robot)},
        items={item.id: item for item in tx.all(ITEMS, records.Item)},
        item_attempts={(each.item_id, each.attempt): each for each in item_attempts},
        events=events,
    )


def found_by_doctor(tx: Transaction) -> list[str]:
    """What `orchestrator doctor` would say of the rows; the trail and the files, at the end."""
    return [
        f"doctor: {promise}: {found.what}"
        for promise, query in doctor.PROMISES.items()
        for found in tx.all(query, _What, limit=doctor.SHOWN)
    ]


def broken(rows: Rows, before: Rows) -> list[str]:
    """The promises that these rows break by themselves, or as what follows those before."""
    return [
        *_ownership(rows),
        *_agreement(rows),
        *_audit(rows),
        *_finality(rows, before),
        *_items(rows),
    ]


def _ownership(rows: Rows) -> Iterable[str]:
    running = [each for each in rows.attempts.values() if each.status == "running"]
    yield from _twice("job with two running attempts", (each.job_id for each in running))
    yield from _twice("robot with two running attempts", (each.robot_id for each in running))
    keys = [(a.robot_id, a.claim_key) for a in rows.attempts.values() if a.claim_key is not None]
    yield from _twice("key that was granted twice", keys)


def _agreement(rows: Rows) -> Iterable[str]:
    for job in rows.jobs.values():
        granted = [each for each in rows.attempts.values() if each.job_id == job.id]
        if [each.attempt for each in granted] != list(range(1, job.attempt + 1)):
            yield f"job {job.id} has had other attempts than 1 to {job.attempt}"
        if job.attempt > job.max_attempts:
            yield f"job {job.id} was started too often"
        current = [each for each in granted if each.status == "running"]
        if (job.status == "running") != bool(current):
            yield f"job {job.id} is {job.status}, its running attempts are {current}"
        if current and (current[0].attempt, current[0].robot_id) != (job.attempt, job.robot_id):
            yield f"job {job.id} and its running attempt name different ones"
        if (job.lease_until is not None) != (job.status == "running"):
            yield f"job {job.id} is {job.status} with the lease {job.lease_until}"
        if job.status == "completed" and granted[-1].status != "completed":
            yield f"job {job.id} completed, its last attempt did not"


def _audit(rows: Rows) -> Iterable[str]:
    """A change and its event are committed together, or neither is."""
    for job in rows.jobs.values():
        told = Counter(action for action, _, _ in rows.events.get(("job", job.id), []))
        claimed = sum(each.job_id == job.id for each in rows.attempts.values())
        if (told["job.created"], told["job.claimed"]) != (1, claimed):
            yield f"job {job.id} had {claimed} attempts, and the trail says {told}"
        ends = {status: int(job.status == status) for status in FINAL}
        if ends != {status: told[f"job.{status}"] for status in FINAL}:
            yield f"job {job.id} is {job.status}, and the trail says {told}"


def _finality(rows: Rows, before: Rows) -> Iterable[str]:
    """What has ended stays as it ended; only a late report may come to an attempt."""
    for id_, job in before.jobs.items():
        if job.status in FINAL and rows.jobs.get(id_) != job:
            yield f"job {id_} was {job}, and is {rows.jobs.get(id_)}"
    for key, attempt in before.attempts.items():
        now = rows.attempts[key]
        late = attempt.late_report if attempt.late_report is not None else now.late_report
        was = {**_fields(attempt), "late_report": late}
        if attempt.status != "running" and _fields(now) != was:
            yield f"attempt {key} was {attempt}, and is {now}"


def _items(rows: Rows) -> Iterable[str]:
    for item in rows.items.values():
        job = rows.jobs.get(item.job_id)
        held = [
            each
            for each in rows.item_attempts.values()
            if each.item_id == item.id and each.status == "in_progress"
        ]
        if [each.attempt for each in held] != [item.attempt] * (item.status == "in_progress"):
            yield f"item {item.id} is {item.status}, its open attempts are {held}"
        if item.status == "in_progress" and job is not None and job.status != "running":
            yield f"item {item.id} is held by job {job.id}, which is {job.status}"


def _known(attempt):
    """Without what the model does not know: a report may be given more to say."""
    late = attempt.late_report
    attempt.late_report = late and {name: late[name] for name in records.REPORT}
    return attempt


def _fields(record):
    return {name: getattr(record, name) for name in record.__struct_fields__}


def _twice(what, found):
    return [f"{what}: {each}" for each, count in Counter(found).items() if count > 1]
