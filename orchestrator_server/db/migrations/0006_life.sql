-- Which life of an agent starts an attempt: the first that says so before the start. A copy of the
-- agent, with the same identity and the same key, is another life.
ALTER TABLE attempts ADD COLUMN life TEXT;
