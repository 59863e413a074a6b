"""`robot-agent status`: how the agent on this machine stands."""

import sqlite3
import sys
import urllib.request
from pathlib import Path
from typing import Any

import click
import msgspec

from robot_agent import config, data_folder, endpoint, journal
from robot_agent.exits import AgentExit, Status
from robot_agent.standing import RobotStanding, Standing
from sdk.escapes import clean, clean_json

ASK_SECONDS = 5.0
NOT_WELL, NOT_RUNNING = 1, 3  # 3 as `systemctl status` has it


@click.command("status")
@click.option("--data", help="Folder of the agent. [RUNWRIGHT_DATA]", envvar="RUNWRIGHT_DATA")
@click.option("--health-port", type=int, help="Its port, if its folder is not ours to read.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def command(data: str | None, health_port: int | None, as_json: bool) -> None:
    """Say how the agent on this machine stands.

    Exit status 0 if all is well, 1 if the server does not hear it, 3 if it is not running.
    """
    folder = Path(data).expanduser() if data else config.default_data()
    port = health_port or port_of(folder)
    standing = ask(port)
    if standing is not None:
        _show(msgspec.to_builtins(standing), _lines(standing), as_json)
        sys.exit(0 if standing.healthy else NOT_WELL)
    if health_port:
        said = f"Nothing answers at port {health_port}: the agent does not run, or has another one."
        _show({"running": False, "summary": said}, [said], as_json)
        sys.exit(NOT_RUNNING)
    told = look(folder)
    if told["running"] and port:
        told["summary"] = f"The agent in {folder} does not answer at port {port}: it may be stuck."
        _show(told, [told["summary"]], as_json)
        sys.exit(NOT_WELL)
    _show(told, [told["summary"], *_unfinished(told)], as_json)
    sys.exit(0 if told["running"] else NOT_RUNNING)


def port_of(folder: Path) -> int | None:
    """Where the agent in that folder says how it stands, if it does and we may know."""
    try:
        return int(endpoint.port_file(folder).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def ask(port: int | None) -> Standing | None:
    if not port:
        return None
    directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with directly.open(f"http://{endpoint.ADDRESS}:{port}/status", timeout=ASK_SECONDS) as said:
            return msgspec.json.decode(said.read(), type=Standing)
    except (OSError, ValueError, msgspec.MsgspecError):
        return None  # nobody, or not an agent


def look(folder: Path) -> dict[str, Any]:
    """What the folder itself tells. AgentExit if it is not ours to read."""
    try:
        running = data_folder.is_in_use(folder)
        entries = _entries(folder / "journal.db")
    except (OSError, sqlite3.Error) as error:
        raise AgentExit(
            Status.CONFIG,
            f"{folder} cannot be read ({error}): ask as its user or as root, or by --health-port.",
        ) from error
    return {
        "running": running,
        "summary": _summary(folder, running),
        "unfinished": [
            {"robot": e.robot, "job": e.job_id, "attempt": e.attempt, "state": e.state.value}
            for e in entries
            if e.state is not journal.State.CLAIMING
        ],
    }


def _summary(folder: Path, running: bool) -> str:
    if running:
        return (
            f"An agent works in {folder}. Start it with --health-port to see whether the server "
            "hears it."
        )
    if not folder.exists():
        return f"No agent has worked in {folder}; is --data right?"
    return f"No agent works in {folder} at the moment."


def _entries(file: Path) -> list[journal.Entry]:
    if not file.exists():
        return []
    db = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    try:
        return journal.read_entries(db)
    finally:
        db.close()


def _unfinished(told: dict[str, Any]) -> list[str]:
    return [
        f"  {job['robot']}: job {job['job']} (attempt {job['attempt']}), {job['state']}"
        for job in told["unfinished"]
    ]


def _lines(at: Standing) -> list[str]:
    disk = f"{at.disk_free_bytes / 1024**3:,.1f} of {at.disk_total_bytes / 1024**3:,.1f} GiB free"
    lines = [at.summary, f"  Server: {at.url}", f"  Disk: {disk}"]
    if at.outstanding_reports:
        lines.append(f"  Reports not delivered yet: {at.outstanding_reports}")
    return lines + [_robot_line(robot) for robot in at.robots]


def _robot_line(robot: RobotStanding) -> str:
    if not robot.registered:
        return f"  {robot.name}: not registered yet"
    heard = f"heard {robot.silent_seconds:.0f} s ago" if robot.acknowledged_at else "not heard yet"
    doing = robot.takes_no_jobs or "no job"
    if robot.job is not None:
        doing = f"job {robot.job.id} (attempt {robot.job.attempt}), {robot.job.phase}"
    return f"  {robot.name}: {heard}; {doing}"


def _show(told: dict[str, Any], lines: list[str], as_json: bool) -> None:
    if as_json:
        click.echo(clean_json(msgspec.json.encode(told).decode()))
    else:
        click.echo(clean("\n".join(lines)))
