-- name: all
SELECT group_name, key, value FROM settings ORDER BY group_name, key;

-- name: save
INSERT INTO settings (group_name, key, value, updated_at) VALUES (:group_name, :key, :value, :now)
ON CONFLICT (group_name, key) DO UPDATE
SET value = excluded.value, updated_at = excluded.updated_at;

-- name: forget
DELETE FROM settings WHERE group_name = :group_name AND key = :key;

-- name: lock
SELECT 1 AS locked_by_begin_immediate;

-- name: lock [postgres]
-- Keys of a group depend on each other, so changes come one after the other.
SELECT pg_advisory_xact_lock(5279827);
