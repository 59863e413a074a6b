-- Which processes may read a secret asset, each from one of its versions on: a job that was made
-- of an earlier version may not. Without a name in `granted_by`, the grant was made by the upgrade.

CREATE TABLE asset_grants (
    asset_id     BIGINT NOT NULL REFERENCES assets (id) ON DELETE CASCADE,
    process_id   BIGINT NOT NULL REFERENCES processes (id) ON DELETE CASCADE,
    from_version BIGINT NOT NULL,
    granted_by   TEXT,
    created_at   ${timestamp} NOT NULL,
    PRIMARY KEY (asset_id, process_id)
);
CREATE INDEX asset_grants_by_process ON asset_grants (process_id);
ALTER TABLE assets ADD COLUMN any_process BOOLEAN NOT NULL DEFAULT FALSE;

-- The secrets that a package asks for, and a change of the process that waits to be released.
ALTER TABLE processes ADD COLUMN secrets ${json} NOT NULL DEFAULT '[]';
ALTER TABLE processes ADD COLUMN proposal ${json};

-- Which value of a secret an attempt has read: a later one is not its robot's to know.
ALTER TABLE assets ADD COLUMN value_version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE secrets_read ADD COLUMN value_version BIGINT NOT NULL DEFAULT 1;
UPDATE secrets_read SET value_version = 0 WHERE EXISTS (
    SELECT 1 FROM secrets_replaced AS r
    WHERE r.job_id = secrets_read.job_id AND r.attempt = secrets_read.attempt
      AND r.asset_id = secrets_read.asset_id);

-- When the secrets of an attempt were first sent to its robot.
ALTER TABLE attempts ADD COLUMN secrets_sent_at ${timestamp};
