-- name: insert
INSERT INTO machines (name, name_key, mode, key_hash, key_hint, info, allowed_labels,
                      created_at, updated_at)
VALUES (:name, :name_key, :mode, :key_hash, :key_hint, '{}', :allowed_labels, :now, :now)
RETURNING id;

-- name: by_name
SELECT id FROM machines WHERE name_key = :name_key AND deleted_at IS NULL;

-- name: by_key
-- Also by the key before, while it overlaps with the new one.
SELECT id FROM machines
WHERE deleted_at IS NULL AND (key_hash = :key_hash
    OR (previous_key_hash = :key_hash AND previous_key_until > :now));

-- name: renew_key
UPDATE machines SET previous_key_hash = key_hash, previous_key_until = :until,
    key_hash = :key_hash, key_hint = :key_hint, updated_at = :now
WHERE id = :id;

-- name: list
-- Newest first. A machine is connected while a robot on it is heard from.
SELECT m.id, m.name, m.mode, m.last_seen_at, m.info, m.key_hint, m.allowed_labels,
       m.created_at, m.updated_at,
       CASE WHEN m.last_seen_at > :online_since THEN 'connected' ELSE 'disconnected' END AS status,
       (SELECT count(*) FROM robots AS r WHERE r.machine_id = m.id AND r.deleted_at IS NULL)
           AS robot_count
FROM machines AS m
WHERE m.deleted_at IS NULL
  AND m.id = :id              --? id
  AND m.name_key LIKE :pattern ESCAPE '\'  --? pattern
  AND m.id < :before_id       --? before_id
ORDER BY m.id DESC
LIMIT :limit;

-- name: update
UPDATE machines SET name = :name, name_key = :name_key, allowed_labels = :allowed_labels,
    updated_at = :now
WHERE id = :id;

-- name: hold
-- SQLite has one writer already.
SELECT id FROM machines WHERE id = :id;

-- name: hold [postgres]
-- NO KEY: what refers to the machine may go on being written.
SELECT id FROM machines WHERE id = :id FOR NO KEY UPDATE;

-- name: seen
UPDATE machines SET last_seen_at = :now WHERE id = :id;

-- name: heard [sqlite]
UPDATE machines SET last_seen_at = :at
WHERE id IN (SELECT value FROM json_each(:ids))
  AND (last_seen_at IS NULL OR last_seen_at < :at OR last_seen_at > :now);

-- name: heard [postgres]
UPDATE machines SET last_seen_at = :at
WHERE id IN (
    SELECT id FROM machines
    WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST(:ids AS json)))
      AND (last_seen_at IS NULL OR last_seen_at < :at OR last_seen_at > :now)
    ORDER BY id FOR NO KEY UPDATE);

-- name: tell
UPDATE machines SET last_seen_at = :now, info = :info WHERE id = :id;

-- name: delete
UPDATE machines SET deleted_at = :now, updated_at = :now, previous_key_hash = NULL
WHERE id = :id AND deleted_at IS NULL;
