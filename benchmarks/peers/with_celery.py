"""A task that runs a script as a process of its own; `python with_celery.py COUNT SCRIPT` says how
many seconds so many of them took."""

import os
import subprocess
import sys
import time

from celery import Celery

app = Celery("with_celery", broker=os.environ["BROKER"], backend=os.environ["BROKER"])


@app.task
def run(script):
    subprocess.run([sys.executable, script], check=True)


if __name__ == "__main__":
    began = time.perf_counter()
    results = [run.delay(sys.argv[2]) for _ in range(int(sys.argv[1]))]
    for result in results:
        result.get(timeout=600)
    print(time.perf_counter() - began)
