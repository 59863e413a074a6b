"""How an agent stands, as Prometheus reads it.

The format is a few lines, and the library for it would be one more thing on every robot's machine:
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterator
from typing import NamedTuple

from robot_agent.standing import RobotStanding, Standing

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Metric(NamedTuple):
    name: str
    help: str
    samples: list[tuple[dict[str, str], float]]
    kind: str = "gauge"


def text(standing: Standing) -> str:
    return "".join(_spelled(metric) for metric in _metrics(standing))


def _metrics(at: Standing) -> Iterator[_Metric]:
    plain: dict[str, str] = {}
    yield _Metric("info", "The agent's version.", [({"version": at.version}, 1)])
    yield _Metric("healthy", "Whether the server hears every robot.", [(plain, at.healthy)])
    yield _Metric("stopping", "Whether it takes no more jobs.", [(plain, at.state == "stopping")])
    yield _Metric(
        "start_time_seconds", "When it was started.", [(plain, at.started_at.timestamp())]
    )
    yield _Metric(
        "outstanding_reports", "Ends of jobs not told yet.", [(plain, at.outstanding_reports)]
    )
    yield _Metric("disk_free_bytes", "Room for the agent's data.", [(plain, at.disk_free_bytes)])
    yield _Metric("disk_total_bytes", "Size of that disk.", [(plain, at.disk_total_bytes)])
    if at.clock_offset_seconds is not None:
        yield _Metric(
            "clock_offset_seconds",
            "How far our clock is ahead of the server's.",
            [(plain, at.clock_offset_seconds)],
        )
    yield from _of_robots(at.robots)


def _of_robots(robots: list[RobotStanding]) -> Iterator[_Metric]:
    def each(name: str, help: str, values: list[float], kind: str = "gauge") -> _Metric:
        labels = [{"robot": robot.name} for robot in robots]
        return _Metric(name, help, list(zip(labels, values, strict=True)), kind)

    yield each("robot_registered", "Whether the server knows it.", [r.registered for r in robots])
    yield each("robot_silent_seconds", "Since it was heard.", [r.silent_seconds for r in robots])
    yield each("robot_busy", "Whether it has a job.", [r.job is not None for r in robots])
    yield each(
        "robot_takes_no_jobs",
        "Whether something is in the way, as a full disk.",
        [r.takes_no_jobs is not None for r in robots],
    )
    yield each("jobs_total", "Jobs it was given.", [r.jobs_taken for r in robots], "counter")


def _spelled(metric: _Metric) -> str:
    name = f"runwright_agent_{metric.name}"
    lines = [f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.kind}"]
    for labels, value in metric.samples:
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"{name}{{{inside}}} {value:.15g}" if inside else f"{name} {value:.15g}")
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
