"""From an empty folder to a job on a robot, with a real server and a real agent."""

import asyncio
import json
import os
import signal
import sys
import zipfile
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from tests.agent.running_agent import the_program
from tests.sdk.command import Sdk

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def clock():
    from datetime import UTC, datetime

    return lambda: datetime.now(UTC)


@pytest.fixture
async def sdk(admin, tmp_path):
    sdk = Sdk(tmp_path / "home")
    await sdk.sign_in(admin)
    return sdk


@asynccontextmanager
async def a_robot(admin, folder):
    machine = await admin.post("/api/machines", 201, name="mill")
    server = SimpleNamespace(url=admin.url)
    key = {"RUNWRIGHT_MACHINE_KEY": machine["machine_key"]}
    async with the_program(server, folder, **key) as program:
        drain = asyncio.create_task(program.stderr.read())  # else it would block on a full pipe
        yield program
        program.kill()
        await drain


@pytest.fixture
async def package(sdk, tmp_path):
    """What `sdk init` makes."""
    ended = await sdk("init", "greet", cwd=tmp_path)
    assert (ended.code, ended.out) == (0, "greet\n")
    return tmp_path / "greet"


def write(package, text):
    (package / "main.py").write_text(text)


def raise_version(package, to):
    path = package / "pyproject.toml"
    path.write_text(path.read_text().replace('version = "0.1.0"', f'version = "{to}"'))


async def test_from_an_empty_folder_to_a_job_whose_log_is_in_the_terminal(
    admin, sdk, package, tmp_path
):
    published = await sdk("publish", package)
    assert published.code == 0, published.err
    assert published.out.splitlines()[1] == "Process greet made: main.py:main"
    assert "sdk start greet --follow" in published.err
    async with a_robot(admin, tmp_path / "robot"):
        ended = await sdk("start", "greet", "--param", "name=Ada", "--param", "times=2", "--follow")
    assert (ended.code, ended.out) == (0, "Hello, Ada!\nHello, Ada!\n")
    assert "Job 1 completed in" in ended.err
    job = await admin.get("/api/jobs/1")
    assert (job["result"], job["source"]) == ({"greeted": "Ada", "times": 2}, "sdk")
    assert (await sdk("logs", "1")).out == "Hello, Ada!\nHello, Ada!\n"
    assert 'Result: {"greeted": "Ada", "times": 2}' in ended.err
    assert (await sdk("logs", "1", "--follow")).code == 0
    earlier = await sdk("logs", "1", "--attempt", "7")
    assert (earlier.code, "has no attempt 7; it has had 1" in earlier.err) == (5, True)
    [listed] = json.loads((await sdk("jobs", "--json")).out)
    assert (listed["id"], listed["status"]) == (1, "completed")
    assert "greet" in (await sdk("jobs", "--process", "gree", "--status", "completed")).out


async def test_an_address_below_the_server_is_said_to_be_none(sdk, admin):
    ended = await sdk("login", f"{admin.url}/docs", "--no-browser")
    assert (ended.code, "is the address right?" in ended.err) == (1, True), ended


async def test_a_job_that_fails_exits_with_3_and_says_why(admin, sdk, package, tmp_path):
    write(package, "def main():\n    print('so far')\n    raise SystemExit(7)\n")
    await sdk("publish", package)
    async with a_robot(admin, tmp_path / "robot"):
        ended = await sdk("start", "greet", "--follow")
        assert (ended.code, ended.out) == (3, "so far\n")
        assert "exited with status 7" in ended.err
        told = await sdk("start", "greet", "--follow", "--json")
    assert (told.code, json.loads(told.out)["status"]) == (3, "failed")
    assert (await sdk("logs", "1", "--follow")).code == 3


