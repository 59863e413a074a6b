"""Deliberate bugs in leases, beats, queue items, and what holds them together."""

from tests.machine.mutant import Mutant
from tests.machine.mutants_of_jobs import ATTEMPTS, BEATS, LIFECYCLE, SERVICE, SQL

SERVER = "orchestrator_server/"
SQLITE, LOOP = SERVER + "db/sqlite_thread.py", SERVER + "maintenance/loop.py"
RUNNER = SERVER + "runner/routes.py"
ITEMS = SERVER + "queue_items/"
ITEM_CLAIMS, ITEM_RULES, ITEM_SQL = (
    ITEMS + name for name in ("claims.py", "lifecycle.py", "queries.sql")
)

OF_LEASES = [
    Mutant(
        "a lease lasts a moment longer than it is said to",
        SQL,
        "FROM jobs INDEXED BY jobs_leased\nWHERE status = 'running' AND lease_until <= :now",
        "FROM jobs INDEXED BY jobs_leased\nWHERE status = 'running' AND lease_until < :now",
    ),
    Mutant(
        "a lease is over whenever the watchdog looks, on PostgreSQL",
        SQL,
        "stop_requested_at FROM jobs\nWHERE status = 'running' AND lease_until <= :now",
        "stop_requested_at FROM jobs\nWHERE status = 'running'",
    ),
    Mutant(
        "what was to begin in time waits on",
        SQL,
        "jobs_start_by\nWHERE status = 'pending' AND start_by IS NOT NULL AND start_by <=",
        "jobs_start_by\nWHERE status = 'pending' AND start_by IS NOT NULL AND start_by <",
    ),
    Mutant(
        "a robot renews the lease of another one",
        SQL,
        "UPDATE jobs SET lease_until = :lease_until\n"
        "WHERE id = :id AND attempt = :attempt AND robot_id = :robot_id AND",
        "UPDATE jobs SET lease_until = :lease_until\nWHERE id = :id AND attempt = :attempt AND",
    ),
    Mutant(
        "a beat for an older attempt renews the lease",
        SQL,
        "UPDATE jobs SET lease_until = :lease_until\n"
        "WHERE id = :id AND attempt = :attempt AND robot_id = :robot_id AND",
        "UPDATE jobs SET lease_until = :lease_until\nWHERE id = :id AND robot_id = :robot_id AND",
    ),
    Mutant(
        "a robot goes on with an attempt that is over",
        LIFECYCLE,
        "job.robot_id != robot_id or job.attempt != attempt:",
        "job.robot_id != robot_id:",
    ),
    Mutant(
        "a beat for nothing renews everything",
        BEATS,
        "    if jobs is None:\n        tx.run(sql.renew_all_of_robot",
        "    if not jobs:\n        tx.run(sql.renew_all_of_robot",
    ),
    Mutant(
        "nobody is given a new lease after a start",
        SQL,
        "UPDATE jobs SET lease_until = :lease_until WHERE status = 'running';",
        "UPDATE jobs SET lease_until = lease_until WHERE status = 'running';",
    ),
    Mutant(
        "who is lost fails, though attempts are left",
        ATTEMPTS,
        "        if lifecycle.after_failure(job, Reason.ROBOT_LOST) is JobStatus.FAILED:",
        "        if job.attempt:",
    ),
]

OF_ITEMS = [
    Mutant(
        "a job that begins again keeps its items",
        ATTEMPTS,
        "    queue_items.give_back(tx, job.id)\n",
        "",
    ),
    Mutant(
        "a job that has ended keeps its items",
        SERVICE,
        "    queue_items.give_back(tx, state.id)\n",
        "",
    ),
    Mutant(
        "a key takes an item each time it comes",
        ITEM_CLAIMS,
        "        if taken is not None:\n            return ItemClaimed(item=None, key_used=True)\n",
        "",
    ),
    Mutant(
        "who lost an item finishes it",
        ITEM_RULES,
        '        if recorded.status == "in_progress":\n            return False',
        '        if item.status == "in_progress":\n            return False',
    ),
    Mutant(
        "a script speaks for its robot",
        ITEM_RULES,
        "    return recorded.job_id == worker.job_id or not worker.is_job",
        "    return True",
    ),
    Mutant(
        "an item is tried again however it failed",
        ITEM_RULES,
        "    if error_type is ErrorType.APPLICATION and item.retries < item.max_retries:",
        "    if item.retries < item.max_retries:",
    ),
    Mutant(
        "an item goes back as often as it likes",
        ITEM_RULES,
        "def after_return(item: State) -> Next:\n    if item.retries < item.max_retries:",
        "def after_return(item: State) -> Next:\n    if item.retries >= 0:",
    ),
    Mutant(
        "an item is taken after its deadline",
        ITEM_SQL,
        "AND (deadline IS NULL OR deadline > :now)\n    ORDER BY priority DESC, id\n    LIMIT 1\n)",
        "ORDER BY priority DESC, id\n    LIMIT 1\n)",
    ),
    Mutant(
        "a script whose job has ended takes items",
        ITEM_SQL,
        "TRUE AS is_job FROM jobs\nWHERE id = :id AND attempt = :attempt AND status = 'running';",
        "TRUE AS is_job FROM jobs\nWHERE id = :id AND attempt = :attempt;",
    ),
]

OF_WHAT_HOLDS_THEM = [
    Mutant(
        "what was refused stays half done",
        SQLITE,
        '        connection.execute("ROLLBACK TO unit")\n',
        "",
    ),
    Mutant(
        "the late report of a canceled job is lost, over HTTP",
        RUNNER,
        '        if refusal.kind in ("stale-attempt", "job-canceled"):',
        '        if refusal.kind == "stale-attempt":',
    ),
    Mutant(
        "a watchdog that comes late ends jobs, over HTTP",
        LOOP,
        "        if late_seconds > 2 * self._tick_seconds:",
        "        if late_seconds < 0:",
    ),
    Mutant(
        "a conflict is answered as a mistake of the caller",
        SERVER + "http/problems.py",
        "    errors.Conflict: HTTPStatus.CONFLICT,\n",
        "    errors.Conflict: HTTPStatus.BAD_REQUEST,\n",
    ),
]
