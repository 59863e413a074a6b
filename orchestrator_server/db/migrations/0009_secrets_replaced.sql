-- What a secret was when an attempt read it, if it was changed or deleted since: its robot covers
-- that as well. Sealed as it was, and gone a day after the end of the attempt.

CREATE TABLE secrets_replaced (
    id       ${identity},
    job_id   BIGINT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    attempt  BIGINT NOT NULL,
    asset_id BIGINT NOT NULL,
    sealed   TEXT NOT NULL
);
CREATE INDEX secrets_replaced_attempt ON secrets_replaced (job_id, attempt);
CREATE INDEX secrets_read_asset ON secrets_read (asset_id, job_id);
