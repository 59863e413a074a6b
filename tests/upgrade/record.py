"""Records what a release leaves behind, so that later releases are tested against it.

Run it once, with the sources and the `.venv` of the release that is to be recorded:

    python -m tests.upgrade.record CHECKOUT FOLDER

It starts that release's server, on SQLite and on PostgreSQL, puts at least one row into every
table, and leaves an agent with a job that it has run and could not report. FOLDER then holds

    sqlite.tar.gz, postgres.tar.gz   the server's data folder, and `dump.sql` in the second
    agent-KIND.tar.gz                the data folder of the agent with the open report
    sdk-KIND.tar.gz                  the folder in which `sdk` keeps its profiles and tokens
    clients.tar.gz                   the sources of `robot_agent` and `sdk`
    manifest.json                    names, ids and tokens, and when they were recorded

The tokens and keys in it open nothing but these folders.
"""

import io
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from tests.support import postgres

PASSWORD = "correct horse battery"
PATIENCE_SECONDS = 60
SCRIPTS = {
    "payroll.py": """
import pathlib
from sdk import runtime
from sdk.runtime import assets, credentials, queues

def run(login: str, who: str = "ada"):
    assets.get("vault")
    credentials.get("erp")
    credentials.get(login)
    runtime.once("paid", lambda: 17)
    pathlib.Path("artifacts").mkdir(exist_ok=True)
    pathlib.Path("artifacts/slip.txt").write_text("paid")
    with queues.queue("invoices").take() as item:
        item.result = {"paid": item.payload["net"]}
    print("hello", who)
    return {"paid": who}
""",
    "plain.py": "print('plain')",
    "fail.py": "raise SystemExit(3)",
    "slow.py": """
import pathlib, time
from sdk.runtime import job
print("begun", flush=True)
while not pathlib.Path(job.parameters["until"]).exists():
    time.sleep(0.02)
print("ended", flush=True)
job.result = {"slept": True}
""",
}


def main(checkout, out):
    out.mkdir(parents=True, exist_ok=True)
    manifest = {}
    with TemporaryDirectory(prefix="record-") as folder:
        manifest["sqlite"] = _Recording(checkout, Path(folder), "sqlite", None).make(out)
    with TemporaryDirectory(prefix="record-") as folder, postgres.cluster() as cluster:
        recording = _Recording(checkout, Path(folder), "postgres", cluster.url)
        manifest["postgres"] = recording.make(out, cluster)
    with tarfile.open(out / "clients.tar.gz", "w:gz") as archive:
        for name in ("robot_agent", "sdk"):
            archive.add(checkout / name, name, filter=_no_caches)
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")


