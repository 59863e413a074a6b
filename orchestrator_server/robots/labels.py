"""Which labels a robot has. Pure.

Operators assign labels to a robot, and allow some for its machine, of which its agent may request
any. `desktop` alone is what the agent finds out by itself: it tells jobs where they can run, and
keeps nobody out.
"""

from typing import Any

DESKTOP = "desktop"


def effective(
    assigned: list[str], requested: list[str], allowed: list[str], machine_info: dict[str, Any]
) -> list[str]:
    granted = [label for label in requested if label in allowed and label not in assigned]
    labels = list(dict.fromkeys([*assigned, *granted]))
    has_desktop = machine_info.get("has_desktop")
    if not isinstance(has_desktop, bool):  # the agent has not reported it
        return labels
    others = [label for label in labels if label != DESKTOP]
    return [*others, DESKTOP] if has_desktop else others


def refused(requested: list[str], labels: list[str]) -> list[str]:
    """What the agent requests and does not get."""
    return [label for label in dict.fromkeys(requested) if label not in labels]
