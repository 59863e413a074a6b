"""Mail, sent in the background: no request and no transaction ever waits for a mail server."""

import asyncio
import smtplib
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from email.message import EmailMessage

import structlog

from orchestrator_server.errors import Unavailable
from sdk.contract.settings import EmailSettings, Tls

log = structlog.get_logger(__name__)

QUEUE = 100
PAUSES_SECONDS = (1.0, 10.0, 60.0)  # between tries
TIMEOUT_SECONDS = 20

Errand = Callable[[], Awaitable[None]]


class Mailer:
    """Runs errands one after the other; what cannot be queued is dropped, and said so."""

    def __init__(self) -> None:
        self._errands: asyncio.Queue[Errand] = asyncio.Queue(QUEUE)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="mail")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def later(self, errand: Errand) -> None:
        try:
            self._errands.put_nowait(errand)
        except asyncio.QueueFull:
            log.error("too much mail is waiting; one was dropped")

    async def finish(self) -> None:
        """Return when everything that waits has been tried."""
        await self._errands.join()

    async def _run(self) -> None:
        while True:
            errand = await self._errands.get()
            try:
                await errand()
            except (OSError, smtplib.SMTPException, Unavailable) as error:
                log.error("mail could not be sent", why=f"{type(error).__name__}: {error}"[:200])
            finally:
                self._errands.task_done()


async def send(
    settings: EmailSettings, password: str | None, to: str, subject: str, text: str
) -> None:
    """Send one mail, trying again for a while. `password` is the plain one.

    Raises what the mail server, or the way there, raised last.
    """
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = settings.from_address, to, subject
    message.set_content(text)
    for pause in PAUSES_SECONDS:
        try:
            return await asyncio.to_thread(_deliver, settings, password, message)
        except (OSError, smtplib.SMTPException) as error:
            log.warning("mail could not be sent yet", why=type(error).__name__)
            await asyncio.sleep(pause)
    return await asyncio.to_thread(_deliver, settings, password, message)


def _deliver(settings: EmailSettings, password: str | None, message: EmailMessage) -> None:
    with _connection(settings) as server:
        if settings.tls is Tls.STARTTLS:
            server.starttls(context=ssl.create_default_context())
        if settings.username is not None:
            server.login(settings.username, password or "")
        server.send_message(message)


def _connection(settings: EmailSettings) -> smtplib.SMTP:
    host = settings.host or ""
    if settings.tls is Tls.TLS:
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(host, settings.port, timeout=TIMEOUT_SECONDS, context=context)
    return smtplib.SMTP(host, settings.port, timeout=TIMEOUT_SECONDS)
