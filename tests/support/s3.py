"""An S3 on this machine: moto, in a process of its own."""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

PATIENCE_SECONDS = 60
RUNNING = "Running on http://"


class S3:
    def __init__(self, endpoint, process):
        self.endpoint, self._process = endpoint, process
        self._buckets = 0

    @property
    def environment(self):
        """What tells a program where it is, and who is asking."""
        return {
            "AWS_ENDPOINT": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": "of-no-worth",
        }

    def bucket(self):
        """The name of a new one."""
        self._buckets += 1
        name = f"mill-{self._buckets}"
        with urlopen(Request(f"{self.endpoint}/{name}", method="PUT")):
            return name

    def stop(self):
        self._process.kill()
        self._process.wait()


@contextmanager
def server():
    with tempfile.TemporaryDirectory(prefix="runwright-s3-") as folder:
        log = Path(folder) / "log"
        options = ["-H", "127.0.0.1", "-p", "0"]
        command = [sys.executable, "-W", "ignore", "-m", "moto.server", *options]
        with log.open("wb") as written:
            process = subprocess.Popen(
                command, stdout=written, stderr=written, env={**os.environ, "PYTHONUNBUFFERED": "1"}
            )
        s3 = S3(_endpoint(log, process), process)
        try:
            yield s3
        finally:
            s3.stop()


def _endpoint(log, process):
    until = time.monotonic() + PATIENCE_SECONDS
    while RUNNING not in log.read_text():
        assert process.poll() is None and time.monotonic() < until, log.read_text()
        time.sleep(0.05)
    return "http://" + log.read_text().partition(RUNNING)[2].split()[0]
