"""The part of the model that people change: jobs they ask for, move, end; robots that rest."""

from tests.machine import facts
from tests.machine.answers import A_SENTENCE, made, ok, refused
from tests.machine.records import Job

FINAL = ("completed", "failed", "canceled")


class People:
    def create(self, wanted):
        robot = facts.ROBOTS.get(wanted.get("robot_id"))
        machine_id = wanted.get("machine_id")
        if wanted["process_id"] in self.resting:
            return refused(409)
        if robot is not None and machine_id not in (None, robot.machine_id):
            return refused(409)  # it would wait for ever
        not_before, start_by = wanted.get("not_before"), wanted.get("start_by")
        if start_by is not None and start_by <= max(self.now, not_before or self.now):
            return refused(422)
        renamed = {"robot_id": "wanted_robot_id", "machine_id": "wanted_machine_id"}
        given = {renamed.get(name, name): value for name, value in wanted.items()}
        return self._put_in(**given)

    def cancel(self, job_id):
        """For good; who is too late is shown how it ended."""
        job = self.jobs.get(job_id)
        if job is None:
            return refused(404)
        if job.status not in FINAL:
            self._cancel(job)
        return ok(id=job_id, status=job.status)

    def stop(self, job_id):
        job = self.jobs.get(job_id)
        if job is None:
            return refused(404)
        if job.status != "running":
            return refused(409)
        job.stop_requested_at = job.stop_requested_at or self.now
        self.tell("job", job_id, "stop_requested", "user")
        return ok(id=job_id, status="running")

    def change(self, job_id, changes):
        """All of it or nothing: what cannot be moved is not ended either."""
        job, status = self.jobs.get(job_id), changes.get("status")
        if job is None:
            return refused(404)
        moves = {"robot_id", "priority"} & changes.keys()
        if (
            (moves and job.status != "pending")
            or (status == "canceled" and job.status in FINAL)
            or (status == "failed" and job.status != "running")
        ):
            return refused(409)
        job.wanted_robot_id = changes.get("robot_id", job.wanted_robot_id)
        job.priority = changes.get("priority", job.priority)
        if status == "canceled":
            self._cancel(job)
        elif status == "failed":
            self._end(job, "failed", reason="operator", error_message=A_SENTENCE)
            self.attempts[job_id, job.attempt].started = "unknown"
            self.tell("job", job_id, "failed", "user")
        else:
            self.tell("job", job_id, "updated", "user")
        return ok(id=job_id, status=job.status, priority=job.priority)

    def retry(self, job_id):
        old = self.jobs.get(job_id)
        if old is None:
            return refused(404)
        if old.status not in FINAL:
            return refused(409)
        return self._put_in(
            process_id=old.process_id,
            wanted_robot_id=old.wanted_robot_id,
            wanted_machine_id=old.wanted_machine_id,
            labels=old.labels,
            priority=old.priority,
            max_attempts=old.max_attempts,
        )

    def pause(self, robot_id):
        self.robots[robot_id].is_paused = True
        return ok(id=robot_id, paused=True)

    def resume(self, robot_id):
        self.robots[robot_id].is_paused = False
        return ok(id=robot_id, paused=False)

    def activate(self, process_id, is_active):
        (self.resting.discard if is_active else self.resting.add)(process_id)
        return ok(id=process_id, is_active=is_active)

    def _put_in(self, **given):
        job = Job(id=len(self.jobs) + 1, **given)
        self.jobs[job.id] = job
        self.tell("job", job.id, "created", "user")
        return made(id=job.id, status="pending", attempt=0)

    def _cancel(self, job):
        self._end(job, "canceled", reason="canceled_by_user")
        self.tell("job", job.id, "canceled", "user")
