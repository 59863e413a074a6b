"""The server without what makes it durable: `python -m benchmarks.undurable fsync,audit serve …`.

Only to be measured beside the real one, which has no such switches.
"""

import os
import sys

from orchestrator_server.__main__ import main
from orchestrator_server.audit import service as audit
from orchestrator_server.db import sqlite


def _without_fsync():
    """A commit is answered before it is on the disk."""
    sqlite._WRITER = (*sqlite._WRITER, "synchronous = OFF")  # the last one counts
    os.environ["PGOPTIONS"] = "-c synchronous_commit=off"


def _without_audit():
    audit.record = lambda *_, **__: None


WITHOUT = {"fsync": _without_fsync, "audit": _without_audit}

if __name__ == "__main__":
    for name in filter(None, sys.argv[1].split(",")):
        WITHOUT[name]()
    main(sys.argv[2:], prog_name="orchestrator")
