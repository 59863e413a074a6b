-- name: insert
INSERT INTO jobs (process_id, process_version, package_id, script_path, wanted_robot_id,
    wanted_machine_id, labels, added_labels, parameters, source, priority, max_attempts,
    timeout_seconds, not_before, start_by, created_by, created_at)
VALUES (:process_id, :process_version, :package_id, :script_path, :wanted_robot_id,
    :wanted_machine_id, :labels, :added_labels, :parameters, :source, :priority, :max_attempts,
    :timeout_seconds, :not_before, :start_by, :created_by, :now)
RETURNING id;

-- name: list
-- Newest first, a page at a time: `before_id` is the last id of the page before.
SELECT j.id, j.process_id, p.name AS process_name, j.process_version, j.package_id,
       k.name AS package_name, k.version AS package_version,
       coalesce(j.robot_id, j.wanted_robot_id) AS robot_id, r.name AS robot_name,
       j.status, j.reason, j.parameters, j.result, j.error_message,
       '/api/jobs/' || j.id || '/logs' AS logs_path,
       j.source, j.priority, j.attempt, j.max_attempts, j.timeout_seconds, j.labels, j.stop_requested_at,
       j.progress,
       j.created_by, j.not_before, j.start_by, j.created_at, j.started_at, j.finished_at
FROM jobs AS j
JOIN processes AS p ON p.id = j.process_id
JOIN packages AS k ON k.id = j.package_id
LEFT JOIN robots AS r ON r.id = coalesce(j.robot_id, j.wanted_robot_id)
WHERE true
  AND j.id = :id                      --? id
  AND j.status = :status              --? status
  AND j.process_id = :process_id      --? process_id
  AND j.robot_id = :robot_id          --? robot_id
  AND j.source = :source              --? source
  AND p.name_key LIKE :pattern ESCAPE '\'   --? pattern
  AND j.created_at > :created_after   --? created_after
  AND j.id >= coalesce((SELECT b.id FROM jobs AS b WHERE b.created_at > :created_after ORDER BY b.created_at LIMIT 1), 9000000000000000000) - 1000    --? created_after
  AND j.created_at < :created_before  --? created_before
  AND j.id <= coalesce((SELECT b.id FROM jobs AS b WHERE b.created_at < :created_before ORDER BY b.created_at DESC LIMIT 1), 0) + 1000    --? created_before
  AND j.id < :before_id               --? before_id
ORDER BY j.id DESC
LIMIT :limit;

-- name: state
SELECT id, status, attempt, max_attempts, robot_id, lease_until, stop_requested_at FROM jobs
WHERE id = :id;

-- name: lock_state
SELECT id, status, attempt, max_attempts, robot_id, lease_until, stop_requested_at FROM jobs
WHERE id = :id;

-- name: lock_state [postgres]
-- SQLite has one writer; here another one waits until we are done.
SELECT id, status, attempt, max_attempts, robot_id, lease_until, stop_requested_at FROM jobs
WHERE id = :id FOR UPDATE;

-- name: claim_next [sqlite]
-- Take the first job this robot may run. The outer status test lets only one robot win.
-- INDEXED BY, because SQLite may otherwise take jobs_by_status and sort all that wait.
UPDATE jobs SET status = 'running', robot_id = :robot_id, attempt = attempt + 1,
    lease_until = :lease_until, started_at = :now, progress = NULL
WHERE status = 'pending' AND id = (
    SELECT j.id FROM jobs AS j INDEXED BY jobs_waiting
    WHERE j.status = 'pending'
      AND (j.wanted_robot_id IS NULL OR j.wanted_robot_id = :robot_id)
      AND (j.wanted_machine_id IS NULL OR j.wanted_machine_id = :machine_id)
      AND (j.not_before IS NULL OR j.not_before <= :now)
      AND (j.start_by IS NULL OR j.start_by > :now)
      AND (j.labels = '[]' OR NOT EXISTS (
          SELECT 1 FROM json_each(j.labels) AS need
          WHERE need.value NOT IN (SELECT had.value FROM json_each(:labels) AS had)))
      AND EXISTS (
          SELECT 1 FROM processes AS p
          WHERE p.id = j.process_id AND p.is_active
            AND (p.concurrency_limit IS NULL OR p.concurrency_limit > (
                SELECT count(*) FROM jobs AS r
                WHERE r.process_id = p.id AND r.status = 'running')))
    ORDER BY j.priority DESC, j.id
    LIMIT 1
)
RETURNING id, attempt, process_id, NULL AS concurrency_limit;

