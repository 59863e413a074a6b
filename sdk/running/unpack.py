"""One entry of a package's archive becomes a file that can be run, if it was one when packed."""

import stat
import zipfile
from pathlib import Path


def extract(package: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path | str) -> None:
    """Unpack `entry` below `folder`. Of its mode only the executable bit counts: whoever may read
    the file may then execute it."""
    file = Path(package.extract(entry, folder))
    if entry.external_attr >> 16 & stat.S_IXUSR and not entry.is_dir():
        mode = stat.S_IMODE(file.stat().st_mode)
        file.chmod(mode | (mode & 0o444) >> 2)
