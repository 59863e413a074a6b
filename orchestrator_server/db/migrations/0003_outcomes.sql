-- What a step of a job came to, so that no later attempt of that job does it again.

CREATE TABLE job_outcomes (
    job_id     BIGINT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    key        TEXT NOT NULL,
    attempt    BIGINT NOT NULL,
    value      ${json} NOT NULL,
    created_at ${timestamp} NOT NULL,
    PRIMARY KEY (job_id, key)
);
