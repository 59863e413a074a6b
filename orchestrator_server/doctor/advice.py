"""How the server is set up, as far as an operator has to judge it."""

from orchestrator_server.db.transaction import Transaction
from orchestrator_server.doctor.service import Review
from orchestrator_server.settings import service as settings

BEHIND_A_PROXY = (
    "A proxy on the server's machine needs `orchestrator serve --trusted-proxy ADDRESS` or the "
    "setting general.public_url; without them its clients look like programs of this machine."
)


def proxies(tx: Transaction, *, are_trusted: bool) -> Review:
    is_settled = are_trusted or settings.read(tx).general.public_url is not None
    return Review("Reverse proxies", [] if is_settled else [BEHIND_A_PROXY])
