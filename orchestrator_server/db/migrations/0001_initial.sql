-- The whole data model. Ids are never reused; what is deleted keeps its row with
-- `deleted_at`, because jobs and audit events go on naming it. `name_key` is the name as it
-- is compared: NFKC, case folded, trimmed. Secrets are hashes, or sealed.

CREATE TABLE users (
    id              ${identity},
    username        TEXT NOT NULL,
    username_key    TEXT NOT NULL,
    kind            TEXT NOT NULL DEFAULT 'person',
    email           TEXT,
    full_name       TEXT,
    password_hash   TEXT,
    is_admin        BOOLEAN NOT NULL DEFAULT FALSE,
    is_active       BOOLEAN NOT NULL DEFAULT TRUE,
    created_at      ${timestamp} NOT NULL,
    updated_at      ${timestamp} NOT NULL,
    CONSTRAINT user_kind_is_known CHECK (kind IN ('person', 'service'))
);
CREATE UNIQUE INDEX users_username ON users (username_key);

CREATE TABLE roles (
    id          ${identity},
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL,
    description TEXT,
    is_built_in BOOLEAN NOT NULL DEFAULT FALSE,
    created_at  ${timestamp} NOT NULL,
    updated_at  ${timestamp} NOT NULL
);
CREATE UNIQUE INDEX roles_name ON roles (name_key);

CREATE TABLE permissions (
    role_id    BIGINT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    artifact   TEXT NOT NULL,
    can_view   BOOLEAN NOT NULL DEFAULT FALSE,
    can_create BOOLEAN NOT NULL DEFAULT FALSE,
    can_edit   BOOLEAN NOT NULL DEFAULT FALSE,
    can_delete BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (role_id, artifact)
);

CREATE TABLE user_roles (
    user_id BIGINT NOT NULL REFERENCES users (id),
    role_id BIGINT NOT NULL REFERENCES roles (id),
    PRIMARY KEY (user_id, role_id)
);
CREATE INDEX user_roles_by_role ON user_roles (role_id);

-- What a person holds: a sign-in, an API token, a developer's session. Dead when revoked.
CREATE TABLE tokens (
    id           ${identity},
    user_id      BIGINT NOT NULL REFERENCES users (id),
    kind         TEXT NOT NULL,
    name         TEXT,
    token_hash   TEXT NOT NULL,
    hint         TEXT,
    scopes       ${json},
    created_at   ${timestamp} NOT NULL,
    expires_at   ${timestamp},
    last_used_at ${timestamp},
    revoked_at   ${timestamp},
    CONSTRAINT token_kind_is_known CHECK (kind IN ('session', 'api', 'sdk', 'reset'))
);
CREATE UNIQUE INDEX tokens_hash ON tokens (token_hash);
CREATE INDEX tokens_by_user ON tokens (user_id, id);

CREATE TABLE sdk_sessions (
    id                 ${identity},
    session_hash       TEXT NOT NULL,
    user_code          TEXT NOT NULL,
    code_challenge     TEXT,
    machine_name       TEXT NOT NULL,
    ip_address         TEXT,
    scopes             ${json} NOT NULL,
    status             TEXT NOT NULL DEFAULT 'pending',
    confirmed_by       BIGINT REFERENCES users (id),
    token_id           BIGINT REFERENCES tokens (id),
    created_at         ${timestamp} NOT NULL,
    expires_at         ${timestamp} NOT NULL,
    CONSTRAINT sdk_session_status_is_known CHECK
        (status IN ('pending', 'confirmed', 'denied', 'fetched'))
);
CREATE UNIQUE INDEX sdk_sessions_session ON sdk_sessions (session_hash);
CREATE INDEX sdk_sessions_by_code ON sdk_sessions (user_code, id);

