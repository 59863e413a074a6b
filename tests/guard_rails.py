"""The rules of the layout, each a function from a file to what breaks it.

`test_architecture.py` holds the code to them, and them to account: each is shown code that
breaks it.
"""

import ast
import re
import sys

OURS = ("sdk", "robot_agent", "orchestrator_server")
MAY_IMPORT = {  # first match wins
    "sdk/contract": {"sdk.contract"},
    "sdk": {"sdk"},
    "robot_agent": {
        "robot_agent",
        "sdk.archives.toml",
        "sdk.contract",
        "sdk.errors",
        "sdk.escapes",
        "sdk.failpoints",
        "sdk.masking",
        "sdk.private_folder",
        "sdk.proxies",
        "sdk.retry",
        "sdk.robot_client",
        "sdk.running",
        "sdk.strict_json",
        "sdk.transport",
    },
    "orchestrator_server/demo": {"orchestrator_server.demo", "sdk"},  # a client, from outside
    "orchestrator_server/__main__.py": {"orchestrator_server", "sdk.private_folder"},
    "orchestrator_server/chaos": {"orchestrator_server", "sdk"},  # both sides, to compare them
    "orchestrator_server": {
        "orchestrator_server",
        "sdk.archives",
        "sdk.contract",
        "sdk.escapes",
        "sdk.failpoints",
        "sdk.masking",
        "sdk.private_folder",
        "sdk.strict_json",
    },
}
PURE = {
    *("agent_runs.py", "annotations.py", "callers.py", "etags.py", "lifecycle.py"),
    *("names.py", "presence.py", "rules.py", "values.py", "wants.py"),
}
FORBIDDEN_IN_PURE = {"aiohttp", "asyncio", "os", "time", "random", "aiosqlite", "psycopg"}
VERBS = {
    *("attempts.py", "beats.py", "claiming.py", "claims.py", "deciding.py"),
    *("editing.py", "history.py", "outcomes.py", "registration.py", "service.py"),
}
BELOW_THE_DOORS = {"assignments.py", *VERBS, *PURE}  # never look up at HTTP
MAX_LINES, MAX_FUNCTION_LINES = 250, 40
WAITS = (ast.AsyncFunctionDef, ast.Await, ast.AsyncWith, ast.AsyncFor)


def imports(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def upward_imports(place, source):
    allowed = next(v for k, v in MAY_IMPORT.items() if place == k or place.startswith(k + "/"))
    top = {module.split(".")[0] for module in allowed}
    ours = {m for m in imports(source) if m.split(".")[0] in OURS}
    packages = {*OURS, *(f"{name}" for name in top)}
    return {m for m in ours if not _within(m, allowed) and m not in packages | {"sdk.contract"}}


def third_party(source):
    needed = {module.split(".")[0] for module in imports(source)}
    return needed - set(sys.stdlib_module_names) - set(OURS)


def impurities(source):
    return {m.split(".")[0] for m in imports(source)} & FORBIDDEN_IN_PURE


def waits(source):
    found = [n.lineno for n in ast.walk(ast.parse(source)) if isinstance(n, WAITS)]
    return found + [m for m in imports(source) if m == "asyncio"]


def looks_up_at_http(source):
    doors = ("aiohttp", "orchestrator_server.http", "orchestrator_server.app")
    return {m for m in imports(source) if _within(m, doors) or m.endswith(".routes")}


def sql_in_python(source):
    texts = (n.value for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Constant))
    return [
        text
        for text in texts
        if isinstance(text, str)
        and re.search(r"\b(SELECT|INSERT INTO|DELETE FROM|UPDATE \w+ SET)\b", text)
    ]


def own_routes(source):
    return re.findall(r"\bweb\.(?:route|get|post|put|patch|delete|view)\(", source)


def too_long(source):
    found = [f"{len(source.splitlines())} lines"] if source.count("\n") > MAX_LINES else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                found.append(f"{node.name} has {lines} lines")
    return found


def other_peoples_sql(place, source):
    """A service may call another concept's service, never its SQL."""
    package = ".".join(place.split("/")[:-1])
    return [
        module
        for module in imports(source)
        if module.endswith(".service.sql") and not module.startswith(package + ".")
    ]


def _within(module, allowed):
    return any(module == a or module.startswith(a + ".") for a in allowed)
