"""Settings over HTTP: each group has a row of its own, so each has its own Structs."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from orchestrator_server.access.callers import Person
from orchestrator_server.http.keys import DATABASE, SEALER, SETTINGS
from orchestrator_server.http.routes import Route, get, put
from orchestrator_server.settings import service
from sdk.contract import settings as contract
from sdk.contract.settings import Settings

GROUPS: dict[str, tuple[type, type]] = {
    "general": (contract.GeneralSettings, contract.GeneralSettingsChange),
    "security": (contract.SecuritySettings, contract.SecuritySettingsChange),
    "jobs": (contract.JobSettings, contract.JobSettingsChange),
    "email": (contract.EmailSettings, contract.EmailSettingsChange),
    "logging": (contract.LoggingSettings, contract.LoggingSettingsChange),
}


async def get_settings(request: web.Request) -> Settings:
    """Get all groups of settings."""
    return service.shown(await request.app[DATABASE].read(service.read))


def _getter(group: str, type_: type) -> Callable[..., Awaitable[Any]]:
    async def get_group(request: web.Request) -> Any:
        return getattr(service.shown(await request.app[DATABASE].read(service.read)), group)

    return _named(get_group, f"get_{group}_settings", f"Get the {group} settings.", gives=type_)


def _changer(group: str, type_: type, change: type) -> Callable[..., Awaitable[Any]]:
    async def change_group(request: web.Request, person: Person, wanted: Any) -> Any:
        settings = await request.app[DATABASE].write(
            service.change, person, request.app[SEALER], group, wanted
        )
        request.app[SETTINGS].use(settings)
        return getattr(service.shown(settings), group)

    doc = f"Change {group} settings: the keys that are given, all of them or none."
    return _named(change_group, f"change_{group}_settings", doc, gives=type_, wanted=change)


def _named(
    handler: Callable[..., Awaitable[Any]], name: str, doc: str, gives: type, **takes: type
) -> Callable[..., Awaitable[Any]]:
    handler.__name__, handler.__doc__ = name, doc
    handler.__annotations__ |= {"return": gives, **takes}
    return handler


ROUTES: list[Route] = [get("/api/settings", get_settings, may="settings:view")]
for name, (group_type, group_change) in GROUPS.items():
    path = f"/api/settings/{name}"
    ROUTES += [
        get(path, _getter(name, group_type), may="settings:view"),
        put(path, _changer(name, group_type, group_change), may="settings:edit"),
    ]
