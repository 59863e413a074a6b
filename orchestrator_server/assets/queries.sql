-- name: insert
INSERT INTO assets (name, name_key, type, value, username, description, robot_id,
                    created_at, updated_at)
VALUES (:name, :name_key, :type, :value, :username, :description, :robot_id, :now, :now)
RETURNING id;

-- name: seal
UPDATE assets SET sealed = :sealed WHERE id = :id;

-- name: move
-- Unless somebody gave it a new value meanwhile, which is under the new key already.
UPDATE assets SET sealed = :sealed WHERE id = :id AND sealed = :before;

-- name: update
UPDATE assets SET name = :name, name_key = :name_key, type = :type, value = :value,
    username = :username, sealed = :sealed, description = :description, updated_at = :now
WHERE id = :id AND deleted_at IS NULL;

-- name: delete
UPDATE assets SET deleted_at = :now, updated_at = :now, sealed = NULL, value = NULL
WHERE id = :id AND deleted_at IS NULL;

-- name: list
SELECT id, name, type, value, username, sealed, description, robot_id, created_at, updated_at
FROM assets
WHERE deleted_at IS NULL
  AND id = :id                              --? id
  AND name_key = :name_key                  --? name_key
  AND name_key LIKE :pattern ESCAPE '\'     --? pattern
  AND id < :before_id                       --? before_id
ORDER BY id DESC
LIMIT :limit;

-- name: lock
SELECT id, name, type, value, username, sealed, description, robot_id, created_at, updated_at
FROM assets WHERE id = :id AND deleted_at IS NULL;

-- name: lock [postgres]
-- What is not given stays as it is now, and not as it was before another one's change.
SELECT id, name, type, value, username, sealed, description, robot_id, created_at, updated_at
FROM assets WHERE id = :id AND deleted_at IS NULL FOR NO KEY UPDATE;

-- name: sealed_after
-- For a rotation of keys, which goes through them by id.
SELECT id, sealed FROM assets
WHERE sealed IS NOT NULL AND id > :after_id ORDER BY id LIMIT :limit;

-- name: reader
-- The robot on which a job is running, if it is.
SELECT robot_id FROM jobs WHERE id = :id AND attempt = :attempt AND status = 'running';

-- name: used_by_robot
SELECT name FROM robots WHERE credential_asset_id = :id AND deleted_at IS NULL;

-- name: note_read
INSERT INTO secrets_read (job_id, attempt, asset_id) VALUES (:job_id, :attempt, :asset_id)
ON CONFLICT DO NOTHING;

-- name: secrets_read
-- As they are, and as they were. One that was deleted has no value any more but the one it had.
SELECT a.id AS asset_id, a.sealed FROM secrets_read AS r JOIN assets AS a ON a.id = r.asset_id
WHERE r.job_id = :job_id AND r.attempt = :attempt AND a.sealed IS NOT NULL
UNION ALL
SELECT asset_id, sealed FROM secrets_replaced WHERE job_id = :job_id AND attempt = :attempt
ORDER BY asset_id;

-- name: count_read
SELECT (SELECT count(*) FROM secrets_read WHERE job_id = :job_id AND attempt = :attempt)
     + (SELECT count(*) FROM secrets_replaced WHERE job_id = :job_id AND attempt = :attempt)
    AS count;

-- name: keep_replaced
-- For attempts that may still send something. Who read it long ago is not looked through.
INSERT INTO secrets_replaced (job_id, attempt, asset_id, sealed)
SELECT r.job_id, r.attempt, a.id, a.sealed
FROM (SELECT job_id, attempt, asset_id FROM secrets_read
      WHERE asset_id = :id ORDER BY job_id DESC LIMIT 10000) AS r
JOIN assets AS a ON a.id = r.asset_id
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
