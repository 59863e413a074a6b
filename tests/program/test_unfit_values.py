"""What a script says that a server refuses: one job ends and says why, and all else goes on."""

import sys

import pytest

from tests.program.test_secrets import a_robot
from tests.support.world import archive
from tests.test_journey import job_when

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")

UNFIT = {
    "a NUL in an exception": (
        r"raise ValueError('bad \x00 byte')",
        "ValueError: bad \ufffd byte. The script exited with status 1.",
    ),
    "half a character in an exception": (
        r"raise ValueError('bad \ud800 pair')",
        "ValueError: bad \ufffd pair. The script exited with status 1.",
    ),
    "a NUL in a result": (r"return {'text': 'page 1\x00page 2'}", "NUL"),
    "a number over 64 bits": ("return {'iban': 10**22}", "more than 64 bits"),
    "a result written by hand": (
        "import os; open(os.environ['RUNWRIGHT_RESULT'], 'w').write('[18446744073709551616]')",
        "The result of the script must be JSON, and it is not: a whole number needs more than 64",
    ),
    "the same key twice": (
        """import os; open(os.environ['RUNWRIGHT_RESULT'], 'w').write('{"a": 1, "a": 2}')""",
        "a key is there twice",
    ),
    "too deep": (
        "import os; open(os.environ['RUNWRIGHT_RESULT'], 'w').write('[' * 64 + ']' * 64)",
        "it is nested more than 63 deep",
    ),
    "not a number": ("return float('nan')", "must be JSON"),
}
FITS = "return [2**63 - 1, -2**63, 2**53 + 1, '\U0001f600', '" + "[" * 63 + "]" * 63 + "']"


def main(body):
    return archive(main=f"def main():\n    {body}\n")


async def test_it_ends_its_own_job_with_a_sentence_and_no_other(admin, tmp_path):
    machine = await admin.post("/api/machines", 201, name="mill")
    beside = await admin.make_process(content=main("import time; time.sleep(8); return 'done'"),
                                      script_path="main.py:main")  # fmt: skip
    jobs = {"beside": await admin.make_job(beside)}
    for number, (name, (body, _)) in enumerate({**UNFIT, "fits": (FITS, "")}.items()):
        process = await admin.make_process(
            f"p{number}", content=main(body), script_path="main.py:main"
        )
        jobs[name] = await admin.make_job(process)
    async with a_robot(machine, admin, tmp_path, RUNWRIGHT_ROBOTS="2") as agent:
        ended = {name: await job_when(admin, job, "completed", "failed")
                 for name, job in jobs.items()}  # fmt: skip
        assert agent.returncode is None
    for name, (_, sentence) in UNFIT.items():
        assert (ended[name]["status"], ended[name]["reason"]) == ("failed", "script_failed"), name
        assert sentence in ended[name]["error_message"], name
        assert ended[name]["result"] is None
    assert (ended["beside"]["status"], ended["beside"]["result"]) == ("completed", "done")
    assert ended["fits"]["result"][:3] == [2**63 - 1, -(2**63), 2**53 + 1]


async def test_progress_and_output_with_such_characters_cost_nothing(admin, tmp_path):
    machine = await admin.post("/api/machines", 201, name="mill")
    process = await admin.make_process(content=archive(main=r"""
import json, os, pathlib, sys, time
sys.stdout.buffer.write(b'a \x00 and \xff\xfe\n'); sys.stdout.flush()
progress = pathlib.Path(os.environ['RUNWRIGHT_PROGRESS'])
progress.write_text(json.dumps({'fraction': 0.5, 'message': 'a \0 and \ud800'}))
time.sleep(4)
"""))  # fmt: skip
    job = await admin.make_job(process)
    async with a_robot(machine, admin, tmp_path):
        ended = await job_when(admin, job, "completed", "failed")
    assert ended["status"] == "completed"
    assert ended["progress"] == {"fraction": 0.5, "message": "a \ufffd and \ufffd"}
    assert await admin.get(f"/api/jobs/{job['id']}/logs") == b"a \x00 and \xff\xfe\n"
