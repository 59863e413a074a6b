"""The audit trail as a chain: each link holds a keyed digest of its event and of the link before.

Links are added behind the events, a second or so later, so that no change ever waits for
another one's. From then on an event that is changed, removed or moved shows, and so does a
trail that was cut: its two ends are signed with a key that is not in the database. Only who
did away with the whole chain would go unnoticed, since the server would begin a new one; so
`verify` names the last link, for people to note elsewhere and to give it the next time.
"""

import hashlib
import hmac
from typing import Any

import msgspec

from orchestrator_server.audit.service import sql
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.keys import Keys
from sdk.contract.audit import AuditDetails

BATCH = 500
LATE_IDS = 1_000  # events may be committed in another order than their ids were given
_START = "0" * 64


class Ends(msgspec.Struct, frozen=True, kw_only=True):
    """Before the first link, and the last one."""

    first_seq: int = 0
    first_digest: str = _START
    last_seq: int = 0
    last_digest: str = _START
    mac: str = ""


class _Link(AuditDetails, frozen=True, kw_only=True):
    seq: int
    digest: str


class _LinkId(msgspec.Struct, frozen=True):
    seq: int
    event_id: int
    digest: str


class Broken(msgspec.Struct, frozen=True):
    """Where the trail is not what it was."""

    seq: int
    event_id: int | None
    why: str


class Verified(msgspec.Struct, frozen=True):
    events: int
    waiting: int  # not yet linked
    broken: Broken | None = None
    last_link: str = ""  # NUMBER:DIGEST


def link(tx: Transaction, keys: Keys) -> int:
    """Add what is not yet in the chain, at most BATCH events; return how many."""
    tx.run(sql.lock_chain)
    ends = _ends(tx)
    newest = tx.maybe(sql.newest_linked, _LinkId)
    after_id = max(0, (newest.event_id if newest else 0) - LATE_IDS)
    events = tx.all(sql.unlinked, AuditDetails, after_id=after_id, limit=BATCH)
    if not events:
        return 0
    links, digest = [], ends.last_digest
    for seq, event in enumerate(events, ends.last_seq + 1):
        digest = _digest(keys, digest, event)
        links.append(_LinkId(seq, event.id, digest))
    tx.run(sql.add_links, links=Json(links))
    last_seq = links[-1].seq
    _save(tx, keys, msgspec.structs.replace(ends, last_seq=last_seq, last_digest=digest))
    return len(events)


def verify(tx: Transaction, keys: Keys) -> Verified:
    """Look at every link; stop at the first that is not as it was."""
    ends = _ends(tx)
    seq, digest = ends.first_seq, ends.first_digest
    if ends.last_seq and not hmac.compare_digest(ends.mac, _mac(keys, ends)):
        return _broken(0, None, seq, "The ends of the chain were changed.")
    while links := tx.all(sql.links, _Link, after_seq=seq, limit=BATCH):
        for found in links:
            wanted = _digest(keys, digest, _event_of(found))
            if found.seq != seq + 1:
                return _broken(seq, None, seq + 1, "An event was removed here.")
            if not hmac.compare_digest(found.digest, wanted):
                return _broken(seq, found.id, found.seq, "This event, or its place, was changed.")
            seq, digest = found.seq, found.digest
    if (seq, digest) != (ends.last_seq, ends.last_digest):
        return _broken(seq, None, seq + 1, "Events were removed at the end.")
    unlinked = tx.all(sql.unlinked, AuditDetails, after_id=0, limit=BATCH)
    newest = tx.maybe(sql.newest_linked, _LinkId)
    inserted = [e for e in unlinked if newest and e.id < newest.event_id - LATE_IDS]
    if inserted:
        return _broken(seq, inserted[0].id, seq, "This event was put in later.")
    return Verified(events=seq - ends.first_seq, waiting=len(unlinked), last_link=f"{seq}:{digest}")


def verify_since(tx: Transaction, keys: Keys, noted: str | None) -> Verified:
    """The same, and the last link of an earlier time must be among them, if one was noted."""
    if noted is not None and not _is_there(tx, noted):
        return _broken(0, None, 0, f"The link {noted[:100]}, which was noted, is not there.")
    return verify(tx, keys)


def forget_before(tx: Transaction, keys: Keys, before: Any, limit: int) -> int:
    """Delete the oldest events, those before a moment, and begin the chain behind them."""
    tx.run(sql.lock_chain)
    ends = _ends(tx)
    old = tx.all(sql.links_before, _LinkId, before=before, after_seq=ends.first_seq, limit=limit)
    # Only an unbroken run from the beginning: what follows must still join on.
    run = [found for n, found in enumerate(old) if found.seq == ends.first_seq + n + 1]
    if not run:
        return 0
    last = run[-1]
    tx.run(sql.forget_events, last_seq=last.seq)
    tx.run(sql.forget_links, last_seq=last.seq)
    changed = msgspec.structs.replace(ends, first_seq=last.seq, first_digest=last.digest)
    _save(tx, keys, changed)
    return len(run)


def _is_there(tx: Transaction, noted: str) -> bool:
    """Also the one before the first, when those up to it were forgotten."""
    number, _, digest = noted.partition(":")
    if not number.isascii() or not number.isdigit() or len(number) > 18:
        return False
    ends = _ends(tx)
    found = tx.maybe(sql.link_at, _LinkId, seq=int(number))
    digests = {found.digest} if found else set()
    if int(number) == ends.first_seq:
        digests.add(ends.first_digest)
    return digest in digests


def _event_of(link_: _Link) -> AuditDetails:
    fields = msgspec.structs.asdict(link_)
    del fields["seq"], fields["digest"]
    return AuditDetails(**fields)


def _digest(keys: Keys, before: str, event: AuditDetails) -> str:
    content = msgspec.json.encode(event, order="sorted")
    return hmac.new(keys.signing, before.encode() + content, hashlib.sha256).hexdigest()


def _ends(tx: Transaction) -> Ends:
    return tx.maybe(sql.chain_ends, Ends) or Ends()


def _save(tx: Transaction, keys: Keys, ends: Ends) -> None:
    signed = msgspec.structs.replace(ends, mac=_mac(keys, ends))
    tx.run(sql.save_ends, **msgspec.structs.asdict(signed))


def _mac(keys: Keys, ends: Ends) -> str:
    content = msgspec.json.encode(
        [ends.first_seq, ends.first_digest, ends.last_seq, ends.last_digest]
    )
    return keys.mac("audit chain", content.decode())


def _broken(events: int, event_id: int | None, seq: int, why: str) -> Verified:
    return Verified(events=events, waiting=0, broken=Broken(seq, event_id, why))
