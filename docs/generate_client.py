"""Writes the calls of `sdk/client/` from the route tables: `make docs`.

One method for each endpoint that people use. What is a stream and not a message is written by
hand, in `streams.py`.
"""

import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, get_args

import msgspec

from orchestrator_server.app import ROUTES
from orchestrator_server.http.identify import Door
from orchestrator_server.http.routes import Route, is_list
from sdk.contract.base import Page

FOLDER = Path(__file__).parent.parent / "sdk" / "client"
BY_HAND = {"login", "upload_package", "read_log", "stream_log", "openapi", "sdk_session_status"}
HEAD = '"""Made by `make docs` from the route tables; do not edit."""\n\n'


def modules() -> dict[str, str]:
    """The text of each generated file, by its name."""
    by_tag: dict[str, list[Route]] = defaultdict(list)
    for route in ROUTES:
        if _is_generated(route):
            by_tag[_tag(route.path)].append(route)
    texts = {f"{tag}.py": _module(tag, routes) for tag, routes in by_tag.items()}
    texts["__init__.py"] = _client(sorted(by_tag))
    return {name: _formatted(text) for name, text in texts.items()}


def _is_generated(route: Route) -> bool:
    is_for_people = route.door is Door.PEOPLE or (
        route.door is Door.PUBLIC and "/runner/" not in route.path
    )
    return is_for_people and route.documented and route.handler.__name__ not in BY_HAND


def _tag(path: str) -> str:
    part = path.split("/")[2].replace("-", "_") if path.startswith("/api/") else "server"
    return {"health": "server"}.get(part, part)


def _module(tag: str, routes: list[Route]) -> str:
    calls = "\n".join(_call(route) for route in routes)
    names = sorted({name for route in routes for name in _types(route)})
    imports = defaultdict(list)
    for module, name in names:
        imports[module].append(name)
    lines = [f"from {module} import {', '.join(n)}" for module, n in sorted(imports.items())]
    helpers = "Listing, Requests" if "Listing[" in calls else "Requests"
    lines.insert(0, f"from sdk.client.requests import {helpers}")
    return f"{HEAD}{chr(10).join(lines)}\n\n\nclass {_class(tag)}(Requests):\n{calls}"


def _class(tag: str) -> str:
    return tag.title().replace("_", "") + "Calls"


def _call(route: Route) -> str:
    ids = [*route.ids, *route.texts]
    arguments = [f"{n}: {'int' if n in route.ids else 'str'}" for n in ids]
    body = _body(route.takes) if route.takes else None
    query = route.query.__name__ if route.query else None
    if body:
        arguments.append(f"wanted: {body}")
    needs_query = route.query is not None and any(
        field.required for field in msgspec.structs.fields(route.query)
    )
    if query:
        arguments.append(f"query: {query}" if needs_query else f"query: {query} | None = None")
    path = f'"{route.path}"' if not ids else f'f"{route.path}"'
    signature = ", ".join(["self", *arguments])
    given = "query" if needs_query else f"query or {query}()"
    name, doc = route.handler.__name__, route.summary.partition("\n")[0]
    if _is_page(route):
        item = get_args(route.gives)[0].__name__
        return (
            f"    def {name}({signature}) -> Listing[{item}]:\n"
            f'        """{doc}"""\n'
            f"        return self._list({path}, {item}, {given})\n"
        )
    gives = _spelled(route.gives)
    answer = "type(None)" if gives == "None" else gives
    if route.method == "GET":
        sent = f"self._get({path}, {answer}" + (f", {given})" if query else ")")
    else:
        more = (", wanted" if body else "") + (", repeatable=True" if route.repeatable else "")
        sent = f'self._change("{route.method}", {path}, {answer}{more})'
    return (
        f"    async def {name}({signature}) -> {gives}:\n"
        f'        """{doc}"""\n'
        f"        return await {sent}\n"
    )


def _is_page(route: Route) -> bool:
    return is_list(route.gives) and getattr(route.gives, "__origin__", None) is Page


def _spelled(gives: Any) -> str:
    if gives is type(None):
        return "None"
    return f"list[{get_args(gives)[0].__name__}]" if is_list(gives) else gives.__name__


def _types(route: Route) -> set[tuple[str, str]]:
    gives = get_args(route.gives)[0] if is_list(route.gives) else route.gives
    types = {route.takes, route.query, gives} - {None, bytes, type(None), dict}
    return {
        ("msgspec", "Struct") if _is_made(type_) else (type_.__module__, type_.__name__)
        for type_ in types
    }


def _body(type_: type) -> str:
    return "Struct" if _is_made(type_) else type_.__name__


def _is_made(type_: type) -> bool:
    """Whether it comes of `msgspec.defstruct`, so that no type checker knows it."""
    return type_.__name__.endswith("SettingsChange")


def _client(tags: list[str]) -> str:
    imports = "\n".join(f"from sdk.client.{tag} import {_class(tag)}" for tag in tags)
    bases = ", ".join([*(_class(tag) for tag in tags), "StreamCalls"])
    return (
        f"{HEAD}{imports}\nfrom sdk.client.requests import Listing\n"
        "from sdk.client.streams import StreamCalls\n\n"
        '__all__ = ["Client", "Listing"]\n\n\n'
        f"class Client({bases}):\n"
        '    """What a person, or their program, asks of the server, one method per endpoint."""'
        "\n\n"
        '    def __repr__(self) -> str:\n        return f"Client({self._transport!r})"\n'
    )


def _formatted(text: str) -> str:
    for command in (["check", "--fix", "--select", "I", "-q"], ["format", "-q"]):
        text = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", "sdk/client/x.py", "-"],
            input=text, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    return text


if __name__ == "__main__":
    for name, text in modules().items():
        (FOLDER / name).write_text(text)