CREATE TABLE machines (
    id                 ${identity},
    name               TEXT NOT NULL,
    name_key           TEXT NOT NULL,
    mode               TEXT NOT NULL,
    key_hash           TEXT,
    key_hint           TEXT,
    previous_key_hash  TEXT,
    previous_key_until ${timestamp},
    last_seen_at       ${timestamp},
    info               ${json} NOT NULL,
    created_at         ${timestamp} NOT NULL,
    updated_at         ${timestamp} NOT NULL,
    deleted_at         ${timestamp},
    CONSTRAINT machine_mode_is_known CHECK (mode IN ('runner', 'agent'))
);
CREATE UNIQUE INDEX machines_name ON machines (name_key) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX machines_key ON machines (key_hash);

CREATE TABLE assets (
    id          ${identity},
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL,
    type        TEXT NOT NULL,
    value       ${json},
    username    TEXT,
    sealed      TEXT,
    description TEXT,
    created_at  ${timestamp} NOT NULL,
    updated_at  ${timestamp} NOT NULL,
    deleted_at  ${timestamp},
    CONSTRAINT asset_type_is_known CHECK
        (type IN ('text', 'int', 'boolean', 'json', 'secret', 'credential')),
    CONSTRAINT asset_secrets_are_sealed CHECK
        (type NOT IN ('secret', 'credential') OR value IS NULL)
);
CREATE UNIQUE INDEX assets_name ON assets (name_key) WHERE deleted_at IS NULL;

CREATE TABLE robots (
    id                  ${identity},
    name                TEXT NOT NULL,
    name_key            TEXT NOT NULL,
    machine_id          BIGINT REFERENCES machines (id),
    token_hash          TEXT NOT NULL,
    token_hint          TEXT,
    previous_token_hash TEXT,
    last_heartbeat      ${timestamp},
    machine_info        ${json} NOT NULL,
    agent_version       TEXT,
    labels              ${json} NOT NULL,
    is_paused           BOOLEAN NOT NULL DEFAULT FALSE,
    pause_comment       TEXT,
    credential_asset_id BIGINT REFERENCES assets (id),
    created_at          ${timestamp} NOT NULL,
    updated_at          ${timestamp} NOT NULL,
    deleted_at          ${timestamp}
);
CREATE UNIQUE INDEX robots_name ON robots (name_key) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX robots_token ON robots (token_hash);
CREATE UNIQUE INDEX robots_previous_token ON robots (previous_token_hash);
CREATE INDEX robots_by_machine ON robots (machine_id, id);

CREATE TABLE packages (
    id               ${identity},
    name             TEXT NOT NULL,
    name_key         TEXT NOT NULL,
    version          TEXT NOT NULL,
    version_key      TEXT NOT NULL,
    file_path        TEXT NOT NULL,
    sha256           TEXT NOT NULL,
    size_bytes       BIGINT NOT NULL,
    scripts_manifest ${json} NOT NULL,
    is_active        BOOLEAN NOT NULL DEFAULT TRUE,
    created_by       TEXT,
    created_at       ${timestamp} NOT NULL,
    updated_at       ${timestamp} NOT NULL,
    deleted_at       ${timestamp}
);
CREATE UNIQUE INDEX packages_version ON packages (name_key, version) WHERE deleted_at IS NULL;
CREATE INDEX packages_by_name ON packages (name_key, version_key);

CREATE TABLE processes (
    id                 ${identity},
    name               TEXT NOT NULL,
    name_key           TEXT NOT NULL,
    description        TEXT,
    package_id         BIGINT NOT NULL REFERENCES packages (id),
    script_path        TEXT NOT NULL,
    version            BIGINT NOT NULL DEFAULT 1,
    is_active          BOOLEAN NOT NULL DEFAULT TRUE,
    parameters_schema  ${json},
    default_parameters ${json} NOT NULL,
    timeout_seconds    BIGINT,
    max_attempts       BIGINT NOT NULL DEFAULT 1,
    priority           BIGINT NOT NULL DEFAULT 0,
    concurrency_limit  BIGINT,
    labels             ${json} NOT NULL,
    created_at         ${timestamp} NOT NULL,
    updated_at         ${timestamp} NOT NULL,
    deleted_at         ${timestamp}
);
CREATE UNIQUE INDEX processes_name ON processes (name_key) WHERE deleted_at IS NULL;
CREATE INDEX processes_by_package ON processes (package_id, id);

