-- Waiting jobs that must begin by a time, found without reading those that need not.

CREATE INDEX jobs_start_by ON jobs (start_by) WHERE status = 'pending' AND start_by IS NOT NULL;
