"""What people may do with jobs, and what time and the server do by themselves."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.machine import facts
from tests.machine import strategies as some
from tests.machine.machine import MOMENT, pick_of
from tests.machine.reference_people import FINAL
from tests.machine.robot_rules import RobotRules


class JobRules(RobotRules):
    @initialize(wanted=st.lists(some.WANTED_JOB, min_size=2, max_size=4))
    def some_jobs_wait(self, wanted):
        for each in wanted:
            self.ask_for(each)

    @rule(wanted=some.WANTED_JOB, place=some.PLACE)
    def a_person_asks_for_a_job(self, wanted, place):
        self.ask_for(wanted | place)

    @rule(how=some.often("retry", cancel=2, stop=2, change=2), pick=some.PICK, changes=some.CHANGES)
    def a_person_decides(self, how, pick, changes):
        """Of any job; or half the time of one that fits what is decided."""
        fits = {"retry": FINAL, "change": ("pending",)}.get(how, ("running",))
        fitting = [job.id for job in self.model.jobs.values() if job.status in fits]
        is_any = pick % 2 or not fitting
        job_id = pick_of([99, *self.model.jobs] if is_any else fitting, pick // 2)
        self.do(how, job_id, *([changes] if how == "change" else []))

    @rule(what=some.often("robot", process=1), which=some.FEW, rests=some.SELDOM)
    def a_person_lets_something_rest(self, what, which, rests):
        if what == "robot":
            self.do("pause" if rests else "resume", which)
        else:
            self.do("activate", min(which, 2), not rests)

    @rule(seconds=some.SECONDS, and_then=some.often(look=3, come_late=1, restart=1))
    def time_passes(self, seconds, and_then):
        """Nothing happens by itself until the server looks."""
        self.model.now += timedelta(seconds=seconds)
        self.do(and_then)

    @rule(pick=some.FEW, is_early=st.booleans(), it_looks=st.booleans(), robot=some.ROBOT)
    def something_is_due(self, pick, is_early, it_looks, robot):
        """Exactly then, or the shortest time before, the server looks, or robots ask for all that
        there is."""
        if due := self.model.due():
            self.model.now = due[(pick - 1) % len(due)] - MOMENT * is_early
        if it_looks:
            self.do("look")
        else:
            for each in facts.ROBOTS:
                self.do("claim", each, self.new_key(each), "one")
            self.do("take", ("robot", robot), pick % 2 + 1, None)

    def ask_for(self, wanted):
        times = {name: wanted[name] for name in ("not_before", "start_by")}
        self.do("create", wanted | {name: self.at(time) for name, time in times.items()})

    def at(self, later):
        return None if later is None else self.model.now + later
