"""A pass looks only at courses whose facts have changed, and still sees whatever happens to their rooms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moodle_appservice.ports import SITE
from tests.live.homeserver import People
from tests.live.house import House, until


def watched(house: House) -> list[int]:
    """From now on, the courses for which a plan is made."""
    assert house.running is not None
    planner, seen = house.running.planner, []
    prepare = planner.prepare

    async def watch(course_id: int, **named: Any) -> Any:
        seen.append(course_id)
        return await prepare(course_id, **named)  # type: ignore[arg-type]

    planner.prepare = watch  # type: ignore[method-assign]
    return seen


async def pass_by_timer(house: House) -> None:
    """A pass as the timer asks for it, to its end."""
    assert house.running is not None
    await house.running.queue.add(SITE)
    await house.running.queue.idle()


async def test_a_pass_plans_nothing_where_no_facts_have_changed(house: House) -> None:
    await house.start()
    await house.sync()
    seen = watched(house)
    await pass_by_timer(house)
    assert seen == []
    house.moodle.university.courses[3].fullname = "A new name"
    await pass_by_timer(house)
    assert seen == [3]


async def test_each_kind_of_fact_that_changes_makes_its_course_due(house: House) -> None:
    await house.start()
    await house.sync()
    seen = watched(house)
    university = house.moodle.university
    people = {person.username: person.id for person in university.people.values()}

    def rename() -> None:
        university.people[people["t1"]].firstname = "Teja"

    changes: tuple[Callable[[], None], ...] = (
        lambda: university.assign_role(people["s1"], 2, "teacher"),
        lambda: university.unenrol(people["s2"], 2),
        rename,
    )
    house.running.facts._fresh_for = 0.0  # type: ignore[union-attr]
    for change in changes:
        seen.clear()
        change()
        await pass_by_timer(house)
        assert set(seen) == {2}


async def test_what_a_moderator_does_in_the_room_is_looked_at_at_once(house: House, people: People) -> None:
    teacher = await people.register(house.synapse, "teacher")
    university = house.moodle.university
    person = university.add_person(teacher.localpart, "Tea", "Cher")
    university.enrol(person.id, 2, "editingteacher")
    await house.start()
    await house.sync()
    client = await people.client(house.synapse, teacher)
    room_id = await house.room_of(2)
    await client.join(room_id)
    await client.room_kick(room_id, house.mxid("s1"))

    async def invited_again() -> bool:
        return (await house.members(2))[house.mxid("s1")] == "invite"

    await until(invited_again, "the enrolled student is invited again")
