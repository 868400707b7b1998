"""What becomes of a claim, by the account behind it and the mode: who is invited, who waits, who is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from moodle_appservice.domain.accounts import (
    Account,
    Case,
    account_exists,
    display_name_of,
    is_as_we_left_it,
    is_excluded,
    judge,
    must_look,
    virtual_id_of,
)
from moodle_appservice.domain.model import MoodleUserId, Resolution, Standing, Trust, UserId
from moodle_appservice.domain.rules import AccountMode
from tests.domain import values

SAM = UserId("@sam:uni.test")
FAR = UserId("@sam:else.test")
EXPECTED = ("oidc", "sam")


def claim(trust: Trust = Trust.DERIVED, matrix_id: UserId = SAM) -> Resolution:
    return Resolution(MoodleUserId(5), matrix_id, trust)


def account(**given: Any) -> Account:
    return Account(SAM, **given)


def ruled(case: Case, found: Account | None, mode: str = "map-only", **more: Any) -> str:
    """How it ends, in a word or two."""
    can_create = more.pop("can_create", False)
    rules = values.rules({"accounts": {"mode": mode, **more}})
    ruling = judge(case, found, rules, can_create=can_create)
    resolution = ruling.resolution
    if ruling.refused:
        assert (resolution.matrix_id, resolution.trust, resolution.wanted) == (
            None,
            None,
            case.claim.matrix_id,
        )
        assert "left untouched" in resolution.reason
        return "refused"
    assert (resolution.matrix_id, resolution.trust) == (case.claim.matrix_id, case.claim.trust)
    assert bool(resolution.reason) == (resolution.standing is not Standing.READY)
    assert not ruling.make or resolution.standing is Standing.WAITING
    return "make" if ruling.make else resolution.standing.value


OUT_OF_ORDER = [{"deactivated": True}, {"suspended": True}, {"locked": True}]


@pytest.mark.parametrize("state", [*OUT_OF_ORDER, {"admin": True}])
@pytest.mark.parametrize("mode", list(AccountMode))
def test_a_derived_claim_takes_no_account_of_an_admin_and_none_that_is_switched_off(
    mode: AccountMode, state: dict[str, bool]
) -> None:
    assert ruled(Case(claim()), account(**state), mode) == "refused"


@pytest.mark.parametrize("trust", [Trust.DIRECTORY, Trust.PROVEN])
def test_an_admin_may_be_a_person_where_something_surer_says_so(trust: Trust) -> None:
    assert ruled(Case(claim(trust)), account(admin=True)) == "ready"


@pytest.mark.parametrize("state", OUT_OF_ORDER)
@pytest.mark.parametrize("trust", list(Trust))
def test_whose_account_is_switched_off_keeps_it_and_is_not_invited(
    trust: Trust, state: dict[str, bool]
) -> None:
    case = Case(claim(trust), was_held=True)
    assert ruled(case, account(**state)) == "blocked"
    assert ruled(replace(case, is_ours=True), account(**state), "create") == "blocked"


def test_who_became_an_admin_is_not_kept_by_a_derived_claim() -> None:
    assert ruled(Case(claim(), was_held=True), account(admin=True)) == "refused"


@pytest.mark.parametrize(
    ("external_ids", "ends"),
    [
        ({EXPECTED}, "ready"),
        ({EXPECTED, ("saml", "x")}, "ready"),
        (set(), "refused"),
        ({("oidc", "other")}, "refused"),
        ({("saml", "sam")}, "refused"),
    ],
)
@pytest.mark.parametrize("mode", ["map-only", "expect-sso", "create", "virtual"])
def test_an_existing_account_must_carry_the_expected_external_id(
    mode: str, external_ids: set[tuple[str, str]], ends: str
) -> None:
    case = Case(claim(), external_id=EXPECTED)
    assert ruled(case, account(external_ids=frozenset(external_ids)), mode) == ends


def test_without_admin_rights_nothing_can_be_held_against_an_account() -> None:
    case = Case(claim(), external_id=EXPECTED)
    assert ruled(case, account(seen_as_admin=False)) == "ready"


@pytest.mark.parametrize(
    ("case", "ends"),
    [
        (Case(claim()), "refused"),
        (Case(claim(), was_held=True), "ready"),
        (Case(claim(), is_ours=True), "ready"),
        (Case(claim(Trust.DIRECTORY)), "ready"),
        (Case(claim(Trust.PROVEN)), "ready"),
    ],
    ids=["a stranger's", "held before", "ours", "by a directory", "proven"],
)
def test_where_we_make_accounts_one_that_is_there_is_taken_only_with_a_reason(case: Case, ends: str) -> None:
    assert ruled(case, account(), "create") == ends


@pytest.mark.parametrize(
    ("mode", "more", "ends"),
    [
        ("map-only", {}, "waiting"),
        ("virtual", {}, "waiting"),
        ("expect-sso", {}, "ready"),
        ("expect-sso", {"wait_for_account": True}, "waiting"),
        ("create", {"can_create": True}, "make"),
        ("create", {"can_create": False}, "waiting"),
    ],
)
def test_what_happens_where_there_is_no_account(mode: str, more: dict[str, bool], ends: str) -> None:
    assert ruled(Case(claim()), None, mode, **more) == ends
    assert ruled(Case(claim(Trust.DIRECTORY)), None, mode, **more) == ends


def test_no_account_is_made_for_a_proven_id_or_for_who_can_not_use_it() -> None:
    assert ruled(Case(claim(Trust.PROVEN)), None, "create", can_create=True) == "waiting"
    assert ruled(Case(claim(), is_wanted=False), None, "create", can_create=True) == "waiting"


@pytest.mark.parametrize("mode", list(AccountMode))
def test_an_account_elsewhere_is_never_made_and_waited_for_where_it_is_said_to_be_missing(
    mode: AccountMode,
) -> None:
    case = Case(claim(Trust.DIRECTORY, FAR))
    assert ruled(case, None, mode, can_create=True) == "waiting"


@pytest.mark.parametrize(
    ("case", "mode", "rights", "looks"),
    [
        (Case(Resolution(MoodleUserId(5), None, None, "No.")), "map-only", True, False),
        (Case(claim()), "expect-sso", False, False),
        (Case(claim()), "expect-sso", True, True),
        (Case(claim()), "map-only", False, True),
        (Case(claim()), "virtual", False, True),
        (Case(claim()), "create", True, False),
        (Case(claim(), is_wanted=False), "create", True, True),
        (Case(claim(), was_held=True), "create", True, True),
        (Case(claim(Trust.PROVEN)), "create", True, True),
        (Case(claim()), "create", False, True),
        (Case(claim(Trust.PROVEN, FAR)), "expect-sso", True, False),
        (Case(claim(Trust.PROVEN, FAR)), "map-only", False, True),
    ],
)
def test_an_account_is_looked_at_only_where_that_decides(
    case: Case, mode: str, rights: bool, looks: bool
) -> None:
    rules = values.rules({"accounts": {"mode": mode}})
    assert must_look(case, rules, can_look=rights, can_create=rights) is looks


def test_a_remark_of_the_claim_stands_before_what_is_said_of_the_account() -> None:
    remarked = replace(claim(), reason="The field is not believed.")
    waiting = judge(Case(remarked), None, values.rules({"accounts": {"mode": "map-only"}})).resolution
    assert waiting.reason.startswith("The field is not believed. There is no account @sam:uni.test yet.")
    assert account_exists(remarked).resolution.reason.startswith("The field is not believed. @sam:uni.test")


# After a crash


@pytest.mark.parametrize(
    ("found", "ours"),
    [
        ({"made_at": 100.0}, True),
        ({"made_at": 100.0, "display_name": "sam"}, True),
        ({"made_at": 100.0, "display_name": "Sam Smith"}, True),
        ({"made_at": 95.0}, True),
        ({"made_at": 200.0}, True),
        ({"made_at": 80.0}, False),
        ({"made_at": 300.0}, False),
        ({}, False),
        ({"made_at": 100.0, "display_name": "Somebody"}, False),
        ({"made_at": 100.0, "emails": frozenset({"x@uni.test"})}, False),
        ({"made_at": 100.0, "external_ids": frozenset({EXPECTED})}, False),
        ({"made_at": 100.0, "admin": True}, False),
        ({"made_at": 100.0, "deactivated": True}, False),
        ({"made_at": 100.0, "seen_as_admin": False}, False),
    ],
)
def test_an_account_found_after_a_crash_is_ours_only_as_we_would_have_left_it(
    found: dict[str, Any], ours: bool
) -> None:
    assert is_as_we_left_it(account(**found), 100.0, name="Sam Smith") is ours


def test_a_virtual_user_bears_no_user_name() -> None:
    assert virtual_id_of(MoodleUserId(7), values.rules({})) == "@moodle_uni_7:uni.test"


@pytest.mark.parametrize(
    ("exclude", "excluded"), [(["sam"], True), (["5"], True), (["samuel", "55"], False), ([], False)]
)
def test_people_are_excluded_by_user_name_or_number(exclude: list[str], excluded: bool) -> None:
    rules = values.rules({"people": {"exclude": exclude}})
    assert is_excluded(values.person(5, username="sam"), rules) is excluded


def test_a_display_name_follows_its_template_and_can_always_be_sent() -> None:
    rules = values.rules({"accounts": {"name_template": "{full_name} ({username})"}})
    person = values.person(5, username="sam", full_name=" Sam \n Sm\ud800ith ")
    assert display_name_of(person, rules) == "Sam Smith (sam)"
    assert len(display_name_of(values.person(5, full_name="x" * 999), values.rules({}))) == 256


@pytest.mark.parametrize(
    ("full_name", "shown"),
    [
        ("\u202egnoS maS", "gnoS maS"),
        ("\u200b\u200b", "Moodle 5"),
        (" \u0301 ", "Moodle 5"),
        ("نرگس ‌کیا", "نرگس ‌کیا"),
        ("👩\u200d🏫 Ada", "👩\u200d🏫 Ada"),
        ("", "Moodle 5"),
    ],
)
def test_a_display_name_keeps_every_script_and_neither_turns_text_nor_hides(
    full_name: str, shown: str
) -> None:
    assert display_name_of(values.person(5, full_name=full_name), values.rules({})) == shown
