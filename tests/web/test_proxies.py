"""The proxies in contrib/ and in the documentation let every page through, and nothing that is not for the public."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.web.campus import Campus
from tests.web.world import open_world

ROOT = Path(__file__).parents[2]
PRIVATE = (
    *(
        "/_matrix/app/v1/transactions/1",
        "/_matrix/app/v1/ping",
        "/_matrix/provision/v1/sync",
        "/_matrix/mau/ready",
    ),
    *("/metrics", "/health", "/hooks/moodle", "/", "/config.yaml", "/courses"),
)


def nginx(text: str) -> Callable[[str], bool]:
    found = re.search(r"location ~ (\S+) \{", text)
    assert found
    return lambda path: re.search(found[1], path) is not None


def caddy(text: str) -> Callable[[str], bool]:
    found = re.search(r"@pages path (.+)", text)
    assert found
    return lambda path: any(fnmatch(path, one) for one in found[1].split())


@pytest.mark.parametrize(
    ("page", "proxy"),
    [
        ("contrib/nginx.conf", nginx),
        ("docs/lti.md", nginx),
        ("contrib/Caddyfile", caddy),
        ("docs/lti.md", caddy),
    ],
)
async def test_a_proxy_lets_the_pages_through_and_nothing_else(
    page: str, proxy: Callable[[str], Callable[[str], bool]], campus: Campus
) -> None:
    passes = proxy((ROOT / page).read_text(encoding="utf-8"))
    async with open_world(campus) as world:
        assert world.client.app is not None
        resources = {route.resource for route in world.client.app.router.routes()}
    paths = {
        re.sub(r"\{[^{}]*(\{[^{}]*\}[^{}]*)*\}", "7", one.canonical) for one in resources if one is not None
    }
    paths = {"/static/site.css" if path == "/static" else path for path in paths}
    assert len(paths) > 20
    assert [path for path in paths if not passes(path)] == []
    assert [path for path in PRIVATE if passes(path)] == []
