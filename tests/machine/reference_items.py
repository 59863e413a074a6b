"""The part of the model that is about queue items: put in, taken, finished, given back.

A worker is a robot, `("robot", id)`, or a running job, `("job", id, attempt)`.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tests.machine import facts
from tests.machine.answers import A_SENTENCE, made, ok, refused
from tests.machine.records import Item, ItemAttempt

WITHOUT_A_JOB_SECONDS = 300
SAID = dict.fromkeys(("result", "error_type", "error_message"))
NEVER = datetime.max.replace(tzinfo=UTC)


class Who(NamedTuple):
    robot_id: int
    job_id: int | None
    is_job: bool

    @property
    def keys(self):
        """Whose claim keys are meant: the job's, or the robot's that runs none."""
        return ("job", self.job_id) if self.job_id is not None else ("robot", self.robot_id)


class Items:
    def __init__(self):
        self.now = facts.START
        self.events = {}
        self.items = {}
        self.item_attempts = {}  # by item and number
        self.leases = {}  # until when an item is held; None: as long as its job runs
        self.taken = {}  # which attempt a key took

    def tell(self, entity, id_, deed, who, attempt=None):
        told = self.events.setdefault((entity, id_), [])
        told.append((f"{entity}.{deed}", who, attempt))

    def put(self, wanted):
        item = Item(id=len(self.items) + 1, **wanted)
        self.items[item.id] = item
        self.tell("queue_item", item.id, "created", "user")
        return made(id=item.id, status="new")

    def take(self, worker, queue_id, key):
        who = self.who(worker)
        if who is None:
            return refused(401)
        before = self.taken.get((who.keys, key)) if key is not None else None
        if before is not None:
            if self.item_attempts[before].status != "in_progress":
                return ok(item=None, key_used=True)
            answer = self._handed(before[0])
            if self.leases[before[0]] is None:
                # The lease follows the job's, and the server tells what was left at the first time.
                del answer.said["lease_seconds"]
            return answer
        item = self._next_of(queue_id)
        if item is None:
            return ok(item=None, key_used=None)
        item.status, item.attempt = "in_progress", item.attempt + 1
        item.locked_by_robot_id, item.job_id = who.robot_id, who.job_id
        item.error_type = item.error_message = None
        self.item_attempts[item.id, item.attempt] = ItemAttempt(
            item_id=item.id, attempt=item.attempt, robot_id=who.robot_id, job_id=who.job_id
        )
        if key is not None:
            self.taken[who.keys, key] = (item.id, item.attempt)
        self._lease(item)
        self.tell("queue_item", item.id, "claimed", worker[0], item.attempt)
        return self._handed(item.id)

    def complete(self, worker, item_id, said):
        return self._finish(worker, item_id, SAID | {"status": "completed"} | said)

    def fail(self, worker, item_id, said):
        return self._finish(worker, item_id, SAID | {"status": "failed"} | said)

    def renew(self, worker, item_id, said):
        who = self.who(worker)
        if who is None:
            return refused(401)
        attempt = self._own(who, item_id, said["attempt"])
        if attempt is None or attempt.status != "in_progress":
            return refused(409, "stale-attempt")
        self._lease(self.items[item_id])
        return ok(id=item_id, status="in_progress")

    def give_back(self, job_id):
        """What a job holds when its attempt ends."""
        for item in self.items.values():
            if item.job_id == job_id and item.status == "in_progress":
                self._return(item)

    def expire_items(self):
        silent = [item for item in self.items.values() if self._held_until(item) <= self.now]
        for item in silent:
            self._return(item)
        late = [item for item in self.items.values() if _waits_until(item) <= self.now]
        for item in late:
            self._abandon(item)
        return len(silent) + len(late)

    def renew_items(self):
        for item in self.items.values():
            if item.status == "in_progress":
                self._lease(item)

    def item_times(self):
        items = self.items.values()
        return {f(item) for item in items for f in (self._held_until, _waits_until)} - {NEVER}

    def who(self, worker):
        """On whose behalf somebody asks; None once the job that asks has ended."""
        kind, id_, *attempt = worker
        if kind == "robot":
            job = self.current(id_)
            return Who(id_, job and job.id, is_job=False)
        job = self.jobs[id_]
        if (job.status, [job.attempt]) != ("running", attempt):
            return None
        return Who(job.robot_id, id_, is_job=True)

    def is_taken_anew(self, worker, key):
        """Whether what a key took has been taken once more since, by anybody."""
        who = self.who(worker)
        before = self.taken.get((who.keys, key)) if who is not None else None
        return before is not None and self.items[before[0]].attempt > before[1]

    def _next_of(self, queue_id):
        waiting = [item for item in self.items.values() if _waits_until(item) > self.now]
        open_ = [item for item in waiting if (item.queue_id, item.status) == (queue_id, "new")]
        return min(open_, key=lambda item: (-item.priority, item.id), default=None)

    def _lease(self, item):
        """The queue's own lease, else its job's, else what a robot has without a job."""
        own_seconds = facts.QUEUES[item.queue_id].lease_seconds
        if own_seconds is None and item.job_id is not None:
            self.leases[item.id] = None
            return
        lease = timedelta(seconds=own_seconds or WITHOUT_A_JOB_SECONDS)
        self.leases[item.id] = self.now + lease

    def _held_until(self, item):
        return (item.status == "in_progress" and self.leases[item.id]) or NEVER

    def _handed(self, item_id):
        item = self.items[item_id]
        until = self.leases[item_id] or self.jobs[item.job_id].lease_until
        handed = {"id": item.id, "attempt": item.attempt, "job_id": item.job_id}
        left = max(0.0, (until - self.now).total_seconds())
        return ok(item=handed | {"status": "in_progress"}, lease_seconds=left)

    def _finish(self, worker, item_id, said):
        who = self.who(worker)
        if who is None:
            return refused(401)
        item, attempt = self.items[item_id], self._own(who, item_id, said["attempt"])
        if attempt is not None and attempt.status == "in_progress":
            self._note(item, attempt, said)
            self.tell("queue_item", item_id, said["status"], worker[0], item.attempt)
        elif attempt is None or not _same(item, attempt, said):
            return refused(409, "stale-attempt")
        return ok(id=item_id, status=item.status, retries=item.retries)

    def _own(self, who, item_id, number):
        """The attempt of an item that somebody speaks of, if it is theirs."""
        attempt = self.item_attempts.get((item_id, number))
        if attempt is None or attempt.robot_id != who.robot_id:
            return None
        return attempt if attempt.job_id == who.job_id or not who.is_job else None

    def _note(self, item, attempt, said):
        for name in ("status", "error_type", "error_message"):
            setattr(attempt, name, said[name])
        again = said["error_type"] != "business" and self._has_retries(item)
        if said["status"] == "completed" or not again:
            item.status, item.result = said["status"], said["result"]
        else:
            self._wait_again(item)
        item.error_type, item.error_message = said["error_type"], said["error_message"]

    def _return(self, item):
        """Back into the queue, or given up; whoever held it has nothing more to say."""
        attempt = self.item_attempts[item.id, item.attempt]
        attempt.status, attempt.error_message = "returned", A_SENTENCE
        if self._has_retries(item):
            self._wait_again(item)
            self.tell("queue_item", item.id, "returned", "system", item.attempt)
        else:
            self._abandon(item)

    def _abandon(self, item):
        item.status, item.error_type, item.error_message = "abandoned", None, A_SENTENCE
        item.locked_by_robot_id = item.job_id = None
        self.tell("queue_item", item.id, "abandoned", "system", item.attempt)

    def _has_retries(self, item):
        return item.retries < facts.QUEUES[item.queue_id].max_retries

    def _wait_again(self, item):
        item.status, item.retries = "new", item.retries + 1
        item.locked_by_robot_id = item.job_id = None


def _waits_until(item):
    """The deadline of an item that waits."""
    return (item.status == "new" and item.deadline) or NEVER


def _same(item, attempt, said):
    told = (attempt.status, attempt.error_type, attempt.error_message)
    if told != (said["status"], said["error_type"], said["error_message"]):
        return False
    return said["status"] != "completed" or item.result == said["result"]
