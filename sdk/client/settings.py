"""Made by `make docs` from the route tables; do not edit."""

from msgspec import Struct

from sdk.client.requests import Requests
from sdk.contract.settings import (
    EmailSettings,
    GeneralSettings,
    JobSettings,
    LoggingSettings,
    SecuritySettings,
    Settings,
)


class SettingsCalls(Requests):
    async def get_settings(self) -> Settings:
        """Get all groups of settings."""
        return await self._get("/api/settings", Settings)

    async def get_general_settings(self) -> GeneralSettings:
        """Get the general settings."""
        return await self._get("/api/settings/general", GeneralSettings)

    async def change_general_settings(self, wanted: Struct) -> GeneralSettings:
        """Change general settings: the keys that are given, all of them or none."""
        return await self._change("PUT", "/api/settings/general", GeneralSettings, wanted)

    async def get_security_settings(self) -> SecuritySettings:
        """Get the security settings."""
        return await self._get("/api/settings/security", SecuritySettings)

    async def change_security_settings(self, wanted: Struct) -> SecuritySettings:
        """Change security settings: the keys that are given, all of them or none."""
        return await self._change("PUT", "/api/settings/security", SecuritySettings, wanted)

    async def get_jobs_settings(self) -> JobSettings:
        """Get the jobs settings."""
        return await self._get("/api/settings/jobs", JobSettings)

    async def change_jobs_settings(self, wanted: Struct) -> JobSettings:
        """Change jobs settings: the keys that are given, all of them or none."""
        return await self._change("PUT", "/api/settings/jobs", JobSettings, wanted)

    async def get_email_settings(self) -> EmailSettings:
        """Get the email settings."""
        return await self._get("/api/settings/email", EmailSettings)

    async def change_email_settings(self, wanted: Struct) -> EmailSettings:
        """Change email settings: the keys that are given, all of them or none."""
        return await self._change("PUT", "/api/settings/email", EmailSettings, wanted)

    async def get_logging_settings(self) -> LoggingSettings:
        """Get the logging settings."""
        return await self._get("/api/settings/logging", LoggingSettings)

    async def change_logging_settings(self, wanted: Struct) -> LoggingSettings:
        """Change logging settings: the keys that are given, all of them or none."""
        return await self._change("PUT", "/api/settings/logging", LoggingSettings, wanted)
