"""Made by `make docs` from the route tables; do not edit."""

from sdk.client.requests import Listing, Requests
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
from sdk.contract.base import ListQuery


class AccessCalls(Requests):
    def list_users(self, query: UserQuery | None = None) -> Listing[User]:
        """List users, newest first."""
        return self._list("/api/access/users", User, query or UserQuery())

    async def create_user(self, wanted: UserCreate) -> User:
        """Create a user, or a service account. Nobody gives rights they do not have."""
        return await self._change("POST", "/api/access/users", User, wanted)

    async def get_user(self, user_id: int) -> User:
        """Get one user."""
        return await self._get(f"/api/access/users/{user_id}", User)

    async def update_user(self, user_id: int, wanted: UserUpdate) -> User:
        """Change, disable or enable a user. The last administrator stays one."""
        return await self._change("PUT", f"/api/access/users/{user_id}", User, wanted)

    async def issue_reset(self, user_id: int) -> ResetToken:
        """Make a token with which the user sets a new password; it is shown this once."""
        return await self._change("POST", f"/api/access/users/{user_id}/reset", ResetToken)

    async def list_user_roles(self, user_id: int) -> list[RoleName]:
        """List the roles of a user."""
        return await self._get(f"/api/access/users/{user_id}/roles", list[RoleName])

    async def set_user_roles(self, user_id: int, wanted: UserRoles) -> list[RoleName]:
        """Give a user these roles and no others; it counts from the next request on."""
        return await self._change(
            "POST", f"/api/access/users/{user_id}/roles", list[RoleName], wanted
        )

    def list_roles(self, query: RoleQuery | None = None) -> Listing[Role]:
        """List roles with their permissions, newest first."""
        return self._list("/api/access/roles", Role, query or RoleQuery())

    async def create_role(self, wanted: RoleCreate) -> Role:
        """Create a role, with permissions that one has oneself."""
        return await self._change("POST", "/api/access/roles", Role, wanted)

    async def get_role(self, role_id: int) -> Role:
        """Get one role with its permissions."""
        return await self._get(f"/api/access/roles/{role_id}", Role)

    async def update_role(self, role_id: int, wanted: RoleUpdate) -> Role:
        """Change a role that is not built in; it counts from the next request of its users on."""
        return await self._change("PUT", f"/api/access/roles/{role_id}", Role, wanted)

    async def delete_role(self, role_id: int) -> None:
        """Delete a role that nobody has and that is not built in."""
        return await self._change("DELETE", f"/api/access/roles/{role_id}", type(None))

    def list_tokens(self, query: ListQuery | None = None) -> Listing[ApiToken]:
        """List one's API tokens, and those of service accounts if one may see users."""
        return self._list("/api/access/tokens", ApiToken, query or ListQuery())

    async def create_token(self, wanted: ApiTokenCreate) -> ApiTokenCreated:
        """Make an API token for oneself or for a service account; it is shown this once."""
        return await self._change("POST", "/api/access/tokens", ApiTokenCreated, wanted)

    async def revoke_token(self, token_id: int) -> None:
        """Revoke an API token; it is dead at once."""
        return await self._change("DELETE", f"/api/access/tokens/{token_id}", type(None))
