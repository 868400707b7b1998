"""From the configuration and from installed packages to the rules by which people get their ids and accounts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from moodle_appservice import ownrules
from moodle_appservice.config import load
from moodle_appservice.domain.model import Claim, Person, Trust, UserId
from moodle_appservice.domain.rules import (
    SAME_DIRECTORY,
    AccountMode,
    AccountRules,
    IdentityRules,
    PeopleRules,
    Rewrite,
    Rules,
)
from moodle_appservice.registration import make
from moodle_appservice.rulebook import rules_from
from tests.domain import values

Configured = Callable[..., Rules]


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    """The rules of a configuration with these sections."""

    def build(**sections: Any) -> Rules:
        path = tmp_path / "config.yaml"
        content = {
            "site": "uni",
            "moodle": {"url": "https://moodle.example.org", "token": "0" * 32},
            "homeserver": {"address": "http://127.0.0.1:8008", "domain": "uni.test"},
            **sections,
        }
        with path.open("w", encoding="utf-8") as file:
            YAML().dump(content, file)
        path.chmod(0o600)
        return rules_from(load(path, {}), make(site="uni", domain="uni.test", url="http://127.0.0.1:1"))

    return build


def test_without_a_word_only_a_directory_makes_moderators_and_nobody_registers_to_an_id(
    configured: Configured,
) -> None:
    rules = configured()
    identity = rules.identity
    assert identity.trust_for_moderators is Trust.DIRECTORY
    assert identity.same_directory_auth == SAME_DIRECTORY
    assert not {"email", "oauth2", "none", "lti", "nologin", "unknown"} & identity.same_directory_auth
    assert "admin" in identity.reserved
    assert (identity.template, identity.external_id, identity.field_is_locked) == (
        "@{username}:{domain}",
        "{username}",
        False,
    )
    assert (rules.accounts, rules.people) == (AccountRules(), PeopleRules())


def test_every_key_arrives(configured: Configured) -> None:
    rules = configured(
        identity={
            "profile_field": "matrix",
            "profile_field_locked": "on",
            "locked_since": "2026-09-01",
            "template": "@u{profile_no}:{domain}",
            "rewrite": {"@uni$": "", "^0+": "o"},
            "same_directory_auth": ["LDAP", "unknown"],
            "by_email": "yes",
            "sso": {"provider": "oidc-uni", "external_id": "{idnumber}"},
            "trust_for_moderators": "derived",
            "reserved": ["Boss"],
            "allowed_domains": ["*"],
        },
        accounts={
            "mode": "create",
            "login": "password",
            "hand_out_password": True,
            "wait_for_account": True,
            "name": "{username}",
            "follow_name": False,
            "follow_email": True,
        },
        people={"exclude": ["Boss", "17"], "on_suspend": "mute", "grace_period": "14 days"},
        membership={"when": "on-request"},
    )
    assert rules.identity == IdentityRules(
        profile_field="matrix",
        field_is_locked=True,
        locked_since=1788220800.0,
        template="@u{profile_no}:{domain}",
        rewrite=(Rewrite("@uni$", ""), Rewrite("^0+", "o")),
        same_directory_auth=frozenset({"ldap", "unknown"}),
        by_email=True,
        sso_provider="oidc-uni",
        external_id="{idnumber}",
        trust_for_moderators=Trust.DERIVED,
        reserved=frozenset({"boss"}),
        allowed_domains=frozenset({"*"}),
    )
    assert rules.accounts == AccountRules(
        AccountMode.CREATE, True, "password", True, "{username}", False, False, True
    )
    assert rules.people == PeopleRules(frozenset({"boss", "17"}), "mute", 14 * 86400.0, "on-request")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90", 90),
        ("1.5 h", 5400),
        ("2 weeks", 14 * 86400),
        ("1 day", 86400),
        ("10 min", 600),
        ("3d", 3 * 86400),
    ],
)
def test_a_time_may_have_a_unit(configured: Configured, text: str, seconds: float) -> None:
    assert configured(people={"grace_period": text}).people.grace_period == seconds


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-09-01", 1788220800.0),
        ("2026-09-01T02:00:00+02:00", 1788220800.0),
        ("2026-09-01 00:00", 1788220800.0),
        ("", None),
    ],
)
def test_the_moment_of_a_lock_is_in_utc_unless_it_says_otherwise(
    configured: Configured, text: str, at: float | None
) -> None:
    identity = {"profile_field": "matrix", "profile_field_locked": True, "locked_since": text}
    assert configured(identity=identity).identity.locked_since == at


# Packages of an institution's own


def by_number(person: Person) -> Claim:
    return Claim(UserId(f"@u{person.id}:uni.test"), Trust.DIRECTORY)


NO_CALLABLE = 5


def installed(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    found = [EntryPoint(name, value, ownrules.GROUP) for name, value in points.items()]

    def entry_points(*, group: str) -> list[EntryPoint]:
        assert group in ("moodle_appservice.identity_rules", "moodle_appservice.room_rules")
        return found if group == ownrules.GROUP else []

    monkeypatch.setattr(ownrules, "entry_points", entry_points)


def test_rules_of_installed_packages_are_found_by_name(
    monkeypatch: pytest.MonkeyPatch, configured: Configured
) -> None:
    installed(monkeypatch, number=f"{__name__}:by_number")
    (rule,) = configured().identity.own_rules
    assert (rule.name, rule.find(values.person(5))) == (
        "number",
        Claim(UserId("@u5:uni.test"), Trust.DIRECTORY),
    )


def test_a_package_that_can_not_be_loaded_is_named_and_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    installed(monkeypatch, a="no_such_package:rule", b=f"{__name__}:NO_CALLABLE", c=f"{__name__}:by_number")
    with caplog.at_level(logging.ERROR):
        assert [rule.name for rule in ownrules.own_rules()] == ["c"]
    assert "The identity rule a (no_such_package:rule) can't be loaded" in caplog.text
    assert "The identity rule b" in caplog.text and "is no callable" in caplog.text
