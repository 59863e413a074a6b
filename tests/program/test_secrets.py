"""A script that shows its secrets in every way it can, with a real server and a real agent."""

import asyncio
import os
import sys
from contextlib import asynccontextmanager

import pytest

from tests.support.world import archive
from tests.test_journey import job_when

SECRET = 'S3cret "pä+ss" & more'
SHOWS = """
import base64, json, os, pathlib, sys, time, urllib.parse, urllib.request
{read}
from sdk.runtime import job
plain = value.encode()
forms = [
    value, json.dumps(value), json.dumps(value, ensure_ascii=False),
    urllib.parse.quote(value, safe=""), base64.b64encode(plain).decode(), plain.hex(),
    base64.b64encode(b"ada:" + plain).decode(),
]
for form in forms:
    half = len(form) // 2
    sys.stdout.write(form[:half]); sys.stdout.flush(); time.sleep(0.3)
    print(form[half:], flush=True)
print(json.dumps(dict(os.environ)))
job.progress(0.5, f"with {{value}}"[:200])
pathlib.Path("left.txt").write_text("x")
job.artifact("left.txt", f"of {{value}}")
job.artifact("left.txt", f"hex {{plain.hex()}}")
os.mkdir("artifacts")
pathlib.Path("artifacts", f"and {{value}}").touch()
pathlib.Path("artifacts", f"large {{value}}").open("wb").truncate(65 << 20)
job.result = {{"it is": value, value: [base64.b64encode(plain).decode()]}}
time.sleep(1.2)  # a beat takes the progress along
{end}
"""
BY_LIBRARY = "from sdk.runtime import assets; value = assets.get('door')"
BY_HAND = """
asked = urllib.request.Request(
    os.environ["RUNWRIGHT_URL"] + "/api/runtime/assets/door",
    headers={"Authorization": "Bearer " + os.environ["RUNWRIGHT_JOB_TOKEN"]},
)
value = json.load(urllib.request.urlopen(asked))["value"]
"""


async def started(machine, admin, tmp_path, **variables):
    """The process of an agent; what it logs is in `agent.log`."""
    with (tmp_path / "agent.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "robot_agent", "run"),
            *("--url", admin.url, "--name", "robot", "--data", str(tmp_path / "agent")),
            env={**os.environ, "RUNWRIGHT_MACHINE_KEY": machine["machine_key"], **variables},
            stderr=log,
        )


@asynccontextmanager
async def a_robot(machine, admin, tmp_path, **variables):
    agent = await started(machine, admin, tmp_path, **variables)
    try:
        yield agent
        if agent.returncode is None:
            agent.terminate()
        async with asyncio.timeout(30):
            await agent.wait()
    finally:
        if agent.returncode is None:
            agent.kill()
            await agent.wait()


async def a_job(admin, source, value=SECRET, start="cold", **wanted):
    """Of a function with that body, and a secret `door` that it may read; the machine, too."""
    asset = await admin.post("/api/assets", 201, name="door", type="secret", value=value,
                                  any_process=True)  # fmt: skip
    main = "def main():\n" + "\n".join(f"    {line}" for line in source.splitlines())
    process = await admin.make_process(
        content=archive(main=main), script_path="main.py:main", start=start
    )
    machine = await admin.post("/api/machines", 201, name="mill")
    return await admin.make_job(process, **wanted), machine, asset


async def all_that_is_said(admin, job):
    """Of a job, to people."""
    log = await admin.get(f"/api/jobs/{job['id']}/logs")
    return "\n".join(
        [
            str(await admin.get(f"/api/jobs/{job['id']}")),
            log.decode(),
            str(await admin.get(f"/api/jobs/{job['id']}/attempts")),
            str(await admin.get(f"/api/jobs/{job['id']}/artifacts")),
            str(await admin.get("/api/audit")),
        ]
    )


def shows_something(text):
    return [
        form
        for form in ("S3cret", SECRET.encode().hex(), "UzNjcmV0", "MzY3JldC", "u00e4+ss", "rw_job")
        if form in text
    ]


