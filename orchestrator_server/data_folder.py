"""The data folder, which other accounts of the machine must not read."""

import structlog

from orchestrator_server.config import Config
from sdk import private_folder

# What the server and its commands write there.
OURS = (
    *("runwright.db", "runwright.db-*", "runwright.db.moved", "runwright.db.moved-*"),
    *("keys.json", ".keys.json.*", "packages", "logs", "artifacts", "incoming"),
    *("high-water", ".high-water", "archiving.lock", ".pg_service.*", ".moving-*"),
)
# A key file that others could read is refused at the start: its keys may be known to them.
KEYS = ("keys.json",)

log = structlog.get_logger(__name__)


def close(config: Config) -> None:
    """Make the folder, or close it if it is open. `OpenFolder` if it may have to be open."""
    config.data.mkdir(parents=True, exist_ok=True, mode=private_folder.PRIVATE)
    try:
        mode = private_folder.close(config.data, OURS, leave=KEYS)
    except private_folder.OpenFolder as error:
        if not config.allow_open_data_folder:
            raise
        log.warning("other users can read the data folder, as allowed", why=str(error))
        return
    if mode is not None:
        log.info("closed the data folder to other users", folder=str(config.data), mode=f"{mode:o}")
