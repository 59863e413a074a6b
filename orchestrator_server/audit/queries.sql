-- name: insert
INSERT INTO audit_events (timestamp, actor_type, actor_user_id, actor_username, action,
    action_type, entity_type, entity_id, entity_name, message, ip_address, user_agent,
    before, after, metadata)
VALUES (:now, :actor_type, :actor_user_id, :actor_username, :action, :action_type,
    :entity_type, :entity_id, :entity_name, :message, :ip_address, :user_agent,
    :before, :after, :metadata);

-- name: list
SELECT id, timestamp, actor_type, actor_user_id, actor_username, action, action_type,
       entity_type, entity_id, entity_name, coalesce(entity_name, entity_type) AS entity_display,
       message, ip_address, user_agent
FROM audit_events
WHERE true
  AND timestamp >= :from_time           --? from_time
  AND id >= coalesce((SELECT b.id FROM audit_events AS b WHERE b.timestamp >= :from_time ORDER BY b.timestamp, b.id LIMIT 1), 9000000000000000000) - 1000    --? from_time
  AND timestamp <= :to_time             --? to_time
  AND id <= coalesce((SELECT b.id FROM audit_events AS b WHERE b.timestamp <= :to_time ORDER BY b.timestamp DESC, b.id DESC LIMIT 1), 0) + 1000    --? to_time
  AND entity_type = :entity_type        --? entity_type
  AND entity_id = :entity_id            --? entity_id
  AND action = :action                  --? action
  AND action_type = :action_type        --? action_type
  AND actor_user_id = :user_id          --? user_id
  AND actor_username = :username        --? username
  AND lower(message) LIKE :pattern ESCAPE '\'   --? pattern
ORDER BY id DESC
LIMIT :limit OFFSET :offset;

-- name: count
-- No further than :cap, so that a count costs the same however long the trail is.
SELECT count(*) AS total FROM (
SELECT 1 AS one FROM audit_events
WHERE true
  AND timestamp >= :from_time           --? from_time
  AND id >= coalesce((SELECT b.id FROM audit_events AS b WHERE b.timestamp >= :from_time ORDER BY b.timestamp, b.id LIMIT 1), 9000000000000000000) - 1000    --? from_time
  AND timestamp <= :to_time             --? to_time
  AND id <= coalesce((SELECT b.id FROM audit_events AS b WHERE b.timestamp <= :to_time ORDER BY b.timestamp DESC, b.id DESC LIMIT 1), 0) + 1000    --? to_time
  AND entity_type = :entity_type        --? entity_type
  AND entity_id = :entity_id            --? entity_id
  AND action = :action                  --? action
  AND action_type = :action_type        --? action_type
  AND actor_user_id = :user_id          --? user_id
  AND actor_username = :username        --? username
  AND lower(message) LIKE :pattern ESCAPE '\'   --? pattern
LIMIT :cap
) AS found;

-- name: of_entity
SELECT id, timestamp, actor_type, actor_user_id, actor_username, action, action_type,
       entity_type, entity_id, entity_name, coalesce(entity_name, entity_type) AS entity_display,
       message, ip_address, user_agent, metadata
FROM audit_events WHERE entity_type = :entity_type AND entity_id = :entity_id
ORDER BY id LIMIT :limit;

-- name: after_links
-- What was written after the chain's last link: a second's worth.
SELECT count(*) AS total FROM audit_events WHERE id > :linked_id;

-- name: numbering
-- Between which numbers the chain is, and up to which event.
SELECT first_seq, last_seq, (SELECT max(event_id) FROM audit_links) AS linked_id
FROM audit_ends WHERE id = 1;

-- name: deep
-- A page far back: links are numbered without gaps, so the place is known and nothing is skipped.
SELECT e.id, e.timestamp, e.actor_type, e.actor_user_id, e.actor_username, e.action,
       e.action_type, e.entity_type, e.entity_id, e.entity_name,
       coalesce(e.entity_name, e.entity_type) AS entity_display, e.message, e.ip_address,
       e.user_agent
FROM audit_links AS l JOIN audit_events AS e ON e.id = l.event_id
WHERE l.seq <= :seq ORDER BY l.seq DESC LIMIT :limit;

-- name: get
SELECT id, timestamp, actor_type, actor_user_id, actor_username, action, action_type,
       entity_type, entity_id, entity_name, coalesce(entity_name, entity_type) AS entity_display,
       message, ip_address, user_agent, before, after, metadata
FROM audit_events WHERE id = :id;

-- name: lock_chain
SELECT 1 AS locked_by_begin_immediate;

-- name: lock_chain [postgres]
SELECT pg_advisory_xact_lock(5279828);

-- name: chain_ends
SELECT first_seq, first_digest, last_seq, last_digest, mac FROM audit_ends WHERE id = 1;

-- name: save_ends
INSERT INTO audit_ends (id, first_seq, first_digest, last_seq, last_digest, mac)
VALUES (1, :first_seq, :first_digest, :last_seq, :last_digest, :mac)
ON CONFLICT (id) DO UPDATE SET first_seq = excluded.first_seq,
    first_digest = excluded.first_digest, last_seq = excluded.last_seq,
    last_digest = excluded.last_digest, mac = excluded.mac;

-- name: newest_linked
SELECT seq, event_id, digest FROM audit_links ORDER BY event_id DESC LIMIT 1;

-- name: link_at
SELECT seq, event_id, digest FROM audit_links WHERE seq = :seq;

-- name: add_links [sqlite]
INSERT INTO audit_links (seq, event_id, digest)
SELECT value ->> 'seq', value ->> 'event_id', value ->> 'digest' FROM json_each(:links);

-- name: add_links [postgres]
INSERT INTO audit_links (seq, event_id, digest)
SELECT seq, event_id, digest
FROM json_to_recordset(CAST(:links AS json)) AS l (seq BIGINT, event_id BIGINT, digest TEXT);

-- name: unlinked
SELECT e.id, e.timestamp, e.actor_type, e.actor_user_id, e.actor_username, e.action,
       e.action_type, e.entity_type, e.entity_id, e.entity_name, '' AS entity_display, e.message,
       e.ip_address, e.user_agent, e.before, e.after, e.metadata
FROM audit_events AS e
WHERE e.id > :after_id
  AND NOT EXISTS (SELECT 1 FROM audit_links AS l WHERE l.event_id = e.id)
ORDER BY e.id LIMIT :limit;

-- name: links
SELECT l.seq, l.digest, e.id, e.timestamp, e.actor_type, e.actor_user_id, e.actor_username,
       e.action, e.action_type, e.entity_type, e.entity_id, e.entity_name, '' AS entity_display,
       e.message, e.ip_address, e.user_agent, e.before, e.after, e.metadata
FROM audit_links AS l JOIN audit_events AS e ON e.id = l.event_id
WHERE l.seq > :after_seq ORDER BY l.seq LIMIT :limit;

-- name: links_before
SELECT l.seq, l.event_id, l.digest
FROM audit_links AS l JOIN audit_events AS e ON e.id = l.event_id
WHERE l.seq > :after_seq AND e.timestamp < :before ORDER BY l.seq LIMIT :limit;

-- name: forget_events
DELETE FROM audit_events WHERE id IN (SELECT event_id FROM audit_links WHERE seq <= :last_seq);

-- name: forget_links
DELETE FROM audit_links WHERE seq <= :last_seq;
