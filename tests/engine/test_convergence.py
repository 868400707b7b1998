"""Whatever happens, in whatever order: when the trouble is over, the room is what Moodle says, and stays quiet.

Random stories of people coming, going and changing their role, of acts in the room, of refused requests, lost answers,
crashes before the booking, lost and repeated pushes. Then everything works again, and the room is compared.
"""

from __future__ import annotations

from hypothesis import example, given, settings

from moodle_appservice.domain.rules import AccountMode, AccountRules
from tests.engine.stories import COURSE, STEPS, Steps, Story, check, stories, told

STORIES = stories(STEPS, "enrol")


@settings(max_examples=60)
@example([("enrol", 1, "teacher"), ("crash_before_booking", 1, ""), ("work", 1, ""), ("unenrol", 1, "")])
@example(
    [
        ("enrol", 1, "teacher"),
        ("crash_before_booking", 1, ""),
        ("work", 1, ""),
        ("push", 1, ""),
        ("unenrol", 1, ""),
    ]
)
@example(
    [
        ("enrol", 1, "student"),
        ("suspend", 1, "teacher"),
        ("work", 1, ""),
        ("give_level", 1, ""),
        ("push", 1, ""),
    ]
)
@example([("enrol", 1, "student"), ("account_appears", 2, ""), ("work", 1, ""), ("give_level", 2, "")])
@given(STORIES)
async def test_when_the_trouble_is_over_the_room_is_what_moodle_says(
    steps: Steps,
) -> None:
    async with told(steps, Story) as (world, story):
        assert story.room_id is not None
        await check(world, story.room_id, story.let_in_by_admin)
        assert len([alias for alias in world.matrix.aliases if "course" in alias]) == 1


@settings(max_examples=40)
@given(STORIES)
async def test_with_virtual_users_everybody_enrolled_is_there_exactly_once_in_the_end(
    steps: Steps,
) -> None:
    async with told(steps, Story, accounts=AccountRules(mode=AccountMode.VIRTUAL)) as (world, story):
        assert story.room_id is not None
        members = world.matrix.members(story.room_id)
        for number, account in world.facts.people.items():
            own, held = members.get(world.user(number)), members.get(world.rules.virtual_user(number))
            enrolled = number in world.facts.enrolments[COURSE]
            if number in world.facts.hidden or "ban" in (own, held):
                continue
            if not enrolled or not account.usable:
                assert held != "join", f"{number} is held without an enrolment"
            elif own in ("invite", "join"):
                assert held != "join", f"{number} is there twice"
            elif world.user(number) not in world.accounts.accounts:
                assert held == "join", f"nobody holds the place of {number}"
