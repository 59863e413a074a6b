"""Names an environment by all that decides what is in it."""

import hashlib
import os
import sys
from pathlib import Path

from robot_agent.environments import uv
from sdk.running.needs import Needs


def name_of(wanted: Needs, python: Path) -> str:
    """Of all that decides what would be built; a Python that was updated is another one."""
    told = [wanted.digest, str(python), str(python.stat().st_mtime_ns), sys.platform]
    told += [f"{name}={os.environ.get(name, '')}" for name in uv.DECISIVE]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:32]
