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

-- name: proposal_of
-- Reviewers know the package of a proposed change by its name and version.
SELECT id FROM processes
WHERE deleted_at IS NULL AND json_extract(proposal, '$.changes.package_id') = :id LIMIT 1;

-- name: proposal_of [postgres]
SELECT id FROM processes
WHERE deleted_at IS NULL AND CAST(proposal -> 'changes' ->> 'package_id' AS BIGINT) = :id LIMIT 1;

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

-- name: set_file
UPDATE packages SET file_path = :file_path WHERE id = :id;

-- name: files
SELECT id, name, version, file_path, sha256 FROM packages
WHERE deleted_at IS NULL AND id > :after_id ORDER BY id LIMIT :limit;

-- name: running_on
-- The file of a package, for the robot that is running a job of it.
SELECT p.file_path, p.sha256, p.size_bytes
FROM jobs AS j JOIN packages AS p ON p.id = j.package_id
WHERE j.robot_id = :robot_id AND j.status = 'running' AND p.id = :id;

-- name: wanted_by
-- The file of a package, for a robot that may be given jobs of it.
SELECT k.file_path, k.sha256, k.size_bytes
FROM packages AS k JOIN robots AS r ON r.id = :robot_id
WHERE k.id = :id AND EXISTS (
    SELECT 1 FROM processes AS p
    WHERE p.package_id = k.id AND p.is_active AND p.deleted_at IS NULL
      AND NOT EXISTS (
          SELECT 1 FROM json_each(p.labels) AS need
          WHERE need.value NOT IN (SELECT had.value FROM json_each(r.labels) AS had)));

-- name: wanted_by [postgres]
SELECT k.file_path, k.sha256, k.size_bytes
FROM packages AS k JOIN robots AS r ON r.id = :robot_id
WHERE k.id = :id AND EXISTS (
    SELECT 1 FROM processes AS p
    WHERE p.package_id = k.id AND p.is_active AND p.deleted_at IS NULL
      AND r.labels::jsonb @> p.labels::jsonb);

-- name: file_of
SELECT file_path, sha256, size_bytes FROM packages WHERE id = :id AND deleted_at IS NULL;
