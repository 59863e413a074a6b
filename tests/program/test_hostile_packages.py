"""A small package costs the server little, whatever is in it."""

import asyncio
import io
import random
import time
import zipfile

import psutil
import pytest

from tests.support.processes import a_server
from tests.support.world import api_at

KIB, MIB = 1024, 1024 * 1024


def repeated(text, size=255 * KIB):
    return text * (size // len(text))


def package(**files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {"main_py": "", **files}.items():
            archive.writestr(name.replace("_", ".", 1), text)
    return content.getvalue()


def sixteen(source):
    """As much of it as a package may have, beside noise that hides how well it packs."""
    noise = random.Random(1).randbytes(64 * KIB)
    return package(noise_bin=noise, **{f"m{number}_py": source for number in range(16)})


HOSTILE = {
    "a dotted key": package(pyproject_toml=".".join("a" * 131_000) + "=1"),
    "a dotted table": package(pyproject_toml=f"[{'.'.join('a' * 131_000)}]"),
    "many tables": package(pyproject_toml=repeated("[[a]]\nb.b.b.b.b.b.b=1\n")),
    "a long number": package(pyproject_toml="x=1" + repeated("0")),
    "many names": package(main_py=repeated("a\n")),
    "many names, many times": sixteen(repeated("a\n")),
    "one f-string": package(main_py="x = f'" + repeated("{a}") + "'"),
    "f-strings": sixteen("x = f'" + repeated("{a}") + "'"),
    "defaults that are f-strings": sixteen(
        repeated("def f(a=f'" + repeated("{a}", 4_000) + "'): pass\n")
    ),
    "a slow encoding": sixteen("# coding: punycode\n" + repeated("a")),
}


def peak_bytes(process):
    with open(f"/proc/{process.pid}/status") as status:
        [line] = [line for line in status if line.startswith("VmHWM")]
    return int(line.split()[1]) * KIB


@pytest.fixture
async def server(tmp_path):
    async with a_server(tmp_path / "data") as server, api_at(server.url) as api:
        yield psutil.Process(server.process.pid), await api.sign_in()


async def test_a_hostile_package_of_a_few_bytes_costs_a_few_mebibytes(server):
    process, admin = server
    for number in range(5):  # what every upload needs is there
        await admin.upload("good", f"1.0.{number}", package(pyproject_toml="[project]\n"))
    peak = peak_bytes(process)
    for number, (name, content) in enumerate(HOSTILE.items()):
        assert len(content) < 80 * KIB, name
        before = process.cpu_times()
        answer = await admin.upload("hostile", f"1.0.{number}", content, status=None)
        assert answer.status == (422 if b"pyproject.toml" in content else 201), name
        after = process.cpu_times()
        assert after.user - before.user < 4, name
        assert peak_bytes(process) < peak + 12 * MIB, name


async def test_other_requests_are_answered_while_a_hostile_package_is_read(server):
    _, admin = server
    content = HOSTILE["defaults that are f-strings"]
    uploads = asyncio.gather(*(admin.upload(f"hostile{n}", content=content) for n in range(3)))
    longest = 0.0
    while not uploads.done():
        began = time.monotonic()
        await admin.get("/api/health/live")
        longest = max(longest, time.monotonic() - began)
    await uploads
    assert 0 < longest < 3  # a syntax tree of an f-string holds everything up for longer
