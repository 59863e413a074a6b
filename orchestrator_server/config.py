"""What the server is started with, checked before anything is opened."""

from pathlib import Path

import msgspec

from orchestrator_server import addresses
from orchestrator_server.addresses import Network

LOOPBACK_NAMES = frozenset({"127.0.0.1", "::1", "[::1]", "localhost"})


class Config(msgspec.Struct, frozen=True, kw_only=True):
    data: Path
    database_url: str | None = None  # none: SQLite in the data folder
    listen_url: str | None = None  # past a pooler; none: the database_url
    store: str | None = None  # the object store; none: the data folder
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1  # processes that share the port
    worker: int = 1  # which of them this is
    allowed_hosts: tuple[str, ...] = ()  # none: loopback names on loopback, else any
    trusted_proxies: tuple[Network, ...] = ()
    log_format: str | None = None  # none: as the settings say
    log_level: str | None = None
    admin_password: str | None = None

    @property
    def sqlite_path(self) -> Path:
        return self.data / "runwright.db"

    @property
    def key_file(self) -> Path:
        return self.data / "keys.json"

    @property
    def hosts(self) -> frozenset[str] | None:
        """The names this server answers to; None for any."""
        if self.allowed_hosts:
            return frozenset(host.lower() for host in self.allowed_hosts)
        if self.is_on_loopback:
            return LOOPBACK_NAMES | {self.host}
        return None

    @property
    def is_on_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return addresses.is_loopback(self.host)

    def __repr__(self) -> str:
        return f"Config(data={str(self.data)!r}, host={self.host!r}, port={self.port})"
