-- name: insert
-- Nothing comes back where the reference is taken.
INSERT INTO queue_items (queue_id, reference, unique_reference, priority, payload, defer_until,
                         deadline, created_at, updated_at)
VALUES (:queue_id, :reference, :unique_reference, :priority, :payload, :defer_until,
        :deadline, :now, :now)
ON CONFLICT (queue_id, unique_reference) DO NOTHING
RETURNING id;

-- name: by_reference
SELECT id FROM queue_items WHERE queue_id = :queue_id AND unique_reference = :reference;

-- name: list
SELECT id, queue_id, reference, status, priority, payload, result, error_type, error_message,
       retries, locked_by_robot_id, locked_at, job_id, attempt, defer_until, deadline,
       created_at, updated_at
FROM queue_items
WHERE true
  AND id = :id                              --? id
  AND queue_id = :queue_id                  --? queue_id
  AND status = :status                      --? status
  AND reference = :reference                --? reference
  AND (status = 'failed' OR status = 'abandoned' OR NOT :dead_letters)   --? dead_letters
  AND id < :before_id                       --? before_id
ORDER BY id DESC
LIMIT :limit;

-- name: lock
SELECT i.*, q.max_retries, q.lease_seconds, q.enforce_unique_reference
FROM queue_items AS i JOIN queues AS q ON q.id = i.queue_id WHERE i.id = :id;

-- name: lock [postgres]
SELECT i.*, q.max_retries, q.lease_seconds, q.enforce_unique_reference
FROM queue_items AS i JOIN queues AS q ON q.id = i.queue_id WHERE i.id = :id FOR UPDATE OF i;

-- name: update
UPDATE queue_items SET payload = :payload, reference = :reference,
    unique_reference = :unique_reference, priority = :priority, defer_until = :defer_until,
    deadline = :deadline, updated_at = :now
WHERE id = :id;

-- name: move
-- Out of whatever hands it was in.
UPDATE queue_items SET status = :status, retries = :retries, result = :result,
    error_type = :error_type, error_message = :error_message, lease_until = NULL,
    locked_by_robot_id = :locked_by_robot_id, locked_at = :locked_at, job_id = :job_id,
    updated_at = :now
WHERE id = :id;

-- name: delete
DELETE FROM queue_items WHERE id = :id;

-- name: attempts
SELECT attempt, robot_id, job_id, status, error_type, error_message, created_at, finished_at
FROM queue_item_attempts WHERE item_id = :id ORDER BY attempt;

-- name: recorded
SELECT attempt, status, robot_id, job_id, error_type, error_message
FROM queue_item_attempts WHERE item_id = :id AND attempt = :attempt;

-- name: worker_of_job
SELECT id AS job_id, robot_id, lease_until, TRUE AS is_job FROM jobs
WHERE id = :id AND attempt = :attempt AND status = 'running';

-- name: worker_of_job [postgres]
-- The job cannot end while it takes an item, nor take two at once.
SELECT id AS job_id, robot_id, lease_until, TRUE AS is_job FROM jobs
WHERE id = :id AND attempt = :attempt AND status = 'running' FOR NO KEY UPDATE;

-- name: worker_of_robot
SELECT id AS job_id, robot_id, lease_until FROM jobs
WHERE robot_id = :id AND status = 'running';

-- name: worker_of_robot [postgres]
SELECT id AS job_id, robot_id, lease_until FROM jobs
WHERE robot_id = :id AND status = 'running' FOR NO KEY UPDATE;

-- name: taken_with_key
-- What a key took, until somebody else takes that. An item that went back has no job any
-- more, but its last attempt has. Two looks into one index.
SELECT i.id, i.status FROM queue_items AS i
WHERE i.job_id = CAST(:job_id AS BIGINT) AND i.claim_key = :claim_key
UNION ALL
SELECT i.id, i.status FROM queue_items AS i
JOIN queue_item_attempts AS a ON a.item_id = i.id AND a.attempt = i.attempt
WHERE i.job_id IS NULL AND i.claim_key = :claim_key AND a.robot_id = :robot_id
  AND (a.job_id = CAST(:job_id AS BIGINT)
       OR (a.job_id IS NULL AND CAST(:job_id AS BIGINT) IS NULL))
