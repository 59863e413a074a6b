-- name: insert_user
INSERT INTO users (username, username_key, email, full_name, password_hash, is_admin,
                   created_at, updated_at)
VALUES (:username, :username_key, :email, :full_name, :password_hash, :is_admin, :now, :now)
RETURNING id, username, email, full_name, is_admin;

-- name: any_admin
SELECT id FROM users WHERE is_admin AND is_active LIMIT 1;

-- name: user_by_name
SELECT id, username, password_hash, is_admin, is_active FROM users
WHERE username_key = :username_key;

-- name: user
SELECT id, username, email, full_name, is_admin FROM users WHERE id = :id;

-- name: insert_token
INSERT INTO tokens (user_id, kind, token_hash, created_at, expires_at)
VALUES (:user_id, :kind, :token_hash, :now, :expires_at)
RETURNING id;

-- name: signed_in
-- Who a sign-in belongs to, if it is still good and its user may still act.
SELECT u.id, u.username, u.is_admin, t.id AS token_id
FROM tokens AS t JOIN users AS u ON u.id = t.user_id
WHERE t.token_hash = :token_hash AND t.user_id = :user_id AND t.kind = 'session'
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