-- `robot_id` is the robot of the current or last attempt; `wanted_robot_id` the one asked for.
CREATE TABLE jobs (
    id                ${identity},
    process_id        BIGINT NOT NULL REFERENCES processes (id),
    process_version   BIGINT NOT NULL,
    package_id        BIGINT NOT NULL REFERENCES packages (id),
    script_path       TEXT NOT NULL,
    robot_id          BIGINT REFERENCES robots (id),
    wanted_robot_id   BIGINT REFERENCES robots (id),
    wanted_machine_id BIGINT REFERENCES machines (id),
    labels            ${json} NOT NULL,
    status            TEXT NOT NULL DEFAULT 'pending',
    reason            TEXT,
    parameters        ${json} NOT NULL,
    result            ${json},
    error_message     TEXT,
    source            TEXT NOT NULL,
    priority          BIGINT NOT NULL,
    attempt           BIGINT NOT NULL DEFAULT 0,
    max_attempts      BIGINT NOT NULL,
    timeout_seconds   BIGINT,
    progress          ${json},
    not_before        ${timestamp},
    start_by          ${timestamp},
    lease_until       ${timestamp},
    stop_requested_at ${timestamp},
    created_by        TEXT,
    created_at        ${timestamp} NOT NULL,
    started_at        ${timestamp},
    finished_at       ${timestamp},
    CONSTRAINT job_status_is_known CHECK
        (status IN ('pending', 'running', 'completed', 'failed', 'canceled')),
    CONSTRAINT job_source_is_known CHECK (source IN ('manual', 'sdk', 'trigger', 'api')),
    CONSTRAINT job_finished_means_final CHECK
        ((finished_at IS NOT NULL) = (status IN ('completed', 'failed', 'canceled'))),
    CONSTRAINT job_running_means_leased CHECK
        ((lease_until IS NOT NULL) = (status = 'running')),
    CONSTRAINT job_running_means_owned CHECK
        (status <> 'running' OR (robot_id IS NOT NULL AND attempt > 0)),
    CONSTRAINT job_attempts_are_limited CHECK (attempt <= max_attempts)
);
CREATE INDEX jobs_waiting ON jobs (priority DESC, id) WHERE status = 'pending';
CREATE UNIQUE INDEX jobs_one_running_per_robot ON jobs (robot_id) WHERE status = 'running';
CREATE INDEX jobs_leased ON jobs (lease_until) WHERE status = 'running';
CREATE INDEX jobs_by_status ON jobs (status, id);
CREATE INDEX jobs_by_robot ON jobs (robot_id, id);
CREATE INDEX jobs_by_process ON jobs (process_id, id);
CREATE INDEX jobs_by_process_and_status ON jobs (process_id, status, id);
CREATE INDEX jobs_by_package ON jobs (package_id, id);

CREATE TABLE attempts (
    job_id        BIGINT NOT NULL REFERENCES jobs (id),
    attempt       BIGINT NOT NULL,
    robot_id      BIGINT NOT NULL REFERENCES robots (id),
    claim_key     TEXT,
    agent_instance TEXT,
    status        TEXT NOT NULL DEFAULT 'running',
    reason        TEXT,
    started       TEXT,
    result        ${json},
    error_message TEXT,
    late_report   ${json},
    created_at    ${timestamp} NOT NULL,
    finished_at   ${timestamp},
    PRIMARY KEY (job_id, attempt),
    CONSTRAINT attempt_status_is_known CHECK
        (status IN ('running', 'completed', 'failed', 'canceled', 'lost')),
    CONSTRAINT attempt_started_is_known CHECK (started IN ('no', 'yes', 'unknown')),
    CONSTRAINT attempt_finished_means_final CHECK
        ((finished_at IS NOT NULL) = (status <> 'running'))
);
CREATE UNIQUE INDEX attempts_claim ON attempts (robot_id, claim_key);

