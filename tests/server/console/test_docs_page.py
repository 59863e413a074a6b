"""`/docs` in a real browser: it shows the API, under a policy that lets nothing else in."""

from collections import Counter

import pytest
from playwright.async_api import expect

from tests.support.browser import Watched


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_page_shows_the_api_and_asks_nobody_else(server, api, browser):
    watched = await Watched.open(browser)
    page = watched.page
    await page.goto(server["url"] + "/docs")
    paths = (await api.get("/openapi.json"))["paths"].values()
    counts = Counter(op["tags"][0] for methods in paths for op in methods.values())
    for tag, count in counts.items():  # one after the other: all at once are too many for it
        heading = page.locator(f"#operations-tag-{tag}")
        await heading.click(timeout=30_000)
        operations = page.locator(f"[id^=operations-{tag}-]")
        await expect(operations).to_have_count(count)
        if tag != "jobs":
            await heading.click()
    await page.locator("#operations-jobs-create_job .opblock-summary-control").click()
    await page.get_by_text("Ask for a run of a process").first.wait_for()
    assert watched.complaints == []
    assert await watched.violations() == []
    assert watched.elsewhere(server["url"]) == []


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
