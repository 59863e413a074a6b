-- name: insert
INSERT INTO processes (name, name_key, description, package_id, script_path,
    default_parameters, timeout_seconds, max_attempts, priority, labels, created_at, updated_at)
VALUES (:name, :name_key, :description, :package_id, :script_path,
    :default_parameters, :timeout_seconds, :max_attempts, :priority, '[]', :now, :now)
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

-- name: unfinished_job
SELECT id FROM jobs WHERE process_id = :id AND status IN ('pending', 'running') LIMIT 1;

-- name: delete
UPDATE processes SET deleted_at = :now, updated_at = :now WHERE id = :id AND deleted_at IS NULL;
