"""Writes docs/api.md from the route tables and the Structs: `make docs`."""

import json
from pathlib import Path
from typing import Any

from orchestrator_server.app import ROUTES
from orchestrator_server.http import openapi
from orchestrator_server.http.identify import Door
from orchestrator_server.http.routes import Route, is_list

FILE = Path(__file__).with_name("api.md")
CREDENTIAL = {
    Door.PUBLIC: "none",
    Door.PEOPLE: "`Authorization: Bearer <token>`",
    Door.ROBOTS: "`X-Robot-Token`",
    Door.JOBS: "`Authorization: Bearer <job token>`",
    Door.WORKERS: "`X-Robot-Token`, or `Authorization: Bearer <job token>`",
    Door.FETCHERS: "`X-Robot-Token`, or `Authorization: Bearer <token>`",
}
HEAD = """# API

Made by `make docs` from the route tables; do not edit. The same is at `/openapi.json`.

Every error is `application/problem+json` (RFC 9457): `type`, `title`, `status`, `detail`,
`instance`, `errors`, `request_id`. Besides those of a route: 400 the request cannot be read,
401 not known, 403 not allowed, 404 no such thing, 413 too large, 415 not a type we read,
422 it does not fit, 503 try again after `Retry-After`. Lists are newest first; the next page
is in the header `Link` (`rel="next"`).
"""


def markdown() -> str:
    document = json.loads(openapi.document(ROUTES))
    routes = "\n".join(_route(route) for route in ROUTES if route.documented)
    schemas = document["components"]["schemas"]
    messages = "\n".join(_schema(name, schemas[name]) for name in sorted(schemas))
    return f"{HEAD}\n## Routes\n\n{routes}\n## Messages\n\n{messages}"


def _route(route: Route) -> str:
    lines = [f"### {route.method} {route.path}", "", route.summary, ""]
    permission = f", permission `{route.may}`" if route.may else ""
    scopes = " or ".join(f"`{scope}`" for scope in route.sdk)
    scope = f"; an SDK token with the scope {scopes}" if scopes else ""
    lines.append(f"- credential: {CREDENTIAL[route.door]}{permission}{scope}")
    if route.query:
        lines.append(f"- query: {_link(route.query)}")
    if route.takes or route.media_types != ("application/json",):
        body = _link(route.takes) if route.takes else "the content"
        lines.append(f"- body: {body} as {' or '.join(route.media_types)}, "
                     f"at most {route.limit_bytes:,} bytes")  # fmt: skip
    if route.repeatable:
        lines.append("- header: `Idempotency-Key`; with the same key it is answered once")
    lines.append(f"- answer: {route.status}{_answer(route)}")
    lines.append(f"- errors: {', '.join(_errors(route))}")
    return "\n".join([*lines, ""])


def _errors(route: Route) -> list[str]:
    """Which errors can come, from what the row says; 503 can always come."""
    takes_body = bool(route.takes) or route.media_types != ("application/json",)
    changes = route.method in ("POST", "PUT", "DELETE")
    possible = {
        "400": takes_body or bool(route.query),
        "401": route.door is not Door.PUBLIC or "/auth/login" in route.path,
        "403": bool(route.may) or route.door in (Door.ROBOTS, Door.WORKERS),
        "404": bool(route.ids or route.texts),
        "409": changes and route.path != "/api/auth/login",
        "412": route.method == "PUT",
        "413": takes_body,
        "415": takes_body,
        "422": takes_body or bool(route.query),
        "429": route.path.startswith(("/api/auth/", "/api/sdk/auth/")),
    }
    return [status for status, can_come in possible.items() if can_come] + ["503"]


def _answer(route: Route) -> str:
    item = openapi.item_of(route)
    if item is None:
        return "" if route.gives is type(None) else ", the content"
    return f", a list of {_link(item)}" if is_list(route.gives) else f", {_link(item)}"


def _link(type_: type) -> str:
    return f"[{type_.__name__}](#{type_.__name__.lower()})"


def _schema(name: str, schema: dict[str, Any]) -> str:
    lines = [f"### {name}", ""]
    if "enum" in schema:
        return "\n".join([*lines, "one of " + ", ".join(f"`{v}`" for v in schema["enum"]), ""])
    required = schema.get("required", [])
    for field, said in schema.get("properties", {}).items():
        optional = "" if field in required else ", optional"
        lines.append(f"- `{field}`: {_type(said)}{optional}")
    return "\n".join([*lines, ""])


def _type(said: dict[str, Any]) -> str:
    if "anyOf" in said:
        return " or ".join(_type(one) for one in said["anyOf"])
    if "$ref" in said:
        name = said["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if said.get("type") == "array":
        return f"array of {_type(said.get('items', {}))}"
    if "enum" in said:
        return ", ".join(f"`{value}`" for value in said["enum"])
    return str(said.get("format") or said.get("type") or "any JSON value")


if __name__ == "__main__":
    FILE.write_text(markdown(), "utf-8")