class _Recording:
    def __init__(self, checkout, folder, kind, database_url):
        self.programs, self.folder, self.kind = checkout / ".venv/bin", folder, kind
        self.database_url, self.token, self.processes = database_url, None, []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"

    def make(self, out, cluster=None):
        try:
            server = self._serve()
            told = self._fill()
            told["open_job_id"], agent = self._leave_a_report_open(server, told)
            told["recorded_at"] = datetime.now(UTC).isoformat()
        finally:
            for process in self.processes:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        data = self.folder / "server"
        self._check_that_every_table_has_rows(data)
        if cluster is not None:
            (data / "dump.sql").write_text(_dump(cluster))
        _pack(out / f"{self.kind}.tar.gz", data)
        _pack(out / f"agent-{self.kind}.tar.gz", agent)
        _pack(out / f"sdk-{self.kind}.tar.gz", self.folder / "signed-in")
        return told

    def _fill(self):
        told = {"password": PASSWORD}
        self.token = self._ask(
            "POST", "/api/auth/login", {"username": "admin", "password": PASSWORD}
        )["access_token"]
        self._settings()
        told |= self._people()
        told |= self._things()
        told |= self._jobs(told)
        told |= self._sign_in_with_sdk()
        return told

    def _settings(self):
        self._ask(
            "PUT",
            "/api/settings/email",
            {
                "host": "mail.example",
                "username": "mailer",
                "password": "smtp password",
                "from_address": "robots@mail.example",
            },
        )

    def _people(self):
        roles = {role["name"]: role["id"] for role in self._ask("GET", "/api/access/roles")}
        permissions = [{"artifact": "jobs", "can_view": True}]
        role = self._ask(
            "POST", "/api/access/roles", {"name": "Watcher", "permissions": permissions}
        )
        self._ask("POST", "/api/access/users", _user("olga", roles["Operator"]))
        self._ask("POST", "/api/access/users", _user("dora", roles["Developer"], role["id"]))
        service = {"username": "ci", "kind": "service", "role_ids": [roles["Developer"]]}
        account = self._ask("POST", "/api/access/users", service)
        wanted = {"name": "ci", "user_id": account["id"]}
        return {"api_token": self._ask("POST", "/api/access/tokens", wanted)["token"]}

    def _things(self):
        machine = self._ask("POST", "/api/machines", {"name": "mill"})
        login = {"username": "robot", "password": "windows password"}
        bot = {"name": "bot", "machine_id": machine["id"], "labels": ["sap", "finance"]}
        robot = self._ask("POST", "/api/robots", bot | {"credential": login})
        for asset in (
            {"name": "greeting", "type": "text", "value": "hello"},
            {"name": "vault", "type": "secret", "value": "first secret value"},
            {"name": "erp", "type": "credential", "username": "erp", "value": "erp password"},
            {"name": "unread", "type": "secret", "value": "nobody has read it"},
        ):
            self._ask("POST", "/api/assets", asset)
        self._ask("POST", "/api/queues", {"name": "invoices"})
        package = self._upload("books_1.0.0.zip")
        processes = {}
        for name, script, labels in (
            ("payroll", "payroll.py:run", ["sap"]),
            ("plain", "plain.py", []),
            ("fail", "fail.py", []),
            ("slow", "slow.py", ["finance"]),
        ):
            process = {"name": name, "package_id": package["id"], "script_path": script}
            made = self._ask("POST", "/api/processes", process | {"labels": labels})
            processes[name] = made["id"]
        return {
            "machine_key": machine["machine_key"],
            "robot_id": robot["id"],
            "robot_login": f"robot {robot['id']} credential",
            "process_ids": processes,
        }

    def _jobs(self, told):
        of = told["process_ids"]
        queue = self._ask("GET", "/api/queues")[0]
        for number in range(2):
            item = {"queue_id": queue["id"], "payload": {"net": number}, "reference": str(number)}
            self._ask("POST", "/api/queue-items", item)
        self._start_agent(told)
        paid = self._job(of["payroll"], parameters={"login": told["robot_login"]})
        self._ended(paid, "completed")
        vault = next(a for a in self._ask("GET", "/api/assets") if a["name"] == "vault")
        self._ask("PUT", f"/api/assets/{vault['id']}", {"value": "second secret value"})
        self._ended(self._job(of["fail"]), "failed")
        waiting = self._job(
            of["payroll"],
            not_before="2099-01-01T00:00:00Z",
            parameters={"login": told["robot_login"]},
        )
        canceled = self._job(of["plain"], not_before="2099-01-01T00:00:00Z")
        self._ask("POST", f"/api/jobs/{canceled['id']}/cancel", {})
        repeated = {"process_id": of["plain"], "parameters": {"n": 1}}
        answer = self._ask("POST", "/api/jobs", repeated, **{"Idempotency-Key": "recorded"})
        self._ended(answer, "completed")
        return {
            "paid_job_id": paid["id"],
            "waiting_job_id": waiting["id"],
            "repeated_request": repeated,
            "repeated_answer": answer,
        }

    def _start_agent(self, told):
        key = self.folder / "machine.key"
        key.write_text(told["machine_key"])
        key.chmod(0o600)
        return self._run(
            *("robot-agent", "run", "--url", self.url, "--machine-key-file", str(key)),
            *("--name", "bot", "--data", str(self.folder / "agent")),
        )

    def _leave_a_report_open(self, server, told):
        """The server is away when the script ends; the agent is killed before it is back."""
        until = self.folder / "until"
        job = self._job(told["process_ids"]["slow"], parameters={"until": str(until)})
        _wait(lambda: b"begun" in self._ask("GET", f"/api/jobs/{job['id']}/logs"))
        server.terminate()
        server.wait()
        until.touch()
        agent = self.folder / "agent"
        _wait(lambda: _has_open_report(agent / "journal.db"))
        running = self.processes[-1]
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        return job["id"], agent

    def _sign_in_with_sdk(self):
        home = self.folder / "signed-in"
        environment = {"RUNWRIGHT_CONFIG_DIR": str(home), "RUNWRIGHT_NO_KEYRING": "1"}
        process = subprocess.Popen(
            [self.programs / "sdk", "login", self.url, "--no-browser", "--profile", "recorded"],
            env={**os.environ, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        said = ""
        while not (found := re.search(r"\b[B-Z]{4}-[B-Z]{4}\b", said)):
            said += process.stderr.readline()
        self._ask("POST", "/api/sdk/auth/confirm", {"user_code": found[0]})
        process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0
        self._ask("POST", "/api/sdk/auth/start", {"machine_name": "another"})
        return {"sdk_token": json.loads((home / "tokens.json").read_text())["recorded"]}

    def _job(self, process_id, **wanted):
        return self._ask("POST", "/api/jobs", {"process_id": process_id, **wanted})

    def _ended(self, job, status):
        _wait(lambda: self._ask("GET", f"/api/jobs/{job['id']}")["status"] == status)

    def _upload(self, filename):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as package:
            for name, text in SCRIPTS.items():
                package.writestr(name, text)
        boundary = "a1b2c3"
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"'
        body = f"{head}\r\n\r\n".encode() + content.getvalue() + f"\r\n--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        return self._ask("POST", "/api/packages/upload", body, **{"Content-Type": kind})

    def _ask(self, method, path, body=None, **headers):
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
                content = answer.read()
                return json.loads(content) if "json" in answer.headers["Content-Type"] else content
        except urllib.error.HTTPError as error:
            raise AssertionError((method, path, error.code, error.read())) from error

    def _serve(self):
        port = self.url.rpartition(":")[2]
        arguments = ["orchestrator", "serve", "--port", port, "--data", self.folder / "server"]
        if self.database_url:
            arguments += ["--database-url", self.database_url]
        server = self._run(*arguments)
        _wait(self._is_ready)
        return server

    def _is_ready(self):
        try:
            with urllib.request.urlopen(f"{self.url}/api/health/ready") as answer:
                return answer.status == 200
        except OSError:
            return False

    def _run(self, program, *arguments):
        environment = {**os.environ, "RUNWRIGHT_ADMIN_PASSWORD": PASSWORD}
        command = [self.programs / program, *arguments]
        self.processes.append(subprocess.Popen(command, env=environment, start_new_session=True))
        return self.processes[-1]

    def _check_that_every_table_has_rows(self, data):
        if self.database_url is None:
            with closing(sqlite3.connect(data / "runwright.db")) as db:
                tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
                names = [name for (name,) in tables if not name.startswith("sqlite_")]
                empty = [n for n in names if not db.execute(f"SELECT 1 FROM {n}").fetchone()]
        else:
            with psycopg.connect(self.database_url) as db:
                tables = db.execute(
                    "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
                ).fetchall()
                empty = [n for (n,) in tables if not db.execute(f"SELECT 1 FROM {n}").fetchone()]
        assert not empty, f"without a row: {empty}"


def _user(name, *role_ids):
    email = f"{name}@example.com"
    return {"username": name, "password": PASSWORD, "email": email, "role_ids": role_ids}


def _has_open_report(journal):
    with closing(sqlite3.connect(journal)) as db:
        return bool(db.execute("SELECT 1 FROM begun WHERE report IS NOT NULL").fetchone())


def _dump(cluster):
    """As statements that any client can run: without psql's own commands."""
    command = [cluster.binaries / "pg_dump", "--inserts", "--no-owner", cluster.url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return "".join(line for line in text.splitlines(True) if not line.startswith("\\"))


def _pack(file, folder):
    with tarfile.open(file, "w:gz") as archive:
        archive.add(folder, ".", filter=_no_caches)


def _no_caches(member):
    """Nor environments, which any agent builds again; they name Pythons of this machine."""
    made_again = re.search(r"(^|/)__pycache__(/|$)|^\./environments(/|$)", member.name)
    return None if made_again else member


def _wait(condition):
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.05)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
