"""The settings as this process knows them: read from the database, refreshed once a second.

Whoever needs a setting reads it here, each time anew, and so never works with an old one for
longer than that, whichever server it was changed at.
"""

from collections.abc import Callable

from orchestrator_server.db.transaction import Database
from orchestrator_server.settings import service
from sdk.contract.settings import (
    EmailSettings,
    GeneralSettings,
    JobSettings,
    LoggingSettings,
    SecuritySettings,
    Settings,
)


class CurrentSettings:
    def __init__(self, apply: Callable[[Settings], None]) -> None:
        self.all = Settings()
        self._apply = apply  # for what must be told of a change, such as logging

    def use(self, settings: Settings) -> None:
        if settings != self.all:
            self.all = settings
            self._apply(settings)

    async def refresh(self, database: Database) -> None:
        self.use(await database.read(service.read))

    @property
    def general(self) -> GeneralSettings:
        return self.all.general

    @property
    def security(self) -> SecuritySettings:
        return self.all.security

    @property
    def jobs(self) -> JobSettings:
        return self.all.jobs

    @property
    def email(self) -> EmailSettings:
        return self.all.email

    @property
    def logging(self) -> LoggingSettings:
        return self.all.logging
