"""Whom this agent trusts: who the system trusts, and a CA of the organisation, if one is named."""

import os
import ssl
from pathlib import Path

from robot_agent.exits import AgentExit, Status

# Where systems keep their certificates in one file; a Python of its own may not know.
SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine, Arch
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, Red Hat
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)
VARIABLE = "SSL_CERT_FILE"


def context(ca_file: Path | None) -> ssl.SSLContext:
    """AgentExit if the file cannot be read or holds no certificate."""
    made = ssl.create_default_context()
    bundle = next((file for file in SYSTEM_BUNDLES if Path(file).is_file()), None)
    # Not if somebody says which to trust instead.
    if bundle and not os.environ.get(VARIABLE) and not ssl.get_default_verify_paths().cafile:
        made.load_verify_locations(bundle)
    if ca_file is not None:
        _add(made, ca_file)
    return made


def hand_on(ca_file: Path | None, folder: Path) -> None:
    """Let scripts, uv and all else that starts from here trust the same, by SSL_CERT_FILE.

    That variable takes the place of what the system trusts, so the file has both.
    """
    if ca_file is None:
        return
    system = context(None).get_ca_certs(binary_form=True)
    ours = ca_file.read_text(encoding="utf-8", errors="replace")
    file = folder / "ca-bundle.pem"
    beside = folder / "ca-bundle.part"
    beside.write_text("".join([*map(ssl.DER_cert_to_PEM_cert, system), ours]), encoding="utf-8")
    beside.replace(file)
    os.environ[VARIABLE] = str(file)


def _add(made: ssl.SSLContext, ca_file: Path) -> None:
    try:
        made.load_verify_locations(ca_file)
    except ssl.SSLError as error:
        raise AgentExit(
            Status.CONFIG, f"{ca_file} holds no certificate in PEM form ({error.reason or error})."
        ) from error
    except OSError as error:
        raise AgentExit(
            Status.CONFIG, f"The CA file {ca_file} cannot be read: {error.strerror}."
        ) from error
