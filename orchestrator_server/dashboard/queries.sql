-- name: summary [sqlite]
-- INDEXED BY, because SQLite otherwise reads all there is of an index on the status.
SELECT
  (SELECT count(*) FROM robots WHERE deleted_at IS NULL) AS total_robots,
  (SELECT count(*) FROM robots WHERE deleted_at IS NULL AND last_heartbeat > :online_since)
      AS online_robots,
  (SELECT count(*) FROM jobs INDEXED BY jobs_by_time WHERE created_at >= :today)
      AS jobs_today_total,
  (SELECT count(*) FROM jobs INDEXED BY jobs_by_time
   WHERE created_at >= :today AND status = 'completed')
      AS jobs_today_success,
  (SELECT count(*) FROM jobs INDEXED BY jobs_by_time
   WHERE created_at >= :today AND status = 'failed')
      AS jobs_today_failed,
  (SELECT count(*) FROM jobs WHERE status = 'running') AS running_jobs,
  (SELECT count(*) FROM jobs WHERE status = 'pending') AS pending_jobs,
  (SELECT count(*) FROM processes WHERE deleted_at IS NULL) AS total_processes,
  (SELECT count(*) FROM processes WHERE deleted_at IS NULL AND is_active) AS active_processes,
  (SELECT count(*) FROM queue_items INDEXED BY queue_items_waiting WHERE status = 'new')
  + (SELECT count(*) FROM queue_items INDEXED BY queue_items_leased
   WHERE status = 'in_progress') AS queue_items_open;

-- name: summary [postgres]
SELECT
  (SELECT count(*) FROM robots WHERE deleted_at IS NULL) AS total_robots,
  (SELECT count(*) FROM robots WHERE deleted_at IS NULL AND last_heartbeat > :online_since)
      AS online_robots,
  (SELECT count(*) FROM jobs WHERE created_at >= :today)
      AS jobs_today_total,
  (SELECT count(*) FROM jobs WHERE created_at >= :today AND status = 'completed')
      AS jobs_today_success,
  (SELECT count(*) FROM jobs WHERE created_at >= :today AND status = 'failed')
      AS jobs_today_failed,
  (SELECT count(*) FROM jobs WHERE status = 'running') AS running_jobs,
  (SELECT count(*) FROM jobs WHERE status = 'pending') AS pending_jobs,
  (SELECT count(*) FROM processes WHERE deleted_at IS NULL) AS total_processes,
  (SELECT count(*) FROM processes WHERE deleted_at IS NULL AND is_active) AS active_processes,
  (SELECT count(*) FROM queue_items WHERE status = 'new')
  + (SELECT count(*) FROM queue_items
   WHERE status = 'in_progress') AS queue_items_open;

-- name: gauges [sqlite]
-- INDEXED BY, because SQLite otherwise reads all there is of an index on the status.
SELECT
  (SELECT count(*) FROM jobs WHERE status = 'pending') AS jobs_pending,
  (SELECT count(*) FROM jobs WHERE status = 'running') AS jobs_running,
  (SELECT count(*) FROM robots WHERE deleted_at IS NULL AND last_heartbeat > :online_since)
      AS robots_online,
  (SELECT count(*) FROM robots WHERE deleted_at IS NULL) AS robots_total,
  (SELECT count(*) FROM queue_items INDEXED BY queue_items_waiting
   WHERE status = 'new') AS items_new,
  (SELECT count(*) FROM queue_items INDEXED BY queue_items_leased
   WHERE status = 'in_progress') AS items_in_progress;

-- name: gauges [postgres]
SELECT
  (SELECT count(*) FROM jobs WHERE status = 'pending') AS jobs_pending,
  (SELECT count(*) FROM jobs WHERE status = 'running') AS jobs_running,
  (SELECT count(*) FROM robots WHERE deleted_at IS NULL AND last_heartbeat > :online_since)
      AS robots_online,
  (SELECT count(*) FROM robots WHERE deleted_at IS NULL) AS robots_total,
  (SELECT count(*) FROM queue_items
   WHERE status = 'new') AS items_new,
  (SELECT count(*) FROM queue_items
   WHERE status = 'in_progress') AS items_in_progress;