-- name: claim_next [postgres]
-- Stepping over rows that another robot is taking this instant: without SKIP LOCKED this
-- would be as safe, but come back empty while others are waiting.
UPDATE jobs SET status = 'running', robot_id = :robot_id, attempt = attempt + 1,
    lease_until = :lease_until, started_at = :now, progress = NULL
WHERE status = 'pending' AND id = (
    SELECT j.id FROM jobs AS j
    WHERE j.status = 'pending'
      AND (j.wanted_robot_id IS NULL OR j.wanted_robot_id = :robot_id)
      AND (j.wanted_machine_id IS NULL OR j.wanted_machine_id = CAST(:machine_id AS BIGINT))
      AND (j.not_before IS NULL OR j.not_before <= :now)
      AND (j.start_by IS NULL OR j.start_by > :now)
      AND (j.labels::text = '[]' OR CAST(:labels AS jsonb) @> j.labels::jsonb)
      AND EXISTS (
          SELECT 1 FROM processes AS p
          WHERE p.id = j.process_id AND p.is_active
            AND (p.concurrency_limit IS NULL OR p.concurrency_limit > (
                SELECT count(*) FROM jobs AS r
                WHERE r.process_id = p.id AND r.status = 'running')))
    ORDER BY j.priority DESC, j.id
    LIMIT 1
    FOR UPDATE OF j SKIP LOCKED
)
RETURNING id, attempt, process_id,
    (SELECT p.concurrency_limit FROM processes AS p WHERE p.id = process_id) AS concurrency_limit;

-- name: running_of_process
-- Behind the lock on the process: two robots that claim at once both see room for one.
SELECT count(*) AS count FROM jobs WHERE process_id = :process_id AND status = 'running';

-- name: unclaim
UPDATE jobs SET status = 'pending', robot_id = NULL, attempt = attempt - 1, lease_until = NULL,
    started_at = NULL
WHERE id = :id AND status = 'running' AND attempt = :attempt;

-- name: waiting
-- Which robots it is worth waking, and how many of them.
SELECT robot_id, machine_id, labels, count(*) AS jobs FROM (
    SELECT j.wanted_robot_id AS robot_id, j.wanted_machine_id AS machine_id,
           CAST(j.labels AS TEXT) AS labels
    FROM jobs AS j JOIN processes AS p ON p.id = j.process_id
    WHERE j.status = 'pending' AND p.is_active
      AND (j.not_before IS NULL OR j.not_before <= :now)
      AND (j.start_by IS NULL OR j.start_by > :now)
    LIMIT :limit
) AS claimable
GROUP BY robot_id, machine_id, labels;

-- name: current_of_robot
SELECT j.id, a.attempt, a.claim_key, a.agent_instance
FROM jobs AS j JOIN attempts AS a ON a.job_id = j.id AND a.attempt = j.attempt
WHERE j.robot_id = :robot_id AND j.status = 'running';

-- name: current_of_robot [postgres]
-- Locked, so that the lease does not end, and another robot take the job, before it is handed out.
SELECT j.id, a.attempt, a.claim_key, a.agent_instance
FROM jobs AS j JOIN attempts AS a ON a.job_id = j.id AND a.attempt = j.attempt
WHERE j.robot_id = :robot_id AND j.status = 'running'
FOR UPDATE OF j;

-- name: key_used
SELECT job_id FROM attempts WHERE robot_id = :robot_id AND claim_key = :claim_key;

-- name: insert_attempt
INSERT INTO attempts (job_id, attempt, robot_id, claim_key, agent_instance, created_at)
VALUES (:job_id, :attempt, :robot_id, :claim_key, :agent_instance, :now);

-- name: granted
SELECT j.id, j.status, j.attempt, a.claim_key, j.parameters, j.timeout_seconds,
       j.process_id, p.name AS process_name, j.script_path, j.package_id,
       j.process_version, p.start, p.preload, k.name AS package_name, k.version AS package_version,
       k.sha256, k.size_bytes, EXISTS (
           SELECT 1 FROM scripts_run AS s
           WHERE s.package_id = j.package_id AND s.script_path = j.script_path) AS has_run
