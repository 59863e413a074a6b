"""Deliberate bugs in how a job is claimed, ended and begun again.

Only such as can be seen from outside. Some conditions are there twice over: the outer status in
`claim_next` and the attempt in `finish` stand behind a lock, and to leave one out changes nothing.
"""

from tests.machine.mutant import Mutant

JOBS = "orchestrator_server/jobs/"
CLAIMING, ATTEMPTS, LIFECYCLE = JOBS + "claiming.py", JOBS + "attempts.py", JOBS + "lifecycle.py"
BEATS = JOBS + "beats.py"
SERVICE, EDITING, SQL = JOBS + "service.py", JOBS + "editing.py", JOBS + "queries.sql"

OF_CLAIMS = [
    Mutant(
        "the oldest job is taken, whatever its priority",
        SQL,
        "ORDER BY j.priority DESC, j.id\n    LIMIT 1\n)",
        "ORDER BY j.id\n    LIMIT 1\n)",
    ),
    Mutant(
        "a job is begun before its time",
        SQL,
        """      AND (j.not_before IS NULL OR j.not_before <= :now)
      AND (j.start_by IS NULL OR j.start_by > :now)
      AND (j.labels = '[]'""",
        """      AND (j.start_by IS NULL OR j.start_by > :now)
      AND (j.labels = '[]'""",
    ),
    Mutant(
        "a job is begun when it is too late",
        SQL,
        "      AND (j.start_by IS NULL OR j.start_by > :now)\n      AND (j.labels = '[]'",
        "      AND (j.labels = '[]'",
    ),
    Mutant(
        "a job is begun when it is too late, on PostgreSQL",
        SQL,
        "      AND (j.start_by IS NULL OR j.start_by > :now)\n      AND (j.labels::text = '[]'",
        "      AND (j.labels::text = '[]'",
    ),
    Mutant(
        "a job for one robot goes to another",
        SQL,
        """      AND (j.wanted_robot_id IS NULL OR j.wanted_robot_id = :robot_id)
      AND (j.wanted_machine_id IS NULL OR j.wanted_machine_id = :machine_id)""",
        "      AND (j.wanted_machine_id IS NULL OR j.wanted_machine_id = :machine_id)",
    ),
    Mutant(
        "a robot needs no labels",
        SQL,
        "need.value NOT IN (SELECT had.value FROM json_each(:labels) AS had)",
        "need.value = :labels",
    ),
    Mutant(
        "a process runs more often than it may",
        SQL,
        """                WHERE r.process_id = p.id AND r.status = 'running')))
    ORDER BY j.priority DESC, j.id
    LIMIT 1
)""",
        """                WHERE r.process_id = p.id AND r.status = 'completed')))
    ORDER BY j.priority DESC, j.id
    LIMIT 1
)""",
    ),
    Mutant(
        "a key takes a job each time it comes",
        CLAIMING,
        "    if key is not None and tx.all(",
        "    if key is None and tx.all(",
    ),
    Mutant(
        "a key that another robot used is used",
        SQL,
        "FROM attempts WHERE robot_id = :robot_id AND claim_key = :claim_key",
        "FROM attempts WHERE claim_key = :claim_key",
    ),
    Mutant(
        "a robot that lost an answer is not told its job again",
        CLAIMING,
        "    if current is not None:",
        "    if current is not None and current.claim_key != wanted.claim_key:",
    ),
    Mutant(
        "two agents run one job",
        CLAIMING,
        "    if theirs is not None and ours is not None and theirs != ours:",
        "    if theirs is None and ours is not None:",
    ),
    Mutant(
        "a robot that rests is given work",
        CLAIMING,
        "    if held.is_paused:",
        "    if held.is_paused and key is None:",
    ),
    Mutant(
        "a claim is not in the audit trail",
        CLAIMING,
        '    record(tx, robot, "job.claimed", claimed.id, claimed.attempt)\n',
        "",
    ),
]

OF_ENDS = [
    Mutant(
        "a report of an older attempt ends the job",
        LIFECYCLE,
        '    if recorded.attempt != job.attempt or recorded.status != "running":',
        "    if job.status is not S.RUNNING:",
    ),
    Mutant(
        "another result is taken for the same one",
        LIFECYCLE,
        "        report.status,\n        report.result,\n        report.error",
        "        report.status,\n        recorded.result,\n        report.error",
    ),
    Mutant(
        "the report of a canceled job is called stale",
        LIFECYCLE,
        "    if job.status is S.CANCELED:\n        raise",
        "    if job.status is S.COMPLETED:\n        raise",
    ),
    Mutant(
        "a robot reports for another one",
        ATTEMPTS,
        "    if recorded.robot_id != robot.id:\n        raise Forbidden(",
        "    if recorded.robot_id is None:\n        raise Forbidden(",
    ),
    Mutant(
        "a job starts once more than it may",
        LIFECYCLE,
        "job.attempt < job.max_attempts and",
        "job.attempt <= job.max_attempts and",
    ),
    Mutant(
        "a business failure is tried again",
        LIFECYCLE,
        '    may_help = reason in TRIED_AGAIN and error_type != "business"',
        "    may_help = reason in TRIED_AGAIN",
    ),
    Mutant(
        "what was asked to stop is begun again",
        LIFECYCLE,
        "job.max_attempts and job.stop_requested_at is None",
        "job.max_attempts",
    ),
    Mutant(
        "what failed is tried again at once",
        LIFECYCLE,
        "    return now + timedelta(seconds=min(seconds, LONGEST_PAUSE_SECONDS))",
        "    return now",
    ),
    Mutant(
        "the second pause is no longer than the first",
        LIFECYCLE,
        "FIRST_PAUSE_SECONDS * 2 ** min(job.attempt - 1, 10)",
        "FIRST_PAUSE_SECONDS",
    ),
    Mutant(
        "a job that waits again keeps its robot",
        SQL,
        "UPDATE jobs SET status = 'pending', robot_id = NULL, lease_until = NULL, started_at",
        "UPDATE jobs SET status = 'pending', lease_until = NULL, started_at",
    ),
    Mutant(
        "a canceled job leaves its attempt running",
        SERVICE,
        "        job_id=state.id,\n        attempt=state.attempt,",
        "        job_id=state.id,\n        attempt=state.attempt * (to != JobStatus.CANCELED),",
    ),
    Mutant(
        "a cancel changes how an attempt before had ended",
        SQL,
        "WHERE job_id = :job_id AND attempt = :attempt AND status = 'running';",
        "WHERE job_id = :job_id AND attempt = :attempt;",
    ),
    Mutant(
        "the second late report replaces the first",
        SQL,
        "WHERE job_id = :job_id AND attempt = :attempt AND late_report IS NULL;",
        "WHERE job_id = :job_id AND attempt = :attempt;",
    ),
    Mutant(
        "a job that runs can be run again",
        EDITING,
        '    if state.status not in lifecycle.FINAL:\n        raise Conflict(f"Job {job_id} is',
        '    if state.status is JobStatus.PENDING:\n        raise Conflict(f"Job {job_id} is',
    ),
]
