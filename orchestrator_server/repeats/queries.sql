-- name: take
-- The place of a key, unless it is taken: whoever comes second waits here for the first one.
-- One that is too old to count is taken over.
INSERT INTO repeatable_requests (caller, key_hash, request_hash, answer, created_at)
VALUES (:caller, :key_hash, :request_hash, '{}', :now)
ON CONFLICT (caller, key_hash) DO UPDATE
SET request_hash = excluded.request_hash, answer = excluded.answer,
    created_at = excluded.created_at
WHERE repeatable_requests.created_at <= :since
RETURNING request_hash, answer;

-- name: known
SELECT request_hash, answer FROM repeatable_requests
WHERE caller = :caller AND key_hash = :key_hash;

-- name: remember
UPDATE repeatable_requests SET answer = :answer
WHERE caller = :caller AND key_hash = :key_hash;

-- name: forget_before
DELETE FROM repeatable_requests WHERE created_at <= :since;
