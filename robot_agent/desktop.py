"""Whether scripts that start here have a desktop before them."""

import os
import subprocess
import sys

from sdk.running.environment import has_display

if sys.platform == "win32":
    import ctypes

    def has_desktop() -> bool:
        """Services are in session 0, which has none."""
        session, kernel = ctypes.c_uint32(), ctypes.windll.kernel32
        found = kernel.ProcessIdToSessionId(os.getpid(), ctypes.byref(session))
        return bool(found) and session.value != 0

elif sys.platform == "darwin":

    def has_desktop() -> bool:
        """A process of the login window's session; not one of launchd's background, or of ssh."""
        if "SSH_CONNECTION" in os.environ:
            return False
        try:
            said = subprocess.run(
                ["/bin/launchctl", "managername"], capture_output=True, text=True, timeout=10
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return said.stdout.strip() == "Aqua"

else:

    def has_desktop() -> bool:
        """By the variables that scripts get then, too."""
        return has_display(os.environ)
