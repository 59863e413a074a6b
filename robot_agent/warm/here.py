"""Warm starts, as this kind of system has them."""

import sys

if sys.platform == "win32":
    from robot_agent.warm.cold import MayHaveStarted, Parents
else:
    from robot_agent.warm.parents import MayHaveStarted, Parents

__all__ = ["MayHaveStarted", "Parents"]
