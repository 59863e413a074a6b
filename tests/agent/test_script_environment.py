"""What a script gets of its agent's environment: these names, and no other."""

import pytest

from sdk.running.environment import inherited

ALWAYS = {
    *("PATH", "HOME", "USER", "USERNAME", "USERPROFILE", "LANG", "LC_ALL", "LC_CTYPE", "TZ"),
    *("TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "APPDATA", "LOCALAPPDATA", "VIRTUAL_ENV"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "https_proxy", "SSL_CERT_FILE"),
}
WITH_A_DESKTOP = {
    *("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"),
}
NEVER = {
    *("RUNWRIGHT_MACHINE_KEY", "RUNWRIGHT_TOKEN", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH"),
    *("LD_PRELOAD", "LD_LIBRARY_PATH", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "SSH_AUTH_SOCK"),
    *("XDG_CONFIG_HOME", "XDG_SESSION_ID", "DBUS_SYSTEM_BUS_ADDRESS", "PATHS", "A_PATH"),
}


def names(*groups):
    return {name: f"/{name}" for group in groups for name in group}


def test_the_list_is_complete():
    own = names(ALWAYS, WITH_A_DESKTOP, NEVER)
    assert inherited(own) == names(ALWAYS, WITH_A_DESKTOP)


@pytest.mark.parametrize("display", [{}, {"DISPLAY": ""}, {"WAYLAND_DISPLAY": ""}])
def test_without_a_desktop_nothing_of_a_session_is_handed_on(display):
    session = WITH_A_DESKTOP - {"DISPLAY", "WAYLAND_DISPLAY"}
    assert inherited(names(ALWAYS, session, NEVER) | display) == names(ALWAYS)


@pytest.mark.parametrize("display", ["DISPLAY", "WAYLAND_DISPLAY"])
def test_either_kind_of_desktop_is_one(display):
    own = {display: ":77", "XDG_RUNTIME_DIR": "/run/user/1000"}
    assert inherited(own) == own
