-- name: insert_user
INSERT INTO users (username, username_key, kind, email, full_name, password_hash, is_admin,
                   created_at, updated_at)
VALUES (:username, :username_key, :kind, :email, :full_name, :password_hash, :is_admin,
        :now, :now)
RETURNING id, username, kind, email, full_name, is_admin, is_active, created_at, updated_at;

-- name: any_admin
-- Who could sign in, and set everything else right.
SELECT id FROM users WHERE is_admin AND is_active AND password_hash IS NOT NULL LIMIT 1;

-- name: user_by_name
SELECT id, username, password_hash, is_admin, is_active FROM users
WHERE username_key = :username_key;

-- name: user
SELECT id, username, kind, email, full_name, is_admin, is_active, created_at, updated_at
FROM users WHERE id = :id;

-- name: insert_token
INSERT INTO tokens (user_id, kind, name, token_hash, hint, scopes, created_by, created_at,
                    expires_at)
VALUES (:user_id, :kind, :name, :token_hash, :hint, :scopes, :created_by, :now, :expires_at)
RETURNING id;

-- name: signed_in
-- Who a sign-in belongs to, if it is still good and its user may still act.
SELECT u.id, u.username, u.is_admin, t.id AS token_id, t.scopes
FROM tokens AS t JOIN users AS u ON u.id = t.user_id
WHERE t.token_hash = :token_hash AND t.user_id = :user_id AND t.kind = :kind
  AND t.revoked_at IS NULL AND t.expires_at > :now AND u.is_active;

-- name: revoke_token
UPDATE tokens SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL;

-- name: grants_of_user
SELECT p.artifact, p.can_view, p.can_create, p.can_edit, p.can_delete
FROM user_roles AS ur JOIN permissions AS p ON p.role_id = ur.role_id
WHERE ur.user_id = :user_id;

-- name: roles_of_user
SELECT r.id, r.name FROM user_roles AS ur JOIN roles AS r ON r.id = ur.role_id
WHERE ur.user_id = :user_id ORDER BY r.id;

-- name: give_role
INSERT INTO user_roles (user_id, role_id)
SELECT :user_id, id FROM roles WHERE name_key = :name_key;

-- name: insert_role
INSERT INTO roles (name, name_key, is_built_in, created_at, updated_at)
VALUES (:name, :name_key, TRUE, :now, :now)
ON CONFLICT (name_key) DO NOTHING
RETURNING id;

-- name: insert_permission
INSERT INTO permissions (role_id, artifact, can_view, can_create, can_edit, can_delete)
VALUES (:role_id, :artifact, :can_view, :can_create, :can_edit, :can_delete);

-- name: built_in_role
SELECT id FROM roles WHERE name_key = :name_key AND is_built_in;

-- name: add_permissions
-- What a role holds already it keeps.
INSERT INTO permissions (role_id, artifact, can_view, can_create, can_edit, can_delete)
VALUES (:role_id, :artifact, :can_view, :can_create, :can_edit, :can_delete)
ON CONFLICT (role_id, artifact) DO UPDATE SET
    can_view = permissions.can_view OR excluded.can_view,
    can_create = permissions.can_create OR excluded.can_create,
    can_edit = permissions.can_edit OR excluded.can_edit,
    can_delete = permissions.can_delete OR excluded.can_delete;

-- name: users
SELECT id, username, kind, email, full_name, is_admin, is_active, created_at, updated_at
FROM users
WHERE true
  AND username_key LIKE :pattern ESCAPE '\'   --? pattern
  AND kind = :kind                            --? kind
  AND id < :before_id                         --? before_id
ORDER BY id DESC
LIMIT :limit;

-- name: update_user
UPDATE users SET username = :username, username_key = :username_key, email = :email,
    full_name = :full_name, is_admin = :is_admin, is_active = :is_active, updated_at = :now
WHERE id = :id;

-- name: admins
SELECT id FROM users WHERE is_admin AND is_active ORDER BY id;

-- name: admins [postgres]
-- Two who take each other's place away at the same time must come one after the other.
SELECT id FROM users WHERE is_admin AND is_active ORDER BY id FOR UPDATE;

-- name: clear_roles
DELETE FROM user_roles WHERE user_id = :user_id;

-- name: add_role
INSERT INTO user_roles (user_id, role_id) VALUES (:user_id, :role_id);

