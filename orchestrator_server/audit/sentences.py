"""What the audit trail says of each deed: a sentence with its subject. Pure.

An action that is not here cannot be recorded.
"""

from typing import Any

from orchestrator_server.access.callers import Actor
from sdk.contract.audit import ActorType

_SENTENCES = {
    "artifact.created": "{actor} stored artifact {name}",
    "asset.created": "{actor} created asset {name}",
    "asset.deleted": "{actor} deleted asset {name}",
    "asset.granted": "{actor} granted asset {name} to process {process_id}",
    "asset.read": "{actor} read asset {name}",
    "asset.read_refused": "{actor} was refused asset {name}",
    "asset.revoked": "{actor} revoked the grant of asset {name} to process {process_id}",
    "asset.updated": "{actor} updated asset {name}",
    "clock.jumped": "The clock of the server jumped by {seconds} seconds",
    "database.restored": "The database was restored to an earlier state",
    "job.canceled": "{actor} canceled job {name}",
    "job.claimed": "{actor} claimed job {name}",
    "job.completed": "{actor} completed job {name}",
    "job.created": "{actor} created job {name}",
    "job.failed": "{actor} ended job {name} as failed",
    "job.requeued": "{actor} requeued job {name}",
    "job.secrets_sent": "{actor} received the secrets that job {name} has read",
    "job.stop_requested": "{actor} asked job {name} to stop",
    "job.updated": "{actor} updated job {name}",
    "jobs.deleted": "{actor} deleted {jobs} jobs that had ended, from {from} to {to}",
    "machine.created": "{actor} created machine {name}",
    "machine.deleted": "{actor} deleted machine {name}",
    "machine.key_renewed": "{actor} renewed the key of machine {name}",
    "machine.updated": "{actor} updated machine {name}",
    "package.deleted": "{actor} deleted package {name}",
    "package.published": "{actor} published package {name}",
    "package.updated": "{actor} updated package {name}",
    "password.changed": "{actor} changed the password of user {name}",
    "password.reset": "{actor} reset the password of user {name}",
    "password.reset_issued": "{actor} issued a password reset for user {name}",
    "password.reset_requested": "A password reset for {name} was requested",
    "process.change_proposed": "{actor} proposed a change of process {name}",
    "process.change_released": "{actor} released the proposed change of process {name}",
    "process.created": "{actor} created process {name}",
    "process.deleted": "{actor} deleted process {name}",
    "process.package_changed": "{actor} changed the package of process {name}",
    "process.proposal_discarded": "{actor} discarded the proposed change of process {name}",
    "process.updated": "{actor} updated process {name}",
    "process.upgraded": "{actor} upgraded process {name}",
    "queue.created": "{actor} created queue {name}",
    "queue.deleted": "{actor} deleted queue {name}",
    "queue.filled": "{actor} added items to queue {name}",
    "queue.updated": "{actor} updated queue {name}",
    "queue_item.abandoned": "{actor} abandoned queue item {name}",
    "queue_item.claimed": "{actor} claimed queue item {name}",
    "queue_item.completed": "{actor} completed queue item {name}",
    "queue_item.created": "{actor} created queue item {name}",
    "queue_item.deleted": "{actor} deleted queue item {name}",
    "queue_item.failed": "{actor} ended queue item {name} as failed",
    "queue_item.returned": "{actor} returned queue item {name} to its queue",
    "queue_item.updated": "{actor} updated queue item {name}",
    "queue_items.deleted": "{actor} deleted {items} queue items that had ended",
    "robot.created": "{actor} created robot {name}",
    "robot.deleted": "{actor} deleted robot {name}",
    "robot.duplicate_refused": "{actor} was refused, because another agent works under its name",
    "robot.paused": "{actor} paused robot {name}",
    "robot.registered": "{actor} registered",
    "robot.resumed": "{actor} resumed robot {name}",
    "robot.token_renewed": "{actor} renewed the token of robot {name}",
    "robot.updated": "{actor} updated robot {name}",
    "robot.vouched_for": "{actor} confirmed that robot {name} is present",
    "role.created": "{actor} created role {name}",
    "role.deleted": "{actor} deleted role {name}",
    "role.updated": "{actor} updated role {name}",
    "sdk_session.confirmed": "{actor} confirmed the sign-in of machine {name}",
    "sdk_session.denied": "{actor} denied the sign-in of machine {name}",
    "sdk_session.login": "{actor} signed in from machine {name}",
    "sdk_session.logout": "{actor} signed out machine {name}",
    "sdk_session.started": "A sign-in from machine {name} was started",
    "server.paused": "The server was paused for {seconds} seconds",
    "session.login": "{actor} signed in",
    "session.logout": "{actor} signed out",
    "session.refused": "A sign-in as {name} was refused",
    "settings.updated": "{actor} changed the {name} settings",
    "token.created": "{actor} created API token {name}",
    "token.revoked": "{actor} revoked API token {name}",
    "user.created": "{actor} created user {name}",
    "user.disabled": "{actor} disabled user {name}",
    "user.registered": "User {name} was registered",
    "user.roles_changed": "{actor} changed the roles of user {name}",
    "user.updated": "{actor} updated user {name}",
}


def sentence(action: str, actor: Actor, name: str | None, details: dict[str, Any]) -> str:
    """Raises KeyError for an action without a sentence, or details that its sentence lacks."""
    return _SENTENCES[action].format_map({**details, "actor": _subject(actor), "name": name})


def _subject(actor: Actor) -> str:
    if actor.type is ActorType.ROBOT:
        return f"robot {actor.name}"
    if actor.type is ActorType.SYSTEM:
        return "Somebody" if actor.name == "anonymous" else "The server"
    return actor.name
