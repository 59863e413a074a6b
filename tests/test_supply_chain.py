"""Nothing that we say or run fetches a name that is not ours, and what we depend on is known."""

import json
import re
import socket
import subprocess
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# A path before the name is a checkout or a wheel; the name alone is fetched from an index.
_FETCHED = re.compile(
    r"\b(?:pip|pipx|uvx|uv (?:add|tool|pip|run)|poetry add|pdm add)\b[^\n`|]*"
    r"(?<![\w./\\-])runwright(?![\w/-]|\.\w)|(?<![\w./\\-])runwright\[[a-z]"
)


def said():
    for file in ROOT.rglob("*"):
        parts = file.relative_to(ROOT).parts
        if file.suffix in (".md", ".py", ".html", ".txt", ".toml") and parts[0] in (
            "README.md", "CONTRIBUTING.md", "docs", "examples", "sdk", "robot_agent",
            "orchestrator_server", "benchmarks",
        ):  # fmt: skip
            yield file, file.read_text("utf-8", errors="replace")


def test_no_line_installs_a_name_that_is_not_ours_yet():
    files = dict(said())
    assert len(files) > 300
    found = {str(f): m[0] for f, text in files.items() if (m := _FETCHED.search(text))}
    assert found == {}


@pytest.mark.parametrize(
    ("line", "is_fetched"),
    [
        ("pip install 'runwright[agent]'", True),
        ("pip install runwright", True),
        ("python -m pip install --upgrade runwright==0.1.0", True),
        ("uv tool install runwright", True),
        ("uvx --from runwright sdk", True),
        ("needs runwright[s3]", True),
        ("pip install './runwright[agent]'", False),
        ("pip install dist/runwright-0.1.0-py3-none-any.whl[agent]", False),
        ("pip install '.[agent]'  # the user runwright-agent", False),
        ("pip install uv", False),
    ],
)
def test_what_would_be_fetched_is_recognized(line, is_fetched):
    assert bool(_FETCHED.search(line)) is is_fetched


class Database(BaseHTTPRequestHandler):
    """Answers as https://api.osv.dev does."""

    vulnerable = ""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        known = {"vulns": [{"id": "GHSA-1", "modified": "2026-01-01T00:00:00Z"}]}
        hits = [known if q["package"]["name"] == self.vulnerable else {} for q in asked]
        self._send({"results": hits})

    def do_GET(self):
        self._send({"id": "GHSA-1", "modified": "2026-01-01T00:00:00Z", "summary": "bad"})

    def _send(self, answer):
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def database():
    with HTTPServer(("127.0.0.1", 0), Database) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def audit(address, **environment):
    return subprocess.run(
        [ROOT / ".ci/audit", "--service-url", address], capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin", "UV_HTTP_RETRIES": "0", **environment}, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize(("vulnerable", "status"), [("", 0), ("jinja2", 1)])
def test_an_audit_tells_what_is_vulnerable(database, monkeypatch, vulnerable, status):
    monkeypatch.setattr(Database, "vulnerable", vulnerable)
    ended = audit(database)
    assert ended.returncode == status, ended.stderr
    assert ("jinja2" in ended.stdout) is bool(status)


def test_an_audit_that_could_ask_nobody_says_so_with_a_status_of_its_own():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        ended = audit(f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert ended.returncode == 75
    assert "database could not be asked" in ended.stderr


def test_the_bill_of_materials_names_what_an_installation_has(tmp_path):
    subprocess.run(
        [ROOT / ".venv/bin/uv", "export", "--quiet", "--frozen", "--all-extras", "--no-dev",
         "--format", "cyclonedx1.5", "--output-file", tmp_path / "sbom.json"],
        cwd=ROOT, check=True, timeout=120,
    )  # fmt: skip
    sbom = json.loads((tmp_path / "sbom.json").read_text())
    assert sbom["bomFormat"] == "CycloneDX"
    named = {part["name"]: part.get("purl", "") for part in sbom["components"]}
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    assert set(named) <= {package["name"] for package in lock["package"]}
    assert named["aiohttp"].startswith("pkg:pypi/aiohttp@")
    assert {"msgspec", "cryptography", "psycopg", "uv"} <= set(named)
    assert not {"pytest", "moto", "playwright"} & set(named)
