"""nginx and Caddy (Debian's), configured as docs/server.md says."""

import asyncio
import os
import re
import shutil
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.processes import free_port

NAME = "robots.example.com"
DOCUMENT = Path(__file__).parents[2] / "docs" / "server.md"
NGINX = """
daemon off;
{user}
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {site}
}}
"""
CADDY = """
{{
    admin off
    auto_https disable_redirects
    skip_install_trust
    storage file_system {folder}
}}
{site}
"""


def program(name):
    """The path of it. Without it the test is skipped, except, for nginx, where all must run."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        if name == "nginx" and os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return found


def documented(language):
    """The configuration in the document."""
    [block] = re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return block


class Proxy:
    def __init__(self, port, authority):
        self.url = f"https://{NAME}:{port}"
        self._tls = ssl.create_default_context(cafile=authority)

    def session_from(self, address):
        """A client with this address of its own."""
        connector = aiohttp.TCPConnector(
            local_addr=(address, 0), resolver=_Resolver(), ssl=self._tls
        )
        return aiohttp.ClientSession(connector=connector)


@asynccontextmanager
async def nginx(server_port, folder):
    port, certificate, key = free_port(), folder / "certificate", folder / "key"
    make_certificate(certificate, key)
    site = _replaced(
        documented("nginx"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        (f"/etc/ssl/{NAME}.pem", str(certificate)),
        (f"/etc/ssl/{NAME}.key", str(key)),
        ("127.0.0.1:8000", f"127.0.0.1:{server_port}"),
    )
    user = "user root;" if os.geteuid() == 0 else ""
    settings = folder / "nginx.conf"
    settings.write_text(NGINX.format(folder=folder, site=site, user=user))
    command = (program("nginx"), "-p", str(folder), "-e", str(folder / "log"), "-c", str(settings))
    async with _running(command, port, folder):
        yield Proxy(port, certificate)


@asynccontextmanager
async def caddy(server_port, folder):
    """With a certificate of our own, where it would get one for the name."""
    port, certificate, key = free_port(), folder / "certificate", folder / "key"
    make_certificate(certificate, key)
    site = _replaced(
        documented("caddyfile"),
        (f"{NAME} {{", f"{NAME}:{port} {{\n    tls {certificate} {key}\n    bind 127.0.0.1"),
        ("127.0.0.1:8000", f"127.0.0.1:{server_port}"),
    )
    settings = folder / "Caddyfile"
    settings.write_text(CADDY.format(folder=folder, site=site))
    command = (program("caddy"), "run", "--adapter", "caddyfile", "--config", str(settings))
    async with _running(command, port, folder):
        yield Proxy(port, certificate)


@asynccontextmanager
async def _running(command, port, folder):
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=log,
            stderr=log,
            env={**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
        )
    try:
        async with asyncio.timeout(20):
            while not await _listens(port):
                assert process.returncode is None, (folder / "log").read_text()
                await asyncio.sleep(0.05)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _listens(port):
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


def _replaced(text, *pairs):
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def make_certificate(certificate, key):
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.touch(0o600)
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


class _Resolver(AbstractResolver):
    """Everything is on this machine."""

    async def resolve(self, host, port=0, family=0):
        return [
            {
                "hostname": host,
                "host": "127.0.0.1",
                "port": port,
                "family": 2,
                "proto": 0,
                "flags": 0,
            }
        ]

    async def close(self):
        """Nothing is open."""
