"""What a script imports on a robot: `from sdk.runtime import job, assets, queues`."""

from sdk.runtime.assets import Credential, assets, credentials
from sdk.runtime.errors import BusinessError
from sdk.runtime.job import job
from sdk.runtime.log import log
from sdk.runtime.queues import queues
from sdk.runtime.server import ServerError
from sdk.runtime.steps import once

__all__ = [
    "BusinessError",
    "Credential",
    "ServerError",
    "assets",
    "credentials",
    "job",
    "log",
    "once",
    "queues",
]
