-- name: process
SELECT id, name, version FROM processes WHERE id = :id AND deleted_at IS NULL;

-- name: process [postgres]
-- Locked, so that the version that is granted is the one that runs when the grant is committed.
SELECT id, name, version FROM processes WHERE id = :id AND deleted_at IS NULL FOR NO KEY UPDATE;

-- name: insert
-- A grant that exists keeps the version that it begins with; one that the upgrade made is confirmed.
INSERT INTO asset_grants (asset_id, process_id, from_version, granted_by, created_at)
VALUES (:asset_id, :process_id, :from_version, :granted_by, :now)
ON CONFLICT (asset_id, process_id) DO UPDATE SET
    granted_by = coalesce(asset_grants.granted_by, excluded.granted_by)
RETURNING from_version;

-- name: delete
DELETE FROM asset_grants WHERE asset_id = :asset_id
  AND process_id = :process_id    --? process_id
RETURNING asset_id, process_id;

-- name: delete_of_process
DELETE FROM asset_grants WHERE process_id = :process_id;

-- name: of_assets
SELECT asset_id, process_id FROM asset_grants
WHERE asset_id >= :first_id AND asset_id <= :last_id ORDER BY asset_id, process_id;

-- name: one
SELECT from_version FROM asset_grants WHERE asset_id = :asset_id AND process_id = :process_id;

-- name: named
-- The secrets that were granted to a process by name.
SELECT a.name FROM asset_grants AS g JOIN assets AS a ON a.id = g.asset_id
WHERE g.process_id = :process_id AND a.deleted_at IS NULL ORDER BY a.name;

-- name: readable
-- The secrets that a process may read now.
SELECT a.id AS asset_id, a.name, a.type, a.robot_id, a.any_process, g.from_version
FROM assets AS a
LEFT JOIN asset_grants AS g ON g.asset_id = a.id AND g.process_id = :process_id
WHERE a.deleted_at IS NULL AND a.sealed IS NOT NULL
  AND (a.any_process OR g.process_id IS NOT NULL)
ORDER BY a.name LIMIT 1000;

-- name: known_names [sqlite]
SELECT name_key, sealed IS NOT NULL AS is_secret FROM assets
WHERE deleted_at IS NULL AND name_key IN (SELECT value FROM json_each(:name_keys));

-- name: known_names [postgres]
SELECT name_key, sealed IS NOT NULL AS is_secret FROM assets
WHERE deleted_at IS NULL
  AND name_key IN (SELECT value FROM json_array_elements_text(CAST(:name_keys AS json)));

-- name: grant_earlier_readers [sqlite]
-- Each process whose jobs have read a secret so far, as the audit trail knows it, goes on reading
-- it. Of a job that was deleted since, the event of its creation knows the process.
INSERT INTO asset_grants (asset_id, process_id, from_version, granted_by, created_at)
SELECT DISTINCT a.id, p.id, 1, NULL, :now
FROM audit_events AS e
JOIN assets AS a ON a.id = e.entity_id AND a.deleted_at IS NULL AND a.sealed IS NOT NULL
LEFT JOIN jobs AS j ON j.id = json_extract(e.metadata, '$.job_id')
LEFT JOIN audit_events AS c ON j.id IS NULL AND c.action = 'job.created'
    AND c.entity_type = 'job' AND c.entity_id = json_extract(e.metadata, '$.job_id')
JOIN processes AS p ON p.deleted_at IS NULL
    AND p.id = coalesce(j.process_id, json_extract(c.after, '$.process_id'))
WHERE e.action = 'asset.read'
RETURNING asset_id, process_id;

-- name: grant_earlier_readers [postgres]
INSERT INTO asset_grants (asset_id, process_id, from_version, granted_by, created_at)
SELECT DISTINCT a.id, p.id, 1, CAST(NULL AS TEXT), CAST(:now AS TIMESTAMPTZ)
FROM audit_events AS e
JOIN assets AS a ON a.id = e.entity_id AND a.deleted_at IS NULL AND a.sealed IS NOT NULL
LEFT JOIN jobs AS j ON j.id = CAST(e.metadata ->> 'job_id' AS BIGINT)
LEFT JOIN audit_events AS c ON j.id IS NULL AND c.action = 'job.created'
    AND c.entity_type = 'job' AND c.entity_id = CAST(e.metadata ->> 'job_id' AS BIGINT)
JOIN processes AS p ON p.deleted_at IS NULL
    AND p.id = coalesce(j.process_id, CAST(c.after ->> 'process_id' AS BIGINT))
WHERE e.action = 'asset.read'
RETURNING asset_id, process_id;

-- name: from_upgrade
-- Grants that no user has made or confirmed, for the doctor.
SELECT a.name AS asset_name, p.name AS process_name FROM asset_grants AS g
JOIN assets AS a ON a.id = g.asset_id JOIN processes AS p ON p.id = g.process_id
WHERE g.granted_by IS NULL AND a.deleted_at IS NULL ORDER BY a.name, p.name LIMIT :limit;
