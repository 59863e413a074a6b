"""What the rules draw. None of it depends on what the server has answered."""

from datetime import timedelta

from hypothesis import strategies as st

from sdk.contract.jobs import Reason
from tests.machine import facts


def often(*those, **counted):
    """One of those, and each of `counted` as much more often."""
    return st.sampled_from([*those, *(name for name, n in counted.items() for _ in range(n))])


def _later(seconds):
    return None if seconds is None else timedelta(seconds=seconds)


ROBOT = st.sampled_from(sorted(facts.ROBOTS))
QUEUE = st.sampled_from([1, 1, 2])
PICK = st.integers(0, 11)  # one of what there is, the newest for 0
PICKS = st.lists(PICK, min_size=1, max_size=3, unique=True)
FEW = st.integers(1, 3)
SELDOM = st.sampled_from([False, False, True])
SECONDS = st.sampled_from([1, 5, 10, 20, 30, 59, 60, 300])
INSTANCE = often(None, one=4, two=1)
FRACTION = st.sampled_from([None, 0.5, 1.0])

PLACE = st.sampled_from(
    [
        *({}, {}, {}, {}, {"robot_id": 1}, {"machine_id": 1}, {"labels": ["excel"]}),
        {"robot_id": 2, "machine_id": 1},  # where robot 2 is not
    ]
)
WANTED_JOB = st.fixed_dictionaries(
    {
        "process_id": st.sampled_from([1, 1, 1, 2]),
        "priority": st.sampled_from([0, 0, 1, -1]),
        "max_attempts": st.sampled_from([1, 2, 3, 3]),
        "not_before": st.sampled_from([None, None, None, 0, 5, 20]).map(_later),
        "start_by": st.sampled_from([None, None, None, -1, 0, 10, 15, 40]).map(_later),
    }
)
WANTED_ITEM = st.fixed_dictionaries(
    {
        "queue_id": QUEUE,
        "priority": st.sampled_from([0, 0, 1]),
    }
)
DEADLINE = st.sampled_from([None, None, None, 5, 60]).map(_later)
CHANGES = st.sampled_from(
    [
        *({"priority": 2}, {"robot_id": 3}, {"robot_id": None, "priority": -2}),
        *({"status": "failed"}, {"status": "canceled"}),
        *[{"priority": 5, "status": "failed"}] * 2,  # no job can be both moved and failed
        {"robot_id": 1, "status": "canceled"},
    ]
)

# None of them equal in Python, as true is to 1: the server takes such results for the same.
RESULT = st.sampled_from([None, 1, "two", {"n": [3]}])
ERROR_TYPE = st.sampled_from([None, None, "application", "business"])


REASONS = [None, None, "agent_restarted", "script_failed", *(reason.value for reason in Reason)]


@st.composite
def _failures(draw):
    """Each with a text of its own: the server tells two reports apart by that, and by their
    reason, but not by `started` or `error_type`."""
    said = {
        "reason": draw(st.sampled_from(REASONS)),
        "started": draw(st.sampled_from([None, "no", "yes", "unknown"])),
        "error_type": draw(ERROR_TYPE),
    }
    return {"status": "failed", "error_message": " ".join(map(str, said.values())), **said}


_COMPLETED = st.fixed_dictionaries({"status": st.just("completed"), "result": RESULT})
_FAILED = _failures()
REPORT = st.one_of(_COMPLETED, _FAILED, _FAILED)
WORK = st.tuples(ROBOT, REPORT)
LATE = often("otherwise", again=2, with_another_result=2, of_any_attempt=3)
