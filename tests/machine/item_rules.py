"""What robots and their scripts may do with queue items."""

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.machine import strategies as some
from tests.machine.job_rules import JobRules
from tests.machine.machine import pick_of

HOW = some.often("renew", complete=2, fail=2)


class ItemRules(JobRules):
    def __init__(self, *args):
        self.takes = []  # each request for an item
        self.told = []  # what was said of items, and by whom
        super().__init__(*args)

    @initialize(wanted=st.lists(some.WANTED_ITEM, max_size=3))
    def some_items_wait(self, wanted):
        for each in wanted:
            self.do("put", each)

    @rule(wanted=some.WANTED_ITEM, deadline=some.DEADLINE)
    def a_person_puts_in_an_item(self, wanted, deadline):
        self.do("put", wanted | {"deadline": self.at(deadline)})

    @rule(
        robot=some.ROBOT,
        queue_id=some.QUEUE,
        key=some.often("none", new=3, again=3),
        by_itself=st.booleans(),
        pick=some.PICK,
    )
    def somebody_takes_an_item(self, robot, queue_id, key, by_itself, pick):
        """A script, or the robot on behalf of its job, or for itself if it runs none."""
        if key == "again" and self.takes:
            self.take_again(*pick_of(self.takes, pick))
            return
        worker = self.worker(robot, by_itself)
        name = None if key == "none" else f"i{len(self.takes)}"
        self.takes.append((worker, queue_id, name))
        self.do("take", worker, queue_id, name)

    @rule(pick=some.PICK, how=HOW, result=some.RESULT, error_type=some.ERROR_TYPE)
    def a_holder_speaks_of_its_item(self, pick, how, result, error_type):
        """Of what it holds, or of any attempt that its robot has had."""
        attempts = list(self.model.item_attempts.values())
        held = [attempt for attempt in attempts if attempt.status == "in_progress"]
        attempt = pick_of(attempts if pick % 3 == 0 else held or attempts, pick // 3)
        if attempt is not None:
            worker = self.worker(attempt.robot_id, by_itself=pick % 2)
            said = _said(how, attempt.attempt, result, error_type)
            self.told.append((how, worker, attempt.item_id, said))
            self.do(how, worker, attempt.item_id, said)

    @rule(how=HOW, again=st.booleans(), robot=some.ROBOT, pick=some.PICK, attempt=some.FEW)
    def an_item_is_spoken_of_late(self, how, again, robot, pick, attempt):
        """The same again; or anything, by anybody."""
        if again and self.told:
            self.do(*pick_of(self.told, pick))
        elif self.model.items:
            worker = self.worker(robot, by_itself=pick % 2)
            item_id = pick_of(list(self.model.items), pick)
            self.do(how, worker, item_id, _said(how, attempt, None, None))

    def take_again(self, worker, queue_id, key):
        # The server forgets what a key took once somebody else has taken that, and hands out
        # another item, though a key that was used is to take nothing new.
        if not self.model.is_taken_anew(worker, key):
            self.do("take", worker, queue_id, key)

    def worker(self, robot, by_itself):
        job = self.model.current(robot)
        return ("robot", robot) if by_itself or job is None else ("job", job.id, job.attempt)


def _said(how, attempt, result, error_type):
    if how == "complete":
        return {"attempt": attempt, "result": result}
    if how == "fail":
        kind = error_type or "application"
        return {"attempt": attempt, "error_type": kind, "error_message": f"{kind}!"}
    return {"attempt": attempt}
