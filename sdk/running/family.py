"""A script and all it spawns: started, asked to stop, ended, as this kind of system does it."""

import sys

if sys.platform == "win32":
    from sdk.running.windows_family import Family, adopt_orphans, sweep
else:
    from sdk.running.posix_family import Family, adopt_orphans, sweep

__all__ = ["Family", "adopt_orphans", "sweep"]
