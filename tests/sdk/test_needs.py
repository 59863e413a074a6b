"""What a package needs is read from its own files alone, whatever they are."""

import codecs
import os
import time
import tracemalloc
from contextlib import suppress

import pytest

from sdk.running import needs, requirements
from sdk.running.files import Unreadable
from sdk.running.needs import Kind
from tests.sdk.command import Sdk


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "main.py").write_text("pass")
    (tmp_path / "outside.txt").write_text("six")
    return folder


def of(root):
    return needs.of(root, root / "main.py")


def read(root, text):
    (root / "requirements.txt").write_text(text)
    return requirements.read(root.resolve(), root.resolve() / "requirements.txt")


def test_files_are_followed_once_and_comments_and_line_ends_say_nothing(root):
    (root / "sub").mkdir()
    (root / "sub/a.txt").write_text("idna==3.6 # why\n-r ../requirements.txt\n-c b.txt")
    (root / "sub/b.txt").write_text("six<2\n-r c.txt\n")
    (root / "sub/c.txt").write_text("attrs<26")
    found = read(
        root, "# ours\n\n  tin>=1 \\\n  --hash=sha256:aa\n--requirement=sub/a.txt\n-rsub/a.txt"
    )
    assert found.lines == ["tin>=1 --hash=sha256:aa", "idna==3.6"]
    assert found.constraints == ["six<2", "attrs<26"]
    assert found.has_hashes and not found.brings


def test_a_comment_makes_no_other_environment(root):
    digests = set()
    for text in ("idna\nsix\n", "# ours\r\nidna  # why\r\n\r\nsix", "-r other.txt\nsix"):
        (root / "other.txt").write_text("idna")
        (root / "requirements.txt").write_text(text)
        digests.add(of(root).digest)
    assert len(digests) == 1


@pytest.mark.parametrize(
    "line",
    [
        *("-r ../outside.txt", "-c ../outside.txt", "-r{there}/outside.txt", "-r /dev/zero"),
        *("-r file://{there}/outside.txt", "-c file:../outside.txt", "-r link.txt"),
        *("-r linked/outside.txt", "-r ${{HOME}}/x", "-r missing.txt", "-r pipe", "-r ."),
        *("six -r ../outside.txt", "-i http://index.example -r ../outside.txt"),
        *("-r https://files.example/requirements.txt", "-r %2e%2e/outside.txt"),
        *("../lib", "-e ../lib", "{there}", "x @ file://{there}", "x @ ../outside.txt"),
        *("--find-links ../wheels", "-f {there}", "-i file://{there}", "./missing", "${{HOME}}/x"),
        *("x @ file:///${{PWD}}/x", "./link.txt", "--extra-index-url ../index"),
    ],
)
def test_nothing_outside_of_a_package_is_read(root, tmp_path, line):
    (root / "link.txt").symlink_to(tmp_path / "outside.txt")
    (root / "linked").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    (tmp_path / "lib").mkdir()
    (tmp_path / "wheels").mkdir()
    with pytest.raises(Unreadable):
        read(root, line.format(there=tmp_path))


@pytest.mark.parametrize(
    "line",
    [
        *("six", "six==1.0 ; sys_platform == 'win32'", "six[extra]>=1,<2 --hash=sha256:aa"),
        *("x @ https://user:${TOKEN}@host.example/x-1.0-py3-none-any.whl", "--no-index"),
        *("x @ git+https://host.example/x.git@v1", "git+ssh://git@host.example/x.git#egg=x"),
        *("--find-links https://host.example/wheels", "--extra-index-url=https://${U}@i.example"),
    ],
)
def test_what_indexes_and_servers_give_is_not_brought(root, line):
    assert read(root, line).brings is False
    assert read(root, line).lines == [line]


def test_files_are_many_deep_or_large_only_within_limits(root):
    for number in range(200):
        (root / f"{number}.txt").write_text(f"-r {number + 1}.txt")
    with pytest.raises(Unreadable, match="deep"):
        read(root, "-r 0.txt")
    with pytest.raises(Unreadable, match="100 files"):
        read(root, "".join(f"-r {number}.txt\n" for number in range(200)).replace(" ", " ./"))
    with (root / "huge.txt").open("wb") as huge:
        huge.truncate(10**12)
    with pytest.raises(Unreadable, match=r"huge.txt is larger than"):
        read(root, "-r huge.txt")


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF8])
def test_a_byte_order_mark_is_understood(root, mark):
    encoding = {2: "utf-16-le", 3: "utf-8"}[len(mark)]
    encoding = "utf-16-be" if mark == codecs.BOM_UTF16_BE else encoding
    (root / "requirements.txt").write_bytes(mark + "idna==3.6\r\n".encode(encoding))
    assert of(root).text == "idna==3.6\n"


