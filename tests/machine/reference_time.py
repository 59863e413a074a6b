"""The part of the model that time brings about: what the server does by itself."""

from datetime import timedelta

from tests.machine.answers import A_SENTENCE, ok
from tests.machine.records import REPORT

LEASE = timedelta(seconds=60)


class Time:
    def look(self):
        """The watchdog's look: what was lost, what was not begun in time, items that are due."""
        lost = [j for j in self.jobs.values() if j.lease_until and j.lease_until <= self.now]
        for job in sorted(lost, key=lambda job: job.lease_until):
            ending = {"reason": "robot_lost", "started": "unknown", "error_message": A_SENTENCE}
            self._fail(job, "lost", "system", REPORT | ending)
        late = [
            job
            for job in self.jobs.values()
            if job.status == "pending" and job.start_by and job.start_by <= self.now
        ]
        for job in late:
            self._end(job, "failed", reason="expired", error_message=A_SENTENCE)
            self.tell("job", job.id, "failed", "system", job.attempt)
        return ok(lost=len(lost), late=len(late), items=self.expire_items())

    def renew_all(self):
        for job in self.jobs.values():
            if job.status == "running":
                job.lease_until = self.now + LEASE
        self.renew_items()
        return ok()

    restart = come_late = renew_all  # after a start, and after a look that came too late

    def due(self):
        """The moments at which something will be otherwise by itself."""
        times = {time for job in self.jobs.values() for time in _times(job)} | self.item_times()
        return sorted(time for time in times if time > self.now)


def _times(job):
    if job.status == "pending":
        return [time for time in (job.not_before, job.start_by) if time is not None]
    return [job.lease_until] if job.lease_until is not None else []
