-- name: known
SELECT request_hash, answer FROM repeatable_requests
WHERE caller = :caller AND key_hash = :key_hash AND created_at > :since;

-- name: remember
-- Over one that is too old to count, whose place it takes.
INSERT INTO repeatable_requests (caller, key_hash, request_hash, answer, created_at)
VALUES (:caller, :key_hash, :request_hash, :answer, :now)
ON CONFLICT (caller, key_hash) DO UPDATE
SET request_hash = excluded.request_hash, answer = excluded.answer,
    created_at = excluded.created_at
WHERE repeatable_requests.created_at <= :since;

-- name: forget_before
DELETE FROM repeatable_requests WHERE created_at <= :since;
