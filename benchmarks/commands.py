"""What a developer waits for: each command as a process, beside a Python that does nothing."""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.sdk.command import ROOT, Sdk
from tests.support.processes import a_server
from tests.support.world import api_at

HEAD = "## Commands"
LIMITS_MS = {"sdk --help": 150, "sdk whoami": 400, "import sdk.runtime": 30, "sdk pack": 1000}


async def measure(rounds):
    """Milliseconds of each, in turn, so that what disturbs one disturbs all."""
    with tempfile.TemporaryDirectory() as folder:
        async with a_server(Path(folder) / "server") as server, api_at(server.url) as api:
            admin = await api.sign_in()
            sdk = Sdk(Path(folder) / "home")
            await sdk.sign_in(admin)
            package = _a_package(Path(folder) / "package")
            commands = {
                "python -c pass": ["-c", "pass"],
                "import sdk.runtime": ["-c", "import sdk.runtime"],
                "sdk --help": ["-m", "sdk.cli", "--help"],
                "sdk whoami": ["-m", "sdk.cli", "whoami"],
                "sdk pack": ["-m", "sdk.cli", "pack", str(package)],
            }
            times = {name: [] for name in commands}
            for _ in range(rounds):
                for name, arguments in commands.items():
                    times[name].append(await asyncio.to_thread(_time, arguments, sdk.env))
            return times


def _a_package(folder):
    folder.mkdir()
    (folder / "pyproject.toml").write_text('[project]\nname = "big"\nversion = "1.0.0"\n')
    for number in range(1000):
        (folder / f"m{number}.py").write_text(f"x = {number}\n" * 50)
    return folder


def _time(arguments, env):
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], env={**os.environ, **env}, cwd=ROOT,
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return (time.perf_counter() - began) * 1000


def section(times, rounds):
    least = statistics.median(times["python -c pass"])
    lines = [
        HEAD, "",
        f"Whole processes, {rounds} times in turn, {datetime.now(UTC):%Y-%m-%d}. The limit of an "
        "import is on top of the bare Python; `sdk pack` packs 1,000 files.", "",
        "| command | median | 5 to 95 % | times a bare Python | limit |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for name, values in times.items():
        median = statistics.median(values)
        low, *_, high = statistics.quantiles(values, n=20)
        limit = f"{LIMITS_MS[name]} ms" if name in LIMITS_MS else ""
        spread = f"{low:.0f} to {high:.0f}"
        lines.append(f"| `{name}` | {median:.0f} ms | {spread} | {median / least:.1f} | {limit} |")
    return "\n".join(lines) + "\n"
