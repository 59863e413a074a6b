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
-- One that was deleted meanwhile has no value any more.
SELECT r.asset_id, a.sealed FROM secrets_read AS r LEFT JOIN assets AS a ON a.id = r.asset_id
WHERE r.job_id = :job_id AND r.attempt = :attempt ORDER BY r.asset_id;

-- name: count_read
SELECT count(*) AS count FROM secrets_read WHERE job_id = :job_id AND attempt = :attempt;
