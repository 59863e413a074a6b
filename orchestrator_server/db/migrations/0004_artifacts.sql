-- Files that a job leaves for people: screenshots, reports. The bytes are in the data folder.

CREATE TABLE artifacts (
    id         ${identity},
    job_id     BIGINT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    attempt    BIGINT NOT NULL,
    name       TEXT NOT NULL,
    name_key   TEXT NOT NULL,
    sha256     TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    file_path  TEXT NOT NULL,
    created_at ${timestamp} NOT NULL
);
CREATE UNIQUE INDEX artifacts_name ON artifacts (job_id, attempt, name_key);
