-- name: insert
INSERT INTO processes (name, name_key, description, package_id, script_path, parameters_schema,
    default_parameters, timeout_seconds, max_attempts, priority, concurrency_limit, labels,
    start, preload, secrets, may_build, created_at, updated_at)
VALUES (:name, :name_key, :description, :package_id, :script_path, :parameters_schema,
    :default_parameters, :timeout_seconds, :max_attempts, :priority, :concurrency_limit, :labels,
    :start, :preload, :secrets, :may_build, :now, :now)
RETURNING *;

-- name: list
SELECT * FROM processes
WHERE deleted_at IS NULL
  AND id = :id                              --? id
  AND name_key = :name_key                  --? name_key
  AND name_key LIKE :pattern ESCAPE '\'     --? pattern
  AND is_active = :is_active                --? is_active
  AND id < :before_id                       --? before_id
ORDER BY id DESC
LIMIT :limit;

-- name: lock
-- For whoever changes it, deletes it, or counts its jobs.
SELECT * FROM processes WHERE id = :id AND deleted_at IS NULL;

-- name: lock [postgres]
SELECT * FROM processes WHERE id = :id AND deleted_at IS NULL FOR NO KEY UPDATE;

-- name: share
SELECT * FROM processes WHERE id = :id AND deleted_at IS NULL;

-- name: share [postgres]
-- It stays as it is while a job is made of it.
SELECT * FROM processes WHERE id = :id AND deleted_at IS NULL FOR SHARE;

-- name: update
UPDATE processes SET name = :name, name_key = :name_key, description = :description,
    package_id = :package_id, script_path = :script_path, version = :version,
    is_active = :is_active, parameters_schema = :parameters_schema,
    default_parameters = :default_parameters, timeout_seconds = :timeout_seconds,
    max_attempts = :max_attempts, priority = :priority, concurrency_limit = :concurrency_limit,
    labels = :labels, start = :start, preload = :preload, secrets = :secrets,
    proposal = :proposal, updated_at = :now,
    may_build = CASE WHEN :is_other_code THEN :may_build ELSE may_build END
WHERE id = :id;

-- name: propose
-- What runs stays as it is, and robots have nothing new to prepare.
UPDATE processes SET proposal = :proposal WHERE id = :id;

-- name: of_package
SELECT p.id FROM processes AS p JOIN packages AS k ON k.id = p.package_id
WHERE k.name_key = :name_key AND p.deleted_at IS NULL ORDER BY p.id;

-- name: unfinished_job
SELECT id FROM jobs WHERE process_id = :id AND status IN ('pending', 'running') LIMIT 1;

-- name: delete
UPDATE processes SET deleted_at = :now, updated_at = :now WHERE id = :id AND deleted_at IS NULL;

-- name: latest_change
SELECT max(updated_at) AS updated_at FROM processes;

-- name: changed
-- Those that this robot may be given jobs of, the last changed first.
SELECT p.script_path, k.id, k.name, k.version, k.sha256, k.size_bytes,
       p.may_build OR EXISTS (
           SELECT 1 FROM scripts_run AS s
           WHERE s.package_id = k.id AND s.script_path = p.script_path) AS may_build
FROM processes AS p JOIN packages AS k ON k.id = p.package_id
JOIN robots AS r ON r.id = :robot_id
WHERE p.updated_at > :since AND p.is_active AND p.deleted_at IS NULL
  AND NOT EXISTS (
      SELECT 1 FROM json_each(p.labels) AS need
      WHERE need.value NOT IN (SELECT had.value FROM json_each(r.labels) AS had))
ORDER BY p.updated_at DESC
LIMIT :limit;

-- name: changed [postgres]
SELECT p.script_path, k.id, k.name, k.version, k.sha256, k.size_bytes,
       p.may_build OR EXISTS (
           SELECT 1 FROM scripts_run AS s
           WHERE s.package_id = k.id AND s.script_path = p.script_path) AS may_build
FROM processes AS p JOIN packages AS k ON k.id = p.package_id
JOIN robots AS r ON r.id = :robot_id
WHERE p.updated_at > :since AND p.is_active AND p.deleted_at IS NULL
  AND r.labels::jsonb @> p.labels::jsonb
ORDER BY p.updated_at DESC
LIMIT :limit;
