"""What an operator tells the agent, checked before anything starts."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import platformdirs
from msgspec import Meta

from robot_agent.exits import AgentExit, Status
from robot_agent.limits import Limits

CONFIG_VARIABLE = "RUNWRIGHT_CONFIG"
KEY_VARIABLE = "RUNWRIGHT_MACHINE_KEY"
KEY_BYTES = 64 * 1024  # more is no key
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"  # systemd.exec(5), "Credentials"
CREDENTIAL = "machine-key"
LAST_STREAM = 2  # 0 to 2 are the standard streams
MIB = 1024 * 1024


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each field is an option, a variable RUNWRIGHT_<FIELD> and a key in the TOML file."""

    url: str
    name: Annotated[str, Meta(min_length=1, max_length=240)]
    machine_key_file: Path | None = None
    machine_key_fd: Annotated[int, Meta(ge=0)] | None = None
    robots: Annotated[int, Meta(ge=1, le=100)] = 1
    data: Path
    allow_open_data_folder: bool = False
    run_as: str = ""  # names of accounts, one for each robot
    min_free_mib: Annotated[int, Meta(ge=0)] = 100
    job_memory_mib: Annotated[int, Meta(ge=0)] = 0
    job_processes: Annotated[int, Meta(ge=0)] = 0
    job_output_mib: Annotated[int, Meta(ge=0)] = 0
    environments_mib: Annotated[int, Meta(ge=0)] = 10 * 1024
    environments_days: Annotated[int, Meta(ge=0)] = 30
    deaf_after_seconds: Annotated[int, Meta(ge=1)] = 300
    finish_minutes: Annotated[int, Meta(ge=0)] = 0
    ca_file: Path | None = None
    health_port: Annotated[int, Meta(ge=0, le=65535)] = 0

    @property
    def limits(self) -> Limits:
        return Limits(
            memory_bytes=self.job_memory_mib * MIB,
            processes=self.job_processes,
            output_bytes=self.job_output_mib * MIB,
        )

    @property
    def robot_names(self) -> list[str]:
        if self.robots == 1:
            return [self.name]
        return [f"{self.name}-{number}" for number in range(1, self.robots + 1)]


def load(
    options: Mapping[str, str | None], environment: Mapping[str, str], default_name: str
) -> Config:
    """The command line wins over the environment, which wins over the file."""
    file = options.get("config") or environment.get(CONFIG_VARIABLE)
    settings: dict[str, object] = {"name": default_name, "data": default_data()}
    settings |= _read_toml(Path(file)) if file else {}
    for field in Config.__struct_fields__:
        if value := options.get(field) or environment.get(f"RUNWRIGHT_{field.upper()}"):
            settings[field] = value
    if "url" not in settings:
        raise _wrong("The address of the server is missing: give --url or set RUNWRIGHT_URL.")
    try:
        config = msgspec.convert(settings, Config, strict=False, dec_hook=_as_path)
    except msgspec.ValidationError as error:
        raise _wrong(f"The configuration does not fit: {error}.") from error
    return msgspec.structs.replace(config, url=_checked_url(config.url))


def default_data() -> Path:
    return Path(platformdirs.user_data_dir("runwright-agent", appauthor=False))


def read_machine_key(config: Config, environment: Mapping[str, str]) -> str:
    """The key is not part of Config, which may be printed; and no option, which `ps` shows.

    In this order: a descriptor, a file, a variable, a credential of systemd."""
    where, key = _machine_key(config, environment)
    key = key.strip()
    if not key:
        raise _wrong(
            f"There is no machine key in {where}: give --machine-key-file or set {KEY_VARIABLE}."
        )
    return key


def _machine_key(config: Config, environment: Mapping[str, str]) -> tuple[str, str]:
    if config.machine_key_fd is not None:
        if config.machine_key_file is not None:
            raise _wrong("Give --machine-key-fd or --machine-key-file, not both.")
        return f"descriptor {config.machine_key_fd}", _read_descriptor(config.machine_key_fd)
    if config.machine_key_file is not None:
        return str(config.machine_key_file), _read_text(config.machine_key_file)
    if key := environment.get(KEY_VARIABLE):
        return KEY_VARIABLE, key
    credential = Path(environment.get(CREDENTIALS_VARIABLE, "")) / CREDENTIAL
    if environment.get(CREDENTIALS_VARIABLE) and credential.is_file():
        return str(credential), _read_text(credential)
    return KEY_VARIABLE, ""


def _read_descriptor(descriptor: int) -> str:
    """Read the key and let go of the descriptor, so that it reaches no script. One of the standard
    streams stays open, on nothing."""
    try:
        with open(descriptor, "rb", closefd=descriptor > LAST_STREAM) as stream:
            text = stream.read(KEY_BYTES).decode()
        if descriptor <= LAST_STREAM:
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, descriptor)
            os.close(nothing)
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(
            f"Descriptor {descriptor} (--machine-key-fd) cannot be read: {error}."
        ) from error
    return text


def _read_toml(file: Path) -> dict[str, object]:
    try:
        settings = tomllib.loads(_read_text(file))
    except tomllib.TOMLDecodeError as error:
        raise _wrong(f"{file} is not TOML: {error}.") from error
    unknown = sorted(settings.keys() - set(Config.__struct_fields__))
    if unknown:
        raise _wrong(f"{file} has a key that means nothing here: {', '.join(unknown)}.")
    return settings


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(f"{file} cannot be read: {error}.") from error


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_plain = parts.username is None and parts.port != 0
    except ValueError as error:
        raise _wrong(f"The address of the server cannot be read: {error}.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _wrong("The address of the server must begin with http:// or https:// and a host.")
    if not is_plain or parts.query or parts.fragment:
        raise _wrong("The address of the server is a plain one: no user, password, ? or #.")
    return url.rstrip("/")


def _as_path(kind: type, value: object) -> Path:
    """msgspec leaves Path, the one type here that it does not know, to us."""
    if kind is not Path or not isinstance(value, str | Path):
        raise ValueError("Expected a path")
    return Path(value).expanduser()


def _wrong(message: str) -> AgentExit:
    return AgentExit(Status.CONFIG, message)
