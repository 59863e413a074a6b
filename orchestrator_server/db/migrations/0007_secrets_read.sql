-- The secrets that an attempt has read: what its robot covers in all that it sends.

CREATE TABLE secrets_read (
    job_id   BIGINT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    attempt  BIGINT NOT NULL,
    asset_id BIGINT NOT NULL,
    PRIMARY KEY (job_id, attempt, asset_id)
);