FROM jobs AS j
JOIN attempts AS a ON a.job_id = j.id AND a.attempt = j.attempt
JOIN processes AS p ON p.id = j.process_id
JOIN packages AS k ON k.id = j.package_id
WHERE j.id = :id;

-- name: note_run
INSERT INTO scripts_run (package_id, script_path, created_at)
VALUES (:package_id, :script_path, :now) ON CONFLICT DO NOTHING;

-- name: recorded
-- The attempt that is meant, or the latest.
SELECT attempt, robot_id, status, reason, result, error_message, claim_key, finished_at, life,
       secrets_sent_at
FROM attempts
WHERE job_id = :job_id
  AND attempt = :attempt    --? attempt
ORDER BY attempt DESC
LIMIT 1;

-- name: end_attempt
UPDATE attempts SET status = :status, reason = :reason, started = :started, result = :result,
    error_message = :error_message, finished_at = :now
WHERE job_id = :job_id AND attempt = :attempt AND status = 'running';

-- name: keep_late_report
UPDATE attempts SET late_report = :late_report
WHERE job_id = :job_id AND attempt = :attempt AND late_report IS NULL;

-- name: finish
UPDATE jobs SET status = :status, reason = :reason, result = :result,
    error_message = :error_message, finished_at = :now, lease_until = NULL
WHERE id = :id AND status = :from_status AND attempt = :attempt
RETURNING id;

-- name: requeue
UPDATE jobs SET status = 'pending', robot_id = NULL, lease_until = NULL, started_at = NULL,
    progress = NULL, not_before = :not_before
WHERE id = :id AND status = 'running' AND attempt = :attempt
RETURNING id;

-- name: note_secrets_sent
UPDATE attempts SET secrets_sent_at = :now
WHERE job_id = :job_id AND attempt = :attempt AND secrets_sent_at IS NULL
RETURNING job_id AS id;

-- name: begin_life
-- The first one stays.
UPDATE attempts SET life = :life
WHERE job_id = :id AND attempt = :attempt AND robot_id = :robot_id AND life IS NULL;

-- name: life
SELECT life FROM attempts
WHERE job_id = :id AND attempt = :attempt AND robot_id = :robot_id;

-- name: renew
UPDATE jobs SET lease_until = :lease_until
WHERE id = :id AND attempt = :attempt AND robot_id = :robot_id AND status = 'running';

-- name: renew_all_of_robot
UPDATE jobs SET lease_until = :lease_until WHERE robot_id = :robot_id AND status = 'running';

-- name: renew_all
UPDATE jobs SET lease_until = :lease_until WHERE status = 'running';

-- name: save_progress
UPDATE jobs SET progress = :progress
WHERE id = :id AND attempt = :attempt AND robot_id = :robot_id AND status = 'running';

-- name: lease_ended [sqlite]
-- INDEXED BY, because without statistics SQLite takes jobs_by_status and sorts.
SELECT id, status, attempt, max_attempts, robot_id, lease_until, stop_requested_at
FROM jobs INDEXED BY jobs_leased
WHERE status = 'running' AND lease_until <= :now
ORDER BY lease_until
LIMIT :limit;

-- name: lease_ended [postgres]
-- Locked, so that a report that comes this instant is either before us or after us.
SELECT id, status, attempt, max_attempts, robot_id, lease_until, stop_requested_at FROM jobs
WHERE status = 'running' AND lease_until <= :now
ORDER BY lease_until
LIMIT :limit
FOR UPDATE SKIP LOCKED;

-- name: not_started [sqlite]
SELECT id, status, attempt, max_attempts, start_by FROM jobs INDEXED BY jobs_start_by
WHERE status = 'pending' AND start_by IS NOT NULL AND start_by <= :now
ORDER BY start_by
LIMIT :limit;

-- name: not_started [postgres]
SELECT id, status, attempt, max_attempts, start_by FROM jobs
WHERE status = 'pending' AND start_by IS NOT NULL AND start_by <= :now
ORDER BY start_by
LIMIT :limit
FOR UPDATE SKIP LOCKED;

