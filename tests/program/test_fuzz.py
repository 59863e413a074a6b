"""Whatever fits `/openapi.json`, or nearly, is answered as that says: schemathesis asks.

`make fuzz` asks for longer: RUNWRIGHT_FUZZ_EXAMPLES says how often for each operation.
"""

import asyncio
import os
import sys
from pathlib import Path

from tests.support.processes import a_server
from tests.support.world import api_at

EXAMPLES = os.environ.get("RUNWRIGHT_FUZZ_EXAMPLES")  # given: others each time; else the same
HOW_OFTEN = ["--max-examples", EXAMPLES] if EXAMPLES else ["--max-examples", "3", "--seed", "1"]
CHECKS = ",".join(
    ("not_a_server_error", "status_code_conformance", "content_type_conformance",
     "response_schema_conformance")
)  # fmt: skip
# A stream ends when its job does; and whoever can sign out does so.
LEFT_OUT = "/logs/stream|/api/auth/logout|/api/auth/password|/api/access/tokens/"


async def credential_of(admin, who):
    if who == "nobody":
        return None
    if who == "robot":
        robot = await admin.post("/api/robots", 201, name="fuzz")
        return f"X-Robot-Token: {robot['api_token']}"
    if who == "administrator":
        made = await admin.post("/api/access/tokens", 201, name="fuzz")
    else:
        roles = await admin.get("/api/access/roles")
        role = next(r["id"] for r in roles if r["name"] == "Read Only")
        viewer = await admin.post(
            "/api/access/users", 201, username="viewer", kind="service", role_ids=[role]
        )
        made = await admin.post("/api/access/tokens", 201, name="fuzz", user_id=viewer["id"])
    return f"Authorization: Bearer {made['token']}"


async def test_no_request_breaks_the_server_or_its_word(tmp_path):
    """At the same time, each with a server of its own: much of it is long polls."""
    roles = ["administrator", "viewer", "robot", "nobody"]
    said = await asyncio.gather(*(fuzzed(tmp_path / who, who) for who in roles))
    assert not any(said), "\n".join(said)


async def fuzzed(folder, who):
    """What went wrong; nothing, if nothing did."""
    folder.mkdir()
    async with a_server(folder / "data") as server, api_at(server.url) as api:
        credential = await credential_of(await api.sign_in(), who)
        header = ["--header", credential] if credential else []
        fuzzer = await asyncio.create_subprocess_exec(
            *(Path(sys.executable).with_name("st"), "run", f"{server.url}/openapi.json", *header),
            *HOW_OFTEN,
            *("--checks", CHECKS, "--phases", "coverage,fuzzing"),
            *("--exclude-path-regex", LEFT_OUT, "--request-timeout", "30", "--no-color"),
            *("--suppress-health-check", "all", "--generation-database", "none"),
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await fuzzer.communicate()
    return f"As {who}:\n{said.decode()[-6000:]}" if fuzzer.returncode else ""