@pytest.mark.parametrize("coding", ["cp1252", "latin-1", "utf-8-sig", "euc-jp"])
def test_a_script_may_be_written_in_any_encoding_that_it_names(root, coding):
    block = '# /// script\n# dependencies = ["idna"]\n# ///\n'
    line = "" if coding == "utf-8-sig" else f"# -*- coding: {coding} -*-\n"
    text = "あ" if coding == "euc-jp" else "é"
    (root / "main.py").write_bytes(f"{line}{block}print('{text}')".encode(coding))
    found = of(root)
    assert (found.kind, found.text) == (Kind.SCRIPT, block)


@pytest.mark.parametrize("source", [b"print('\xff')", b"# coding: no-such\n", b"\0"])
def test_a_script_that_python_cannot_read_needs_nothing(root, source):
    (root / "main.py").write_bytes(source)
    assert of(root).kind is Kind.NOTHING


@pytest.mark.parametrize("name", ["pyproject.toml", "uv.toml", "requirements.txt"])
def test_only_regular_files_are_read(root, name):
    os.mkfifo(root / name)
    with pytest.raises(Unreadable, match="no regular file"):
        of(root)
    (root / name).unlink()
    (root / name).symlink_to("/dev/zero")
    with pytest.raises(Unreadable, match="cannot be read"):
        of(root)


@pytest.mark.parametrize(
    "settings",
    [
        'sources.x = { path = "../lib" }',
        'sources.x = [{ path = "/lib", marker = "x" }]',
        'find-links = ["../wheels"]',
        'index = [{ url = "file:///wheels" }]',
        'override-dependencies = ["x @ file:///wheels/x.whl"]',
    ],
)
@pytest.mark.parametrize("where", ["pyproject.toml", "uv.toml"])
def test_the_settings_of_uv_stay_in_the_package_too(root, settings, where):
    head = '[project]\nname = "p"\nversion = "1"\ndependencies = ["x"]\n[tool.uv]\n'
    (root / "pyproject.toml").write_text(head)
    text = head + settings if where == "pyproject.toml" else settings
    (root / where).write_text(text)
    if where == "uv.toml":
        (root / "pyproject.toml").write_text(head)
    with pytest.raises(Unreadable):
        of(root)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("uv.lock", '[[package]]\nname = "x"\nsource = {{ {how} = "../lib" }}'),
        ("uv.lock", '[[package]]\nname = "x"\nsource = {{ registry = "/wheels" }}'),
        ("pylock.toml", '[[packages]]\nname = "x"\ndirectory = {{ path = "../lib" }}'),
        ("pylock.toml", '[[packages]]\nname = "x"\narchive = {{ path = "/lib.whl" }}'),
        ("pylock.toml", '[[packages]]\nname = "x"\nwheels = [{{ url = "file:///lib.whl" }}]'),
    ],
)
@pytest.mark.parametrize("how", ["path", "directory", "editable"])
def test_locks_stay_in_the_package_too(root, file, text, how):
    (root / file).write_text(text.format(how=how))
    with pytest.raises(Unreadable):
        of(root)


def test_the_content_decides_of_what_a_package_brings(root):
    (root / "lib").mkdir()
    (root / "requirements.txt").write_text("-e ./lib")
    digests = []
    for text in ("one", "two", "one"):
        (root / "lib/module.py").write_text(text)
        digests.append(of(root).digest)
    assert digests[0] == digests[2] != digests[1]
    (root / "lib/module.py").chmod(0o755)
    assert of(root).digest != digests[0]


async def check(tmp_path, **files):
    package = tmp_path / "greet"
    sdk = Sdk(tmp_path / "home")
    if not package.exists():
        assert (await sdk("init", "greet", cwd=tmp_path)).code == 0
    for name, content in files.items():
        file = package / name.replace("__", ".")
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    return await sdk("check", package)


