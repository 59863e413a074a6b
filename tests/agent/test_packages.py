"""How the archive of a package becomes files."""

import os
import sys
import zipfile

import pytest

from robot_agent import packages

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no executable bit")


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize(
    ("packed", "mask", "unpacked"),
    [(0o100755, 0o022, 0o755), (0o100755, 0o077, 0o700), (0o100744, 0o027, 0o750),
     (0o104755, 0o022, 0o755), (0o102777, 0o022, 0o755), (0o100644, 0o022, 0o644),
     (0o100611, 0o022, 0o644), (0o755, 0o022, 0o755), (0, 0o022, 0o644)],
)  # fmt: skip
def test_of_a_mode_only_the_executable_bit_is_kept(tmp_path, umask, packed, mask, unpacked):
    archive = tmp_path / "package.zip"
    with zipfile.ZipFile(archive, "w") as file:
        entry = zipfile.ZipInfo("bin/tool")
        entry.create_system, entry.external_attr = 3, packed << 16
        file.writestr(entry, "#!/bin/sh\n")
    umask(mask)
    packages.extract(archive, tmp_path / "work")
    assert (tmp_path / "work" / "bin" / "tool").stat().st_mode == 0o100000 | unpacked


def test_a_folder_is_as_the_agent_makes_it(tmp_path, umask):
    archive = tmp_path / "package.zip"
    with zipfile.ZipFile(archive, "w") as file:
        entry = zipfile.ZipInfo("bin/")
        entry.create_system, entry.external_attr = 3, 0o041777 << 16
        file.writestr(entry, "")
    umask(0o077)
    packages.extract(archive, tmp_path / "work")
    assert (tmp_path / "work" / "bin").stat().st_mode == 0o040700
