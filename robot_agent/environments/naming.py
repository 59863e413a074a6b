"""Names an environment by all that decides what is in it."""

import hashlib
import os
import sys
from pathlib import Path

from sdk.running.needs import Needs

# What decides where packages come from.
INDEXES = (
    *("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"),
    *("UV_NO_INDEX", "UV_CONFIG_FILE", "UV_CONSTRAINT", "UV_OVERRIDE", "UV_EXCLUDE_NEWER"),
)


def name_of(wanted: Needs, python: Path) -> str:
    """Of all that decides what would be built; a Python that was updated is another one."""
    told = [wanted.digest, str(python), str(python.stat().st_mtime_ns), sys.platform]
    told += [f"{name}={os.environ.get(name, '')}" for name in INDEXES]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:32]
