"""From people to Matrix ids: case by case, and what holds for every name that anybody could have."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from moodle_appservice.domain.identity import (
    escape_localpart,
    fingerprint,
    resolve,
    settle,
    split_user_id,
)
from moodle_appservice.domain.model import MoodleUserId, Resolution, Trust, UserId
from moodle_appservice.domain.rules import IdentityRules
from tests.domain import casefiles, values

CASES = casefiles.cases(
    "identity", keys=("person", "rules", "id", "trust", "reason", "remark", "before", "fresh", "kept")
)
RESOLVED = [case for case in CASES if "person" in case.values[0]]
SETTLED = [case for case in CASES if "kept" in case.values[0]]
NAMES = st.text(st.characters(), max_size=60)
GRAMMAR = re.compile(r"@[a-z0-9._=\-/+]+:[A-Za-z0-9.\-:\[\]]+")
"""Matrix specification, appendix "User identifiers"."""


@pytest.mark.parametrize("case", RESOLVED)
def test_resolve(case: dict[str, Any]) -> None:
    found = resolve(values.person(5, **case["person"]), values.rules(case.get("rules", {})))
    if "reason" in case:
        assert found == Resolution(MoodleUserId(5), None, None, case["reason"])
    else:
        trust = Trust(case.get("trust", "derived"))
        assert found == Resolution(MoodleUserId(5), UserId(case["id"]), trust, case.get("remark", ""))


def resolution(given: dict[str, Any]) -> Resolution:
    trust = Trust(given["trust"]) if "trust" in given else None
    return Resolution(MoodleUserId(5), given.get("id"), trust, given.get("reason", ""))


@pytest.mark.parametrize("case", SETTLED)
def test_settle(case: dict[str, Any]) -> None:
    before = case["before"] and resolution(case["before"])
    assert settle(before, resolution(case["fresh"])) == resolution(case["kept"])


@given(NAMES, NAMES)
@example("_a", "=5fa")
@example("a=20b", "a b")
@example("a", "a\0")
def test_two_usernames_never_give_one_id(first: str, second: str) -> None:
    # Moodle stores usernames in small letters.
    first, second = first.lower(), second.lower()
    assume(first != second)
    assert escape_localpart(first) != escape_localpart(second)


@given(NAMES, st.sampled_from(["uni.test", "[::1]:8448", "x" * 230]))
@example("\ud800", "uni.test")
def test_a_username_gives_a_valid_id_or_a_reason(username: str, domain: str) -> None:
    rules = values.rules({"domain": domain, "bot": f"@moodle:{domain}", "identity": {"reserved": ["a"]}})
    found = resolve(values.person(5, username=username), rules)
    if found.matrix_id is None:
        assert found.reason and found.trust is None
    else:
        assert not found.reason
        assert GRAMMAR.fullmatch(found.matrix_id) and len(found.matrix_id.encode()) <= 255
        assert split_user_id(found.matrix_id) is not None
        assert found.matrix_id not in ("@a:uni.test", rules.bot)


STATED = st.one_of(
    NAMES,
    st.builds("@{}:{}".format, NAMES, NAMES),
    st.from_regex(r"@[a-z0-9._=\-/+]{1,20}:[a-z0-9.\-]{1,20}(:[0-9]{1,6})?", fullmatch=True),
    st.from_regex(GRAMMAR, fullmatch=True),
)


@given(STATED)
@example("@sam:uni.test\n")
@example("@sam:uni.test:99999999")
@example("@:uni.test")
@example("@\ud800:uni.test")
def test_what_a_profile_field_states_is_a_valid_id_or_a_reason(text: str) -> None:
    rules = values.rules(
        {"identity": {"profile_field": "matrix", "field_is_locked": True, "allowed_domains": ["*"]}}
    )
    assume(text.strip())
    found = resolve(values.person(5, profile_fields={"matrix": text}), rules)
    if found.matrix_id is None:
        assert found.reason
    else:
        assert found.trust is Trust.DIRECTORY
        assert GRAMMAR.fullmatch(found.matrix_id) and len(found.matrix_id) <= 255


@given(st.lists(NAMES, min_size=1, max_size=5))
def test_a_derived_id_stays_over_every_rename(names: list[str]) -> None:
    rules = values.rules({})
    kept: Resolution | None = None
    first: UserId | None = None
    for name in names:
        kept = settle(kept, resolve(values.person(5, username=name), rules))
        first = first or kept.matrix_id
        assert kept.matrix_id == first


@given(st.text(), st.text())
def test_the_domain_of_another_university_needs_to_be_allowed(localpart: str, server: str) -> None:
    rules = values.rules(
        {"identity": {"profile_field": "matrix", "field_is_locked": True, "allowed_domains": ["friend.test"]}}
    )
    assume(localpart.strip() or server.strip())
    found = resolve(values.person(5, profile_fields={"matrix": f"@{localpart}:{server}"}), rules)
    assert found.matrix_id is None or server.strip() in ("uni.test", "friend.test")


@given(NAMES, NAMES, st.dictionaries(NAMES, NAMES, max_size=3))
def test_a_fingerprint_changes_with_the_account_and_never_fails(
    name: str, other: str, fields: dict[str, str]
) -> None:
    one = values.person(5, username=name, profile_fields=fields)
    assert fingerprint(one) == fingerprint(values.person(5, username=name, profile_fields=dict(fields)))
    assume(name != other)
    assert fingerprint(one) != fingerprint(values.person(5, username=other, profile_fields=fields))
    assert fingerprint(one) != fingerprint(
        values.person(5, username=name, profile_fields={**fields, "new": other})
    )


def test_a_suspension_does_not_change_the_id() -> None:
    rules = values.rules({})
    assert resolve(values.person(5), rules) == resolve(values.person(5, suspended=True), rules)


def test_the_identity_rules_of_an_empty_configuration_take_the_username() -> None:
    assert IdentityRules().template == "@{username}:{domain}"


def test_an_account_that_nobody_can_sign_in_to_is_told_from_one_whose_name_was_chosen() -> None:
    rules = values.rules({})
    found = {auth: resolve(values.person(8, auth=auth), rules) for auth in ("nologin", "email")}
    assert {one.matrix_id for one in found.values()} == {None}
    assert "may choose their user name" in found["email"].reason
    assert "Nobody can sign in" in found["nologin"].reason
    assert "choose" not in found["nologin"].reason
