-- Whether robots may build what a process needs before there is a job of it, which runs code of the
-- package: the change that gave the process its code was made by a user who may start jobs.
ALTER TABLE processes ADD COLUMN may_build BOOLEAN NOT NULL DEFAULT FALSE;

-- Scripts that a robot was given a job of; kept for as long as the package, unlike jobs.
CREATE TABLE scripts_run (
    package_id  BIGINT NOT NULL REFERENCES packages (id) ON DELETE CASCADE,
    script_path TEXT NOT NULL,
    created_at  ${timestamp} NOT NULL,
    PRIMARY KEY (package_id, script_path)
);
INSERT INTO scripts_run (package_id, script_path, created_at)
SELECT package_id, script_path, min(created_at) FROM jobs WHERE attempt > 0
GROUP BY package_id, script_path;
