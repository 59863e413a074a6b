"""A clock that nobody sets and that goes on while the machine sleeps."""

import sys
import time

if sys.platform == "linux":

    def now() -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

else:
    now = time.monotonic