async def test_check_says_what_a_robot_could_not_read(tmp_path):
    (tmp_path / "outside").write_text("six")
    await check(tmp_path)
    (tmp_path / "greet/dist/lib").mkdir(parents=True)  # which is not packed
    for content in (b"-r ../outside", b"idna\n\xff", b"./dist/lib", b"-r missing.txt", b"-e ../x"):
        said = await check(tmp_path, requirements__txt=content)
        assert said.code == 1 and "requirements.txt" in said.out, said


async def test_check_finds_nothing_wrong_with_what_runs(tmp_path):
    utf16 = codecs.BOM_UTF16_LE + "idna==3.6\r\n".encode("utf-16-le")
    script = "# -*- coding: cp1252 -*-\ndef main(name='x'):\n    print('€')\n".encode("cp1252")
    said = await check(tmp_path, requirements__txt=utf16, main__py=script)
    assert said.code == 0, said


DOTTED = "a." * 30_000 + "a = 1"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, DOTTED) for name in ("pyproject.toml", "uv.toml", "uv.lock", "pylock.toml")),
        ("main.py", f"# /// script\n# {DOTTED}\n# ///\n"),
    ],
)
def test_toml_that_would_cost_much_is_refused_at_once(root, name, text):
    (root / name).write_text(text)
    tracemalloc.start()
    with pytest.raises(Unreadable, match="more than"):
        of(root)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("key", ["target", "prefix", "python", "system", "output-file"])
def test_where_uv_installs_is_not_for_a_package_to_say(root, key):
    for name, text in (("uv.toml", "[pip]\n"), ("pyproject.toml", "[tool.uv.pip]\n")):
        (root / "requirements.txt").write_text("six")
        (root / name).write_text(f'{text}{key} = "../other"')
        with pytest.raises(Unreadable, match=f"pip.{key}"):
            of(root)
        (root / name).unlink()


def test_what_only_development_needs_may_lie_anywhere(root):
    sources = '[tool.uv.sources]\nhelper = { path = "../helper" }\n'
    project = '[project]\nname = "p"\nversion = "1"\ndependencies = ["six"]\n'
    (root / "pyproject.toml").write_text(project + sources)
    assert of(root).brings is False
    (root / "uv.lock").write_text(
        '[[package]]\nname = "p"\nsource = { virtual = "." }\ndependencies = [{ name = "six" }]\n'
        '[package.dev-dependencies]\ndev = [{ name = "helper" }]\n'
        '[[package]]\nname = "six"\nsource = { registry = "https://i.example/simple" }\n'
        '[[package]]\nname = "helper"\nsource = { directory = "../helper" }\n'
    )
    assert of(root).brings is False
    lock = (root / "uv.lock").read_text().replace("\ndev =", "\nother =")
    (root / "uv.lock").write_text(lock)
    assert of(root).brings is False
    for groups in ('["other"]', '"all"'):
        settings = f"[tool.uv]\ndefault-groups = {groups}\n"
        (root / "pyproject.toml").write_text(project + settings)
        with pytest.raises(Unreadable, match="helper"):
            of(root)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 200_000 + "\n",
        "a" + "\t " * 1_000_000 + "b",
        "a." * 100_000 + " @",
        "a @ ./" + "[" * 200_000,
        "./" + "%41" * 1_000_000,
        "x @ " + "a" * 200_000 + "${",
    ],
)
def test_a_long_line_of_requirements_takes_no_time(tmp_path, text):
    (tmp_path / "requirements.txt").write_text(text)
    (tmp_path / "main.py").write_text("")
    began = time.process_time()
    with suppress(Unreadable):
        needs.of(tmp_path, tmp_path / "main.py")
    assert time.process_time() - began < 2


@pytest.mark.parametrize("wanted", ["a" + " " * 250_000, "a @ " + "[" * 250_000])
def test_a_long_dependency_takes_no_time(tmp_path, wanted):
    project = f'[project]\nname = "x"\nversion = "1"\ndependencies = ["{wanted}"]\n'
    (tmp_path / "pyproject.toml").write_text(project)
    (tmp_path / "main.py").write_text("")
    began = time.process_time()
    with suppress(Unreadable):
        needs.of(tmp_path, tmp_path / "main.py")
    assert time.process_time() - began < 2
