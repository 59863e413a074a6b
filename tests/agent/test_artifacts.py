"""What a script leaves in `artifacts` reaches the server, while it runs or when it can."""

import pytest

from robot_agent import artifacts, left_out
from tests.agent.fake_server import serving
from tests.agent.running_agent import an_agent

LEAVES = """if 1:
    import os, pathlib, time
    folder = pathlib.Path('artifacts')
    (folder / 'deep').mkdir(parents=True)
    (folder / 'early.txt').write_text('early')
    print('up', flush=True)
    while not pathlib.Path({!r}).exists():
        time.sleep(0.02)
    (folder / 'early.txt').write_text('changed later')
    (folder / 'deep' / 'late.txt').write_text('late')
    (folder / 'large').write_bytes(bytes(2000))
    os.symlink('/etc/passwd', folder / 'link')
    os.symlink('/etc', folder / 'tree')
"""


@pytest.fixture
async def server():
    async with serving() as fake:
        yield fake


async def test_files_are_brought_while_the_script_runs_and_after_it(
    server, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(artifacts, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(artifacts, "MOST_BYTES", 1000)
    server.give(LEAVES.format(str(tmp_path / "go")))
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: server.artifacts == [("early.txt", b"early")])
        (tmp_path / "go").touch()
        await server.until(lambda: len(server.artifacts) == 3 and server.reports)
    assert sorted(server.artifacts[1:]) == [
        ("deep - late.txt", b"late"),
        ("early.txt", b"changed later"),
    ]
    assert "Artifact large of job 1 is not kept: It is larger" in caplog.text
    assert [report["status"] for report in server.reports] == ["completed"]


async def test_what_could_not_be_brought_is_brought_by_the_next_life(server, tmp_path, monkeypatch):
    server.failures["/artifacts/a.txt"] = [503] * 1000
    server.give("import os; os.mkdir('artifacts'); open('artifacts/a.txt', 'w').write('kept')")
    async with an_agent(server, tmp_path, monkeypatch) as agent:
        server.failures["/update"] = [503] * 1000
        await server.until(lambda: len(server.failures["/artifacts/a.txt"]) < 1000)
        agent.stop()
        agent.stop()
    server.failures.clear()
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: server.artifacts and server.reports)
    assert server.artifacts == [("a.txt", b"kept")]


async def test_a_refused_artifact_costs_no_result(server, tmp_path, monkeypatch):
    server.failures["/artifacts/a.txt"] = [409]
    server.give("import os; os.mkdir('artifacts'); open('artifacts/a.txt', 'w')")
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: server.reports)
    assert server.reports[0]["status"] == "completed" and not server.artifacts


ODD = """if 1:
    import os, socket
    os.mkdir('artifacts')
    os.chdir('artifacts')
    for name in (b'a.txt', b'rechnung_m\\xfcller.pdf', b'zz.txt'):
        open(name, 'w').write('x')
    os.mkfifo('pipe')
    os.symlink('/dev/zero', 'zeros')
    socket.socket(socket.AF_UNIX).bind('socket')
    open('huge', 'wb').truncate(1 << 40)
    open('changes.txt', 'w').write('x')
"""


async def test_a_file_that_cannot_be_kept_costs_no_other_and_the_log_says_why(
    server, tmp_path, monkeypatch
):
    monkeypatch.setattr(artifacts, "MOST_FILES", 5)
    server.failures["/artifacts/a.txt"] = [422]
    server.give(ODD + "    print('done', end='')")
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: server.reports and b"zeros" in server.log)
    assert [name for name, _ in server.artifacts] == ["changes.txt", "zz.txt"]
    assert server.log.decode().splitlines() == [
        "done",
        "[artifact a.txt was not kept: As the test wants it.]",
        "[artifact huge was not kept: It is larger than 64 MiB.]",
        r"[artifact rechnung_m\xfcller.pdf was not kept: Its name is not UTF-8.]",
        "[artifact pipe was not kept: It is a named pipe, and no regular file.]",
        "[artifact socket was not kept: It is a socket, and no regular file.]",
        "[artifact zeros was not kept: It is a link, and no regular file.]",
    ]
    assert server.reports[0]["status"] == "completed"


