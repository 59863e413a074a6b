"""A person decides: whether a developer's machine may sign in as them, and for what."""

from orchestrator_server.access.callers import Person
from orchestrator_server.access.secrets import hash_of
from orchestrator_server.audit import service as audit
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Conflict, Invalid, NotFound
from orchestrator_server.sdk_sessions.service import CODE_LETTERS, Id, Session, sql
from sdk.contract.sdk_auth import SdkConfirm, SdkConfirmed, SdkScope


def look(tx: Transaction, user_code: str) -> Session:
    """The session that waits under a code; NotFound if none does."""
    session = tx.maybe(sql.look_by_code, Session, user_code=spelled(user_code))
    if session is None or session.status != "pending" or session.expires_at <= tx.now:
        raise NotFound("No sign-in waits under that code; begin again with `sdk login`.")
    return session


def confirm(tx: Transaction, person: Person, wanted: SdkConfirm) -> SdkConfirmed:
    person.must_be_signed_in()
    session = _find(tx, wanted)
    if session.status in ("confirmed", "fetched") and session.expires_at > tx.now:
        if session.confirmed_by != person.id:
            raise Conflict("Somebody else has confirmed this sign-in already.")
        return SdkConfirmed(status="ok")
    if session.status == "denied" or session.expires_at <= tx.now:
        return SdkConfirmed(status="expired")
    scopes = _narrowed(session, wanted)
    _decide(tx, person, session, "confirmed", scopes)
    return SdkConfirmed(status="ok")


def deny(tx: Transaction, person: Person, user_code: str) -> None:
    """Whoever waits is told that the session has expired."""
    person.must_be_signed_in()
    session = _find(tx, SdkConfirm(user_code=user_code))
    if session.status == "pending":
        _decide(tx, person, session, "denied", session.scopes)


def spelled(user_code: str) -> str:
    """A code as it is stored, however somebody typed it; Invalid if it cannot be one."""
    letters = [letter for letter in user_code.upper() if letter.isalnum()]
    if len(letters) != 8 or not set(letters) <= set(CODE_LETTERS):
        raise Invalid("A code is eight letters, as in BCDF-GHJK.", pointer="#/user_code")
    return "".join(letters[:4]) + "-" + "".join(letters[4:])


def _find(tx: Transaction, wanted: SdkConfirm) -> Session:
    if (wanted.session_id is None) == (wanted.user_code is None):
        raise Invalid("Give either `session_id` or `user_code`.", pointer="#/session_id")
    if wanted.user_code is not None:
        found = tx.maybe(sql.by_code, Session, user_code=spelled(wanted.user_code))
    else:
        found = tx.maybe(sql.by_session, Session, session_hash=hash_of(wanted.session_id or ""))
    if found is None:
        raise NotFound("No sign-in waits under that code; begin again with `sdk login`.")
    return found


def _narrowed(session: Session, wanted: SdkConfirm) -> list[SdkScope]:
    if wanted.scopes is None:
        return session.scopes
    if more := sorted(set(wanted.scopes) - set(session.scopes)):
        raise Invalid(f"The machine did not ask for the scope {more[0]}.", pointer="#/scopes")
    return sorted({SdkScope.DEFAULT, *wanted.scopes})


def _decide(
    tx: Transaction, person: Person, session: Session, to: str, scopes: list[SdkScope]
) -> None:
    decided = tx.maybe(
        sql.decide,
        Id,
        id=session.id,
        status=to,
        user_id=person.id,
        token_id=person.token_id,
        scopes=Json(scopes),
    )
    if decided is None:
        raise Conflict("Somebody else has decided on this sign-in already.")
    metadata = {"scopes": list(scopes), "machine_address": session.ip_address}
    audit.record(
        tx,
        person.actor,
        f"sdk_session.{to}",
        entity_id=session.id,
        name=session.machine_name,
        metadata=metadata,
    )
