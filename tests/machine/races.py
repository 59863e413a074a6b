"""Two requests at the same time. Whichever the server takes first, it is as if it had come alone.

Not here: the doers of the watchdog, and changes of waiting jobs. On PostgreSQL both may step over
a row that somebody else holds at this moment, and come back for it the next time.
"""

from hypothesis.stateful import rule

from tests.machine import strategies as some
from tests.machine.item_rules import ItemRules
from tests.machine.machine import pick_of


class RaceRules(ItemRules):
    @rule(
        what=some.often(
            "two_robots_ask",
            "one_robot_asks_twice",
            "a_report_meets_another",
            "a_report_meets_a_cancel",
            "a_beat_meets_a_report",
            "a_claim_meets_a_cancel",
            "two_workers_take",
            "an_item_meets_its_jobs_end",
        ),
        robot=some.ROBOT,
        pick=some.PICK,
        said=some.REPORT,
        other=some.REPORT,
    )
    def two_come_at_once(self, what, robot, pick, said, other):
        """What needs a running job begins one, if there is none."""
        job = self.model.current(robot)
        if what in RACES_OF_JOBS and job is None:
            self.begin(robot)
            return
        deeds = getattr(self, what)(robot, pick, said, other)
        if deeds is not None:
            self.do_at_once(*deeds)

    def two_robots_ask(self, robot, pick, said, other):
        another = robot % 3 + 1
        return [("claim", each, self.new_key(each), "one") for each in (robot, another)]

    def one_robot_asks_twice(self, robot, pick, said, other):
        return [("claim", robot, self.new_key(robot), "one")] * 2

    def a_report_meets_another(self, robot, pick, said, other):
        reports = [self.report_of(robot, each) for each in (said, other if pick % 2 else said)]
        self.sent.append(reports[0][1:])
        return reports

    def a_report_meets_a_cancel(self, robot, pick, said, other):
        report = self.report_of(robot, said)
        self.sent.append(report[1:])
        return [report, ("cancel", report[2])]

    def a_beat_meets_a_report(self, robot, pick, said, other):
        report = self.report_of(robot, said)
        job_id, attempt = report[2], report[3]["attempt"]
        return [("beat", robot, [{"id": job_id, "attempt": attempt}]), report]

    def a_claim_meets_a_cancel(self, robot, pick, said, other):
        job_id = pick_of([99, *self.model.jobs], pick)
        return [("claim", robot, self.new_key(robot), "one"), ("cancel", job_id)]

    def two_workers_take(self, robot, pick, said, other):
        workers = [self.worker(each, by_itself=pick % 2) for each in (robot, robot % 3 + 1)]
        return [("take", worker, 1, f"race{len(self.keys)}") for worker in workers]

    def an_item_meets_its_jobs_end(self, robot, pick, said, other):
        job = self.model.current(robot)
        held = [
            (attempt.item_id, attempt.attempt)
            for attempt in self.model.item_attempts.values()
            if (attempt.job_id, attempt.status) == (job.id, "in_progress")
        ]
        worker = ("job", job.id, job.attempt)
        if not held:
            return [("take", worker, 1, None), ("cancel", job.id)]
        item_id, attempt = held[0]
        return [("complete", worker, item_id, {"attempt": attempt}), ("cancel", job.id)]

    def report_of(self, robot, said):
        job = self.model.current(robot)
        return ("report", robot, job.id, said | {"attempt": job.attempt})


RACES_OF_JOBS = {
    "a_report_meets_another",
    "a_report_meets_a_cancel",
    "a_beat_meets_a_report",
    "an_item_meets_its_jobs_end",
}
