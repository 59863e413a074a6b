"""`sdk login`, `whoami` and `logout` against a real server, and when things go wrong."""

import asyncio
import json
import signal
import stat
import time

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sdk import sign_in, token_store
from sdk.profiles import ProfileError
from tests.sdk.command import Sdk, code_said
from tests.support.browser import Watched, chromium
from tests.support.world import ADMIN_PASSWORD

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def clock():
    from datetime import UTC, datetime

    return lambda: datetime.now(UTC)  # the command reads its own clock


@pytest.fixture
def sdk(tmp_path):
    return Sdk(tmp_path / "home")


async def test_it_shows_a_code_and_ends_when_a_person_confirms(admin, sdk):
    process = await sdk.start("login", admin.url, "--no-browser")
    code = await code_said(process)
    said = (await process.stderr.readline()).decode()
    assert f"{admin.url}/console/sdk?code={code}" in said
    await admin.post("/api/sdk/auth/confirm", 200, user_code=code)
    confirmed = time.monotonic()
    async with asyncio.timeout(20):
        out, err = await process.communicate()
    assert time.monotonic() - confirmed < 10  # it does not wait until it asks again
    assert process.returncode == 0
    assert out.decode().startswith(f"Signed in to {admin.url} as admin until ")
    assert f"The token is in {sdk.home / 'tokens.json'} (readable by you alone)" in err.decode()


async def test_a_person_confirms_in_a_browser(server, api, sdk):
    process = await sdk.start("login", api.url, "--no-browser")
    code = await code_said(process)
    async with chromium() as browser:
        page = (await Watched.open(browser)).page
        await page.goto(f"{api.url}/console/sdk?code={code}")
        await page.get_by_label("User name").fill("admin")
        await page.get_by_label("Password").fill(ADMIN_PASSWORD)
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Allow").click()
        await page.get_by_text("Go back to your terminal").wait_for()
    async with asyncio.timeout(20):
        await process.communicate()
    assert process.returncode == 0
    assert (await sdk("whoami")).out.startswith(f"admin at {api.url}, for default, publish, run")


async def test_who_is_signed_in_is_told_to_people_and_programs(admin, sdk):
    await sdk.sign_in(admin, "run")
    told = json.loads((await sdk("whoami", "--json")).out)
    assert (told["username"], told["scopes"]) == ("admin", ["default", "run"])
    assert told["profile"] == admin.url.partition("://")[2]


