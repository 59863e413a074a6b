-- name: lock_migrations
-- Two servers that start together migrate in turn.
SELECT 1 AS locked_by_begin_immediate;

-- name: lock_migrations [postgres]
SELECT pg_advisory_xact_lock(5279826);

-- name: applied_migrations
SELECT version, name, checksum FROM migrations ORDER BY version;

-- name: record_migration
INSERT INTO migrations (version, name, checksum, applied_at)
VALUES (:version, :name, :checksum, :now);

-- name: key_check
SELECT value FROM key_check WHERE id = 1;

-- name: remember_key_check
INSERT INTO key_check (id, value) VALUES (1, :value) ON CONFLICT (id) DO NOTHING;

-- name: replace_key_check
UPDATE key_check SET value = :value WHERE id = 1;

-- name: ping
SELECT 1 AS answer;

-- name: tables [sqlite]
SELECT name FROM sqlite_master WHERE type = 'table';

-- name: tables [postgres]
SELECT table_name AS name FROM information_schema.tables
WHERE table_schema NOT IN ('pg_catalog', 'information_schema');