LIMIT 1;

-- name: claim [sqlite]
-- INDEXED BY, because SQLite may otherwise take queue_items_by_status and sort all that wait.
UPDATE queue_items SET status = 'in_progress', attempt = attempt + 1, claim_key = :claim_key,
    locked_by_robot_id = :robot_id, locked_at = :now, lease_until = :lease_until,
    job_id = :job_id, result = NULL, error_type = NULL, error_message = NULL, updated_at = :now
WHERE status = 'new' AND id = (
    SELECT id FROM queue_items INDEXED BY queue_items_waiting
    WHERE queue_id = :queue_id AND status = 'new'
      AND (defer_until IS NULL OR defer_until <= :now)
      AND (deadline IS NULL OR deadline > :now)
    ORDER BY priority DESC, id
    LIMIT 1
)
RETURNING id;

-- name: claim [postgres]
UPDATE queue_items SET status = 'in_progress', attempt = attempt + 1, claim_key = :claim_key,
    locked_by_robot_id = :robot_id, locked_at = :now, lease_until = :lease_until,
    job_id = CAST(:job_id AS BIGINT), result = NULL, error_type = NULL, error_message = NULL,
    updated_at = :now
WHERE status = 'new' AND id = (
    SELECT id FROM queue_items
    WHERE queue_id = :queue_id AND status = 'new'
      AND (defer_until IS NULL OR defer_until <= :now)
      AND (deadline IS NULL OR deadline > :now)
    ORDER BY priority DESC, id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING id;

-- name: insert_attempt
INSERT INTO queue_item_attempts (item_id, attempt, robot_id, job_id, created_at)
SELECT id, attempt, locked_by_robot_id, job_id, :now FROM queue_items WHERE id = :id;

-- name: end_attempt
UPDATE queue_item_attempts SET status = :status, error_type = :error_type,
    error_message = :error_message, finished_at = :now
WHERE item_id = :id AND attempt = :attempt AND status = 'in_progress';

-- name: renew
UPDATE queue_items SET lease_until = :lease_until WHERE id = :id AND status = 'in_progress';

-- name: queues_at_work
SELECT id, lease_seconds FROM queues
WHERE EXISTS (SELECT 1 FROM queue_items WHERE queue_id = queues.id AND status = 'in_progress');

-- name: renew_of_queue
UPDATE queue_items SET lease_until = :lease_until
WHERE queue_id = :queue_id AND status = 'in_progress';

-- name: of_job
SELECT id FROM queue_items WHERE job_id = :job_id AND status = 'in_progress' ORDER BY id;

-- name: lease_ended
-- Without a lease of its own, an item is its job's for as long as that runs.
SELECT i.id FROM queue_items AS i JOIN queues AS q ON q.id = i.queue_id
LEFT JOIN jobs AS j ON j.id = i.job_id AND j.status = 'running'
WHERE i.status = 'in_progress' AND i.lease_until <= :now
  AND (q.lease_seconds IS NOT NULL OR j.id IS NULL)
ORDER BY i.lease_until LIMIT :limit;

-- name: too_late
SELECT id FROM queue_items WHERE status = 'new' AND deadline <= :now ORDER BY deadline LIMIT :limit;

-- name: ended_before
SELECT id FROM queue_items
WHERE status IN ('completed', 'failed', 'abandoned') AND updated_at < :before
ORDER BY updated_at LIMIT :limit;

-- name: forget [sqlite]
-- Unless somebody has put it back meanwhile.
DELETE FROM queue_items
WHERE id IN (SELECT value FROM json_each(:ids))
  AND status IN ('completed', 'failed', 'abandoned') AND updated_at < :before
RETURNING id;

-- name: forget [postgres]
DELETE FROM queue_items
WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST(:ids AS json)))
  AND status IN ('completed', 'failed', 'abandoned') AND updated_at < :before
RETURNING id;
