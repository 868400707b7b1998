"""What a browser test gets: a homeserver, one Chromium for all tests, and Hydrogen pages for that homeserver.

A test that has its own homeserver (the demo's, say) opens Hydrogen for it with
`async with served_hydrogen(url) as site: user = HydrogenUser(await browser.page(PHONE), site)`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from moodle_appservice.demo.homeserver import EmbeddedSynapse
from tests.browser.chromium import Chromium, chromium
from tests.browser.hydrogen_site import served_hydrogen
from tests.live.homeserver import People


@pytest.fixture(scope="session")
async def synapse() -> AsyncIterator[EmbeddedSynapse]:
    async with EmbeddedSynapse() as running:
        yield running


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Chromium]:
    async with chromium() as running:
        yield running


@pytest.fixture(scope="session")
async def hydrogen_url(synapse: EmbeddedSynapse) -> AsyncIterator[str]:
    """Hydrogen for `synapse`."""
    async with served_hydrogen(synapse.url) as url:
        yield url


@pytest.fixture
async def people() -> AsyncIterator[People]:
    made = People()
    yield made
    await made.close()