async def test_a_business_error_ends_a_job_that_could_start_again(admin, sdk, package, tmp_path):
    write(package, "from sdk.runtime import BusinessError\n"
                   "def main():\n    raise BusinessError('no such supplier')\n")  # fmt: skip
    project = package / "pyproject.toml"
    plan = 'greet = { script = "main.py:main", max_attempts = 3 }'
    project.write_text(project.read_text().replace('greet = "main.py:main"', plan))
    published = await sdk("publish", package)
    assert published.code == 0, published.err
    async with a_robot(admin, tmp_path / "robot"):
        ended = await sdk("start", "greet", "--follow", "--json")
    job = json.loads(ended.out)
    assert (ended.code, job["status"], job["attempt"], job["max_attempts"]) == (3, "failed", 1, 3)
    assert "BusinessError: no such supplier" in job["error_message"]


async def test_publishing_again_changes_nothing_and_a_new_version_moves_the_process(
    sdk, package, admin
):
    await sdk("publish", package)
    again = await sdk("publish", package)
    assert "Process greet unchanged" in again.out
    write(package, "def main(): pass\n")
    refused = await sdk("publish", package)
    assert (refused.code, "raise the version" in refused.err) == (1, True)
    raise_version(package, "0.2.0")
    told = json.loads((await sdk("publish", package, "--json")).out)
    assert told["package"]["version"] == "0.2.0"
    assert [change["did"] for change in told["processes"]] == ["changed"]
    [process] = await admin.get("/api/processes")
    assert process["version"] == 2


async def test_a_process_that_is_refused_leaves_the_package_and_says_so(sdk, package, admin):
    project = package / "pyproject.toml"
    project.write_text(project.read_text().replace("greet = ", '"gr\\u200beet" = '))
    ended = await sdk("publish", package)
    assert (ended.code, "greet 0.1.0 is published, but its process" in ended.err) == (1, True)
    assert "invisible" in ended.err
    assert len(await admin.get("/api/packages")) == 1


async def test_parameters_that_do_not_fit_are_refused_before_anything_runs(sdk, package, admin):
    await sdk("publish", package)
    ended = await sdk("start", "greet", "--param", "times=many")
    assert (ended.code, ended.err.count("times"), ended.err.count("integer")) == (1, 1, 1)
    assert await admin.get("/api/jobs") == []
    text = package / "given.json"
    text.write_text('{"times": 3, "name": "Ada"}')
    ended = await sdk("start", "greet", "--params-file", text, "--param", 'name="7"', "--json")
    assert json.loads(ended.out)["parameters"] == {"times": 3, "name": "7"}
    for wrong in ("times", "=3"):
        assert (await sdk("start", "greet", "--param", wrong)).code == 2


async def test_a_misspelt_process_is_helped_and_a_missing_job_is_5(sdk, package):
    await sdk("publish", package)
    ended = await sdk("start", "gret")
    assert (ended.code, "Did you mean greet?" in ended.err) == (5, True)
    assert (await sdk("logs", "99")).code == 5
    assert (await sdk("cancel", "99")).code == 5


async def test_why_a_job_waits_is_told_and_an_interrupt_leaves_it_alone(sdk, package, admin):
    await sdk("publish", package)
    process = await sdk.start("start", "greet", "--follow")
    said = b""
    async with asyncio.timeout(30):
        while b"robot" not in said.partition(b"waits for a robot.")[2]:
            said += await process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, rest = await process.communicate()
    assert process.returncode == 130
    assert b"sdk cancel 1" in rest
    assert (await admin.get("/api/jobs/1"))["status"] == "pending"
    assert (await sdk("cancel", "1")).out == "Job 1 is canceled.\n"
    assert (await sdk("logs", "1", "--follow")).code == 3


@pytest.mark.parametrize(
    ("pyproject", "says"),
    [("[project", "cannot be read"),
     ('[project]\nname="a"\nversion="1.0.0"\n[tool.runwright.processes]\na="b.py"', "wants b.py"),
     ('[project]\nname="a"\nversion="1.0.0"\n[tool.runwright.processes]\na={scrip="main.py"}',
      "[tool.runwright.processes]"),
     ('[project]\nname="a"\nversion="1"', "three numbers")],
)  # fmt: skip
async def test_a_project_that_makes_no_sense_is_told_before_anything_is_sent(
    sdk, package, admin, pyproject, says
):
    (package / "pyproject.toml").write_text(pyproject)
    ended = await sdk("publish", package)
    assert (ended.code, says in ended.err, "Traceback" in ended.err) == (1, True, False)
    assert await admin.get("/api/packages") == []


