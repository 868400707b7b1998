"""People and their ids: kept over renames, never shared; and courses with who is in them."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any

import pytest

from moodle_appservice.domain.identity import FieldSeen, fingerprint
from moodle_appservice.domain.model import (
    CourseId,
    MoodleUserId,
    Person,
    Resolution,
    Role,
    Standing,
    Trust,
    UserId,
)
from moodle_appservice.domain.rules import Choice
from moodle_appservice.ports import AccountKind, AccountRow, AccountState, CourseRow, Saved
from moodle_appservice.store.books import Books
from tests.domain import values

ONE, TWO, THREE = MoodleUserId(1), MoodleUserId(2), MoodleUserId(3)
SAME = UserId("@same:uni.test")


def person(user_id: MoodleUserId, **given: Any) -> Person:
    return values.person(int(user_id), **given)


def resolved(user_id: MoodleUserId, matrix_id: str, trust: Trust = Trust.DERIVED) -> Resolution:
    return Resolution(user_id, UserId(matrix_id), trust)


async def known(books: Books, user_id: MoodleUserId) -> Resolution:
    return (await books.people.look_up([user_id]))[user_id].resolution


async def test_what_was_found_out_about_a_person_is_remembered(books: Books) -> None:
    found = resolved(ONE, "@one:uni.test")
    known_by = fingerprint(person(ONE, language="de"))
    saved = await books.people.save(person(ONE, language="de"), found, at=5.0, fingerprint=known_by)
    assert saved == Saved(found)
    rows = await books.people.look_up([ONE, TWO])
    assert set(rows) == {ONE}
    assert rows[ONE].resolution == found
    assert rows[ONE].fingerprint == fingerprint(person(ONE, language="de"))
    assert await books.people.names([ONE, TWO]) == {ONE: "Person 1"}
    assert await books.people.by_matrix_id([UserId("@one:uni.test"), SAME]) == {UserId("@one:uni.test"): ONE}


async def test_that_nothing_was_found_is_remembered_with_the_reason(books: Books) -> None:
    nothing = Resolution(ONE, None, None, "The account name root is reserved (identity.reserved).")
    assert await books.people.save(person(ONE), nothing, at=5.0) == Saved(nothing)
    assert await known(books, ONE) == nothing


async def test_a_hidden_account_is_remembered_so_that_nobody_waits_for_it(books: Books) -> None:
    hidden = Resolution(ONE, None, None, "Moodle does not show this account.")
    await books.people.save(None, hidden, at=5.0)
    rows = await books.people.look_up([ONE])
    assert rows[ONE].resolution == hidden
    assert rows[ONE].fingerprint != fingerprint(person(ONE))


async def test_many_people_without_an_id_are_no_trouble(books: Books) -> None:
    for user_id in (ONE, TWO):
        await books.people.save(person(user_id), Resolution(user_id, None, None, "No."), at=5.0)
    assert len(await books.people.look_up([ONE, TWO])) == 2


async def test_the_second_who_wants_an_id_is_quarantined_and_the_first_keeps_it(books: Books) -> None:
    await books.people.save(person(ONE), resolved(ONE, SAME), at=5.0)
    got = (await books.people.save(person(TWO), resolved(TWO, SAME), at=6.0)).resolution
    assert (got.user_id, got.matrix_id, got.trust) == (TWO, None, None)
    assert got.reason.startswith(
        "Quarantined: @same:uni.test already belongs to another Moodle person (user id 1)."
    )
    assert await known(books, TWO) == got
    assert await books.people.by_matrix_id([SAME]) == {SAME: ONE}


async def test_who_had_an_id_keeps_it_when_the_wanted_one_belongs_to_another(books: Books) -> None:
    await books.people.save(person(ONE), resolved(ONE, SAME), at=5.0)
    await books.people.save(person(TWO), resolved(TWO, "@two:uni.test"), at=5.0)
    got = (await books.people.save(person(TWO), resolved(TWO, SAME), at=6.0)).resolution
    assert (got.matrix_id, got.trust) == ("@two:uni.test", Trust.DERIVED)
    assert "Quarantined" in got.reason


async def test_two_who_swap_their_ids_by_something_surer_both_get_what_they_want(books: Books) -> None:
    await books.people.save(person(ONE), resolved(ONE, "@one:uni.test"), at=5.0)
    await books.people.save(person(TWO), resolved(TWO, "@two:uni.test"), at=5.0)
    await books.people.save(person(ONE), resolved(ONE, "@two:uni.test", Trust.DIRECTORY), at=6.0)
    await books.people.save(person(TWO), resolved(TWO, "@one:uni.test", Trust.DIRECTORY), at=6.0)
    assert (await known(books, ONE)).matrix_id == "@two:uni.test"
    assert (await known(books, TWO)).matrix_id == "@one:uni.test"


@pytest.mark.parametrize("held", list(Trust))
@pytest.mark.parametrize("claimed", list(Trust))
async def test_only_what_is_surer_takes_an_id_from_somebody(
    books: Books, held: Trust, claimed: Trust
) -> None:
    await books.people.save(person(ONE), resolved(ONE, SAME, held), at=5.0)
    saved = await books.people.save(person(TWO), resolved(TWO, SAME, claimed), at=6.0)
    if claimed.rank > held.rank:
        assert saved == Saved(resolved(TWO, SAME, claimed), frozenset({ONE}))
        displaced = await known(books, ONE)
        assert (displaced.matrix_id, displaced.trust, displaced.wanted) == (None, None, SAME)
        assert "turned out to belong to another Moodle person" in displaced.reason
    else:
        assert (saved.resolution.matrix_id, saved.resolution.wanted, saved.look_again) == (
            None,
            SAME,
            frozenset(),
        )
        assert await known(books, ONE) == resolved(ONE, SAME, held)


async def test_who_wants_an_id_is_named_when_it_is_given_up(books: Books) -> None:
    await books.people.save(person(ONE), resolved(ONE, SAME), at=5.0)
    await books.people.save(person(TWO), resolved(TWO, SAME), at=5.0)
    given_up = await books.people.save(person(ONE), Resolution(ONE, None, None, "Reserved."), at=6.0)
    assert given_up.look_again == {TWO}
    again = await books.people.save(person(ONE), Resolution(ONE, None, None, "Reserved."), at=7.0)
    assert again.look_again == set()


async def test_a_look_that_shows_nothing_leaves_name_field_and_time_as_they_were(books: Books) -> None:
    seen = FieldSeen("@x:uni.test", 4.0)
    await books.people.save(person(ONE), resolved(ONE, SAME), at=5.0, field=seen)
    await books.people.save(None, resolved(ONE, SAME), at=6.0)
    row = (await books.people.look_up([ONE]))[ONE]
    assert (row.field, row.looked_at, row.username) == (seen, 5.0, "u1")
    assert await books.people.names([ONE]) == {ONE: "Person 1"}


async def test_who_waits_and_who_is_blocked_can_be_listed(books: Books) -> None:
    waits = replace(resolved(ONE, "@one:uni.test"), standing=Standing.WAITING)
    blocked = replace(resolved(TWO, "@two:uni.test"), standing=Standing.BLOCKED)
    refused = Resolution(THREE, None, None, "It is an administrator's.", wanted=UserId("@root:uni.test"))
    for found in (waits, blocked, refused, Resolution(MoodleUserId(4), None, None, "No.")):
        await books.people.save(person(found.user_id), found, at=5.0)
        assert await known(books, found.user_id) == found
    assert await books.people.waiting() == {UserId("@one:uni.test"): ONE}
    assert await books.people.blocked() == {TWO, THREE}


async def test_an_account_of_our_making_comes_back_as_it_was_put(books: Books) -> None:
    intended = AccountRow(SAME, ONE, AccountKind.REAL, AccountState.INTENDED, 5.0)
    made = replace(
        intended,
        state=AccountState.MADE,
        made_at=6.0,
        name_written="Sam",
        avatar_written="a",
        email_written="e",
    )
    virtual = AccountRow(UserId("@moodle_uni_1:uni.test"), ONE, AccountKind.VIRTUAL, AccountState.MADE, 7.0)
    for row in (intended, made, virtual):
        await books.accounts.put(row)
        assert await books.accounts.get(row.matrix_id) == row
    assert list(await books.accounts.of(ONE)) == [made, virtual]
    await books.accounts.forget(SAME)
    assert await books.accounts.get(SAME) is None
    assert list(await books.accounts.of(ONE)) == [virtual]


async def test_an_id_that_was_given_up_is_free(books: Books) -> None:
    await books.people.save(person(ONE), resolved(ONE, SAME), at=5.0)
    await books.people.save(person(TWO), resolved(TWO, SAME), at=5.0)
    await books.people.save(person(ONE), resolved(ONE, "@one:uni.test", Trust.DIRECTORY), at=6.0)
    got = (await books.people.save(person(TWO), resolved(TWO, SAME), at=7.0)).resolution
    assert got == resolved(TWO, SAME)


async def test_two_who_want_one_id_in_the_same_moment_do_not_both_get_it_and_nobody_fails(
    books: Books,
) -> None:
    people = [MoodleUserId(number) for number in range(1, 9)]
    got = await asyncio.gather(
        *(books.people.save(person(one), resolved(one, SAME), at=5.0) for one in people)
    )
    found = [saved.resolution for saved in got]
    holders = [one for one in found if one.matrix_id == SAME]
    assert len(holders) == 1
    assert all("Quarantined" in one.reason for one in found if one not in holders)
    assert await books.people.by_matrix_id([SAME]) == {SAME: holders[0].user_id}


async def test_more_people_than_one_query_takes_are_looked_up(books: Books) -> None:
    people = [MoodleUserId(number) for number in range(1, 1_001)]
    for one in people[:3] + people[-3:]:
        await books.people.save(person(one), resolved(one, f"@p{one}:uni.test"), at=5.0)
    assert len(await books.people.look_up(people)) == 6
    assert len(await books.people.by_matrix_id([UserId(f"@p{one}:uni.test") for one in people])) == 6
    assert await books.people.look_up([]) == {}


# Courses


def row(number: int = 42, **given: Any) -> CourseRow:
    usual: dict[str, Any] = {"shortname": f"C{number}", "on": True, "reason": "New courses are on."}
    return CourseRow(CourseId(number), **{**usual, **given})


@pytest.mark.parametrize(
    "kept",
    [
        row(),
        row(on=False, gone=True),
        row(choice=Choice(True, "moodle field", 5.0), field_seen="on"),
        row(choice=Choice(False, "@tess:uni.test", 5.5), field_seen=""),
        row(choice=Choice(None, "moodle field", 6.0), field_seen="as the site"),
    ],
    ids=["plain", "off and gone", "chosen on", "chosen off", "chosen as the site"],
)
async def test_a_course_comes_back_as_it_was_kept(books: Books, kept: CourseRow) -> None:
    await books.courses.save([row(41), kept])
    assert await books.courses.get(kept.id) == kept
    assert await books.courses.all() == {CourseId(41): row(41), kept.id: kept}


async def test_a_course_that_was_never_seen_is_not_there(books: Books) -> None:
    await books.courses.save([])
    assert await books.courses.get(CourseId(42)) is None
    assert await books.courses.all() == {}


async def test_what_the_listing_decides_does_not_touch_what_the_syncs_found(books: Books) -> None:
    await books.courses.save([row()])
    await books.courses.synced(CourseId(42), at=7.0)
    await books.courses.synced(CourseId(42), at=8.0, error="Moodle is down.")
    await books.courses.set_enrolments(CourseId(42), {ONE: frozenset({Role("student")})}, facts_hash="abc")
    await books.courses.save([row(shortname="NEW", on=False, reason="Switched off.")])
    assert await books.courses.get(CourseId(42)) == row(
        shortname="NEW",
        on=False,
        reason="Switched off.",
        last_sync=7.0,
        last_error="Moodle is down.",
        last_error_at=8.0,
        facts_hash="abc",
    )


async def test_a_sync_that_worked_clears_the_last_error(books: Books) -> None:
    await books.courses.save([row()])
    await books.courses.synced(CourseId(42), at=7.0, error="Moodle is down.")
    await books.courses.synced(CourseId(42), at=8.0)
    found = await books.courses.get(CourseId(42))
    assert found is not None and (found.last_sync, found.last_error) == (8.0, "")


async def test_who_is_in_a_course_is_replaced_as_a_whole(books: Books) -> None:
    teacher, student = frozenset({Role("teacher"), Role("examiner")}), frozenset({Role("student")})
    await books.courses.save([row(42), row(43)])
    await books.courses.set_enrolments(CourseId(42), {ONE: teacher, TWO: student}, facts_hash="a")
    await books.courses.set_enrolments(CourseId(43), {TWO: frozenset()}, facts_hash="b")
    assert await books.courses.roles(CourseId(42), ONE) == teacher
    assert await books.courses.courses_of(TWO) == {CourseId(42): student, CourseId(43): frozenset()}
    await books.courses.set_enrolments(CourseId(42), {ONE: student}, facts_hash="c")
    assert await books.courses.roles(CourseId(42), ONE) == student
    assert await books.courses.roles(CourseId(42), TWO) is None
    assert await books.courses.roles(CourseId(43), TWO) == frozenset()
    await books.courses.set_enrolments(CourseId(42), {}, facts_hash="d")
    assert await books.courses.courses_of(ONE) == {}


@pytest.mark.parametrize("seed", range(25))
async def test_people_who_are_saved_at_once_end_as_if_one_had_come_after_the_other(
    books: Books, seed: int
) -> None:
    drawn = random.Random(seed)
    rounds = [
        [
            (drawn.randrange(6), drawn.choice([None, 0, 1, 2, 3, 4]), drawn.choice(list(Trust)))
            for _ in range(drawn.randrange(1, 7))
        ]
        for _ in range(4)
    ]

    async def ends(first: int, *, at_once: bool) -> list[str]:
        told = []
        for number, looks in enumerate(rounds):
            saves = []
            for user, name, trust in looks:
                user_id = MoodleUserId(10 * first + user)
                found = Resolution(user_id, None, None, "No.")
                if name is not None:
                    found = resolved(user_id, f"@x{first}_{name}:uni.test", trust)
                saves.append(books.people.save(person(user_id), found, at=float(number)))
            answers = await asyncio.gather(*saves) if at_once else [await save for save in saves]
            told += [answer.resolution for answer in answers]
        everybody = [MoodleUserId(10 * first + user) for user in range(6)]
        rows = await books.people.look_up(everybody)
        return [repr(one).replace(str(first), "") for one in (*told, sorted(rows.items()))]

    assert await ends(9173, at_once=True) == await ends(8264, at_once=False)
