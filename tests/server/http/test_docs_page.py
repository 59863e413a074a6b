"""`/docs` in a real browser: it shows the API, under a policy that lets nothing else in."""

import shutil

import pytest
from playwright.async_api import async_playwright

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation",
    e => window.violations.push(e.violatedDirective + " " + e.blockedURI));
"""


@pytest.fixture
async def browser():
    path = shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "This test needs a browser; install Debian's package `chromium`."
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        await browser.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_page_shows_the_api_and_asks_nobody_else(server, browser):
    page = await browser.new_page()
    await page.add_init_script(WATCH)
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(server["url"] + "/docs")
    await page.locator("#operations-jobs-create_job").wait_for(timeout=30_000)
    await page.locator("#operations-jobs-create_job .opblock-summary-control").click()
    await page.get_by_text("Ask for a run of a process").first.wait_for()
    assert complaints == []
    assert await page.evaluate("window.violations") == []
    elsewhere = [u for u in asked if not u.startswith((server["url"], "data:"))]
    assert elsewhere == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_files_of_the_page_are_not_sent_twice(api):
    first = await api.ask("GET", "/docs/swagger-ui.css")
    assert (first.status, first.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    again = await api.ask(
        "GET", "/docs/swagger-ui.css", headers={"If-None-Match": first.headers["ETag"]}
    )
    assert (again.status, again.body) == (304, b"")
    assert "/docs" not in (await api.get("/openapi.json"))["paths"]
    assert (await api.ask("GET", "/docs/../keys.json")).status == 404
