"""One shelf of environments for all robots, or one for each account that scripts run as: what runs
while an environment is built could change what is built later."""

from collections.abc import Mapping
from pathlib import Path

from robot_agent.config import MIB, Config
from robot_agent.environments.shelf import Shelf
from sdk.running.launch import Launch


def of(folder: Path, config: Config, launches: Mapping[str, Launch]) -> dict[str, Shelf]:
    """The shelf of each robot. They share the room that environments may take."""
    different = set(launches.values())
    made = {
        launch: Shelf(
            folder / f"of-{launch.account.name}" if launch.account else folder,
            most_bytes=config.environments_mib * MIB // len(different),
            unused_days=config.environments_days,
            launch=launch,
        )
        for launch in different
    }
    return {robot: made[launch] for robot, launch in launches.items()}
