import pytest

from tests.support.browser import chromium


@pytest.fixture
async def browser():
    async with chromium() as browser:
        yield browser
