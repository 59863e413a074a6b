"""Made by `make docs` from the route tables; do not edit."""

from sdk.client.requests import Requests
from sdk.contract.access import Accepted, Forgot, Me, PasswordChange, Register, Reset, User


class AuthCalls(Requests):
    async def register(self, wanted: Register) -> User:
        """Make an account for oneself, where the settings allow it. It has no rights yet."""
        return await self._change("POST", "/api/auth/register", User, wanted)

    async def forgot(self, wanted: Forgot) -> Accepted:
        """Ask for a token that sets a new password; it comes by mail. Always the same answer."""
        return await self._change("POST", "/api/auth/forgot", Accepted, wanted)

    async def reset(self, wanted: Reset) -> None:
        """Set a new password with a token that works once; every sign-in of the user ends."""
        return await self._change("POST", "/api/auth/reset", type(None), wanted)

    async def logout(self) -> None:
        """Sign out: this token is dead at once."""
        return await self._change("POST", "/api/auth/logout", type(None))

    async def me(self) -> Me:
        """Who you are, your roles, and what you may do."""
        return await self._get("/api/auth/me", Me)

    async def change_password(self, wanted: PasswordChange) -> None:
        """Change one's own password; one's other sign-ins end."""
        return await self._change("POST", "/api/auth/password", type(None), wanted)
