"""Made by `make docs` from the route tables; do not edit."""

from sdk.client.requests import Listing, Requests
from sdk.contract.base import ListQuery
from sdk.contract.sdk_auth import SdkConfirm, SdkConfirmed, SdkSession, SdkStart, SdkStarted


class SdkCalls(Requests):
    async def start_sdk_session(self, wanted: SdkStart) -> SdkStarted:
        """Begin to sign in on a developer's machine. A person has five minutes to confirm it."""
        return await self._change("POST", "/api/sdk/auth/start", SdkStarted, wanted)

    async def confirm_sdk_session(self, wanted: SdkConfirm) -> SdkConfirmed:
        """Confirm a developer's sign-in as oneself; again is no error, another person's is one."""
        return await self._change("POST", "/api/sdk/auth/confirm", SdkConfirmed, wanted)

    async def current_sdk_session(self) -> SdkSession:
        """The sign-in that your SDK token belongs to."""
        return await self._get("/api/sdk/auth/session", SdkSession)

    async def sdk_logout(self) -> None:
        """End the sign-in that your SDK token belongs to: the token is dead at once."""
        return await self._change("POST", "/api/sdk/auth/logout", type(None))

    def list_sdk_sessions(self, query: ListQuery | None = None) -> Listing[SdkSession]:
        """Your own sign-ins from developers' machines that are still good."""
        return self._list("/api/sdk/auth/sessions", SdkSession, query or ListQuery())

    async def end_sdk_session(self, session_id: int) -> None:
        """End one of your sign-ins: its token is dead at once."""
        return await self._change("DELETE", f"/api/sdk/auth/sessions/{session_id}", type(None))
