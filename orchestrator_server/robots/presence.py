"""When a robot counts as there. Pure."""

from datetime import datetime, timedelta

from sdk.contract.settings import JobSettings


def online_since(now: datetime, settings: JobSettings) -> datetime:
    """A robot heard from after this moment is online."""
    return now - timedelta(seconds=settings.robot_offline_seconds)
