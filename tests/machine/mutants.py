"""Whether the machines catch deliberate bugs: `python -m tests.machine.mutants [WORDS OF A NAME]`.

Each bug is put into a copy of the code, and the machines run there. A bug that none of them
notices means that a promise is not held by anything.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.machine.mutant import CannotMutate
from tests.machine.mutants_of_jobs import OF_CLAIMS, OF_ENDS
from tests.machine.mutants_of_the_rest import (
    OF_ITEMS,
    OF_LEASES,
    OF_WHAT_HOLDS_THEM,
)

MUTANTS = [*OF_CLAIMS, *OF_ENDS, *OF_LEASES, *OF_ITEMS, *OF_WHAT_HOLDS_THEM]
ROOT = Path(__file__).parents[2]
CODE = ("orchestrator_server", "robot_agent", "sdk")
COPIED = (*CODE, "tests", "examples", "pyproject.toml")
MACHINES = ("tests/machine/test_store.py", "tests/machine/test_http.py")
LIMIT_SECONDS = 600
FAILED = re.compile(r"^FAILED \S+::(\w+)", re.MULTILINE)
WHERE = "import {0}; print(*(m.__file__ for m in ({0})), sep='\\n')".format(", ".join(CODE))


class Copy:
    """The code in a folder of its own, where a bug can be put in and taken out again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        leave_out = shutil.ignore_patterns("__pycache__", ".hypothesis")
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, root / name, ignore=leave_out)
            else:
                shutil.copy(ROOT / name, root / name)
        self._must_be_what_is_imported()

    def caught_by(self, mutant) -> tuple[str, str]:
        file = self.root / mutant.file
        text = file.read_bytes()
        file.write_text(mutant.changed(self.root), "utf-8")
        try:
            return self.run()
        finally:
            file.write_bytes(text)
            if file.suffix == ".py":  # its age alone does not always tell that it is out of date
                Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)

    def run(self) -> tuple[str, str]:
        """Which test failed, none if all passed, and what was printed."""
        done = self._python("-m", "pytest", "-x", "-p", "no:cacheprovider", *MACHINES)
        failed = FAILED.search(done.stdout)
        if failed is None and done.returncode != 0:
            raise SystemExit(f"The machines could not be run:\n{done.stdout}\n{done.stderr}")
        return (failed[1] if failed else ""), done.stdout

    def _must_be_what_is_imported(self) -> None:
        for file in self._python("-c", WHERE).stdout.split():
            if not Path(file).is_relative_to(self.root):
                raise SystemExit(f"{file} would be tested instead of its copy in {self.root}.")

    def _python(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = os.environ | {
            "PYTHONPATH": str(self.root),
            "RUNWRIGHT_MACHINE_ONLY_FIND": "1",
        }
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
        )


def main(words: list[str]) -> int:
    wanted = [mutant for mutant in MUTANTS if all(word in mutant.name for word in words)]
    with tempfile.TemporaryDirectory(prefix="runwright-mutants-") as folder:
        copy = Copy(Path(folder).resolve())
        by, printed = copy.run()
        if by:
            print(printed, f"Without any bug, {by} fails; mend that first.", sep="\n")
            return 1
        print("ok  without any bug, all pass", flush=True)
        escaped = sum(not _is_caught(copy, mutant) for mutant in wanted)
    print(f"{len(wanted)} bugs, {len(wanted) - escaped} caught" + "!" * bool(escaped))
    return 1 if escaped else 0


def _is_caught(copy: Copy, mutant) -> bool:
    began = time.monotonic()
    try:
        by, _ = copy.caught_by(mutant)
    except CannotMutate as error:
        print(f"NO  {error}", flush=True)
        return False
    seconds = time.monotonic() - began
    what = f"caught by {by}" if by else "SURVIVED"
    print(f"{'ok ' if by else 'NO '} {mutant.name}: {what} ({seconds:.0f} s)", flush=True)
    return bool(by)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
