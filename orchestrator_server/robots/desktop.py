"""The label that no person gives: whether a robot has a desktop is what its agent says. Pure."""

from typing import Any

LABEL = "desktop"


def labelled(labels: list[str], machine_info: dict[str, Any]) -> list[str]:
    """The labels with this one or without it; as they are, if the agent has not said."""
    said = machine_info.get("has_desktop")
    if not isinstance(said, bool):
        return labels
    others = [label for label in labels if label != LABEL]
    return [*others, LABEL] if said else others
