"""The bill of materials lists the whole lock, with hashes and licences, and nothing that is not true."""

from __future__ import annotations

import pytest

from release.sbom import LOCK, bill, locked

TEXT = LOCK.read_text(encoding="utf-8")


def test_every_package_of_the_lock_is_listed_with_licence_and_hashes() -> None:
    made = bill(TEXT)
    names = [one["name"] for one in made["components"]]
    assert names == sorted(locked(TEXT)) and {"aiohttp", "mautrix", "pydantic"} <= set(names)
    for one in made["components"]:
        assert one["properties"], one["name"]
        assert one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}"
        assert one["licenses"][0]["license"]["name"] != "not told", one["name"]


def test_the_same_lock_gives_the_same_bill() -> None:
    assert bill(TEXT) == bill(TEXT)


@pytest.mark.parametrize(
    ("lock", "why"),
    [
        ("aiohttp==0.0.1 \\\n    --hash=sha256:" + "0" * 64, "aiohttp is installed in version"),
        ("no-such-package==1.0", "no-such-package stands in the lock and is not installed"),
    ],
)
def test_a_lock_that_is_not_what_is_installed_is_an_error(lock: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        bill(lock)
