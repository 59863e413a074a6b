-- Items that have ended are deleted the oldest first, a few at a time.
CREATE INDEX queue_items_ended ON queue_items (updated_at)
    WHERE status IN ('completed', 'failed', 'abandoned');
