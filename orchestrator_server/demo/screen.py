"""What the demo prints: one line an event, one color a job."""

import click

from sdk.contract.jobs import Job
from sdk.escapes import clean

_COLORS = ["cyan", "magenta", "yellow", "blue", "green"]


def say(text: str) -> None:
    click.secho(text, bold=True)


def event(job: Job, text: str) -> None:
    label = click.style(
        clean(f"{job.process_name:>12} #{job.id}"), fg=_COLORS[job.id % len(_COLORS)]
    )
    click.echo(f"{label}  {text}")


def output(job: Job, line: bytes) -> None:
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    # A script's bytes are not the terminal's commands.
    event(job, click.style("│ ", dim=True) + "".join(c if c.isprintable() else "·" for c in text))


def progress(job: Job) -> None:
    if job.progress is not None:
        done = round(job.progress.fraction * 20)
        bar = "█" * done + "░" * (20 - done)
        event(job, f"{bar} {job.progress.fraction:4.0%}  {clean(job.progress.message)}")
