"""A real Chromium, which notes what a page complains of and what it asks for."""

import shutil
from contextlib import asynccontextmanager
from importlib import resources

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


@asynccontextmanager
async def chromium():
    path = shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "This test needs a browser; install Debian's package `chromium`."
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        await browser.close()


class Watched:
    """A page, what it complained of, and the addresses it asked for."""

    def __init__(self, page):
        self.page, self.asked, self.complaints = page, [], []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))

    @classmethod
    async def open(cls, browser, **context):
        opened = await browser.new_context(**context)
        page = await opened.new_page()
        await page.add_init_script(WATCH)
        return cls(page)

    async def violations(self):
        return await self.page.evaluate("window.violations")

    def elsewhere(self, url):
        return [asked for asked in self.asked if not asked.startswith((url, "data:"))]

    async def barriers(self):
        """What axe finds that keeps somebody out (WCAG 2.2, A and AA)."""
        source = resources.files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")
        await self.page.evaluate(source)
        found = await self.page.evaluate("axe.run()")
        return [(problem["id"], problem["help"]) for problem in found["violations"]]
