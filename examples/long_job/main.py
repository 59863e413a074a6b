"""Sum up a month of temperatures in many slow steps.

A job to watch: it shows its progress, and it stops in good order when it is cancelled.
"""

import csv
import signal
import sys
import time
from pathlib import Path

from sdk.runtime import job

TEMPERATURES = Path(__file__).parent / "temperatures.csv"


def read_temperatures():
    with TEMPERATURES.open(encoding="utf-8", newline="") as file:
        return [float(row["celsius"]) for row in csv.DictReader(file)]


def work(temperatures, steps, seconds_per_step):
    """Read a part of the list in each step, and return what is known after the last."""
    step = 0
    seen = []
    try:
        for step_to_do in range(1, steps + 1):
            time.sleep(seconds_per_step)
            end = len(temperatures) * step_to_do // steps
            seen += temperatures[len(seen) : end]
            step = step_to_do
            print(f"step {step} of {steps}: {len(seen)} temperatures", flush=True)
            job.progress(step / steps, f"step {step} of {steps}")
    except KeyboardInterrupt:
        print(f"stopping after step {step}", flush=True)
        sys.exit(1)
    return {
        "temperatures": len(seen),
        "lowest": min(seen),
        "highest": max(seen),
        "average": round(sum(seen) / len(seen), 2),
    }


def main():
    # A robot that cancels a job sends SIGTERM (Windows: SIGBREAK). From here on, both
    # interrupt the work just as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if hasattr(signal, "SIGBREAK"):
        signal.signal(signal.SIGBREAK, signal.default_int_handler)

    steps = int(job.parameters.get("steps", 20))
    seconds_per_step = float(job.parameters.get("seconds_per_step", 0.25))
    if steps < 1 or seconds_per_step < 0:
        sys.exit("steps must be at least 1, and seconds_per_step at least 0")
    job.result = work(read_temperatures(), steps, seconds_per_step)


if __name__ == "__main__":
    main()
