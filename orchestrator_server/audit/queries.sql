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
  AND entity_type = :entity_type        --? entity_type
  AND entity_id = :entity_id            --? entity_id
  AND action_type = :action_type        --? action_type
  AND actor_username = :username        --? username
  AND lower(message) LIKE :pattern ESCAPE '\'   --? pattern
ORDER BY id DESC
LIMIT :limit OFFSET :offset;

-- name: count
SELECT count(*) AS total FROM audit_events
WHERE true
  AND entity_type = :entity_type        --? entity_type
  AND entity_id = :entity_id            --? entity_id
  AND action_type = :action_type        --? action_type
  AND actor_username = :username        --? username
  AND lower(message) LIKE :pattern ESCAPE '\'   --? pattern
;

-- name: of_entity
SELECT id, timestamp, actor_type, actor_user_id, actor_username, action, action_type,
       entity_type, entity_id, entity_name, coalesce(entity_name, entity_type) AS entity_display,
       message, ip_address, user_agent, metadata
FROM audit_events WHERE entity_type = :entity_type AND entity_id = :entity_id
ORDER BY id LIMIT :limit;

-- name: get
SELECT id, timestamp, actor_type, actor_user_id, actor_username, action, action_type,
       entity_type, entity_id, entity_name, coalesce(entity_name, entity_type) AS entity_display,
       message, ip_address, user_agent, before, after, metadata
FROM audit_events WHERE id = :id;
