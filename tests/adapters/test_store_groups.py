"""Groups of courses are known again after a restart."""

from __future__ import annotations

from dataclasses import replace

from moodle_appservice.domain.groups import KnownGroup, SeenGroup, group_id
from moodle_appservice.domain.model import CourseId, Group, GroupId, MoodleUserId
from moodle_appservice.moodle.group_register import GroupRegister
from moodle_appservice.store.books import Books

MATHS, MUSIC = CourseId(2), CourseId(3)


def those(*numbers: int) -> frozenset[MoodleUserId]:
    return frozenset(map(MoodleUserId, numbers))


def shown(name: str, *there: int) -> SeenGroup:
    return SeenGroup(Group(group_id(MATHS, f"name:{name}"), name), those(*there))


async def test_groups_are_kept_with_all_by_which_they_are_known(books: Books) -> None:
    first = KnownGroup(GroupId(-5), 7, "A-1", "Gruppe „A“ 🎓", those(1, 2))
    empty = KnownGroup(GroupId(-281474976710656), None, "", "B", those())
    await books.groups.save({MATHS: (first, empty), MUSIC: (first,)})
    assert await books.groups.all() == {MATHS: (empty, first), MUSIC: (first,)}
    later = replace(first, name="C", members=those(9), gone=True)
    await books.groups.save({MATHS: (later,)})
    assert await books.groups.all() == {MATHS: (empty, later), MUSIC: (first,)}
    await books.groups.save({})


async def test_a_group_that_was_renamed_while_nobody_looked_keeps_its_number(books: Books) -> None:
    before = GroupRegister(books.groups)
    await before.load()
    (first,) = before.take(MATHS, [shown("A", 1, 2, 3)], whole=True)
    await before.save()
    after = GroupRegister(books.groups)
    await after.load()
    (same,) = after.take(MATHS, [shown("B", 1, 2, 3)], whole=True)
    assert (same.group.id, same.group.name) == (first.group.id, "B")
    other, _ = after.take(MATHS, [shown("A", 9), shown("B", 1, 2, 3)], whole=True)
    assert other.group.id not in (first.group.id, 0)
    await after.save()
    assert {one.name for one in (await books.groups.all())[MATHS]} == {"A", "B"}


async def test_a_register_that_has_not_been_loaded_stores_nothing(books: Books) -> None:
    looks = GroupRegister(books.groups)
    looks.take(MATHS, [shown("A", 1)], whole=True)
    await looks.save()
    assert await books.groups.all() == {}


async def test_an_unchanged_course_is_not_stored_again(books: Books) -> None:
    register = GroupRegister(books.groups)
    await register.load()
    groups = register.take(MATHS, [shown("A", 1)], whole=True)
    await register.save()
    await books.db.execute("DELETE FROM course_group")
    assert register.take(MATHS, [shown("A", 1)], whole=True) is groups
    await register.save()
    assert await books.groups.all() == {}