@pytest.mark.parametrize("read", [BY_LIBRARY, BY_HAND], ids=["library", "by hand"])
@pytest.mark.parametrize("end", ["", "raise ValueError(value)"], ids=["ends well", "fails"])
async def test_no_secret_is_anywhere_to_be_seen(admin, tmp_path, read, end, caplog):
    caplog.set_level("DEBUG")
    job, machine, _ = await a_job(admin, SHOWS.format(read=read, end=end))
    async with a_robot(machine, admin, tmp_path):
        ended = await job_when(admin, job, "completed", "failed")
    assert not shows_something(await all_that_is_said(admin, job))
    assert ended["status"] == ("failed" if end else "completed"), ended
    assert ended["progress"]["message"] == "with ***"
    names = sorted(one["name"] for one in await admin.get(f"/api/jobs/{job['id']}/artifacts"))
    assert names == ["and ***", "hex ***", "of ***"]
    if end:
        assert "ValueError: ***" in ended["error_message"]
    else:
        assert ended["result"] == {"it is": "***", "***": ["***"]}
    log = await admin.get(f"/api/jobs/{job['id']}/logs")
    assert log.count(b"****") >= 8
    assert b'"RUNWRIGHT_JOB_TOKEN": "****' in log
    own = (tmp_path / "agent.log").read_text()
    assert not shows_something(own) and "large *** of job" in own, own
    assert not shows_something(caplog.text)  # of the server, and of this process
    files = [file for file in (tmp_path / "agent").rglob("*") if file.is_file()]
    assert not [file for file in files if SECRET.encode() in file.read_bytes()]


ONLY_PROGRESS = (
    "import json, os, time, urllib.request"
    + BY_HAND
    + """
from sdk.runtime import job
for n in range(60):
    job.progress(n / 100, f"{n} with {value}")
    time.sleep(0.1)
"""
)


async def test_progress_alone_of_a_script_that_asks_by_itself_is_covered(admin, tmp_path):
    """Nothing but its beats could tell the robot that there is a secret."""
    job, machine, _ = await a_job(admin, ONLY_PROGRESS)
    said = set()
    async with a_robot(machine, admin, tmp_path):
        async with asyncio.timeout(30):
            while (now := await admin.get(f"/api/jobs/{job['id']}"))["status"] != "completed":
                said.add((now["progress"] or {}).get("message"))
                await asyncio.sleep(0.02)
    said = {message for message in said if message}
    assert said and all(message.endswith("with ***") for message in said), said


@pytest.mark.parametrize("read", [BY_LIBRARY, BY_HAND], ids=["library", "by hand"])
@pytest.mark.parametrize("start", ["cold", "warm"])
async def test_the_last_words_of_a_script_are_covered(admin, tmp_path, read, start):
    """In the moment after it has read the secret, of which they are the last line."""
    value = "user: ada\npass7"
    main = f"import json, os, sys, urllib.request\n{read}\nsys.exit(f'{{value}} is locked')"
    await admin.post("/api/assets", 201, name="door", type="secret", value=value,
                                  any_process=True)  # fmt: skip
    process = await admin.make_process(content=archive(main=main), start=start)
    job = await admin.make_job(process)
    machine = await admin.post("/api/machines", 201, name="mill")
    async with a_robot(machine, admin, tmp_path):
        ended = await job_when(admin, job, "completed", "failed")
    assert ended["error_message"] == f"{'*' * 15} is locked. The script exited with status 1."
    assert "pass7" not in await all_that_is_said(admin, job)


CHANGES = """
import os, pathlib, sys, time
{imports}
{read}
first = value
print("read", flush=True)
while not pathlib.Path({go!r}).exists():
    time.sleep(0.05)
{read}
print(first, value, flush=True)
"""


