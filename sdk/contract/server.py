"""What the server says about itself."""

from sdk.contract.base import Resource


class About(Resource, frozen=True, kw_only=True):
    name: str
    instance_name: str
    version: str
    links: dict[str, str]


class Alive(Resource, frozen=True, kw_only=True):
    status: str = "ok"


class Ready(Resource, frozen=True, kw_only=True):
    status: str  # "ok" or "unavailable"
    parts: dict[str, str]