async def test_the_token_can_be_read_by_its_owner_alone(admin, sdk):
    await sdk.sign_in(admin)
    for path in (sdk.home / "tokens.json", sdk.home / "profiles.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(sdk.home.stat().st_mode) == 0o700
    assert "ey" not in (sdk.home / "profiles.json").read_text().replace("key", "")


async def test_signing_out_ends_the_token_at_the_server(admin, api, sdk):
    await sdk.sign_in(admin)
    token = json.loads((sdk.home / "tokens.json").read_text()).popitem()[1]
    ended = await sdk("logout")
    assert (ended.code, ended.out) == (0, "")
    assert "Signed out" in ended.err
    answer = await api.as_(Authorization=f"Bearer {token}").ask("GET", "/api/assets")
    assert answer.status == 401
    assert token not in (sdk.home / "tokens.json").read_text()
    assert (await sdk("whoami")).code == 4
    assert (await sdk("logout")).code == 0


async def test_a_token_for_programs_comes_on_stdin_or_in_the_environment(admin, sdk, tmp_path):
    token = (await admin.post("/api/access/tokens", 201, name="ci"))["token"]
    ended = await sdk("login", admin.url, "--token-stdin", stdin=token + "\n")
    assert (ended.code, ended.out) == (0, f"Signed in to {admin.url} as admin.\n")
    assert (await sdk("whoami")).out == f"admin at {admin.url}\n"
    program = Sdk(tmp_path / "none", RUNWRIGHT_TOKEN=token, RUNWRIGHT_URL=admin.url)
    assert (await program("whoami")).out == f"admin at {admin.url}\n"
    assert not (tmp_path / "none").exists()
    assert "still works" in (await sdk("logout")).err


async def test_profiles_stand_beside_each_other(admin, sdk):
    token = (await admin.post("/api/access/tokens", 201, name="ci"))["token"]
    await sdk("login", admin.url, "--token-stdin", "--profile", "ci", stdin=token)
    await sdk.sign_in(admin)
    assert json.loads((await sdk("whoami", "--json")).out)["profile"] != "ci"
    assert json.loads((await sdk("whoami", "--json", "--profile", "ci")).out)["profile"] == "ci"
    ended = await sdk("whoami", "--profile", "none")
    assert (ended.code, "There is no profile none" in ended.err) == (4, True)


async def test_an_ended_sign_in_says_what_to_do(admin, sdk):
    await sdk.sign_in(admin)
    [session] = await admin.get("/api/sdk/auth/sessions")
    await admin.ask("DELETE", f"/api/sdk/auth/sessions/{session['id']}", status=204)
    ended = await sdk("whoami")
    assert (ended.code, ended.out) == (4, "")
    assert "sdk login" in ended.err
    profiles = sdk.home / "profiles.json"
    told = json.loads(profiles.read_text())
    for profile in told["by_name"].values():
        profile["expires_at"] = "2020-01-01T00:00:00Z"
    profiles.write_text(json.dumps(told))
    assert "has ended; run `sdk login`" in (await sdk("whoami")).err


async def test_a_denied_sign_in_keeps_nothing(admin, sdk, server):
    from orchestrator_server.db.queries import Query
    from orchestrator_server.http.keys import DATABASE, SDK_WAITING

    process = await sdk.start("login", admin.url, "--no-browser")
    await code_said(process)
    deny = Query("deny", "UPDATE sdk_sessions SET status = 'denied'")
    await server[DATABASE].write(lambda tx: tx.run(deny))
    server[SDK_WAITING].wake()
    async with asyncio.timeout(20):
        _, err = await process.communicate()
    assert process.returncode == 4
    assert "denied" in err.decode()
    assert json.loads((sdk.home / "tokens.json").read_text()) == {}


async def test_an_interrupt_ends_it_with_130(admin, sdk):
    process = await sdk.start("login", admin.url, "--no-browser")
    await code_said(process)
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(20):
        out, err = await process.communicate()
    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err


@pytest.mark.parametrize(
    ("url", "says"),
    [("http://203.0.113.1:8000", "without TLS"), ("example.org", "not the address"),
     ("ftp://localhost", "not the address"), ("http://localhost:1", "cannot be reached")],
)  # fmt: skip
async def test_an_address_that_cannot_be_meant_is_refused(sdk, url, says, database_url):
    ended = await sdk("login", url, "--no-browser")
    assert (ended.code, says in ended.err, "Traceback" in ended.err) == (1, True, False)


async def test_what_is_not_an_orchestrator_is_told_apart(sdk, database_url):
    async def page(_):
        return web.Response(text="<html>hello</html>", content_type="text/html")

    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", page)
    other = TestServer(app)
    await other.start_server()
    ended = await sdk("login", str(other.make_url("/")), "--no-browser")
    await other.close()
    assert (ended.code, "not from an orchestrator" in ended.err) == (1, True)


async def test_a_home_that_cannot_be_written_is_said_before_anybody_signs_in(
    admin, tmp_path, database_url
):
    (tmp_path / "file").touch()
    ended = await Sdk(tmp_path / "file/home")("login", admin.url, "--no-browser")
    assert ended.code == 1
    assert "RUNWRIGHT_TOKEN" in ended.err
    assert "code is" not in ended.err


def test_a_browser_is_opened_only_at_the_server_itself(database_url):
    assert sign_in.is_at("https://r.example/console/sdk?code=x", "https://r.example")
    for elsewhere in ("https://evil.example/", "http://r.example/", "https://r.example:444/"):
        assert not sign_in.is_at(elsewhere, "https://r.example")
    assert sign_in.is_safe("http://127.0.0.1:8000")
    assert not sign_in.is_safe("http://127.0.0.1.evil.example")


class Ring:
    """A keyring that works, or fails in the way it is told to."""

    def __init__(self, how="works"):
        self.how, self.kept = how, {}

    def set_password(self, service, name, value):
        if self.how == "hangs":
            time.sleep(2)
        if self.how == "locked":
            raise RuntimeError("locked")
        self.kept[name] = value

    def get_password(self, service, name):
        return "another" if self.how == "forgets" else self.kept.get(name)

    def delete_password(self, service, name):
        self.kept.pop(name)


@pytest.mark.parametrize("how", ["works", "hangs", "locked", "forgets"])
def test_a_keyring_is_used_only_if_it_works(monkeypatch, tmp_path, how, database_url):
    import keyring

    ring = Ring(how)
    monkeypatch.delenv("RUNWRIGHT_NO_KEYRING", raising=False)
    monkeypatch.setenv("RUNWRIGHT_CONFIG_DIR", str(tmp_path))
    monkeypatch.setattr(token_store, "KEYRING_SECONDS", 0.2)
    for name in ("set_password", "get_password", "delete_password"):
        monkeypatch.setattr(keyring, name, getattr(ring, name))
    place = token_store.choose()
    assert place == ("keyring" if how == "works" else "file")
    token_store.keep(place, "p", "token")
    assert token_store.read(place, "p") == ("another" if how == "forgets" and place == "keyring"
                                            else "token")  # fmt: skip
    assert (tmp_path / "tokens.json").exists() == (how != "works")
    token_store.forget(place, "p")
    assert token_store.read(place, "p") is None


def test_a_keyring_that_hangs_later_says_so(monkeypatch, database_url):
    import keyring

    monkeypatch.setattr(token_store, "KEYRING_SECONDS", 0.1)
    monkeypatch.setattr(keyring, "get_password", lambda *_: time.sleep(1))
    with pytest.raises(ProfileError, match="did not answer"):
        token_store.read("keyring", "p")


async def test_a_misspelt_command_is_helped(sdk, database_url):
    ended = await sdk("logn")
    assert (ended.code, "Did you mean 'login'?" in ended.err) == (2, True)
