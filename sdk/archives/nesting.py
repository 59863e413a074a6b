"""Whether a package is the folder of a project, and not a folder that holds one.

GitHub's "Download ZIP" and Finder's "Compress" put a folder around it. What the project needs would
then not be found, as that is read from the top of a package alone.
"""

from collections.abc import Iterable

from sdk.archives.zip_structure import refused

# Each says what a script needs, if it is at the top of the package.
NEEDS = ("uv.lock", "pylock.toml", "requirements.lock", "requirements.txt", "pyproject.toml")
LEFT_BY_SYSTEMS = {"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini"}


def check_top(paths: Iterable[str]) -> None:
    """BadPackage if all files are in one folder, and what they need is said in there."""
    files = {path for path in paths if path.partition("/")[0] not in LEFT_BY_SYSTEMS}
    top = _only_folder(files)
    if found := next((name for name in NEEDS if top and f"{top}/{name}" in files), None):
        raise refused(
            f"all of it is in the folder {top!r}, so its {found} would not count. Pack the content "
            "of that folder, not the folder; scripts are then named without it"
        )


def _only_folder(files: set[str]) -> str:
    """The deepest folder that holds all files; "" if that is the top."""
    folders = [path.split("/")[:-1] for path in files if not path.endswith("/")]
    common = []
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return "/".join(common)