CREATE TABLE queues (
    id                       ${identity},
    name                     TEXT NOT NULL,
    name_key                 TEXT NOT NULL,
    description              TEXT,
    max_retries              BIGINT NOT NULL DEFAULT 0,
    enforce_unique_reference BOOLEAN NOT NULL DEFAULT FALSE,
    lease_seconds            BIGINT,
    is_active                BOOLEAN NOT NULL DEFAULT TRUE,
    created_at               ${timestamp} NOT NULL,
    updated_at               ${timestamp} NOT NULL,
    deleted_at               ${timestamp}
);
CREATE UNIQUE INDEX queues_name ON queues (name_key) WHERE deleted_at IS NULL;

-- `unique_reference` repeats `reference` where its queue wants it unique, else it is null.
CREATE TABLE queue_items (
    id                 ${identity},
    queue_id           BIGINT NOT NULL REFERENCES queues (id),
    reference          TEXT,
    unique_reference   TEXT,
    status             TEXT NOT NULL DEFAULT 'new',
    priority           BIGINT NOT NULL DEFAULT 0,
    payload            ${json} NOT NULL,
    result             ${json},
    error_type         TEXT,
    error_message      TEXT,
    retries            BIGINT NOT NULL DEFAULT 0,
    attempt            BIGINT NOT NULL DEFAULT 0,
    claim_key          TEXT,
    locked_by_robot_id BIGINT REFERENCES robots (id),
    locked_at          ${timestamp},
    lease_until        ${timestamp},
    job_id             BIGINT REFERENCES jobs (id),
    defer_until        ${timestamp},
    deadline           ${timestamp},
    created_at         ${timestamp} NOT NULL,
    updated_at         ${timestamp} NOT NULL,
    CONSTRAINT item_status_is_known CHECK
        (status IN ('new', 'in_progress', 'completed', 'failed', 'abandoned')),
    CONSTRAINT item_error_type_is_known CHECK (error_type IN ('business', 'application')),
    CONSTRAINT item_in_progress_means_leased CHECK
        ((lease_until IS NOT NULL) = (status = 'in_progress'))
);
CREATE INDEX queue_items_waiting ON queue_items (queue_id, priority DESC, id)
    WHERE status = 'new';
CREATE UNIQUE INDEX queue_items_reference ON queue_items (queue_id, unique_reference);
CREATE UNIQUE INDEX queue_items_claim ON queue_items (job_id, claim_key);
CREATE INDEX queue_items_by_queue ON queue_items (queue_id, id);
CREATE INDEX queue_items_by_status ON queue_items (queue_id, status, id);
CREATE INDEX queue_items_leased ON queue_items (lease_until) WHERE status = 'in_progress';

CREATE TABLE audit_events (
    id             ${identity},
    timestamp      ${timestamp} NOT NULL,
    actor_type     TEXT NOT NULL,
    actor_user_id  BIGINT,
    actor_username TEXT,
    action         TEXT NOT NULL,
    action_type    TEXT NOT NULL,
    entity_type    TEXT NOT NULL,
    entity_id      BIGINT,
    entity_name    TEXT,
    message        TEXT NOT NULL,
    ip_address     TEXT,
    user_agent     TEXT,
    before         ${json},
    after          ${json},
    metadata       ${json} NOT NULL,
    CONSTRAINT audit_actor_is_known CHECK (actor_type IN ('user', 'robot', 'job', 'system')),
    CONSTRAINT audit_action_is_known CHECK (action_type IN
        ('created', 'modified', 'deleted', 'status_changed', 'login', 'logout'))
);
CREATE INDEX audit_events_by_entity ON audit_events (entity_type, entity_id, id);
CREATE INDEX audit_events_by_user ON audit_events (actor_username, id);
CREATE INDEX audit_events_by_type ON audit_events (action_type, id);
CREATE INDEX audit_events_by_time ON audit_events (timestamp, id);

CREATE TABLE settings (
    group_name TEXT NOT NULL,
    key        TEXT NOT NULL,
    value      ${json} NOT NULL,
    updated_at ${timestamp} NOT NULL,
    PRIMARY KEY (group_name, key)
);

-- What the keys in the key file seal must open again: a known value, to notice the wrong file.
CREATE TABLE key_check (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    value TEXT NOT NULL
);
