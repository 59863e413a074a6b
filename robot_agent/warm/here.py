"""Warm starts, as this kind of system has them."""

import sys

if sys.platform == "win32":
    from robot_agent.warm.cold import Parents
else:
    from robot_agent.warm.parents import Parents

__all__ = ["Parents"]
