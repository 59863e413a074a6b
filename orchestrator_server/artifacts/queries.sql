-- name: of_name
SELECT id, job_id, attempt, name, sha256, size_bytes, created_at, file_path FROM artifacts
WHERE job_id = :job_id AND attempt = :attempt AND name_key = :name_key;

-- name: count
SELECT count(*) AS count FROM artifacts WHERE job_id = :job_id AND attempt = :attempt;

-- name: keep
INSERT INTO artifacts (job_id, attempt, name, name_key, sha256, size_bytes, file_path, created_at)
VALUES (:job_id, :attempt, :name, :name_key, :sha256, :size_bytes, :file_path, :now)
ON CONFLICT (job_id, attempt, name_key) DO UPDATE
SET name = excluded.name, sha256 = excluded.sha256, size_bytes = excluded.size_bytes,
    file_path = excluded.file_path, created_at = excluded.created_at
RETURNING id, job_id, attempt, name, sha256, size_bytes, created_at;

-- name: list
SELECT id, job_id, attempt, name, sha256, size_bytes, created_at FROM artifacts
WHERE job_id = :job_id
ORDER BY attempt, id;

-- name: file
SELECT name, sha256, size_bytes, file_path FROM artifacts WHERE job_id = :job_id AND id = :id;

-- name: with_artifacts [sqlite]
SELECT DISTINCT job_id FROM artifacts
WHERE job_id IN (SELECT value FROM json_each(:ids));

-- name: with_artifacts [postgres]
SELECT DISTINCT job_id FROM artifacts
WHERE job_id IN (SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST(:ids AS json)));

-- name: files_after
SELECT id, file_path, sha256 FROM artifacts WHERE id > :last_id ORDER BY id LIMIT :limit;
