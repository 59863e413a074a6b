-- name: insert
INSERT INTO assets (name, name_key, type, value, username, description, robot_id, any_process,
                    created_at, updated_at)
VALUES (:name, :name_key, :type, :value, :username, :description, :robot_id, :any_process,
        :now, :now)
RETURNING id;

-- name: seal
UPDATE assets SET sealed = :sealed WHERE id = :id;

-- name: move
-- Unless somebody gave it a new value meanwhile, which is under the new key already.
UPDATE assets SET sealed = :sealed WHERE id = :id AND sealed = :before;

-- name: update
UPDATE assets SET name = :name, name_key = :name_key, type = :type, value = :value,
    username = :username, sealed = :sealed, description = :description,
    any_process = :any_process, value_version = :value_version, updated_at = :now
WHERE id = :id AND deleted_at IS NULL;

-- name: delete
UPDATE assets SET deleted_at = :now, updated_at = :now, sealed = NULL, value = NULL
WHERE id = :id AND deleted_at IS NULL;

-- name: list
SELECT id, name, type, value, username, sealed, description, robot_id, any_process,
       value_version, created_at, updated_at
FROM assets
WHERE deleted_at IS NULL
  AND id = :id                              --? id
  AND name_key = :name_key                  --? name_key
  AND name_key LIKE :pattern ESCAPE '\'     --? pattern
  AND id < :before_id                       --? before_id
ORDER BY id DESC
LIMIT :limit;

-- name: lock
SELECT id, name, type, value, username, sealed, description, robot_id, any_process,
       value_version, created_at, updated_at
FROM assets WHERE id = :id AND deleted_at IS NULL;

-- name: lock [postgres]
-- What is not given stays as it is now, and not as it was before another one's change.
SELECT id, name, type, value, username, sealed, description, robot_id, any_process,
       value_version, created_at, updated_at
FROM assets WHERE id = :id AND deleted_at IS NULL FOR NO KEY UPDATE;

-- name: sealed_after
-- For a rotation of keys, which goes through them by id.
SELECT id, sealed FROM assets
WHERE sealed IS NOT NULL AND id > :after_id ORDER BY id LIMIT :limit;

-- name: reader
-- What a running job runs, and on which robot.
SELECT j.robot_id, j.process_id, p.name AS process_name, j.process_version
FROM jobs AS j JOIN processes AS p ON p.id = j.process_id
WHERE j.id = :id AND j.attempt = :attempt AND j.status = 'running';

-- name: share
-- For a job that reads it.
SELECT id, name, type, value, username, sealed, description, robot_id, any_process,
       value_version, created_at, updated_at
FROM assets WHERE name_key = :name_key AND deleted_at IS NULL;

-- name: share [postgres]
-- Locked: a value that is replaced this instant was either read before, and is kept for the
-- robot of that job, or is not read any more.
SELECT id, name, type, value, username, sealed, description, robot_id, any_process,
       value_version, created_at, updated_at
FROM assets WHERE name_key = :name_key AND deleted_at IS NULL FOR SHARE;

-- name: used_by_robot
SELECT name FROM robots WHERE credential_asset_id = :id AND deleted_at IS NULL;

-- name: note_read
-- A value that was replaced since an earlier read is in `secrets_replaced` for this attempt.
INSERT INTO secrets_read (job_id, attempt, asset_id, value_version)
VALUES (:job_id, :attempt, :asset_id, :value_version)
ON CONFLICT (job_id, attempt, asset_id) DO UPDATE SET value_version = excluded.value_version;

-- name: secrets_read
-- As they were read: what is still the value of its asset, and what was replaced since.
SELECT a.id AS asset_id, a.sealed FROM secrets_read AS r
JOIN assets AS a ON a.id = r.asset_id AND a.value_version = r.value_version
WHERE r.job_id = :job_id AND r.attempt = :attempt AND a.sealed IS NOT NULL
UNION ALL
SELECT asset_id, sealed FROM secrets_replaced WHERE job_id = :job_id AND attempt = :attempt
ORDER BY asset_id;

-- name: count_read
SELECT (SELECT count(*) FROM secrets_read AS r
        JOIN assets AS a ON a.id = r.asset_id AND a.value_version = r.value_version
        WHERE r.job_id = :job_id AND r.attempt = :attempt AND a.sealed IS NOT NULL)
     + (SELECT count(*) FROM secrets_replaced WHERE job_id = :job_id AND attempt = :attempt)
    AS count;

-- name: keep_replaced
-- For attempts that have read this very value and may still send something. Who read it long ago
-- is not looked through.
INSERT INTO secrets_replaced (job_id, attempt, asset_id, sealed)
SELECT r.job_id, r.attempt, a.id, a.sealed
FROM (SELECT job_id, attempt, asset_id, value_version FROM secrets_read
      WHERE asset_id = :id ORDER BY job_id DESC LIMIT 10000) AS r
JOIN assets AS a ON a.id = r.asset_id AND a.value_version = r.value_version
JOIN attempts AS t ON t.job_id = r.job_id AND t.attempt = r.attempt
WHERE a.sealed IS NOT NULL AND (t.finished_at IS NULL OR t.finished_at > :since);

-- name: forget_replaced
DELETE FROM secrets_replaced WHERE EXISTS (
    SELECT 1 FROM attempts AS t
    WHERE t.job_id = secrets_replaced.job_id AND t.attempt = secrets_replaced.attempt
      AND t.finished_at <= :before);

-- name: replaced
SELECT id, asset_id, sealed FROM secrets_replaced ORDER BY id;

-- name: move_replaced
UPDATE secrets_replaced SET sealed = :sealed WHERE id = :id;
