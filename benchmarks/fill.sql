-- name: foundation
INSERT INTO packages (id, name, name_key, version, version_key, file_path, sha256, size_bytes,
    scripts_manifest, created_at, updated_at)
VALUES (900, 'bench', 'bench', '1.0.0', '1', 'bench.zip', 'x', 1, '[]', :now, :now);

-- name: process
INSERT INTO processes (id, name, name_key, package_id, script_path, default_parameters, labels,
    created_at, updated_at)
VALUES (900, 'bench', 'bench', 900, 'main.py', '{}', '[]', :now, :now);

-- name: queue
INSERT INTO queues (id, name, name_key, created_at, updated_at)
VALUES (900, 'bench', 'bench', :now, :now);

-- name: jobs [sqlite]
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO jobs (process_id, process_version, package_id, script_path, labels, status,
    parameters, result, source, priority, attempt, max_attempts, created_at, finished_at)
SELECT 900, 1, 900, 'main.py', '[]', CASE WHEN i % 20 THEN 'completed' ELSE 'canceled' END,
    '{"a": 1}', '{"b": 2}', 'api', 0, 0, 1, :long_ago, :long_ago FROM n;

-- name: jobs [postgres]
INSERT INTO jobs (process_id, process_version, package_id, script_path, labels, status,
    parameters, result, source, priority, attempt, max_attempts, created_at, finished_at)
SELECT 900, 1, 900, 'main.py', '[]', CASE WHEN i % 20 > 0 THEN 'completed' ELSE 'canceled' END,
    '{"a": 1}', '{"b": 2}', 'api', 0, 0, 1, :long_ago, :long_ago
FROM generate_series(1, CAST(:count AS BIGINT)) AS i;

-- name: events [sqlite]
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO audit_events (timestamp, actor_type, actor_user_id, actor_username, action,
    action_type, entity_type, entity_id, entity_name, message, metadata)
SELECT :long_ago, 'user', 1, CASE WHEN i % 10 THEN 'admin' ELSE 'ada' END, 'job.created',
    'created', 'job', i, 'bench', 'admin: job bench created', '{}' FROM n;

-- name: events [postgres]
INSERT INTO audit_events (timestamp, actor_type, actor_user_id, actor_username, action,
    action_type, entity_type, entity_id, entity_name, message, metadata)
SELECT :long_ago, 'user', 1, CASE WHEN i % 10 > 0 THEN 'admin' ELSE 'ada' END, 'job.created',
    'created', 'job', i, 'bench', 'admin: job bench created', '{}'
FROM generate_series(1, CAST(:count AS BIGINT)) AS i;

-- name: links
INSERT INTO audit_links (seq, event_id, digest)
SELECT row_number() OVER (ORDER BY id), id, 'not verified here' FROM audit_events;

-- name: ends
INSERT INTO audit_ends (id, first_seq, first_digest, last_seq, last_digest, mac)
SELECT 1, 0, '', count(*), '', '' FROM audit_links;

-- name: items [sqlite]
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO queue_items (queue_id, status, payload, created_at, updated_at)
SELECT 900, 'completed', '{"a": 1}', :now, :now FROM n;

-- name: items [postgres]
INSERT INTO queue_items (queue_id, status, payload, created_at, updated_at)
SELECT 900, 'completed', '{"a": 1}', :now, :now
FROM generate_series(1, CAST(:count AS BIGINT)) AS i;

-- name: analyze
ANALYZE;
