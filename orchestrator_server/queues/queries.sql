-- name: insert
INSERT INTO queues (name, name_key, description, max_retries, enforce_unique_reference,
                    lease_seconds, created_at, updated_at)
VALUES (:name, :name_key, :description, :max_retries, :enforce_unique_reference,
        :lease_seconds, :now, :now)
RETURNING *;

-- name: list
SELECT * FROM queues
WHERE deleted_at IS NULL
  AND id = :id                              --? id
  AND name_key = :name_key                  --? name_key
  AND name_key LIKE :pattern ESCAPE '\'     --? pattern
  AND is_active = :is_active                --? is_active
  AND id < :before_id                       --? before_id
ORDER BY id DESC
LIMIT :limit;

-- name: lock
SELECT * FROM queues WHERE id = :id AND deleted_at IS NULL;

-- name: lock [postgres]
SELECT * FROM queues WHERE id = :id AND deleted_at IS NULL FOR UPDATE;

-- name: share
SELECT * FROM queues WHERE id = :id;

-- name: share [postgres]
-- Nobody may delete it while something is put into it.
SELECT * FROM queues WHERE id = :id FOR SHARE;

-- name: update
UPDATE queues SET name = :name, name_key = :name_key, description = :description,
    max_retries = :max_retries, lease_seconds = :lease_seconds, is_active = :is_active,
    updated_at = :now
WHERE id = :id;

-- name: open_item
SELECT id FROM queue_items WHERE queue_id = :id AND status = 'new'
UNION ALL
SELECT id FROM queue_items WHERE queue_id = :id AND status = 'in_progress'
LIMIT 1;

-- name: delete
UPDATE queues SET deleted_at = :now, updated_at = :now WHERE id = :id;

-- name: counts
SELECT status, count(*) AS count FROM queue_items WHERE queue_id = :id GROUP BY status;

-- name: oldest_new
SELECT created_at FROM queue_items WHERE queue_id = :id AND status = 'new' ORDER BY id LIMIT 1;
