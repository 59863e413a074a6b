"""A script that shows its secrets in every way it can, with a real server and a real agent."""

import pytest

from tests.support.world import archive
from tests.test_journey import a_robot_at_work, job_when

SECRET = 'S3cret "pä+ss" & more'
SHOWS = """
import base64, json, os, pathlib, sys, time, urllib.parse, urllib.request
{read}
from sdk.runtime import job
plain = value.encode()
forms = [
    value, json.dumps(value), json.dumps(value, ensure_ascii=False),
    urllib.parse.quote(value, safe=""), base64.b64encode(plain).decode(), plain.hex(),
]
for form in forms:
    half = len(form) // 2
    sys.stdout.write(form[:half]); sys.stdout.flush(); time.sleep(0.3)
    print(form[half:], flush=True)
job.progress(0.5, f"with {{value}}"[:200])
pathlib.Path("left.txt").write_text("x")
job.artifact("left.txt", f"of {{value}}")
os.mkdir("artifacts")
pathlib.Path("artifacts", f"and {{value}}").touch()
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


def everything(*answers):
    return "\n".join(str(answer) for answer in answers)


@pytest.mark.parametrize("read", [BY_LIBRARY, BY_HAND], ids=["library", "by hand"])
@pytest.mark.parametrize("end", ["", "raise ValueError(value)"], ids=["ends well", "fails"])
async def test_no_secret_is_anywhere_to_be_seen(admin, tmp_path, read, end):
    await admin.post("/api/assets", 201, name="door", type="secret", value=SECRET)
    main = SHOWS.format(read=read, end=end)
    main = "def main():\n" + "\n".join(f"    {line}" for line in main.splitlines())
    process = await admin.make_process(content=archive(main=main), script_path="main.py:main")
    job = await admin.make_job(process)
    async with a_robot_at_work(admin, tmp_path):
        ended = await job_when(admin, job, "completed", "failed")
    log = await admin.get(f"/api/jobs/{job['id']}/logs")
    seen = everything(
        ended,
        log.decode() if isinstance(log, bytes) else log,
        await admin.get(f"/api/jobs/{job['id']}/attempts"),
        await admin.get(f"/api/jobs/{job['id']}/artifacts"),
        await admin.get("/api/audit"),
    )
    assert "S3cret" not in seen, seen
    for form in (SECRET.encode().hex(), "UzNjcmV0", "S3cret%20", "u00e4+ss"):
        assert form not in seen
    assert ended["status"] == ("failed" if end else "completed"), ended
    names = sorted(one["name"] for one in await admin.get(f"/api/jobs/{job['id']}/artifacts"))
    assert names == ["and ***", "of ***"]
    if not end:
        assert ended["result"] == {"it is": "***", "***": ["***=="]}
    assert str(log).count("****") >= 6
    agent_files = [f for f in (tmp_path / "agent").rglob("*") if f.is_file()]
    assert not [f for f in agent_files if SECRET.encode() in f.read_bytes()]
