-- name: insert
INSERT INTO sdk_sessions (session_hash, user_code, code_challenge, machine_name, ip_address,
                          scopes, created_at, expires_at)
VALUES (:session_hash, :user_code, :code_challenge, :machine_name, :ip_address, :scopes, :now,
        :expires_at)
RETURNING id;

-- name: waiting
-- What the same machine has asked for already.
SELECT * FROM sdk_sessions
WHERE status = 'pending' AND expires_at > :now AND machine_name = :machine_name
  AND ip_address = :ip_address AND code_challenge = :code_challenge
ORDER BY id DESC LIMIT 1;

-- name: waiting_without_challenge
SELECT * FROM sdk_sessions
WHERE status = 'pending' AND expires_at > :now AND machine_name = :machine_name
  AND ip_address = :ip_address AND code_challenge IS NULL
ORDER BY id DESC LIMIT 1;

-- name: by_session
SELECT * FROM sdk_sessions WHERE session_hash = :session_hash;

-- name: by_session [postgres]
SELECT * FROM sdk_sessions WHERE session_hash = :session_hash FOR UPDATE;

-- name: by_code
SELECT * FROM sdk_sessions WHERE user_code = :user_code ORDER BY id DESC LIMIT 1;

-- name: by_code [postgres]
-- Two who confirm the same session come one after the other.
SELECT * FROM sdk_sessions WHERE user_code = :user_code ORDER BY id DESC LIMIT 1 FOR UPDATE;

-- name: look
SELECT * FROM sdk_sessions WHERE session_hash = :session_hash;

-- name: look_by_code
SELECT * FROM sdk_sessions WHERE user_code = :user_code ORDER BY id DESC LIMIT 1;

-- name: decide
UPDATE sdk_sessions
SET status = :status, confirmed_by = :user_id, token_id = :token_id, scopes = :scopes
WHERE id = :id AND status = 'pending'
RETURNING id;

-- name: collect
UPDATE sdk_sessions SET status = 'fetched' WHERE id = :id AND status = 'confirmed' RETURNING id;

-- name: confirmer
-- Who confirmed, if they may still act, and the sign-in they did it with is still good.
SELECT u.id, u.username FROM users AS u JOIN tokens AS t ON t.user_id = u.id
WHERE u.id = :user_id AND u.is_active AND t.id = :token_id AND t.revoked_at IS NULL
  AND t.expires_at > :now;

-- name: confirmer [postgres]
-- Whoever changes the password or disables the user comes before this, or after it.
SELECT u.id, u.username FROM users AS u JOIN tokens AS t ON t.user_id = u.id
WHERE u.id = :user_id AND u.is_active AND t.id = :token_id AND t.revoked_at IS NULL
  AND t.expires_at > :now
FOR UPDATE;

-- name: open
SELECT id FROM sdk_sessions WHERE status = 'pending' AND expires_at > :now LIMIT :limit;

-- name: oldest_of_address
SELECT id FROM sdk_sessions
WHERE status = 'pending' AND expires_at > :now AND ip_address = :ip_address
ORDER BY id LIMIT 1;

-- name: drop
DELETE FROM sdk_sessions WHERE id = :id;

-- name: forget_old
DELETE FROM sdk_sessions WHERE expires_at < :before;

-- name: signed_in
SELECT t.id, t.name AS machine_name, u.username, t.scopes, t.created_at, t.expires_at
FROM tokens AS t JOIN users AS u ON u.id = t.user_id
WHERE t.kind = 'sdk' AND t.revoked_at IS NULL AND t.expires_at > :now AND t.user_id = :user_id
  AND t.id = :id                --? id
  AND t.id < :before_id         --? before_id
ORDER BY t.id DESC
LIMIT :limit;
