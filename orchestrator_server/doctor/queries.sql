-- Each query finds what must never be: a few rows that say which.

-- name: unattended
SELECT 'job ' || j.id AS what FROM jobs AS j
WHERE j.status = 'running' AND NOT EXISTS (
    SELECT 1 FROM attempts AS a
    WHERE a.job_id = j.id AND a.attempt = j.attempt AND a.status = 'running'
      AND a.robot_id = j.robot_id)
LIMIT :limit;

-- name: orphaned
SELECT 'attempt ' || a.attempt || ' of job ' || a.job_id AS what
FROM attempts AS a JOIN jobs AS j ON j.id = a.job_id
WHERE a.status = 'running' AND (j.status <> 'running' OR j.attempt <> a.attempt)
LIMIT :limit;

-- name: doubled
SELECT 'robot ' || robot_id AS what FROM jobs
WHERE status = 'running' GROUP BY robot_id HAVING count(*) > 1
LIMIT :limit;

-- name: granted_twice
SELECT 'robot ' || robot_id || ', key ' || claim_key AS what FROM attempts
WHERE claim_key IS NOT NULL GROUP BY robot_id, claim_key HAVING count(*) > 1
LIMIT :limit;

-- name: unexplained
SELECT 'job ' || id AS what FROM jobs
WHERE (status IN ('completed', 'failed', 'canceled')) <> (finished_at IS NOT NULL)
   OR (status = 'failed' AND reason IS NULL)
LIMIT :limit;

-- name: contradicted
SELECT 'job ' || j.id AS what FROM jobs AS j
JOIN attempts AS a ON a.job_id = j.id AND a.attempt = j.attempt
WHERE j.status = 'completed' AND a.status <> 'completed'
LIMIT :limit;

-- name: beyond
SELECT 'job ' || j.id AS what FROM jobs AS j
WHERE EXISTS (SELECT 1 FROM attempts AS a WHERE a.job_id = j.id AND a.attempt > j.attempt)
LIMIT :limit;

-- name: unheld
SELECT 'item ' || i.id AS what FROM queue_items AS i LEFT JOIN jobs AS j ON j.id = i.job_id
WHERE i.status = 'in_progress'
  AND (i.locked_by_robot_id IS NULL OR (j.id IS NOT NULL AND j.status <> 'running'))
LIMIT :limit;

-- name: deleted_in_use
SELECT 'process ' || p.id AS what FROM processes AS p JOIN packages AS k ON k.id = p.package_id
WHERE p.deleted_at IS NULL AND k.deleted_at IS NOT NULL
LIMIT :limit;

-- name: unrecorded
SELECT 'job ' || j.id AS what FROM jobs AS j
WHERE j.status IN ('completed', 'failed', 'canceled')
  AND j.finished_at >= coalesce((SELECT min(timestamp) FROM audit_events), j.finished_at)
  AND NOT EXISTS (
    SELECT 1 FROM audit_events AS e
    WHERE e.entity_type = 'job' AND e.entity_id = j.id AND e.action = 'job.' || j.status)
LIMIT :limit;

-- name: refused_reads
SELECT 'asset ' || coalesce(e.entity_name, '?') || ', ' || coalesce(e.actor_username, '?')
    || ': ' || count(*) AS what
FROM audit_events AS e
WHERE e.action = 'asset.read_refused' AND e.timestamp > :since
GROUP BY e.entity_name, e.actor_username ORDER BY max(e.id) DESC LIMIT :limit;

-- name: tokens_without_end
SELECT 'token ' || coalesce(t.name, '?') || ' of ' || u.username AS what
FROM tokens AS t JOIN users AS u ON u.id = t.user_id
WHERE t.kind = 'api' AND t.revoked_at IS NULL
  AND (t.expires_at IS NULL OR (t.scopes IS NULL AND t.expires_at > :now))
ORDER BY t.id DESC LIMIT :limit;

-- name: second_agents
SELECT 'robot ' || name AS what FROM robots
WHERE duplicate_agent_at > :since AND deleted_at IS NULL ORDER BY name LIMIT :limit;
