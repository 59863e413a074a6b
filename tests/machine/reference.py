"""What jobs, attempts and robots do, as the server promises it: plain Python, no database.

Each verb takes what a request carries, and gives the answer that request must get; `rows` is what
must then be stored. Where several refusals would fit, the order is the server's.
"""

import json
from datetime import timedelta

from tests.machine import facts
from tests.machine.answers import ok, refused
from tests.machine.records import REPORT, Attempt, Robot, Rows
from tests.machine.reference_items import Items
from tests.machine.reference_people import People
from tests.machine.reference_time import LEASE, Time

NEEDS_NO_PAUSE = ("robot_lost", "agent_restarted")
MAY_GO_OTHERWISE = (
    *NEEDS_NO_PAUSE,
    *("script_failed", "script_timeout", "out_of_memory"),
    *("start_failed", "environment_failed", "package_corrupt"),
)


class Reference(People, Time, Items):
    def __init__(self):
        super().__init__()
        self.jobs = {}
        self.attempts = {}  # by job and number
        self.robots = {id_: Robot(id=id_) for id_ in facts.ROBOTS}
        self.resting = set()  # processes that are not active
        self.reports = {}  # the first report of each attempt

    def rows(self):
        return Rows(
            jobs=self.jobs,
            attempts=self.attempts,
            robots=self.robots,
            items=self.items,
            item_attempts=self.item_attempts,
            events=self.events,
        )

    # What robots ask

    def claim(self, robot_id, key, instance):
        held = self.current(robot_id)
        if held is not None:
            other = self.attempts[held.id, held.attempt].agent_instance
            if None not in (other, instance) and other != instance:
                return refused(409, "robot-in-use")
            return self._granted(held, redelivered=True)
        if key is not None and key in self.keys_of(robot_id):
            return ok(job=None, key_used=True)
        job = self.next_for(robot_id)
        if job is None:
            return ok(job=None, key_used=None)
        job.status, job.robot_id, job.attempt = "running", robot_id, job.attempt + 1
        job.lease_until, job.started_at, job.progress = self.now + LEASE, self.now, None
        self.attempts[job.id, job.attempt] = Attempt(
            job_id=job.id,
            attempt=job.attempt,
            robot_id=robot_id,
            claim_key=key,
            agent_instance=instance,
            created_at=self.now,
        )
        self.tell("job", job.id, "claimed", "robot", job.attempt)
        return self._granted(job, redelivered=False)

    def report(self, robot_id, job_id, said):
        said = REPORT | said
        refusal = self._refusal(robot_id, job_id, said)
        if refusal is not None:
            return refusal
        job = self.jobs[job_id]
        number = said["attempt"] or job.attempt
        attempt = self.attempts[job_id, number]
        if attempt.status in ("completed", "failed"):
            same = _content(said) == _content(self.reports.get((job_id, number)))
            return ok(status="ok", already=True) if same else refused(409, "result-conflict")
        if attempt.status != "running":
            if attempt.late_report is None:
                attempt.late_report = said
            canceled = job.status == "canceled"
            return refused(409, "job-canceled" if canceled else "stale-attempt")
        self.reports[job_id, number] = said
        self._record(job, said)
        return ok(status="ok", already=None)

    def _refusal(self, robot_id, job_id, said):
        """Why a report is about nothing that this robot could report; None if it is not."""
        job = self.jobs.get(job_id)
        if said["status"] not in ("completed", "failed"):
            return refused(422)
        if job is None:
            return refused(404)
        if said["attempt"] is None and job.attempt > 1:
            return refused(400)
        attempt = self.attempts.get((job_id, said["attempt"] or job.attempt))
        if attempt is None:
            return refused(409, "not-claimed")
        return None if attempt.robot_id == robot_id else refused(403)

    def beat(self, robot_id, named):
        self.robots[robot_id].last_heartbeat = self.now
        if named is None:
            held = self.current(robot_id)
            if held is not None:
                held.lease_until = self.now + LEASE
            return ok(status="ok", jobs=[])
        return ok(status="ok", jobs=[self._action(robot_id, one) for one in named])

    def _action(self, robot_id, named):
        job = self.jobs.get(named["id"])
        answer = {"id": named["id"], "attempt": named["attempt"], "stop_requested": None}
        if job is None or (job.robot_id, job.attempt) != (robot_id, named["attempt"]):
            return answer | {"action": "forget"}
        if job.status != "running":
            return answer | {"action": "stop" if job.status == "canceled" else "forget"}
        job.lease_until = self.now + LEASE
        job.progress = named.get("progress", job.progress)
        return answer | {
            "action": "continue",
            "stop_requested": True if job.stop_requested_at else None,
        }

    # What it comes to

    def current(self, robot_id):
        """The job that a robot is running."""
        running = [j for j in self.jobs.values() if j.status == "running"]
        return next((job for job in running if job.robot_id == robot_id), None)

    def keys_of(self, robot_id):
        return {a.claim_key for a in self.attempts.values() if a.robot_id == robot_id}

    def next_for(self, robot_id):
        if self.robots[robot_id].is_paused:
            return None
        fitting = [job for job in self.jobs.values() if self._may_run(job, robot_id)]
        return min(fitting, key=lambda job: (-job.priority, job.id), default=None)

    def _may_run(self, job, robot_id):
        robot, limit = facts.ROBOTS[robot_id], facts.LIMITS[job.process_id]
        others = [j for j in self.jobs.values() if j.status == "running"]
        running = sum(other.process_id == job.process_id for other in others)
        return (
            job.status == "pending"
            and (job.not_before is None or job.not_before <= self.now)
            and (job.start_by is None or job.start_by > self.now)
            and job.process_id not in self.resting
            and (limit is None or running < limit)
            and job.wanted_robot_id in (None, robot_id)
            and job.wanted_machine_id in (None, robot.machine_id)
            and set(job.labels) <= set(robot.labels)
        )

    def _granted(self, job, *, redelivered):
        attempt = self.attempts[job.id, job.attempt]
        granted = {"id": job.id, "attempt": job.attempt, "claim_key": attempt.claim_key}
        rest = {"status": "running", "redelivered": redelivered, "lease_seconds": 60}
        return ok(job=granted | rest)

    def _record(self, job, said):
        if said["status"] == "failed":
            self._fail(job, "failed", "robot", said | {"reason": _reason(said)})
            return
        self._end(job, "completed", result=said["result"], error_message=said["error_message"])
        self.attempts[job.id, job.attempt].started = said["started"]
        self.tell("job", job.id, "completed", "robot", job.attempt)

    def _fail(self, job, attempt_status, who, left):
        """The attempt is over; its job begins again if that may help, and it may start again."""
        kept = {name: left[name] for name in ("reason", "result", "error_message")}
        may_help = left["reason"] in MAY_GO_OTHERWISE and left["error_type"] != "business"
        again = may_help and job.attempt < job.max_attempts and job.stop_requested_at is None
        if not again:
            self._end(job, "failed", attempt_status, **kept)
        else:
            self._end_attempt(job, attempt_status, **kept)
            pause = None if left["reason"] in NEEDS_NO_PAUSE else _pause(job.attempt)
            job.status, job.not_before = "pending", pause and self.now + pause
            job.robot_id = job.lease_until = job.started_at = job.progress = None
        self.attempts[job.id, job.attempt].started = left["started"]
        self.tell("job", job.id, "requeued" if again else "failed", who, job.attempt)

    def _end(self, job, status, attempt_status=None, **left):
        was_running = job.status == "running"
        if was_running:
            self._end_attempt(job, attempt_status or status, **left)
        job.status, job.finished_at, job.lease_until = status, self.now, None
        job.reason, job.result = left.get("reason"), left.get("result")
        job.error_message = left.get("error_message")

    def _end_attempt(self, job, status, **left):
        attempt = self.attempts[job.id, job.attempt]
        attempt.status, attempt.finished_at = status, self.now
        attempt.reason, attempt.result = left.get("reason"), left.get("result")
        attempt.error_message = left.get("error_message")
        self.give_back(job.id)


def _pause(attempt):
    return timedelta(seconds=min(10 * 2 ** (attempt - 1), 600))


def _reason(said):
    return (said["reason"] or "script_failed") if said["status"] == "failed" else None


def _content(said):
    """As text, so that `true` is not 1."""
    return said and json.dumps({**said, "reason": _reason(said), "attempt": None}, sort_keys=True)
