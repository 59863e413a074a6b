-- name: newest_event [sqlite]
-- Its number is remembered when it is deleted, and never given again.
SELECT coalesce(max(seq), 0) AS id FROM sqlite_sequence WHERE name = 'audit_events';

-- name: newest_event [postgres]
SELECT coalesce(max(id), 0) AS id FROM audit_events;

-- name: jobs_in
SELECT id FROM jobs WHERE status = :status ORDER BY id LIMIT :limit;

-- name: timeline [sqlite]
-- A file has none.
SELECT 0 AS timeline;

-- name: timeline [postgres]
-- The first eight digits of the name of a WAL file.
SELECT CAST(CAST('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS bit(32)) AS int)
    AS timeline;
