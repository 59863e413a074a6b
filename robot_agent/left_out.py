"""Which artifacts of an attempt were not kept, and why, for the log of its job and for our own."""

import logging

from robot_agent.secrets_read import SecretsRead

MOST_LINES = 20
NAME_CHARACTERS = 100

log = logging.getLogger(__name__)


class LeftOut:
    """Names and reasons without secrets, and without what a terminal or a line could take amiss."""

    def __init__(self, job_id: int, secrets: SecretsRead) -> None:
        self.secrets = secrets
        self._job_id = job_id
        self._whys: dict[str, tuple[str, str]] = {}  # by name: how it is shown, and why

    def __bool__(self) -> bool:
        return bool(self._whys)

    async def note(self, name: str, why: str) -> None:
        """The name "" stands for the folder itself."""
        mask = (await self.secrets.ask()).mask if len(self._whys) < MOST_LINES else None
        if mask is None:  # it is counted, and shown nowhere
            self._whys[name] = ("", "")
            return
        what, reason = _shown(mask.text(name)), _shown(mask.text(why), 300)
        self._whys[name] = (what, reason)
        log.warning("Artifact %s of job %d is not kept: %s", what, self._job_id, reason)

    def forget(self, name: str) -> None:
        """It was kept after all, as it was changed."""
        self._whys.pop(name, None)

    async def named(self, name: str) -> str:
        """How our own log names an artifact."""
        return (
            f"Artifact {_shown((await self.secrets.ask()).mask.text(name))} of job {self._job_id}"
        )

    def lines(self) -> bytes:
        """For the end of the job's log."""
        told = [_line(*why) for why in list(self._whys.values())[:MOST_LINES]]
        if (more := len(self._whys) - MOST_LINES) > 0:
            told.append(f"[{more:,} more artifacts were not kept]")
        return "".join(f"{line}\n" for line in told).encode()


def _line(what: str, why: str) -> str:
    return f"[artifact {what} was not kept: {why}]" if what else f"[folder artifacts: {why}]"


def _shown(text: str, most: int = NAME_CHARACTERS) -> str:
    """On one line, with escapes for what is not printed: `m\\xfcller.pdf` for a byte."""
    shown = "".join(c if c.isprintable() else _escaped(c) for c in text[:most])
    return shown if len(text) <= most else f"{shown}…"


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, as Python has it in a name
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