-- name: running_job
SELECT j.id, j.attempt, p.name AS process_name, j.status
FROM jobs AS j JOIN processes AS p ON p.id = j.process_id
WHERE j.id = :id AND j.attempt = :attempt AND j.status = 'running';

-- name: move
UPDATE jobs SET wanted_robot_id = :wanted_robot_id, priority = :priority
WHERE id = :id AND status = 'pending'
RETURNING id;

-- name: ask_to_stop
UPDATE jobs SET stop_requested_at = :now
WHERE id = :id AND status IN ('pending', 'running') AND stop_requested_at IS NULL;

-- name: pinned
-- What a job runs, to run the same again.
SELECT process_id, process_version, package_id, script_path, wanted_robot_id, wanted_machine_id,
       labels, added_labels, parameters, priority, max_attempts, timeout_seconds
FROM jobs WHERE id = :id;

-- name: attempts
SELECT a.attempt, a.robot_id, r.name AS robot_name, a.status, a.reason, a.started, a.result,
       a.error_message, a.late_report, a.created_at, a.finished_at
FROM attempts AS a JOIN robots AS r ON r.id = a.robot_id
WHERE a.job_id = :id ORDER BY a.attempt;

-- name: wanting
-- What decides which robots may take a job, and when.
SELECT j.id, j.status, j.wanted_robot_id, j.wanted_machine_id, j.labels, j.not_before,
       j.priority, p.name AS process_name, p.is_active, p.concurrency_limit,
       (SELECT count(*) FROM jobs AS o WHERE o.process_id = p.id AND o.status = 'running')
           AS running
FROM jobs AS j JOIN processes AS p ON p.id = j.process_id
WHERE j.id = :id;

-- name: ahead
SELECT count(*) AS count FROM (
    SELECT 1 AS one FROM jobs
    WHERE status = 'pending'
      AND (priority > :priority OR (priority = :priority AND id < :id))
    LIMIT :limit
) AS ahead;

-- name: candidates
SELECT r.id, r.name, r.machine_id, r.labels, r.is_paused,
       coalesce(r.last_heartbeat > :online_since, FALSE) AS is_online,
       (SELECT j.id FROM jobs AS j WHERE j.robot_id = r.id AND j.status = 'running') AS busy_with
FROM robots AS r
WHERE r.deleted_at IS NULL ORDER BY r.id LIMIT :limit;

-- name: ended_before
SELECT id, attempt, finished_at FROM jobs
WHERE finished_at IS NOT NULL AND finished_at < :before
  AND finished_at >= :after                                 --? after
  AND (finished_at > :after OR id > :after_id)              --? after
ORDER BY finished_at, id LIMIT :limit;

-- name: ends_of [sqlite]
SELECT id, attempt, finished_at FROM jobs WHERE id IN (SELECT value FROM json_each(:ids));

-- name: ends_of [postgres]
SELECT id, attempt, finished_at FROM jobs
WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST(:ids AS json)));

-- name: forget_items_of [sqlite]
UPDATE queue_items SET job_id = NULL WHERE job_id IN (SELECT value FROM json_each(:ids));

-- name: forget_items_of [postgres]
UPDATE queue_items SET job_id = NULL
WHERE job_id IN (SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST(:ids AS json)));

-- name: forget_attempts [sqlite]
DELETE FROM attempts WHERE job_id IN (SELECT value FROM json_each(:ids));

-- name: forget_attempts [postgres]
DELETE FROM attempts
WHERE job_id IN (SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST(:ids AS json)));

-- name: forget_jobs [sqlite]
DELETE FROM jobs WHERE id IN (SELECT value FROM json_each(:ids));

-- name: forget_jobs [postgres]
DELETE FROM jobs
WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST(:ids AS json)));

-- name: outcome
SELECT value, attempt FROM job_outcomes WHERE job_id = :job_id AND key = :key;

-- name: keep_outcome
-- Whoever is first has done it.
INSERT INTO job_outcomes (job_id, key, attempt, value, created_at)
VALUES (:job_id, :key, :attempt, :value, :now)
ON CONFLICT (job_id, key) DO NOTHING;

-- name: count_outcomes
SELECT count(*) AS count FROM job_outcomes WHERE job_id = :job_id;
