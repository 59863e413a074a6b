"""A clock that nobody sets and that goes on while the machine sleeps."""

import sys
import time

DAY_SECONDS = 24 * 3600

if sys.platform == "linux":

    def now() -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

else:
    now = time.monotonic
