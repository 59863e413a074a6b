"""Mail, sent in the background: no request and no transaction ever waits for a mail server."""

import asyncio
import smtplib
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

import structlog

from sdk.contract.settings import EmailSettings, Tls

log = structlog.get_logger(__name__)

QUEUE = 100
PAUSES_SECONDS = (1.0, 10.0)  # between three tries
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
            except Exception as error:  # the next mail is not to suffer from it
                log.error("mail could not be sent", why=_why(error))
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
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=_domain(settings))
    message.set_content(text)
    for pause in PAUSES_SECONDS:
        try:
            return await asyncio.to_thread(_deliver, settings, password, message)
        except (OSError, smtplib.SMTPException) as error:
            log.warning("mail could not be sent yet", why=_why(error))
            await asyncio.sleep(pause)
    return await asyncio.to_thread(_deliver, settings, password, message)


def _why(error: Exception) -> str:
    """Never what a mail server says: it may quote the mail, and so a token."""
    name = type(error).__name__
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{name} {error.smtp_code}"
    if isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException):
        return f"{name}: {error.strerror or ''}"
    return name


def _domain(settings: EmailSettings) -> str:
    return (settings.from_address or "").rpartition("@")[2] or "localhost"


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
