-- Robots hear with each beat what has changed, to prepare for it.
CREATE INDEX processes_by_update ON processes (updated_at);
