"""The verbs of settings: read them all, change some of one group."""

from typing import Any
from zoneinfo import available_timezones

import msgspec

from orchestrator_server.access import users
from orchestrator_server.access.callers import Person
from orchestrator_server.audit import service as audit
from orchestrator_server.db import queries
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Invalid
from orchestrator_server.sealing import Place, Sealer
from sdk.contract.base import MASK, Request
from sdk.contract.settings import EmailSettings, GeneralSettings, JobSettings, Settings

sql = queries.load(__package__)

PASSWORD = Place("settings", "email", "password")
# Whoever decides these receives the mail with which passwords are set, or says how strong the
# protection of every account is.
_FOR_ADMINISTRATORS = {"email": None, "security": None, "general": {"public_url"}}
# With one of these the stored password would be sent to another server, or in the clear.
_WHERE_MAIL_GOES = ("host", "port", "tls", "username")


class Saved(msgspec.Struct, frozen=True):
    group_name: str
    key: str
    value: Any


def read(tx: Transaction) -> Settings:
    """All settings; the e-mail password as it is stored, sealed."""
    saved: dict[str, dict[str, Any]] = {}
    for row in tx.all(sql.all, Saved):
        saved.setdefault(row.group_name, {})[row.key] = row.value
    return msgspec.convert(saved, Settings)


def change(
    tx: Transaction, person: Person, sealer: Sealer, group: str, wanted: Request
) -> Settings:
    """Change the keys that are given, all of them or, if one does not fit, none.

    Raises Forbidden if one of them is for administrators. A password for mail is forgotten when
    mail goes elsewhere, unless it is sent again.
    """
    tx.run(sql.lock)
    before = read(tx)
    changes = _changed(before, group, wanted)
    if _is_for_administrators(group, changes):
        users.must_be_admin(tx, person)
    if changes.get("password") is not None:
        changes["password"] = sealer.seal(changes["password"], PASSWORD)
    elif group == "email" and set(_WHERE_MAIL_GOES) & set(changes):
        changes["password"] = None
    for key, value in changes.items():
        if value is None:
            tx.run(sql.forget, group_name=group, key=key)
        else:
            tx.run(sql.save, group_name=group, key=key, value=Json(value))
    after = read(tx)
    _must_fit_together(after)
    audit.record(
        tx,
        person.actor,
        "settings.updated",
        name=group,
        before=getattr(shown(before), group),
        after=getattr(shown(after), group),
    )
    return after


def _changed(before: Settings, group: str, wanted: Request) -> dict[str, Any]:
    """What is sent and differs from what is stored; a mask that is sent back is no change."""
    sent = msgspec.to_builtins(wanted)
    if sent.get("password") == MASK:
        del sent["password"]
    stored = msgspec.to_builtins(getattr(before, group))
    return {key: value for key, value in sent.items() if stored[key] != value}


def _is_for_administrators(group: str, changes: dict[str, Any]) -> bool:
    if not changes or group not in _FOR_ADMINISTRATORS:
        return False
    keys = _FOR_ADMINISTRATORS[group]
    return keys is None or bool(keys & set(changes))


def shown(settings: Settings) -> Settings:
    """As people read them: no secret is among them."""
    if settings.email.password is None:
        return settings
    email = msgspec.structs.replace(settings.email, password=MASK)
    return msgspec.structs.replace(settings, email=email)


def rewrap_password(tx: Transaction, sealer: Sealer) -> None:
    """Put the e-mail password under the current key."""
    tx.run(sql.lock)
    password = read(tx).email.password
    if password is not None:
        value = Json(sealer.rewrap(password, PASSWORD))
        tx.run(sql.save, group_name="email", key="password", value=value)


def _must_fit_together(settings: Settings) -> None:
    _check_general(settings.general)
    _check_jobs(settings.jobs)
    _check_email(settings.email)


def _check_general(general: GeneralSettings) -> None:
    if general.timezone not in available_timezones():
        raise Invalid(
            f"There is no time zone {general.timezone}; give one such as Europe/Berlin.",
            pointer="#/timezone",
        )


def _check_jobs(jobs: JobSettings) -> None:
    if jobs.lease_seconds < 3 * jobs.heartbeat_seconds:
        raise Invalid(
            f"A lease of {jobs.lease_seconds} s is shorter than three heartbeats of "
            f"{jobs.heartbeat_seconds} s; a job would be lost with the first late one.",
            pointer="#/lease_seconds",
        )
    if jobs.robot_offline_seconds < 2 * jobs.heartbeat_seconds:
        raise Invalid(
            f"Robots that beat every {jobs.heartbeat_seconds} s would flicker if they were "
            f"offline after {jobs.robot_offline_seconds} s; allow two heartbeats.",
            pointer="#/robot_offline_seconds",
        )


def _check_email(email: EmailSettings) -> None:
    if email.enabled and (email.host is None or email.from_address is None):
        missing = "host" if email.host is None else "from_address"
        raise Invalid(f"E-mail needs a `{missing}` before it is enabled.", pointer=f"#/{missing}")