-- name: roles
SELECT id, name, description, is_built_in, created_at, updated_at FROM roles
WHERE true
  AND id = :id                               --? id
  AND name_key = :name_key                   --? name_key
  AND name_key LIKE :pattern ESCAPE '\'      --? pattern
  AND id < :before_id                        --? before_id
ORDER BY id DESC
LIMIT :limit;

-- name: lock_role
SELECT id FROM roles WHERE id = :id;

-- name: lock_role [postgres]
-- Whoever changes a role waits for whoever is giving or changing it.
SELECT id FROM roles WHERE id = :id FOR UPDATE;

-- name: permissions_of_roles
SELECT role_id, artifact, can_view, can_create, can_edit, can_delete FROM permissions
WHERE role_id >= :first_id AND role_id <= :last_id ORDER BY role_id, artifact;

-- name: insert_own_role
INSERT INTO roles (name, name_key, description, is_built_in, created_at, updated_at)
VALUES (:name, :name_key, :description, FALSE, :now, :now)
RETURNING id;

-- name: update_role
UPDATE roles SET name = :name, name_key = :name_key, description = :description,
    updated_at = :now
WHERE id = :id;

-- name: clear_permissions
DELETE FROM permissions WHERE role_id = :role_id;

-- name: holders
SELECT count(*) AS count FROM user_roles WHERE role_id = :id;

-- name: delete_role
DELETE FROM roles WHERE id = :id;

-- name: by_email
SELECT id, username, password_hash, is_admin, is_active FROM users
WHERE lower(email) = lower(:email) ORDER BY id LIMIT 1;

-- name: email_of_person
SELECT email, username FROM users
WHERE id = :id AND kind = 'person' AND is_active AND email IS NOT NULL;

-- name: standing
SELECT id, username, password_hash, is_admin, is_active FROM users WHERE id = :id;

-- name: standing_from_now_on
SELECT id, username, password_hash, is_admin, is_active FROM users WHERE id = :id;

-- name: standing_from_now_on [postgres]
-- Waits for whoever is changing the password, or disabling the user.
SELECT id, username, password_hash, is_admin, is_active FROM users WHERE id = :id FOR UPDATE;

-- name: api_tokens
SELECT t.id, t.user_id, u.username, t.name, t.hint, t.scopes, t.created_by, t.created_at,
       t.expires_at, t.last_used_at
FROM tokens AS t JOIN users AS u ON u.id = t.user_id
WHERE t.kind = 'api' AND t.revoked_at IS NULL
  AND t.id = :id                                           --? id
  AND t.token_hash = :token_hash                           --? token_hash
  AND (t.user_id = :user_id OR (u.kind = 'service' AND :services))   --? user_id
  AND t.id < :before_id                                    --? before_id
ORDER BY t.id DESC
LIMIT :limit;

-- name: api_token_holder
SELECT u.id, u.username, u.is_admin, t.id AS token_id, t.scopes, t.last_used_at
FROM tokens AS t JOIN users AS u ON u.id = t.user_id
WHERE t.token_hash = :token_hash AND t.kind = 'api' AND t.revoked_at IS NULL
  AND (t.expires_at IS NULL OR t.expires_at > :now) AND u.is_active;

-- name: touch_token
UPDATE tokens SET last_used_at = :now WHERE id = :id;

-- name: reset_token_holder
SELECT u.id, u.username, t.id AS token_id FROM tokens AS t JOIN users AS u ON u.id = t.user_id
WHERE t.token_hash = :token_hash AND t.kind = 'reset' AND t.revoked_at IS NULL
  AND t.expires_at > :now AND u.is_active;

-- name: use_token
UPDATE tokens SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL RETURNING id;

-- name: set_password
UPDATE users SET password_hash = :password_hash, updated_at = :now WHERE id = :id;

-- name: end_sessions
-- Sign-ins and reset tokens; API tokens are revoked one by one.
UPDATE tokens SET revoked_at = :now
WHERE user_id = :user_id AND kind IN ('session', 'sdk', 'reset') AND revoked_at IS NULL
  AND id <> :except_id;

-- name: end_resets
UPDATE tokens SET revoked_at = :now
WHERE user_id = :user_id AND kind = 'reset' AND revoked_at IS NULL;

-- name: passwordless_admin
SELECT id, username FROM users
WHERE is_admin AND is_active AND password_hash IS NULL AND kind = 'person' ORDER BY id LIMIT 1;
