"""Made by `make docs` from the route tables; do not edit."""

from sdk.client.access import AccessCalls
from sdk.client.assets import AssetsCalls
from sdk.client.audit import AuditCalls
from sdk.client.auth import AuthCalls
from sdk.client.dashboard import DashboardCalls
from sdk.client.jobs import JobsCalls
from sdk.client.machines import MachinesCalls
from sdk.client.packages import PackagesCalls
from sdk.client.processes import ProcessesCalls
from sdk.client.queue_items import QueueItemsCalls
from sdk.client.queues import QueuesCalls
from sdk.client.requests import Listing
from sdk.client.robots import RobotsCalls
from sdk.client.sdk import SdkCalls
from sdk.client.server import ServerCalls
from sdk.client.settings import SettingsCalls
from sdk.client.streams import StreamCalls

__all__ = ["Client", "Listing"]


class Client(
    AccessCalls,
    AssetsCalls,
    AuditCalls,
    AuthCalls,
    DashboardCalls,
    JobsCalls,
    MachinesCalls,
    PackagesCalls,
    ProcessesCalls,
    QueueItemsCalls,
    QueuesCalls,
    RobotsCalls,
    SdkCalls,
    ServerCalls,
    SettingsCalls,
    StreamCalls,
):
    """What a person, or their program, asks of the server, one method per endpoint."""

    def __repr__(self) -> str:
        return f"Client({self._transport!r})"