@pytest.mark.parametrize("read", [BY_LIBRARY, BY_HAND], ids=["library", "by hand"])
async def test_a_value_that_was_changed_since_is_covered_as_the_new_one_is(admin, tmp_path, read):
    go = tmp_path / "go"
    source = CHANGES.format(imports="import json, urllib.request", read=read, go=str(go))
    job, machine, asset = await a_job(admin, source, value="the-first-value")
    path = f"/api/assets/{asset['id']}"
    async with a_robot(machine, admin, tmp_path):
        async with asyncio.timeout(30):
            while b"read" not in await admin.get(f"/api/jobs/{job['id']}/logs"):
                await asyncio.sleep(0.05)
        await admin.ask("PUT", path, status=200, json={"value": "the-other-value"})
        go.touch()
        await job_when(admin, job, "completed", "failed")
    log = await admin.get(f"/api/jobs/{job['id']}/logs")
    assert log == b"read\n*************** ***************\n"


KILLS = """
import json, os, sys, time, urllib.request
{read}
from sdk.runtime import job
job.result = value
print("so far:", value[:9], end="", flush=True)
time.sleep(0.6)
os.kill(os.getppid(), 9)
print(value[9:], flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("read", [BY_LIBRARY, BY_HAND], ids=["library", "by hand"])
async def test_after_a_crash_of_the_agent_the_rest_is_sent_without_secrets(admin, tmp_path, read):
    job, machine, _ = await a_job(admin, KILLS.format(read=read), value="hunter22-and-more")
    async with a_robot(machine, admin, tmp_path) as agent:
        async with asyncio.timeout(30):
            assert await agent.wait() == -9
    async with a_robot(machine, admin, tmp_path):
        ended = await job_when(admin, job, "failed")
    log = await admin.get(f"/api/jobs/{job['id']}/logs")
    # The script is killed with the agent, or comes to its last line, whose end is a write of its
    # own: half a value is one too.
    assert log.removesuffix(b"\n") in (b"so far: *********", b"so far: *****************")
    assert ended["reason"] == "agent_restarted"
    assert "hunter22" not in await all_that_is_said(admin, job)


async def test_a_report_that_is_too_large_and_uncovered_comes_to_its_end(admin, tmp_path):
    """Its first answer is about the size, the second about the secret."""
    await admin.ask("PUT", "/api/settings/jobs", status=200, json={"result_limit_bytes": 1024})
    source = "import json, os, urllib.request" + BY_HAND + "return value * 100"
    job, machine, _ = await a_job(admin, source)
    async with a_robot(machine, admin, tmp_path):
        ended = await job_when(admin, job, "completed", "failed")
    assert (ended["status"], ended["result"]) == ("failed", None)
    assert " bytes, and 1,024 are allowed here" in ended["error_message"]


async def test_a_late_report_is_kept_without_secrets(admin):
    """As a robot sends it that does not know of the secret: refused, and nothing of it kept."""
    await admin.post("/api/assets", 201, name="door", type="secret", value=SECRET,
                     any_process=True)  # fmt: skip
    job = await admin.make_job(await admin.make_process())
    robot = await admin.make_robot()
    given = (await robot.post("/api/runner/next-job", 200))["job"]
    script = robot.as_(Authorization=f"Bearer {given['job_token']}")
    assert (await script.get("/api/runtime/assets/door"))["value"] == SECRET
    await admin.ask("POST", f"/api/jobs/{job['id']}/cancel", status=200)
    path = f"/api/runner/jobs/{job['id']}/update"
    report = {"status": "failed", "error_message": SECRET, "attempt": 1}
    answer = await robot.post(path, 409, **report, secrets_known=0)
    assert answer["type"].endswith("/secrets-read")
    assert not shows_something(str(await admin.get(f"/api/jobs/{job['id']}/attempts")))
    told = await robot.get(f"/api/runner/jobs/{job['id']}/secrets?attempt=1")
    assert (told["count"], told["values"]) == (1, [SECRET, given["job_token"]])
    covered = {**report, "error_message": "***"}
    answer = await robot.post(path, 409, **covered, secrets_known=told["count"])
    assert answer["type"].endswith("/job-canceled")
    [attempt] = await admin.get(f"/api/jobs/{job['id']}/attempts")
    assert attempt["late_report"]["error_message"] == "***"
