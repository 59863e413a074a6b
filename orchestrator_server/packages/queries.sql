-- name: insert
INSERT INTO packages (name, name_key, version, version_key, file_path, sha256, size_bytes,
                      scripts_manifest, created_by, created_at, updated_at)
VALUES (:name, :name_key, :version, :version_key, :file_path, :sha256, :size_bytes,
        :scripts_manifest, :created_by, :now, :now)
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

-- name: running_on
-- The file of a package, for the robot that is running a job of it.
SELECT p.file_path, p.sha256, p.size_bytes
FROM jobs AS j JOIN packages AS p ON p.id = j.package_id
WHERE j.robot_id = :robot_id AND j.status = 'running' AND p.id = :id;