async def test_nothing_is_published_of_a_package_with_a_mistake(sdk, package, admin):
    with (package / "pyproject.toml").open("a") as file:
        file.write('other = "main.py:nothing"\n')
    ended = await sdk("publish", package)
    assert (ended.code, "wants the function nothing" in ended.err) == (1, True)
    assert await admin.get("/api/packages") == []


async def test_a_package_never_holds_what_is_ignored_or_installed(sdk, package):
    for name in ("env/lib/x.py", "build/y.py", "sub/z.log", "sub/keep.py", ".venv/a.py"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("")
    (package / "env/pyvenv.cfg").write_text("")
    (package / "uv.lock").write_text("")
    with (package / ".gitignore").open("a") as file:
        file.write("build/\n")
    (package / "sub/.gitignore").write_text("*.log\n")
    archive = (await sdk("pack", package)).out.strip()
    names = set(zipfile.ZipFile(archive).namelist())
    assert {"main.py", "sub/keep.py", "uv.lock", "pyproject.toml"} <= names
    assert not {name for name in names if name.startswith(("env/", "build/", ".venv"))}
    assert "sub/z.log" not in names


async def test_nothing_is_overwritten_by_init(sdk, package, tmp_path):
    before = (package / "main.py").read_text()
    ended = await sdk("init", "greet", cwd=tmp_path)
    assert (ended.code, "exists already" in ended.err) == (1, True)
    assert (package / "main.py").read_text() == before
    assert (await sdk("init", "a b", cwd=tmp_path)).code == 2


async def test_what_init_makes_passes_its_own_test(package):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=package,
        env={**os.environ, "PYTHONPATH": str(Sdk(package).env["PYTHONPATH"])},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert (process.returncode, b"1 passed" in out) == (0, True)


async def test_queues_and_assets_are_listed_and_items_put_in(sdk, admin):
    assert (await sdk("queues")).out == "No queues.\n"
    await admin.post("/api/queues", 201, name="invoices")
    await admin.post("/api/assets", 201, name="key", type="secret", value="sesame",
                     any_process=True)  # fmt: skip
    assert "invoices" in (await sdk("queues")).out
    ended = await sdk("queues", "add", "Invoices", "--param", "n=7", "--reference", "A1", "--json")
    assert json.loads(ended.out)["payload"] == {"n": 7}
    elsewhere = await sdk("queues", "--profile", "nosuch", "add", "invoices")
    assert (elsewhere.code, "no profile nosuch" in elsewhere.err) == (4, True)
    misspelt = await sdk("queues", "add", "invoces")
    assert (misspelt.code, "Did you mean invoices?" in misspelt.err) == (5, True)
    listed = (await sdk("assets")).out
    assert ("***" in listed, "sesame" in listed) == (True, False)


async def test_the_doctor_says_what_is_well_and_what_is_not(sdk, admin, tmp_path):
    ended = await sdk("doctor")
    assert (ended.code, "bad" in ended.out) == (0, False)
    assert f"admin at {admin.url}" in ended.out
    nobody = await Sdk(tmp_path / "nobody")("doctor", "--json")
    assert nobody.code == 1
    assert [f["is_well"] for f in json.loads(nobody.out)] == [True, True, False]


@pytest.fixture
async def granted(admin, sdk, package):
    """The package's process may read the secret that it asks for."""
    await admin.post("/api/assets", 201, name="vault", type="secret", value="a secret value")
    project = package / "pyproject.toml"
    plan = 'greet = { script = "main.py:main", secrets = ["vault"] }'
    project.write_text(project.read_text().replace('greet = "main.py:main"', plan))
    write(package, "def main():\n    print('one')\n")
    published = await sdk("publish", package)
    assert (published.code, "sdk assets grant vault greet" in published.err) == (0, True)
    return package


async def test_a_secret_that_is_asked_for_is_granted_by_a_command(admin, sdk, granted):
    for command in (["start", "greet"], ["check", granted]):
        warned = await sdk(*command)
        assert (warned.code, "sdk assets grant vault greet" in warned.err) == (0, True), warned
    refused = await sdk("assets", "grant", "vault", "greet")
    assert (refused.code, "sdk login --scope manage" in refused.err) == (1, True)
    await sdk.sign_in(admin, "publish", "run", "manage")
    done = await sdk("assets", "grant", "vault", "greet")
    assert done.out == "Jobs of greet may read vault from version 1 on.\n"
    assert "version 1, runs main.py:main of greet 0.1.0" in done.err
    assert "grant" not in (await sdk("start", "greet")).err
    revoked = await sdk("assets", "revoke", "vault", "greet", "--json")
    assert json.loads(revoked.out)["process_ids"] == []
    unknown = await sdk("assets", "grant", "fault", "greet")
    assert (unknown.code, "Did you mean vault?" in unknown.err) == (5, True)


async def test_a_publication_waits_until_somebody_releases_it(admin, sdk, granted):
    [asset] = await admin.get("/api/assets")
    [process] = await admin.get("/api/processes")
    await admin.post(f"/api/assets/{asset['id']}/grants", 200, process_id=process["id"])
    write(granted, "def main():\n    print('two')\n")
    raise_version(granted, "0.2.0")
    waits = await sdk("publish", granted)  # its sign-in has not the scope manage
    assert waits.code == 6, waits
    assert "Process greet waits" in waits.out
    assert "it may read vault" in waits.err and "sdk release greet" in waits.err
    assert (await admin.get("/api/processes"))[0]["package_id"] == process["package_id"]
    refused = await sdk("release", "greet", "--yes")
    assert (refused.code, "sdk login --scope manage" in refused.err) == (1, True)
    await sdk.sign_in(admin, "publish", "manage")
    shown = await sdk("release", "greet")
    assert shown.code == 6 and shown.out.startswith("Apply it:  sdk release greet --yes --pro")
    assert "+ package: greet 0.2.0" in shown.err
    assert (await admin.get("/api/processes"))[0]["package_id"] == process["package_id"]
    released = await sdk("release", *shown.out.split()[4:])
    assert released.out == "Process greet is in version 2 now.\n", released
    assert "- package: greet 0.1.0\n+ package: greet 0.2.0" in released.err
    assert "admin proposed on" in released.err
    again = await sdk("release", "greet", "--yes")
    assert (again.code, "No change of process greet waits" in again.err) == (1, True)
    raise_version_again = (granted / "pyproject.toml").read_text().replace("0.2.0", "0.3.0")
    (granted / "pyproject.toml").write_text(raise_version_again)
    direct = await sdk("publish", granted)
    assert (direct.code, "Process greet changed" in direct.out) == (0, True)


async def test_a_change_that_is_proposed_during_the_review_is_not_applied(admin, sdk, granted):
    [process] = await admin.get("/api/processes")
    path = f"/api/processes/{process['id']}"
    await admin.ask("PUT", f"{path}/proposal", status=200, json={"start": "warm"})
    await sdk.sign_in(admin, "publish", "manage")
    await admin.ask("PUT", path, status=200, json={"name": "greet; id"})
    assert "sdk release 'greet; id' --yes" in (await sdk("release", "greet; id")).out
    await admin.ask("PUT", path, status=200, json={"name": "greet"})
    printed = (await sdk("release", "greet")).out.split()[4:]
    assert printed[:3] == ["greet", "--yes", "--proposed-at"]
    await admin.ask("PUT", f"{path}/proposal", status=200, json={"preload": ["other"]})
    later = await sdk("release", *printed)
    assert (later.code, "Another change of process greet waits by now" in later.err) == (1, True)
    assert (await admin.get(path))["version"] == process["version"]
    wrong = await sdk("release", "greet", "--yes", "--proposed-at", "2030-01-01T00:00:00")
    assert (wrong.code, "as `sdk release` prints it" in wrong.err) == (2, True)
