"""The orchestrator: it keeps what robots, developers and operators share."""

from importlib import metadata


def version() -> str:
    return metadata.version("runwright")
