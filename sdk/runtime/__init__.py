"""What a script imports on a robot: `from sdk.runtime import job`."""

from sdk.runtime.job import job

__all__ = ["job"]
