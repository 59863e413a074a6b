-- What operators need beyond running jobs: keys that change with an overlap, assets of one
-- robot, labels, items with a history, requests that may be repeated, and a trail that shows
-- when it was tampered with.

CREATE UNIQUE INDEX machines_previous_key ON machines (previous_key_hash);

ALTER TABLE assets ADD COLUMN robot_id BIGINT REFERENCES robots (id);

ALTER TABLE packages ADD COLUMN requires_python TEXT;
ALTER TABLE packages ADD COLUMN dependencies ${json};

CREATE INDEX jobs_by_time ON jobs (created_at, status);
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;

-- One row each time an item was taken, however that ended.
CREATE TABLE queue_item_attempts (
    item_id       BIGINT NOT NULL REFERENCES queue_items (id) ON DELETE CASCADE,
    attempt       BIGINT NOT NULL,
    robot_id      BIGINT REFERENCES robots (id),
    job_id        BIGINT REFERENCES jobs (id) ON DELETE SET NULL,
    status        TEXT NOT NULL DEFAULT 'in_progress',
    error_type    TEXT,
    error_message TEXT,
    created_at    ${timestamp} NOT NULL,
    finished_at   ${timestamp},
    PRIMARY KEY (item_id, attempt),
    CONSTRAINT item_attempt_status_is_known CHECK
        (status IN ('in_progress', 'completed', 'failed', 'returned')),
    CONSTRAINT item_attempt_finished_means_final CHECK
        ((finished_at IS NOT NULL) = (status <> 'in_progress'))
);
CREATE INDEX queue_item_attempts_by_job ON queue_item_attempts (job_id);
CREATE INDEX queue_items_of_job ON queue_items (job_id) WHERE status = 'in_progress';
CREATE INDEX queue_items_with_deadline ON queue_items (deadline)
    WHERE status = 'new' AND deadline IS NOT NULL;

-- The first answer to a request, for whoever repeats it with the same Idempotency-Key.
CREATE TABLE repeatable_requests (
    caller       TEXT NOT NULL,
    key_hash     TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    answer       ${json} NOT NULL,
    created_at   ${timestamp} NOT NULL,
    PRIMARY KEY (caller, key_hash)
);
CREATE INDEX repeatable_requests_by_time ON repeatable_requests (created_at);

-- The audit trail, chained: each link holds a keyed digest over its event and the link before.
-- Links are added behind the events, so that no change waits for another one's.
CREATE TABLE audit_links (
    seq      BIGINT PRIMARY KEY,
    event_id BIGINT NOT NULL,
    digest   TEXT NOT NULL
);
CREATE UNIQUE INDEX audit_links_event ON audit_links (event_id);

-- Where the chain begins (after older events were deleted, as the settings say) and ends.
CREATE TABLE audit_ends (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    first_seq    BIGINT NOT NULL,
    first_digest TEXT NOT NULL,
    last_seq     BIGINT NOT NULL,
    last_digest  TEXT NOT NULL,
    mac          TEXT NOT NULL
);
CREATE INDEX audit_events_by_action ON audit_events (action, id);
CREATE INDEX audit_events_by_user_id ON audit_events (actor_user_id, id);

-- Who made a token, for whom.
ALTER TABLE tokens ADD COLUMN created_by TEXT;
