"""Permissions: of all entries that fit somebody, the most specific one counts."""

from __future__ import annotations

import pytest

from moodle_appservice.config import Settings
from moodle_appservice.domain.model import MoodleUserId, UserId
from moodle_appservice.domain.permissions import Level, Permissions

ENTRIES = {
    "7": Level.NONE,
    "2": Level.ADMIN,
    "@anna:uni.test": Level.ADMIN,
    "@noisy:uni.test": Level.NONE,
    "uni.test": Level.USER,
    "*": Level.NONE,
}


@pytest.mark.parametrize(
    ("person", "account", "level"),
    [
        (2, "@root:uni.test", Level.ADMIN),
        (2, "@noisy:uni.test", Level.ADMIN),
        (7, "@anna:uni.test", Level.NONE),
        (3, "@anna:uni.test", Level.ADMIN),
        (None, "@noisy:uni.test", Level.NONE),
        (3, "@bea:uni.test", Level.USER),
        (None, "@bea:uni.test", Level.USER),
        (None, "@bea:else.where", Level.NONE),
        (None, None, Level.NONE),
    ],
)
def test_the_most_specific_entry_wins(person: int | None, account: str | None, level: Level) -> None:
    found = Permissions(ENTRIES).level_of(
        person=None if person is None else MoodleUserId(person),
        account=None if account is None else UserId(account),
    )
    assert found is level


def test_whom_nobody_has_named_is_a_user() -> None:
    assert Permissions({}).level_of(account=UserId("@x:y.test")) is Level.USER
    assert not Permissions().has(person=MoodleUserId(2), account=UserId("@x:y.test"))


def test_the_named_administrators_are_known() -> None:
    assert Permissions(ENTRIES).admin_accounts == {"@anna:uni.test"}


@pytest.mark.parametrize("name", ["", "@anna", "0", "-1", "a b", "@a:b c"])
def test_an_entry_that_names_nobody_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="names nobody"):
        _settings({name: "admin"})


@pytest.mark.parametrize("name", ["2", "@anna:uni.test", "uni.test", "localhost", "[::1]:8448", "*"])
def test_an_entry_may_be_a_number_an_account_a_homeserver_or_everybody(name: str) -> None:
    assert _settings({name: "none"}).permissions == {name: Level.NONE}


def test_everybody_can_not_be_an_administrator() -> None:
    with pytest.raises(ValueError, match="makes everybody an administrator"):
        _settings({"*": "admin"})


def _settings(permissions: dict[str, str]) -> Settings:
    return Settings.model_validate(
        {
            "site": "uni",
            "moodle": {"url": "https://moodle.example.org", "token": "a-token"},
            "homeserver": {"address": "http://127.0.0.1:8008", "domain": "example.org"},
            "permissions": permissions,
        }
    )
