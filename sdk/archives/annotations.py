"""From the annotations of a function to a JSON Schema of its parameters, by syntax alone.

Nothing of a package is ever imported or run here: what a script's text does not say outright
is left open (`{}`, which anything fits).
"""

import ast
from typing import Any

import msgspec

MAX_DEPTH = 10

Schema = dict[str, Any]

_SIMPLE: dict[str, Schema] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "None": {"type": "null"},
    "dict": {"type": "object"},
    "Mapping": {"type": "object"},
    "list": {"type": "array"},
    "List": {"type": "array"},
    "Sequence": {"type": "array"},
    "tuple": {"type": "array"},
    "set": {"type": "array"},
    "Path": {"type": "string"},
    "datetime": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "UUID": {"type": "string", "format": "uuid"},
    "Decimal": {"type": ["string", "number"]},
}
_MANY = {"list", "List", "Sequence", "set"}
_MAPPING = {"dict", "Dict", "Mapping"}


def schema_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Schema | None:
    """What may be given to a function by name; None if it cannot be called so."""
    arguments = function.args
    if arguments.posonlyargs:
        return None
    positional = list(zip(arguments.args, _aligned(arguments), strict=True))
    keyword_only = list(zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))
    properties: dict[str, Schema] = {}
    required = []
    for argument, default in positional + keyword_only:
        schema = _schema(argument.annotation, 0)
        if default is None:
            required.append(argument.arg)
        else:
            schema = schema | _default(default)
        properties[argument.arg] = schema
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": arguments.kwarg is not None,
    }


def _aligned(arguments: ast.arguments) -> list[ast.expr | None]:
    """The defaults belong to the last arguments."""
    missing = len(arguments.args) - len(arguments.defaults)
    return [None] * missing + list(arguments.defaults)


def _default(node: ast.expr) -> Schema:
    try:
        value = ast.literal_eval(node)
        msgspec.json.encode(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, OverflowError):
        return {}
    return {"default": value} if _is_json(value) else {}


def _is_json(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | list | dict | None)


def _schema(node: ast.expr | None, depth: int) -> Schema:
    if node is None or depth > MAX_DEPTH:
        return {}
    if isinstance(node, ast.Constant):
        return _from_constant(node, depth)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _any_of([node.left, node.right], depth)
    if isinstance(node, ast.Subscript):
        return _subscripted(_name(node.value), node.slice, depth)
    return dict(_SIMPLE.get(_name(node), {}))


def _from_constant(node: ast.Constant, depth: int) -> Schema:
    if node.value is None:
        return dict(_SIMPLE["None"])
    if not isinstance(node.value, str) or len(node.value) > 1000:
        return {}
    try:  # a quoted annotation
        return _schema(ast.parse(node.value, mode="eval").body, depth + 1)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}


def _subscripted(name: str, inner: ast.expr, depth: int) -> Schema:
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if name == "Literal":
        values = [part.value for part in parts if isinstance(part, ast.Constant)]
        return {"enum": values} if len(values) == len(parts) and all(map(_is_json, values)) else {}
    if name == "Annotated":
        return _schema(parts[0], depth + 1)
    if name == "Optional":
        return _any_of([*parts, ast.Constant(None)], depth)
    if name == "Union":
        return _any_of(parts, depth)
    schema = dict(_SIMPLE.get(name, {}))
    if name in _MANY:
        schema["items"] = _schema(parts[0], depth + 1)
    elif name in _MAPPING and len(parts) == 2:
        schema = {"type": "object", "additionalProperties": _schema(parts[1], depth + 1)}
    return schema


def _any_of(parts: list[ast.expr], depth: int) -> Schema:
    schemas = [_schema(part, depth + 1) for part in parts]
    return {} if {} in schemas else {"anyOf": schemas}


def _name(node: ast.expr) -> str:
    """The last part of a dotted name: `pathlib.Path` is `Path`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
