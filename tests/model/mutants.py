"""Protocols that are a little wrong, each with the promise that it breaks.

If one of these could pass, the exploration would be looking past what it is there to see.
"""

from collections.abc import Callable
from typing import NamedTuple

from tests.model import promises
from tests.model import weakenings as weak
from tests.model.agents import Agent
from tests.model.protocol import Cancel, Claim, LeaseEnd, Report, Served
from tests.model.world import VERBS, Limits, Rules

TWO_ROBOTS = Limits(crashes=1, copies=1)
ONE_ROBOT = Limits((Agent(1, "a"),), crashes=1, copies=1)
TWO_AGENTS = (Agent(1, "a"), Agent(1, "b"))  # of one robot: a cloned machine, or a lost journal
OF_ONE_ROBOT = Limits(TWO_AGENTS)
ONE_GONE = Limits(gone=1)
ONE_ATTEMPT = Limits(max_attempts=1)
MESSAGES_ALONE = Limits(
    copies=2, comes_late=True, leases_end=False, can_cancel=False, scripts_fail=False
)
KINDS = {"claim": Claim, "report": Report, "lease_end": LeaseEnd, "cancel": Cancel}


class Mutant(NamedTuple):
    name: str
    rules: Rules
    breaks: str
    limits: Limits = TWO_ROBOTS


def server(**verbs: Callable[..., Served]) -> Rules:
    """The rules with other verbs: `server(claim=…)` answers claims differently."""
    return Rules(verbs=VERBS | {KINDS[name]: verb for name, verb in verbs.items()})


NO_INSTANCE = server(claim=weak.look_at_no_instance)
ANY_KEY = Rules(hear=weak.run_whatever_is_given)
NO_GUARD = NO_INSTANCE._replace(hear=weak.run_whatever_is_given)
ROW_AFTER_DEED = Rules(
    deeds=weak.start_first_and_write_then, recover=weak.run_what_no_row_says_was_started
)

LAST_REPORT_WINS = server(report=weak.overwrite_the_first_report)._replace(
    recover=weak.forget_how_it_exited
)

# Other protocols that keep every promise, too.
VARIANTS = {
    "a row CLAIMED, fresh keys, and what is given is run": ANY_KEY._replace(
        recover=weak.run_what_is_claimed
    ),
    "only the agent tells two agents of one robot apart": NO_INSTANCE,
    "only the server tells two agents of one robot apart": ANY_KEY,
}

MUTANTS = [
    Mutant("an old key is granted again", server(claim=weak.grant_an_old_key), promises.ONE_KEY),
    Mutant(
        "a redelivery counts as an attempt",
        server(claim=weak.count_a_redelivery),
        promises.NO_NEEDLESS_LOSS,
        MESSAGES_ALONE,
    ),
    Mutant(
        "nothing is redelivered",
        server(claim=weak.never_redeliver),
        promises.NOT_STUCK,
        MESSAGES_ALONE,
    ),
    Mutant(
        "nobody tells two agents of one robot apart",
        NO_GUARD,
        promises.ONE_START,
        OF_ONE_ROBOT,
    ),
    Mutant(
        "a stale report counts", server(report=weak.accept_anyway("stale_attempt")), promises.FENCED
    ),
    Mutant(
        "the report of a canceled job counts",
        server(report=weak.accept_anyway("job_canceled")),
        promises.FENCED,
    ),
    Mutant(
        "a repeated report is applied again",
        server(report=weak.accept_anyway("already")),
        promises.FENCED,
    ),
    Mutant(
        "a repeated report is refused",
        server(report=weak.refuse_the_same_again),
        promises.TRUE_ANSWER,
    ),
    Mutant(
        "a second report overwrites the first",
        LAST_REPORT_WINS,
        promises.KEPT,
    ),
    Mutant(
        "a requeue keeps the attempt's number",
        server(lease_end=weak.requeue_under_the_same_number),
        promises.ONE_GRANT,
    ),
    Mutant(
        "a lease ends and its attempt does not",
        server(lease_end=weak.requeue_and_forget_the_attempt),
        promises.ONE_CURRENT,
    ),
    Mutant(
        "a job without attempts left is requeued",
        server(lease_end=weak.requeue_for_ever),
        promises.FEW_STARTS,
        ONE_ATTEMPT,
    ),
    Mutant("no lease ends", server(lease_end=weak.never_end_a_lease), promises.NOT_STUCK, ONE_GONE),
    Mutant(
        "a waiting job is canceled by a note",
        server(cancel=weak.note_the_cancel_of_a_waiting_job),
        promises.CANCELED,
    ),
    Mutant(
        "a job that has ended is canceled",
        server(cancel=weak.cancel_what_has_ended),
        promises.FOR_GOOD,
    ),
    Mutant(
        "a cancel leaves the attempt running",
        server(cancel=weak.leave_the_attempt_of_a_canceled_job),
        promises.ONE_CURRENT,
    ),
    Mutant("a report is tried once", Rules(lose=weak.let_a_lost_report_be), promises.DELIVERED),
    Mutant(
        "a used key is used for ever",
        Rules(hear=weak.ask_again_with_a_used_key),
        promises.NOT_STUCK,
        ONE_ROBOT,
    ),
    Mutant(
        "each question has a fresh key",
        Rules(hear=weak.take_a_fresh_key_each_time),
        promises.NOT_STUCK,
        MESSAGES_ALONE,
    ),
    Mutant(
        "what an older key got is disowned",
        Rules(hear=weak.disown_what_an_older_key_got),
        promises.NO_NEEDLESS_LOSS,
        MESSAGES_ALONE,
    ),
    Mutant(
        "a refused report is repeated for ever",
        Rules(hear=weak.repeat_what_was_refused),
        promises.NOT_STUCK,
        ONE_ROBOT,
    ),
    Mutant(
        "a started script is started again",
        Rules(recover=weak.start_again_what_was_started),
        promises.ONE_START,
    ),
    Mutant("STARTING is written after the start", ROW_AFTER_DEED, promises.ONE_START),
    Mutant(
        "EXITED is written after the report",
        Rules(recover=weak.forget_how_it_exited),
        promises.CONSISTENT,
    ),
]
