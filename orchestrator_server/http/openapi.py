"""`/openapi.json`, made from the route tables and the Structs, so that it cannot drift."""

import re
from collections.abc import Iterable
from typing import Any, get_args

import msgspec

import orchestrator_server
from orchestrator_server.http.identify import Door
from orchestrator_server.http.routes import Route, is_list
from sdk.contract.problem import MEDIA_TYPE, Problem

_SECURITY: dict[Door, list[dict[str, list[str]]]] = {
    Door.PUBLIC: [],
    Door.PEOPLE: [{"person": []}],
    Door.ROBOTS: [{"robot": []}],
    Door.JOBS: [{"job": []}],
    Door.WORKERS: [{"robot": []}, {"job": []}],
    Door.FETCHERS: [{"robot": []}, {"person": []}],
}
_REF = "#/components/schemas/{name}"


def document(routes: Iterable[Route]) -> bytes:
    routes = [route for route in routes if route.documented]
    types = sorted({type_ for route in routes for type_ in _types(route)}, key=repr)
    _, schemas = msgspec.json.schema_components([*types, Problem], ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Runwright", "version": orchestrator_server.version()},
            "paths": paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": {
                    "person": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                    "job": {"type": "http", "scheme": "bearer"},
                    "robot": {"type": "apiKey", "in": "header", "name": "X-Robot-Token"},
                },
            },
        }
    )


def item_of(route: Route) -> type | None:
    """The Struct an answer is, or is a list of."""
    gives = get_args(route.gives)[0] if is_list(route.gives) else route.gives
    is_struct = isinstance(gives, type) and issubclass(gives, msgspec.Struct)
    return gives if is_struct else None


def _types(route: Route) -> list[type]:
    return [type_ for type_ in (route.takes, route.query, item_of(route)) if type_ is not None]


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    summary, _, description = route.summary.partition("\n")
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "tags": [_tag(route.path)],
        "summary": summary,
        "description": description.strip(),
        "security": _SECURITY[route.door],
        "parameters": [*_path_parameters(route), *_query_parameters(route, schemas)],
        "responses": _responses(route),
    }
    if route.may:
        operation["x-permission"] = route.may
    if route.sdk:
        operation["x-sdk-scopes"] = list(route.sdk)
    if route.method in ("POST", "PUT") and (
        route.takes or route.media_types != ("application/json",)
    ):
        operation["requestBody"] = {"required": True, "content": _request_content(route)}
    return operation


def _tag(path: str) -> str:
    """The resource: `jobs` of `/api/jobs/{job_id}`."""
    return path.split("/")[2] if path.startswith("/api/") else "server"


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    id_ = {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}
    text = {"type": "string", "minLength": 1}
    named = [*((name, id_) for name in route.ids), *((name, text) for name in route.texts)]
    return [
        {"name": name, "in": "path", "required": True, "schema": schema} for name, schema in named
    ]


def _query_parameters(route: Route, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = schemas[route.query.__name__]
    return [
        {"name": name, "in": "query", "required": name in schema["required"], "schema": field}
        for name, field in schema["properties"].items()
    ]


def _request_content(route: Route) -> dict[str, Any]:
    if route.takes is not None:
        schema: dict[str, Any] = {"$ref": _REF.format(name=route.takes.__name__)}
    elif route.media_types == ("multipart/form-data",):
        file = {"type": "string", "contentMediaType": "application/zip"}
        text = {"type": "string"}
        properties = {"file": file, "name": text, "version": text}
        schema = {"type": "object", "properties": properties, "required": ["file"]}
    else:
        schema = {}
    return {media_type: {"schema": schema} for media_type in route.media_types}


def _responses(route: Route) -> dict[str, Any]:
    problem = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}}
    return {
        str(route.status): _success(route),
        "default": {"description": "What is wrong, and what to do.", "content": problem},
    }


def _success(route: Route) -> dict[str, Any]:
    item = item_of(route)
    if route.gives is type(None):
        return {"description": "Done."}
    if item is None:
        return {"description": "The content.", "content": {"*/*": {"schema": {}}}}
    schema: dict[str, Any] = {"$ref": _REF.format(name=item.__name__)}
    if is_list(route.gives):
        schema = {"type": "array", "items": schema}
    description = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", item.__name__)
    return {"description": description, "content": {"application/json": {"schema": schema}}}
