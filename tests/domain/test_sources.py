"""Which source of an id wins, what each may say, and what stays of what an earlier look has found."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from moodle_appservice.domain.identity import (
    NOT_ASKED,
    FieldSeen,
    Sources,
    fingerprint,
    print_of_rules,
    resolve,
    still_holds,
)
from moodle_appservice.domain.model import Claim, MoodleUserId, Person, Resolution, Trust, UserId
from moodle_appservice.domain.rules import OwnRule, Rules
from moodle_appservice.domain.template import Missing, external_id_from, profile_fields_for
from tests.domain import values

FIELD = {"profile_field": "matrix", "field_is_locked": True}
LINKED, SIGNS_IN, HAS_EMAIL = UserId("@linked:uni.test"), UserId("@signs:uni.test"), UserId("@mail:uni.test")
ALL = Sources(linked=LINKED, signs_in=SIGNS_IN, has_email=HAS_EMAIL)


def sam(**given: object) -> Person:
    return values.person(5, username="sam", **given)


def with_field(matrix_id: str = "@field:uni.test", **given: object) -> Person:
    return sam(profile_fields={"matrix": matrix_id}, **given)


def own(name: str, claim: object) -> OwnRule:
    def find(person: Person) -> Claim | None:
        del person
        if isinstance(claim, Exception):
            raise claim
        return claim  # type: ignore[return-value]

    return OwnRule(name, find)


def own_rules(*rules: OwnRule, **identity: object) -> Rules:
    return values.rules({"identity": {"own_rules": rules, **identity}})


def found(person: Person, rules: Rules, sources: Sources = NOT_ASKED) -> tuple[str | None, Trust | None]:
    resolution = resolve(person, rules, sources)
    return resolution.matrix_id, resolution.trust


def test_the_surest_source_wins_each_in_its_turn() -> None:
    claim = Claim(UserId("@own:uni.test"), Trust.DIRECTORY)
    rules = own_rules(own("mine", claim), **FIELD)
    assert found(with_field(), rules, ALL) == (LINKED, Trust.PROVEN)
    assert found(with_field(), rules, Sources(signs_in=SIGNS_IN)) == (SIGNS_IN, Trust.DIRECTORY)
    assert found(with_field(), rules, Sources(has_email=HAS_EMAIL)) == ("@field:uni.test", Trust.DIRECTORY)
    assert found(sam(), rules, Sources(has_email=HAS_EMAIL)) == ("@own:uni.test", Trust.DIRECTORY)
    assert found(sam(), values.rules({}), Sources(has_email=HAS_EMAIL)) == (HAS_EMAIL, Trust.DERIVED)
    assert found(sam(), values.rules({})) == ("@sam:uni.test", Trust.DERIVED)


@pytest.mark.parametrize("auth", ["email", "none", "lti", "oauth2", "unheard_of", ""])
def test_a_user_name_of_ones_own_choice_leads_to_nobodys_account_by_no_way(auth: str) -> None:
    sources = Sources(signs_in=UserId("@professor:uni.test"), has_email=UserId("@professor:uni.test"))
    professor = values.person(5, username="professor", email="professor@uni.test", auth=auth)
    rules = values.rules({"identity": {"sso_provider": "oidc", "by_email": True}})
    assert resolve(professor, rules, sources).matrix_id is None


def test_a_locked_field_of_somebody_who_signed_up_counts_only_once_it_was_seen_to_change() -> None:
    rules = values.rules({"identity": {**FIELD, "same_directory_auth": ["manual"]}})
    stated = "@professor:uni.test"
    for seen in (FieldSeen(), FieldSeen(stated, None), FieldSeen("@other:uni.test", 50.0)):
        refused = resolve(with_field(stated, auth="email"), rules, Sources(field=seen))
        assert refused.matrix_id is None and "on the sign-up page" in refused.reason
        assert found(with_field(stated, auth="ldap"), rules, Sources(field=seen))[1] is Trust.DIRECTORY
    assert found(with_field(stated, auth="email"), rules, Sources(field=FieldSeen(stated, 50.0))) == (
        stated,
        Trust.DIRECTORY,
    )


def test_a_proven_account_may_bear_a_reserved_name_but_not_ours() -> None:
    rules = values.rules({"identity": {"reserved": ["admin"]}})
    admin = UserId("@admin:uni.test")
    assert found(sam(), rules, Sources(linked=admin)) == (admin, Trust.PROVEN)
    assert found(sam(), rules, Sources(signs_in=admin))[0] is None
    for ours in (rules.bot, UserId("@moodle_uni_7:uni.test")):
        refused = resolve(sam(), rules, Sources(linked=ours))
        assert refused.matrix_id == "@sam:uni.test"
        assert "belongs to this service itself" in refused.reason


def test_a_proven_account_elsewhere_needs_its_domain_to_be_allowed() -> None:
    far = UserId("@sam:else.test")
    assert resolve(sam(), values.rules({}), Sources(linked=far)).matrix_id == "@sam:uni.test"
    rules = values.rules({"identity": {"allowed_domains": ["else.test"]}})
    assert found(sam(), rules, Sources(linked=far)) == (far, Trust.PROVEN)


# A field that was locked at some time


@pytest.mark.parametrize(
    ("seen", "believed"),
    [
        (FieldSeen(), False),
        (FieldSeen("@field:uni.test", None), False),
        (FieldSeen("@field:uni.test", 99.0), False),
        (FieldSeen("@field:uni.test", 100.0), True),
        (FieldSeen("@other:uni.test", 200.0), False),
    ],
    ids=["never seen", "there at the first look", "set before", "set since", "another value"],
)
def test_only_a_value_that_was_set_since_the_lock_is_believed(seen: FieldSeen, believed: bool) -> None:
    rules = values.rules({"identity": {**FIELD, "locked_since": 100.0}})
    expected = "@field:uni.test" if believed else "@sam:uni.test"
    assert resolve(with_field(), rules, Sources(field=seen)).matrix_id == expected


def test_the_age_of_a_value_is_counted_from_the_last_look_at_which_it_was_another() -> None:
    seen = FieldSeen().seen_again("@a:uni.test", last_look=None)
    assert seen == FieldSeen("@a:uni.test", None)
    seen = seen.seen_again("@a:uni.test", last_look=10.0)
    assert seen == FieldSeen("@a:uni.test", None)
    seen = seen.seen_again("@b:uni.test", last_look=20.0)
    assert seen == FieldSeen("@b:uni.test", 20.0)


def test_a_value_that_vanishes_and_comes_back_is_as_old_as_it_was() -> None:
    seen = FieldSeen("@a:uni.test", None).seen_again("", last_look=10.0)
    assert seen.seen_again("@a:uni.test", last_look=20.0) == FieldSeen("@a:uni.test", None)
    assert seen.seen_again("@b:uni.test", last_look=20.0) == FieldSeen("@b:uni.test", 20.0)


def test_an_empty_field_that_is_filled_is_as_old_as_the_last_look_at_it() -> None:
    seen = FieldSeen().seen_again("", last_look=None)
    assert seen.seen_again("@a:uni.test", last_look=10.0) == FieldSeen("@a:uni.test", 10.0)


LOOKS = st.lists(st.sampled_from(["", "@a:uni.test", "@b:uni.test"]), min_size=1, max_size=12)


@given(LOOKS)
def test_no_value_is_ever_taken_for_younger_than_it_can_be(held: list[str]) -> None:
    # Each look is one second after the one before; a value set between two looks is as old as the earlier one.
    seen, last = FieldSeen(), None
    for now, value in enumerate(held):
        seen = seen.seen_again(value, last_look=last)
        if value:
            before = [at for at in range(now) if held[at] != value]
            assert seen.value == value
            assert seen.since is None or (before and seen.since <= before[-1])
        last = float(now)


def test_what_we_wrote_into_moodle_ourselves_is_no_source() -> None:
    rules = values.rules({"identity": FIELD})
    written = Sources(written="@field:uni.test")
    assert found(with_field(), rules, written) == ("@sam:uni.test", Trust.DERIVED)
    assert resolve(with_field(), rules, written).reason == ""
    assert found(with_field("@other:uni.test"), rules, written) == ("@other:uni.test", Trust.DIRECTORY)


# Rules of an institution's own


def test_a_rule_of_ones_own_never_proves_anything() -> None:
    rules = own_rules(own("mine", Claim(UserId("@own:uni.test"), Trust.PROVEN)))
    assert found(sam(), rules) == ("@own:uni.test", Trust.DIRECTORY)


def test_a_rule_that_only_derives_is_bound_to_the_same_methods() -> None:
    rules = own_rules(own("mine", Claim(UserId("@own:uni.test"))))
    assert found(sam(), rules) == ("@own:uni.test", Trust.DERIVED)
    assert found(sam(auth="email"), rules) == (None, None)


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        (ValueError("no number"), "The rule mine failed (ValueError: no number)."),
        ("@own:uni.test", "The rule mine gave no claim but str."),
        (Claim(None, reason="Not in the list."), "Not in the list."),
        (Claim(None), "The rule mine gives no id."),
        (Claim(UserId("own")), "The rule mine does not hold a valid Matrix id."),
        (Claim(UserId("@moodle:uni.test")), "The account name moodle belongs to this service itself."),
    ],
    ids=["raises", "another type", "says why not", "says nothing", "no id", "the bot's"],
)
def test_a_rule_that_fails_is_named_and_the_others_go_on(claim: object, said: str) -> None:
    rules = own_rules(own("mine", claim), own("other", Claim(UserId("@other:uni.test"))))
    assert resolve(sam(), rules) == Resolution(
        MoodleUserId(5), UserId("@other:uni.test"), Trust.DERIVED, said
    )


def test_a_rule_that_has_nothing_to_say_says_nothing() -> None:
    assert resolve(sam(), own_rules(own("mine", None))).reason == ""


# What stays


def before(trust: Trust, matrix_id: str = "@old:uni.test") -> Resolution:
    return Resolution(MoodleUserId(5), UserId(matrix_id), trust)


@pytest.mark.parametrize(
    ("held", "person", "identity", "sources", "holds"),
    [
        (before(Trust.PROVEN), sam(), {}, Sources(), False),
        (before(Trust.PROVEN), sam(), {}, Sources(linked=UserId("@old:uni.test")), True),
        (before(Trust.PROVEN), sam(), {}, Sources(linked=UserId("@new:uni.test")), False),
        (before(Trust.DERIVED), sam(), {}, Sources(), True),
        (before(Trust.DERIVED), sam(auth="email"), {}, Sources(), False),
        (before(Trust.DERIVED), sam(auth=""), {}, Sources(), True),
        (before(Trust.DERIVED), sam(), {"reserved": ["old"]}, Sources(), False),
        (before(Trust.DERIVED, "@old:else.test"), sam(), {}, Sources(), False),
        (before(Trust.DIRECTORY), sam(), {}, Sources(), False),
        (before(Trust.DIRECTORY), sam(), FIELD, Sources(), True),
        (before(Trust.DIRECTORY), sam(), {"sso_provider": "oidc"}, Sources(), True),
        (before(Trust.DIRECTORY), sam(auth="email"), {"sso_provider": "oidc"}, Sources(), False),
        (before(Trust.DIRECTORY), with_field("@old:uni.test"), {"profile_field": "matrix"}, Sources(), False),
        (
            before(Trust.DIRECTORY),
            with_field("@old:uni.test"),
            {**FIELD, "locked_since": 9.0},
            Sources(),
            False,
        ),
        (before(Trust.DIRECTORY), with_field("@old:uni.test"), FIELD, Sources(), True),
        (Resolution(MoodleUserId(5), None, None, "No."), sam(), {}, Sources(), False),
    ],
)
def test_what_was_found_stays_only_while_its_source_is_believed(
    held: Resolution, person: Person, identity: dict[str, object], sources: Sources, holds: bool
) -> None:
    assert still_holds(held, person, values.rules({"identity": identity}), sources) is holds


# Two people, one id


USERNAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(USERNAMES, USERNAMES)
def test_two_people_never_derive_one_id(first: str, second: str) -> None:
    rules = values.rules({})
    first, second = first.lower(), second.lower()
    assume(first != second)
    ids = [resolve(values.person(5, username=name), rules).matrix_id for name in (first, second)]
    assert ids[0] != ids[1] or ids == [None, None]


@given(st.text(max_size=30), st.text(max_size=30))
def test_an_id_at_an_identity_provider_can_always_be_sent(username: str, number: str) -> None:
    rules = values.rules({"identity": {"external_id": "{username}|{profile_no}"}})
    person = values.person(5, username=username, profile_fields={"no": number})
    try:
        assert external_id_from(person, rules).encode()
    except Missing as missing:
        assert str(missing) in ("username", "profile_no")


def test_every_profile_field_that_a_template_names_is_asked_for() -> None:
    identity = values.rules(
        {
            "identity": {
                **FIELD,
                "template": "@{profile_b}{profile_a}:{domain}",
                "sso_provider": "oidc",
                "external_id": "{profile_c}",
            }
        }
    ).identity
    assert profile_fields_for(identity) == ("a", "b", "c", "matrix")
    assert profile_fields_for(values.rules({}).identity) == ()


CHANGES: list[dict[str, object]] = [
    {"domain": "else.test"},
    {"identity": {"template": "@u{username}:{domain}"}},
    {"identity": {"rewrite": [["a", "b"]]}},
    {"identity": {"reserved": ["a"]}},
    {"identity": {"same_directory_auth": ["ldap"]}},
    {"identity": {"profile_field": "matrix"}},
    {"identity": FIELD},
    {"identity": {**FIELD, "locked_since": 1.0}},
    {"identity": {"by_email": True}},
    {"identity": {"sso_provider": "oidc"}},
    {"identity": {"allowed_domains": ["*"]}},
    {"identity": {"own_rules": (own("mine", None),)}},
    {"accounts": {"mode": "create"}},
    {"accounts": {"wait_for_account": True}},
    {"people": {"exclude": ["sam"]}},
]


def test_every_rule_that_decides_about_people_is_in_their_fingerprints() -> None:
    prints = [print_of_rules(values.rules(change)) for change in [{}, *CHANGES]]
    assert len(set(prints)) == len(prints)
    assert fingerprint(sam(), prints[0]) != fingerprint(sam(), prints[1])
    assert print_of_rules(values.rules({})) == prints[0]


@pytest.mark.parametrize("change", [{"auth": "email"}, {"suspended": True}, {"email": "x@uni.test"}])
def test_what_decides_about_the_account_is_in_the_fingerprint(change: dict[str, object]) -> None:
    assert fingerprint(sam()) != fingerprint(sam(**change))
