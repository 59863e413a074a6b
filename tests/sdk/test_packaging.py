"""What goes into the archive of a package, what stays out, and what is refused."""

import os
import sys
import zipfile
from pathlib import Path

import pytest

from sdk.packaging import CannotPack, pack

PROJECT = '[project]\nname = "letters"\nversion = "1.2.3"\n'
needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows does not let everyone")


def a_package(folder: Path, *more: str, project: str | None = PROJECT) -> Path:
    """A folder with a main.py, a pyproject.toml and `more` files."""
    for name in ("main.py", *more):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {path.name}\n", encoding="utf-8", newline="\n")
    if project is not None:
        (folder / "pyproject.toml").write_text(project, encoding="utf-8", newline="\n")
    return folder


def names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as file:
        return file.namelist()


def test_the_archive_is_named_after_the_project(tmp_path: Path) -> None:
    archive = pack(a_package(tmp_path / "p"), tmp_path / "made" / "here")

    assert archive == tmp_path / "made" / "here" / "letters_1.2.3.zip"
    assert names(archive) == ["main.py", "pyproject.toml"]
    assert list(archive.parent.iterdir()) == [archive]


def test_the_same_files_make_the_same_bytes(tmp_path: Path) -> None:
    one = a_package(tmp_path / "one", "a/b.py", "Z.txt", "é.txt")
    other = a_package(tmp_path / "other", "é.txt", "Z.txt", "a/b.py")
    os.utime(other / "main.py", (2e9, 2e9))
    (other / "main.py").chmod(0o600)

    first, second = pack(one, tmp_path / "1"), pack(other, tmp_path / "2")

    assert first.read_bytes() == second.read_bytes()
    assert names(first) == ["Z.txt", "a/b.py", "main.py", "pyproject.toml", "é.txt"]


@needs_posix
@pytest.mark.parametrize(("mode", "packed"), [(0o700, 0o755), (0o755, 0o755), (0o655, 0o644)])
def test_a_program_is_packed_as_one(tmp_path: Path, mode: int, packed: int) -> None:
    package = a_package(tmp_path / "p", "bin/tool")
    (package / "bin" / "tool").chmod(mode)

    with zipfile.ZipFile(pack(package, tmp_path)) as file:
        assert file.getinfo("bin/tool").external_attr >> 16 == 0o100000 | packed


def test_an_entry_tells_nothing_of_the_machine_that_packed_it(tmp_path: Path) -> None:
    archive = pack(a_package(tmp_path / "p"), tmp_path)

    with zipfile.ZipFile(archive) as file:
        for entry in file.infolist():
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert entry.external_attr >> 16 == 0o100644
            assert entry.create_system == 3
            assert entry.compress_type == zipfile.ZIP_DEFLATED


def test_what_belongs_to_the_developer_stays_out(tmp_path: Path) -> None:
    folder = a_package(
        tmp_path / "p",
        *(".git/config", ".venv/lib/x.py", "venv/x.py", "a/__pycache__/x.txt", "a/x.pyc"),
        *(".env", ".env.local", "a/.env", ".idea/x.xml", "dist/old.zip"),
        *(".gitignore", "a/environment.py"),
    )

    archive = pack(folder, tmp_path)

    assert names(archive) == [".gitignore", "a/environment.py", "main.py", "pyproject.toml"]


def test_an_archive_packed_before_is_not_packed_again(tmp_path: Path) -> None:
    folder = a_package(tmp_path / "p", "data/letters_1.0.0.zip")
    first = pack(folder, folder).read_bytes()
    pack(folder, folder, version="2.0.0")

    again = pack(folder, folder)

    assert again.read_bytes() == first
    assert names(again) == ["data/letters_1.0.0.zip", "main.py", "pyproject.toml"]


def test_a_given_name_and_version_need_no_pyproject(tmp_path: Path) -> None:
    folder = a_package(tmp_path / "p", project=None)

    assert pack(folder, tmp_path, name="mail", version="0.0.1").name == "mail_0.0.1.zip"


def test_a_given_version_overrides_the_one_of_the_project(tmp_path: Path) -> None:
    folder = a_package(tmp_path / "p")

    assert pack(folder, tmp_path, version="2.0.0").name == "letters_2.0.0.zip"


@pytest.mark.parametrize(
    ("project", "sentence"),
    [
        (None, "has no pyproject.toml, so name and version must be given"),
        ("[project", "pyproject.toml cannot be read"),
        ("project = 1", r"has no \[project\]"),
        ("[tool.x]", r"has no \[project\]"),
        ('[project]\nname = "a"', "must have a version"),
        ('[project]\nname = 1\nversion = "1.0.0"', "must have a name"),
    ],
)
def test_a_project_that_does_not_say_its_name_and_version_is_refused(
    tmp_path: Path, project: str | None, sentence: str
) -> None:
    folder = a_package(tmp_path / "p", project=project)

    with pytest.raises(CannotPack, match=sentence):
        pack(folder, tmp_path)


@pytest.mark.parametrize("name", ["", "-a", "_a", "a b", "a.b", "../a", "ä", "a\n", "a" * 101])
def test_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CannotPack, match="is not a name for a package"):
        pack(a_package(tmp_path / "p"), tmp_path, name=name)


@pytest.mark.parametrize(
    "version", ["", "1", "1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.0\n", "१.0.0"]
)
def test_a_bad_version_is_refused(tmp_path: Path, version: str) -> None:
    with pytest.raises(CannotPack, match="is not a version"):
        pack(a_package(tmp_path / "p"), tmp_path, version=version)


def test_a_package_without_python_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    folder = a_package(tmp_path / "p", "dist/hidden.py", "readme.txt")
    (folder / "main.py").unlink()

    with pytest.raises(CannotPack, match=r"has no \.py file"):
        pack(folder, tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotPack, match="is not a folder"):
        pack(tmp_path / "nowhere", tmp_path)


@needs_posix
@pytest.mark.parametrize("target", ["/etc/hostname", "main.py", "nowhere", "."])
def test_a_symbolic_link_is_refused(tmp_path: Path, target: str) -> None:
    folder = a_package(tmp_path / "p")
    (folder / "link").symlink_to(target)

    with pytest.raises(CannotPack, match="link is a symbolic link"):
        pack(folder, tmp_path)


@needs_posix
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    folder = a_package(tmp_path / "p")
    os.mkfifo(folder / "pipe")

    with pytest.raises(CannotPack, match="neither a file nor a folder"):
        pack(folder, tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are no text")
def test_a_name_that_is_no_text_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    folder = a_package(tmp_path / "p")
    Path(os.fsdecode(bytes(folder) + b"/\xff.txt")).touch()

    with pytest.raises(CannotPack, match="cannot be written in Unicode"):
        pack(folder, tmp_path / "out")

    assert list((tmp_path / "out").iterdir()) == []