@pytest.mark.parametrize(
    ("deed", "why"),
    [
        ("os.symlink('/etc', 'artifacts')", "It is a link, and no directory."),
        ("os.mkfifo('artifacts')", "It is a named pipe, and no directory."),
        ("open('artifacts', 'w')", "It is a file, and no directory."),
        ("os.symlink('artifacts', 'artifacts')", "It is a link, and no directory."),
    ],
)
async def test_what_is_no_folder_is_not_read_and_the_log_says_so(
    server, tmp_path, monkeypatch, deed, why
):
    server.give(f"import os; {deed}")
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: server.reports and server.log)
    assert server.log.decode() == f"[folder artifacts: {why}]\n"
    assert server.artifacts == []


async def test_files_beyond_what_is_kept_are_counted_and_no_more_than_a_few_are_named(
    server, tmp_path, monkeypatch
):
    monkeypatch.setattr(artifacts, "MOST_FILES", 3)
    monkeypatch.setattr(artifacts, "MOST_ENTRIES", 40)
    server.give(
        "import os; os.mkdir('artifacts')\n"
        "for n in range(50): open(f'artifacts/{n:02}', 'w').write('x')"
    )
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: server.reports and server.log.count(b"\n") == 21)
    assert len(server.artifacts) == 3
    lines = server.log.decode().splitlines()
    assert lines[0] == "[folder artifacts: Of more than 40 files the rest is not looked at.]"
    assert "An attempt leaves at most 3 files; put more into one archive." in lines[1]
    assert lines[-1] == "[18 more artifacts were not kept]"


async def test_a_file_that_becomes_a_link_before_it_is_opened_is_not_followed(
    server, tmp_path, monkeypatch
):
    (tmp_path / "secret").write_text("a key of the agent")
    look = artifacts._look

    def look_and_replace(folder):
        looked = look(folder)
        for file in [*looked.files]:
            if file.name == "file":
                file.unlink()
                file.symlink_to(tmp_path / "secret")
            else:
                file.parent.rename(folder / "moved")
                (folder / "deep").symlink_to(tmp_path)
        return looked

    monkeypatch.setattr(artifacts, "_look", look_and_replace)
    server.give(
        "import os; os.makedirs('artifacts/deep')\n"
        "open('artifacts/file', 'w').write('x'); open('artifacts/deep/secret', 'w').write('x')"
    )
    async with an_agent(server, tmp_path / "agent", monkeypatch):
        await server.until(lambda: server.reports and server.log.count(b"\n") == 2)
    assert server.artifacts == []
    assert server.log.decode().splitlines() == [
        "[artifact deep - secret was not kept: A folder on the way to it is no directory.]",
        "[artifact file was not kept: It is a link, and no regular file.]",
    ]


async def test_there_is_room_in_a_full_log_for_what_was_left_out(server, tmp_path, monkeypatch):
    server.log_limit_bytes = 80_000
    server.give(ODD + "    print('x' * 500_000)")
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: server.reports and b"zeros" in server.log)
    assert len(server.log) <= 80_000
    assert server.log.count(b" was not kept: ") == 5


def test_a_name_stays_on_its_line_and_short():
    names = ("a\nb", "\udcff", "\x1b[31m", "\u202e", "ü", "x" * 300)
    shown = [left_out._shown(name) for name in names]
    assert shown == [r"a\nb", r"\xff", r"\x1b[31m", r"\u202e", "ü", "x" * 100 + "…"]


def test_of_two_files_with_one_name_the_second_is_named_in_the_log(tmp_path):
    (tmp_path / "a").mkdir()
    for name in ("a/b.txt", "a - b.txt", "A.csv", "a.CSV", "e\u0301", "\u00e9", "other"):
        (tmp_path / name).write_text("x")
    looked = artifacts._look(tmp_path)
    assert len(looked.files) == 4 and len(looked.others) == 3
