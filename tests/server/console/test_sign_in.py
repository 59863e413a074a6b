"""The pages for people, in a real Chromium, without JavaScript, and when they are abused."""

import re

import pytest

from orchestrator_server.db.queries import Query
from orchestrator_server.http.keys import DATABASE, SETTINGS
from tests.server.test_sdk_sessions import at_once, start, status  # noqa: F401
from tests.support.browser import Watched
from tests.support.world import ADMIN_PASSWORD

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def send(api, path, headers=None, **fields):
    answer = await api.ask(
        "POST", path, data=fields, headers={**FORM, **(headers or {})}, allow_redirects=False
    )
    if isinstance(answer.body, bytes):
        answer.body = answer.body.decode()
    return answer


async def signed_in(api, next_="/console/sdk"):
    """A browser's cookie."""
    answer = await send(
        api, "/console/sign-in", username="admin", password=ADMIN_PASSWORD, next=next_
    )
    assert answer.status == 303
    api.session.cookie_jar.clear()  # a browser of its own for each test
    return answer.headers["Set-Cookie"], answer.headers["Location"]


async def as_browser(api):
    cookie, _ = await signed_in(api)
    return api.as_(Cookie=cookie.partition(";")[0])


async def page_of(browser, code, **headers):
    answer = await browser.ask("GET", f"/console/sdk?code={code}", headers=headers)
    return answer.status, answer.body.decode()


def csrf_of(text):
    return re.search(r'name="csrf" value="([^"]+)"', text)[1]


async def fill_in(page, password=ADMIN_PASSWORD):
    await page.get_by_label("User name").fill("admin")
    await page.get_by_label("Password").fill(password)
    await page.keyboard.press("Enter")


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_person_signs_in_and_allows_a_machine(server, api, browser, javascript):
    started = await start(api, scopes=["run"])
    watched = await Watched.open(browser, java_script_enabled=javascript)
    page = watched.page
    await page.goto(server["url"] + started["verification_uri_complete"])
    await fill_in(page, "not the password")
    await page.get_by_role("alert").get_by_text("wrong").wait_for()
    await page.get_by_label("Password").fill(ADMIN_PASSWORD)
    await page.keyboard.press("Enter")
    await page.get_by_text(started["user_code"]).wait_for()
    assert await page.get_by_text("laptop").is_visible()
    assert await page.get_by_text("127.0.0.1").is_visible()
    assert await page.get_by_text("start, retry and cancel jobs").is_visible()
    assert await status(api, started) == {"status": "pending"}
    if javascript:
        assert await watched.barriers() == []
        assert await watched.violations() == []
    await page.get_by_role("button", name="Allow").click()
    await page.get_by_text("Go back to your terminal").wait_for()
    assert (await status(api, started))["user"]["username"] == "admin"
    assert watched.elsewhere(server["url"]) == []
    expected = ["Failed to load resource: the server responded with a status of 401 (Unauthorized)"]
    assert watched.complaints in ([], expected)


async def test_everything_works_with_the_keyboard_and_deny_comes_first(server, api, browser):
    started = await start(api)
    watched = await Watched.open(browser)
    page = watched.page
    await page.goto(server["url"] + "/console/sdk")
    await fill_in(page)
    await page.get_by_label("Code").wait_for()
    assert await watched.barriers() == []
    await page.keyboard.type(started["user_code"].lower())
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Deny").wait_for()
    await page.keyboard.press("Enter")
    await page.get_by_text("got nothing").wait_for()
    assert await watched.barriers() == []
    assert await status(api, started) == {"status": "expired"}


async def test_the_sign_in_page_keeps_nobody_out(server, browser):
    watched = await Watched.open(browser)
    await watched.page.goto(server["url"] + "/console/sign-in")
    assert await watched.barriers() == []
    assert await watched.violations() == []


async def test_a_name_is_text_whatever_is_in_it(server, api, browser):
    name = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    started = await start(api, name)
    watched = await Watched.open(browser)
    await watched.page.goto(server["url"] + started["verification_uri_complete"])
    await fill_in(watched.page)
    await watched.page.get_by_text(name).wait_for()
    assert watched.complaints == []


@pytest.mark.parametrize(
    "next_",
    ["//evil.example", "https://evil.example", "https:evil", "/\\evil", "javascript:alert(1)",
     "/console/sdk?code=BCDF-GHJK&x=1", "/console/sdk\r\nSet-Cookie: a=b", "/api/jobs", ""],
)  # fmt: skip
async def test_after_signing_in_one_is_nowhere_else(api, next_):
    _, location = await signed_in(api, next_)
    assert location == "/console/sdk"


