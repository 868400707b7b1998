"""The board of a cluster: what one process has read of Moodle comes back whole for the others."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from moodle_appservice.domain.digest import lasting
from moodle_appservice.domain.model import (
    Category,
    CategoryId,
    Course,
    CourseFacts,
    CourseId,
    Enrolment,
    Group,
    GroupId,
    GroupVisibility,
    MoodleUserId,
    Person,
    Role,
    SiteFacts,
    SiteInfo,
)
from moodle_appservice.store.board import BoardBook
from moodle_appservice.store.books import Books
from moodle_appservice.store.db import Db
from tests.domain.values import person

ANN, BEN = MoodleUserId(7), MoodleUserId(8)
STUDENT = frozenset({Role("student")})


def facts(number: int = 42, *people: Person) -> CourseFacts:
    """A course with something in every field."""
    everybody = people or (
        person(
            7, full_name="Ann “the” Ünïcode \\ 'quote", profile_fields=MappingProxyType({"matrixid": "@a:x"})
        ),
        person(8, full_name="Ben", suspended=True),
    )
    course = Course(
        CourseId(number), "ALG", "Algebra", CategoryId(2), True, 5.0, None, "id", 3, 1,
        MappingProxyType({"matrix_enabled": "Yes"}), MappingProxyType({"matrix_enabled": "select"}), "https://own",
    )  # fmt: skip
    group = Group(
        GroupId(-1), "G", "g", None, GroupVisibility.MEMBERS, True, frozenset({"one", "two"}), ambiguous=True
    )
    return CourseFacts(
        course,
        tuple(Enrolment(one.id, STUDENT, frozenset({GroupId(-1)})) for one in everybody),
        {one.id: one for one in everybody},
        (group,),
        1234.5,
        {MoodleUserId(9): frozenset({Role("manager")})},
    )


def site() -> SiteFacts:
    info = SiteInfo("https://moodle.test", "Uni", "4.5", MoodleUserId(2), frozenset({"a", "b"}), True)
    categories = {CategoryId(2): Category(CategoryId(2), "Maths", None, (CategoryId(2),), 1, True, "m")}
    return SiteFacts(info, categories, {CourseId(42): facts().course}, 99.5, frozenset({CourseId(5)}))


async def test_a_course_comes_back_as_it_was_with_its_people(db: Db) -> None:
    board, read = BoardBook(db), facts()
    await board.post([read], list(read.people.values()))
    posted = await board.course(CourseId(42))
    assert posted is not None and posted.facts == read
    assert lasting(posted.facts, None) == lasting(read, None)


async def test_the_listing_comes_back_with_what_is_held_and_a_new_number(db: Db) -> None:
    board = BoardBook(db)
    assert (await board.site(), await board.site_number()) == (None, 0)
    await board.post_site(site(), {CourseId(42): "Too few."})
    first = await board.site_number()
    assert await board.site() == (site(), {CourseId(42): "Too few."})
    await board.post_site(replace(site(), read_at=100.0), {})
    assert await board.site_number() > first
    assert await board.site() == (replace(site(), read_at=100.0), {})


async def test_a_person_who_changed_is_another_one_in_every_course(db: Db) -> None:
    board = BoardBook(db)
    one, two = facts(42), facts(43)
    await board.post([one, two], list(one.people.values()))
    await board.post([], [replace(one.people[ANN], full_name="Ann New")])
    for number in (42, 43):
        posted = await board.course(CourseId(number))
        assert posted is not None and posted.facts is not None
        assert posted.facts.people[ANN].full_name == "Ann New"
        assert posted.facts.people[BEN] == one.people[BEN]


async def test_why_a_course_could_not_be_read_is_told_and_a_later_reading_counts(db: Db) -> None:
    board = BoardBook(db)
    await board.post_trouble(CourseId(42), "It is gone.", is_gone=True)
    posted = await board.course(CourseId(42))
    assert posted is not None and (posted.facts, posted.trouble, posted.is_gone) == (
        None,
        "It is gone.",
        True,
    )
    await board.post([facts()], [])
    later = await board.course(CourseId(42))
    assert later is not None and later.number > posted.number
    assert (later.trouble, later.is_gone) == ("", False)
    await board.take_down([CourseId(42)])
    assert await board.course(CourseId(42)) is None


async def test_what_another_version_has_put_up_and_we_can_t_read_is_not_there(db: Db) -> None:
    board = BoardBook(db)
    await board.post([facts()], list(facts().people.values()))
    await board.post_site(site(), {})
    for table in ("board_person", "board_site"):
        await db.execute(f"UPDATE {table} SET data = $1", '{"of": "another version"}')
    assert await board.site() is None
    posted = await board.course(CourseId(42))
    assert posted is not None and posted.facts is not None and posted.facts.people == {}
    await db.execute("UPDATE board_course SET data = $1", '{"people": [], "names": [], "facts": "{}"}')
    assert await board.course(CourseId(42)) is None


async def test_who_was_erased_is_not_put_up_again(db: Db, books: Books) -> None:
    board = BoardBook(db)
    await books.people.exclude(ANN, at=1.0)
    await board.post([facts()], list(facts().people.values()))
    posted = await board.course(CourseId(42))
    assert posted is not None and posted.facts is not None
    assert [one.user_id for one in posted.facts.enrolments] == [BEN]
    assert posted.facts.people.keys() == {BEN}
    await board.post_person(ANN, facts().people[ANN])
    met = await board.person(ANN)
    assert met is not None and met.person is None


async def test_an_account_that_nobody_looked_for_is_not_known_and_one_that_moodle_hides_is_nobody(
    db: Db,
) -> None:
    board = BoardBook(db)
    assert await board.person(ANN) is None
    await board.post_person(ANN, None)
    hidden = await board.person(ANN)
    assert hidden is not None and hidden.person is None
    await board.post_person(ANN, facts().people[ANN])
    met = await board.person(ANN)
    assert met is not None and met.person == facts().people[ANN] and met.number > hidden.number


async def test_courses_that_are_as_they_should_be_are_told_until_they_are_not(db: Db) -> None:
    board = BoardBook(db)
    await board.settle(CourseId(42), 2**62)
    await board.settle(CourseId(43), 1)
    await board.settle(CourseId(42), 5)
    await board.settle(CourseId(43), None)
    assert await board.settled() == {CourseId(42): 5}
    await board.unsettle_all()
    assert await board.settled() == {}
