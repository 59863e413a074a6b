-- name: insert
INSERT INTO packages (name, name_key, version, version_key, file_path, sha256, size_bytes,
                      scripts_manifest, requires_python, dependencies, created_by, created_at, updated_at)
VALUES (:name, :name_key, :version, :version_key, :file_path, :sha256, :size_bytes,
        :scripts_manifest, :requires_python, :dependencies, :created_by, :now, :now)
RETURNING *;

-- name: by_version
SELECT * FROM packages
WHERE name_key = :name_key AND version = :version AND deleted_at IS NULL;

-- name: list
SELECT * FROM packages
WHERE deleted_at IS NULL
  AND id = :id                              --? id
  AND name_key = :name_key                  --? name_key
  AND name_key LIKE :pattern ESCAPE '\'     --? pattern
  AND is_active = :is_active                --? is_active
  AND id < :before_id                       --? before_id
ORDER BY id DESC
LIMIT :limit;

-- name: get_any
-- Also one that was deleted, for what refers to it still.
SELECT * FROM packages WHERE id = :id;

-- name: share
SELECT * FROM packages WHERE id = :id AND deleted_at IS NULL;

-- name: share [postgres]
-- It stays while a process, or a job, is made of it.
SELECT * FROM packages WHERE id = :id AND deleted_at IS NULL FOR SHARE;

-- name: lock
SELECT * FROM packages WHERE id = :id AND deleted_at IS NULL;

-- name: lock [postgres]
SELECT * FROM packages WHERE id = :id AND deleted_at IS NULL FOR NO KEY UPDATE;

-- name: newest
SELECT * FROM packages
WHERE name_key = :name_key AND is_active AND deleted_at IS NULL
ORDER BY version_key DESC LIMIT 1;

-- name: process_of
SELECT id FROM processes WHERE package_id = :id AND deleted_at IS NULL LIMIT 1;

-- name: job_of
SELECT id FROM jobs WHERE package_id = :id LIMIT 1;

-- name: unfinished_job_of
SELECT id FROM jobs WHERE package_id = :id AND status IN ('pending', 'running') LIMIT 1;

-- name: update
UPDATE packages SET name = :name, name_key = :name_key, version = :version,
    version_key = :version_key, is_active = :is_active, updated_at = :now
WHERE id = :id AND deleted_at IS NULL;

-- name: delete
UPDATE packages SET deleted_at = :now, updated_at = :now WHERE id = :id AND deleted_at IS NULL;

-- name: stored_file
SELECT file_path, sha256, size_bytes FROM packages WHERE id = :id;

-- name: files
SELECT id, name, version, file_path FROM packages
WHERE deleted_at IS NULL AND id > :after_id ORDER BY id LIMIT :limit;

-- name: running_on
-- The file of a package, for the robot that is running a job of it.
SELECT p.file_path, p.sha256, p.size_bytes
FROM jobs AS j JOIN packages AS p ON p.id = j.package_id
WHERE j.robot_id = :robot_id AND j.status = 'running' AND p.id = :id;