async def test_the_page_one_came_for_comes_back(api):
    answer = await api.ask("GET", "/console/sdk?code=BCDF-GHJK", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (
        303,
        "/console/sign-in?next=%2Fconsole%2Fsdk%3Fcode%3DBCDF-GHJK",
    )


async def test_the_cookie_is_for_these_pages_alone(api, server):
    cookie, _ = await signed_in(api)
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    browser = api.as_(Cookie=cookie.partition(";")[0])
    assert (await browser.ask("GET", "/api/jobs")).status == 401


async def test_behind_tls_the_cookie_stays_there(api, admin, server):
    await admin.ask(
        "PUT", "/api/settings/general", status=200, json={"public_url": "https://r.example"}
    )
    await server[SETTINGS].refresh(server[DATABASE])
    cookie, _ = await signed_in(api)
    assert cookie.startswith("__Host-runwright=")
    assert "Secure" in cookie
    started = await start(api)
    assert started["verification_uri"] == "https://r.example/console/sdk"
    # TLS that we do not speak ends at a proxy, whose address says nothing of who sits where.
    _, text = await page_of(api.as_(Cookie=cookie.partition(";")[0]), started["user_code"])
    assert "not known to be yours" in text


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
     {"Origin": "https://evil.example"}, {"Origin": "null"}],
)  # fmt: skip
async def test_a_form_of_another_site_does_nothing(api, headers):
    started = await start(api)
    browser = await as_browser(api)
    _, text = await page_of(browser, started["user_code"])
    fields = {"code": started["user_code"], "csrf": csrf_of(text), "decision": "allow"}
    assert (await send(browser, "/console/sdk", headers, **fields)).status == 403
    answer = await send(api, "/console/sign-in", headers, username="admin", password="x")
    assert answer.status == 403
    assert await status(api, started) == {"status": "pending"}


async def test_a_form_without_its_proof_does_nothing(api):
    started = await start(api)
    browser = await as_browser(api)
    fields = {"code": started["user_code"], "decision": "allow"}
    for csrf in ("", "x" * 43, "\u00e9"):
        assert (await send(browser, "/console/sdk", csrf=csrf, **fields)).status == 403
    assert (await send(browser, "/console/sdk", **fields)).status == 422
    assert await status(api, started) == {"status": "pending"}


async def test_a_link_from_somewhere_else_wants_the_code_typed(api, server):
    started = await start(api)
    move = Query("move", "UPDATE sdk_sessions SET ip_address = '203.0.113.9'")
    await server[DATABASE].write(lambda tx: tx.run(move))
    browser = await as_browser(api)
    _, text = await page_of(browser, started["user_code"])
    assert "not known to be yours" in text
    assert '<dd class="code">' not in text
    forms = text.split("<form")
    assert all('value="allow"' not in form or 'name="code" autocomplete' in form for form in forms)
    wrong = {"code": "BCDF-GHJK", "csrf": csrf_of(text), "decision": "allow"}
    assert (await send(browser, "/console/sdk", **wrong)).status == 404


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via"])
async def test_behind_a_proxy_the_code_is_always_typed(api, header):
    started = await start(api)
    browser = await as_browser(api)
    assert "the same as yours" in (await page_of(browser, started["user_code"]))[1]
    _, text = await page_of(browser, started["user_code"], **{header: "127.0.0.1"})
    assert "not known to be yours" in text
    assert '<dd class="code">' not in text


@pytest.mark.parametrize("code", ["BCDF-GHJK", "nonsense", "x" * 199])
async def test_a_code_that_nobody_waits_under_is_said(api, code):
    browser = await as_browser(api)
    code_status, text = await page_of(browser, code)
    assert code_status in (404, 422)
    assert "<main>" in text


async def test_signing_out_ends_the_cookie(api):
    browser = await as_browser(api)
    started = await start(api)
    _, text = await page_of(browser, started["user_code"])
    assert (await send(browser, "/console/sign-out", csrf="x")).status == 403
    assert (await send(browser, "/console/sign-out", csrf=csrf_of(text))).status == 303
    answer = await browser.ask("GET", "/console/sdk", allow_redirects=False)
    assert answer.status == 303


async def test_no_page_is_kept_or_framed(api):
    answer = await api.ask("GET", "/console/sign-in")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert (await api.ask("GET", "/console/console.css")).status == 200
