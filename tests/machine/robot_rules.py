"""What robots may say: ask for jobs, beat, report; once or again, in time or late."""

from hypothesis.stateful import rule

from tests.machine import strategies as some
from tests.machine.machine import MOMENT, Machine, pick_of


class RobotRules(Machine):
    def __init__(self, *args):
        self.keys = []  # each claim key that was sent, with its robot
        self.sent = []  # each report, with its robot and job
        super().__init__(*args)

    @rule(
        robot=some.ROBOT,
        key=some.often("none", new=2, again=3, anybodys=3),
        pick=some.PICK,
        instance=some.INSTANCE,
    )
    def a_robot_asks(self, robot, key, pick, instance):
        before, known = pick_of(self.keys, pick) or (robot, None)
        if key == "again":
            self.do("claim", before, known, instance)
        elif key == "new":
            self.do("claim", robot, self.new_key(robot), instance)
        else:
            self.do("claim", robot, None if key == "none" else known, instance)

    @rule(work=some.WORK)
    def a_robot_works(self, work):
        """It ends its job, or is given one. With one argument, it is tried more often than most."""
        robot, said = work
        job = self.model.current(robot)
        if job is None:
            self.begin(robot)
        elif said["status"] == "completed" and job.attempt == 1:
            self.tell(robot, job.id, said)  # the only attempt need not be named
        else:
            self.tell(robot, job.id, said | {"attempt": job.attempt})

    @rule(robot=some.ROBOT, pick=some.PICK)
    def a_robot_is_cut_off(self, robot, pick):
        """Until its lease has ended; then it asks for a job, often for the next attempt. What it
        says meanwhile is not of its job."""
        job = self.model.current(robot)
        if job is None:
            self.begin(robot)
            return
        end = job.lease_until
        if pick % 3 == 0:
            self.model.now = max(self.model.now, end - MOMENT)
            self.do("beat", robot, [])
        self.model.now = max(self.model.now, end)
        self.do("look")
        if pick % 2:
            self.do("claim", robot, self.new_key(robot), "one")

    @rule(how=some.LATE, pick=some.PICK, said=some.REPORT)
    def a_report_comes_late(self, how, pick, said):
        """The same again, or with another result, or another report of the same attempt, or one
        of any attempt there was."""
        attempt = pick_of(self.overtaken(), pick // 2)
        if pick % 2 or attempt is None:
            attempt = pick_of(list(self.model.attempts.values()), pick)
        before = pick_of(self.sent, pick)
        if how == "of_any_attempt" and attempt is not None:
            self.tell(attempt.robot_id, attempt.job_id, said | {"attempt": attempt.attempt})
        elif how == "again" and before is not None:
            self.do("report", *before)
        elif before is not None:
            robot, job_id, first = before
            other = first | {"result": "another"} if how == "with_another_result" else said
            self.do("report", robot, job_id, other | {"attempt": first.get("attempt") or 1})

    @rule(robot=some.ROBOT, pick=some.PICK, attempt=some.FEW, said=some.REPORT, lies=some.PICK)
    def a_robot_speaks_of_what_may_not_be_its_own(self, robot, pick, attempt, said, lies):
        job_id = pick_of([99, *self.model.jobs], pick)
        if lies == 0:
            said = {"status": "running"}  # which no robot may say
        self.do("report", robot, job_id, said | {"attempt": attempt})

    @rule(
        robot=some.ROBOT,
        what=some.often("everything", "nothing", its_job=3, any_attempts=2),
        fraction=some.FRACTION,
        picks=some.PICKS,
    )
    def a_robot_beats(self, robot, what, fraction, picks):
        """As clients of the seed do, without naming a job; for its job; or for what it had; or to
        say only that it is there."""
        if what == "everything":
            self.do("beat", robot, None)
            return
        job = self.model.current(robot)
        named = [(job.id, job.attempt)] if job and what == "its_job" else []
        if what == "any_attempts" or (what == "its_job" and job is None):
            overtaken = [(attempt.job_id, attempt.attempt) for attempt in self.overtaken()]
            named = [pick_of([(99, 1), *self.model.attempts, *overtaken], pick) for pick in picks]
        progress = {"progress": {"fraction": fraction, "message": ""}} if fraction else {}
        beats = [{"id": id_, "attempt": attempt} | progress for id_, attempt in named]
        self.do("beat", robot, beats)

    def overtaken(self):
        """The attempts that ended without a report, or of which the job is running another one."""
        jobs = self.model.jobs
        return [
            attempt
            for attempt in self.model.attempts.values()
            for job in [jobs[attempt.job_id]]
            if attempt.status in ("lost", "canceled")
            or (attempt.attempt < job.attempt and job.status == "running")
        ]

    def begin(self, robot):
        """A job that there is, or a new one, unless the robot rests."""
        if self.model.next_for(robot) is None:
            self.do("create", {"process_id": 1, "max_attempts": 3})
        self.do("claim", robot, self.new_key(robot), "one")

    def new_key(self, robot):
        key = f"k{len(self.keys)}"
        self.keys.append((robot, key))
        return key

    def tell(self, robot, job_id, said):
        self.sent.append((robot, job_id, said))
        self.do("report", robot, job_id, said)
