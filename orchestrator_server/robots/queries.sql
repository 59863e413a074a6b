-- name: insert
INSERT INTO robots (name, name_key, machine_id, token_hash, token_hint, machine_info,
                    agent_version, labels, assigned_labels, requested_labels,
                    created_at, updated_at)
VALUES (:name, :name_key, :machine_id, :token_hash, :token_hint, :machine_info,
        :agent_version, '[]', :assigned_labels, :requested_labels, :now, :now)
RETURNING id;

-- name: by_name
SELECT id, name, machine_id FROM robots WHERE name_key = :name_key AND deleted_at IS NULL;

-- name: by_token
-- Also by the token before: it dies when the new one is first used.
SELECT id, name, machine_id, token_hash = :token_hash AS is_current,
       previous_token_hash IS NOT NULL AS has_previous
FROM robots
WHERE (token_hash = :token_hash OR previous_token_hash = :token_hash) AND deleted_at IS NULL;

-- name: renew_token
-- The token in use stays good until the new one is used; one that nobody used is forgotten.
UPDATE robots SET previous_token_hash = coalesce(previous_token_hash, token_hash),
    token_hash = :token_hash, token_hint = :token_hint, updated_at = :now
WHERE id = :id;

-- name: agent_runs
-- A second agent is known by all robots of the first one.
SELECT r.agent_instance, r.agent_version, r.agent_run, r.agent_run_number, r.agent_run_since,
       r.displaced_run, r.displaced_run_number, r.refused_run, r.last_heartbeat,
       (SELECT max(o.duplicate_agent_at) FROM robots AS o
        WHERE o.machine_id = r.machine_id AND o.agent_instance = r.agent_instance)
           AS duplicate_agent_at
FROM robots AS r WHERE r.id = :id;

-- name: run_number
-- Of a run that has registered as any robot of the machine before.
SELECT agent_run_number AS number FROM robots
WHERE machine_id = :machine_id AND agent_run = :run
UNION
SELECT displaced_run_number FROM robots
WHERE machine_id = :machine_id AND displaced_run = :run;

-- name: next_run_number
SELECT coalesce(max(agent_run_number), 0) + 1 AS number FROM robots
WHERE machine_id = :machine_id;

-- name: save_agent_runs
UPDATE robots SET agent_instance = :agent_instance, agent_run = :agent_run,
    agent_run_number = :agent_run_number, agent_run_since = :agent_run_since,
    displaced_run = :displaced_run, displaced_run_number = :displaced_run_number,
    refused_run = :refused_run
WHERE id = :id;

-- name: note_duplicate
UPDATE robots SET duplicate_agent_at = :now WHERE id = :id;

-- name: tell
UPDATE robots SET machine_info = :machine_info, agent_version = :agent_version WHERE id = :id;

-- name: label
UPDATE robots SET labels = :labels, refused_labels = :refused_labels WHERE id = :id;

-- name: assign_labels
UPDATE robots SET assigned_labels = :assigned_labels, has_inherited_labels = FALSE WHERE id = :id;

-- name: request_labels
UPDATE robots SET requested_labels = :requested_labels WHERE id = :id;

-- name: label_sources
SELECT r.labels, r.refused_labels, r.assigned_labels, r.requested_labels, r.machine_info,
       m.allowed_labels
FROM robots AS r LEFT JOIN machines AS m ON m.id = r.machine_id
WHERE r.id = :id;

-- name: of_machine
SELECT id FROM robots WHERE machine_id = :machine_id AND deleted_at IS NULL ORDER BY id;

-- name: of_machine [postgres]
SELECT id FROM robots WHERE machine_id = :machine_id AND deleted_at IS NULL ORDER BY id
FOR NO KEY UPDATE;

-- name: with_inherited_labels
SELECT r.name, r.assigned_labels, m.allowed_labels
FROM robots AS r LEFT JOIN machines AS m ON m.id = r.machine_id
WHERE r.has_inherited_labels AND r.deleted_at IS NULL ORDER BY r.name LIMIT :limit;

-- name: update
UPDATE robots SET name = :name, name_key = :name_key, machine_id = :machine_id,
    credential_asset_id = :credential_asset_id, updated_at = :now
WHERE id = :id;

-- name: pause
UPDATE robots SET is_paused = :paused, pause_comment = :comment, updated_at = :now WHERE id = :id;

-- name: forget_previous_token
UPDATE robots SET previous_token_hash = NULL WHERE id = :id AND previous_token_hash IS NOT NULL;

-- name: list
SELECT r.id, r.name, r.is_paused AS paused, r.pause_comment, r.labels, r.assigned_labels,
       r.refused_labels, r.credential_asset_id,
       r.last_heartbeat, r.machine_id, m.name AS machine_name, r.machine_info,
       r.agent_version, r.duplicate_agent_at, r.created_at, r.updated_at,
       CASE WHEN r.last_heartbeat > :online_since THEN 'online' ELSE 'offline' END AS status,
       (SELECT j.id FROM jobs AS j WHERE j.robot_id = r.id AND j.status = 'running')
           AS current_job_id
FROM robots AS r LEFT JOIN machines AS m ON m.id = r.machine_id
WHERE r.deleted_at IS NULL
  AND r.id = :id                                  --? id
  AND r.name_key LIKE :pattern ESCAPE '\'         --? pattern
  AND r.last_heartbeat > :online_after            --? online_after
  AND (r.last_heartbeat IS NULL OR r.last_heartbeat <= :offline_after)  --? offline_after
  AND r.id < :before_id                           --? before_id
ORDER BY r.id DESC
LIMIT :limit;

-- name: beat
UPDATE robots SET last_heartbeat = :now WHERE id = :id;

-- name: heard [sqlite]
-- Another server may have heard it later; a time to come is of a clock that was set back.
UPDATE robots SET last_heartbeat = :at
WHERE id IN (SELECT value FROM json_each(:ids))
  AND (last_heartbeat IS NULL OR last_heartbeat < :at OR last_heartbeat > :now);

-- name: heard [postgres]
-- In order, so that two servers do not wait for each other.
UPDATE robots SET last_heartbeat = :at
WHERE id IN (
    SELECT id FROM robots
    WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST(:ids AS json)))
      AND (last_heartbeat IS NULL OR last_heartbeat < :at OR last_heartbeat > :now)
    ORDER BY id FOR NO KEY UPDATE);

-- name: tell_of_machine
UPDATE robots SET machine_info = :machine_info WHERE id = :id;

-- name: delete
UPDATE robots SET deleted_at = :now, updated_at = :now, previous_token_hash = NULL
WHERE id = :id AND deleted_at IS NULL;

-- name: hold
-- SQLite has one writer already.
SELECT labels, is_paused FROM robots WHERE id = :id AND deleted_at IS NULL;

-- name: hold [postgres]
-- NO KEY: what refers to the robot may go on being written.
SELECT labels, is_paused FROM robots WHERE id = :id AND deleted_at IS NULL FOR NO KEY UPDATE;
