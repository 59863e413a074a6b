"""Users, roles and API tokens over HTTP, for those who look after them."""

from aiohttp import web
from msgspec import UNSET

from orchestrator_server.access import api_tokens, resets, roles, users
from orchestrator_server.access.callers import Person
from orchestrator_server.access.passwords import check_strength
from orchestrator_server.access.routes import prove_password
from orchestrator_server.etags import Expected
from orchestrator_server.http.keys import DATABASE, PASSWORDS, SETTINGS
from orchestrator_server.http.routes import delete, get, post, put
from sdk.contract.access import (
    ApiToken,
    ApiTokenCreate,
    ApiTokenCreated,
    ResetToken,
    Role,
    RoleCreate,
    RoleName,
    RoleQuery,
    RoleUpdate,
    User,
    UserCreate,
    UserQuery,
    UserRoles,
    UserUpdate,
)
from sdk.contract.base import ListQuery, Page


async def list_users(request: web.Request, wanted: UserQuery) -> Page[User]:
    """List users, newest first."""
    return await request.app[DATABASE].read(users.list_users, wanted)


async def create_user(request: web.Request, person: Person, wanted: UserCreate) -> User:
    """Create a user, or a service account. Nobody gives rights they do not have."""
    hashed = None
    if wanted.password is not None:
        minimum = request.app[SETTINGS].security.password_min_length
        check_strength(wanted.password, minimum=minimum, username=wanted.username)
        hashed = await request.app[PASSWORDS].hash(wanted.password)
    return await request.app[DATABASE].write(users.create, person, wanted, hashed)


async def get_user(request: web.Request, user_id: int) -> User:
    """Get one user."""
    return await request.app[DATABASE].read(users.get, user_id)


async def update_user(
    request: web.Request, person: Person, user_id: int, wanted: UserUpdate, expected: Expected
) -> User:
    """Change, disable or enable a user. The last administrator stays one.

    One's own e-mail address is changed with one's own `current_password`.
    """
    proven = None
    if wanted.current_password is not UNSET:
        proven = await prove_password(request, person, wanted.current_password)
    return await request.app[DATABASE].write(
        users.update, person, user_id, wanted, expected, proven
    )


async def issue_reset(request: web.Request, person: Person, user_id: int) -> ResetToken:
    """Make a token with which the user sets a new password; it is shown this once."""
    person.must_be_signed_in()
    return await request.app[DATABASE].write(resets.issue, person, user_id)


async def list_user_roles(request: web.Request, user_id: int) -> list[RoleName]:
    """List the roles of a user."""
    return await request.app[DATABASE].read(users.roles, user_id)


async def set_user_roles(
    request: web.Request, person: Person, user_id: int, wanted: UserRoles
) -> list[RoleName]:
    """Give a user these roles and no others; it counts from the next request on."""
    return await request.app[DATABASE].write(users.set_roles, person, user_id, wanted)


async def list_roles(request: web.Request, wanted: RoleQuery) -> Page[Role]:
    """List roles with their permissions, newest first."""
    return await request.app[DATABASE].read(roles.list_roles, wanted)


async def create_role(request: web.Request, person: Person, wanted: RoleCreate) -> Role:
    """Create a role, with permissions that one has oneself."""
    return await request.app[DATABASE].write(roles.create, person, wanted)


async def get_role(request: web.Request, role_id: int) -> Role:
    """Get one role with its permissions."""
    return await request.app[DATABASE].read(roles.get, role_id)


async def update_role(
    request: web.Request, person: Person, role_id: int, wanted: RoleUpdate, expected: Expected
) -> Role:
    """Change a role that is not built in; it counts from the next request of its users on."""
    return await request.app[DATABASE].write(roles.update, person, role_id, wanted, expected)


async def delete_role(request: web.Request, person: Person, role_id: int) -> None:
    """Delete a role that nobody has and that is not built in."""
    await request.app[DATABASE].write(roles.delete, person, role_id)


async def list_tokens(request: web.Request, person: Person, wanted: ListQuery) -> Page[ApiToken]:
    """List one's API tokens, and those of service accounts if one may see users."""
    return await request.app[DATABASE].read(api_tokens.list_tokens, person, wanted)


async def create_token(
    request: web.Request, person: Person, wanted: ApiTokenCreate
) -> ApiTokenCreated:
    """Make an API token for oneself or for a service account; it is shown this once."""
    return await request.app[DATABASE].write(api_tokens.create, person, wanted)


async def revoke_token(request: web.Request, person: Person, token_id: int) -> None:
    """Revoke an API token; it is dead at once."""
    await request.app[DATABASE].write(api_tokens.revoke, person, token_id)


ROUTES = [
    get("/api/access/users", list_users, may="users:view"),
    post("/api/access/users", create_user, may="users:create", status=201),
    get("/api/access/users/{user_id}", get_user, may="users:view"),
    put("/api/access/users/{user_id}", update_user, may="users:edit"),
    post("/api/access/users/{user_id}/reset", issue_reset, may="users:edit", status=201),
    get("/api/access/users/{user_id}/roles", list_user_roles, may="users:view"),
    post("/api/access/users/{user_id}/roles", set_user_roles, may="users:edit"),
    get("/api/access/roles", list_roles, may="roles:view"),
    post("/api/access/roles", create_role, may="roles:create", status=201),
    get("/api/access/roles/{role_id}", get_role, may="roles:view"),
    put("/api/access/roles/{role_id}", update_role, may="roles:edit"),
    delete("/api/access/roles/{role_id}", delete_role, may="roles:delete"),
    get("/api/access/tokens", list_tokens, may=None),
    post("/api/access/tokens", create_token, may=None, status=201),
    delete("/api/access/tokens/{token_id}", revoke_token, may=None),
]
