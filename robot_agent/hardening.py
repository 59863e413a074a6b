"""What the agent asks of the kernel, to keep its memory from scripts of its own account."""

import sys

PR_SET_DUMPABLE = 4  # prctl(2)
PR_SET_NO_NEW_PRIVS = 38


def close_memory() -> bool:
    """Let only root read our memory and environment, or attach to us, from now on; and make no core
    dump. Return whether that is so.

    Our own files in /proc then belong to root: `environ`, `mem` and the list in `fd` are closed to
    ourselves, too, and the agent reads none of them. execve(2) resets it, so scripts and the
    parents of warm starts are as they were, and can be debugged and profiled.
    """
    return _prctl(PR_SET_DUMPABLE, 0)


def forbid_new_privileges() -> bool:
    """Keep programs that are started from here from gaining rights, as by sudo or a setuid bit.
    Return whether that is so."""
    return _prctl(PR_SET_NO_NEW_PRIVS, 1)


def _prctl(option: int, value: int) -> bool:
    if sys.platform != "linux":
        return False
    import ctypes

    return bool(ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) == 0)
