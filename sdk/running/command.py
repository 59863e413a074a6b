"""Which script of a package is meant, and how it is started."""

import sys
from pathlib import Path

OURS = Path(sys.executable)
LAUNCHER = Path(__file__).parents[1] / "runtime" / "launch.py"


class NoScript(Exception):
    """The package has no such script; the message names it."""


def script_in(work: Path, script_path: str) -> Path:
    """The file that `main.py` or `main.py:main` means; never one outside the package."""
    script = (work / script_path.partition(":")[0]).resolve()
    if not script.is_relative_to(work.resolve()) or not script.is_file():
        raise NoScript(f"The package has no script {script_path!r}.")
    return script


def command(
    script: Path, script_path: str, python: Path = OURS, launcher: Path = LAUNCHER
) -> list[str]:
    """`file.py` is run as a whole; of `file.py:function`, `launcher` calls the function. The script
    comes last."""
    function = script_path.partition(":")[2]
    if function:
        return [str(python), str(launcher), function, str(script)]
    return [str(python), str(script)]
