"""How courses end: what is due and when, what waits for a person, and who administers a room that is let go."""

from __future__ import annotations

from typing import Any

import pytest

from moodle_appservice.domain.ending import (
    Due,
    Ending,
    administrators,
    handed_over,
    held,
    next_of,
    of_archive,
    of_lost,
)
from moodle_appservice.domain.model import ActualMember, ActualRoom, CourseId, Membership, RoomId, UserId
from moodle_appservice.domain.rules import LifeRules
from tests.domain import casefiles, values

DAY = 86400.0
NOW = 1_000_000_000.0
BOT, ANN, BEN, DEAN = (UserId(f"@{name}:uni.test") for name in ("moodle", "ann", "ben", "dean"))


def life_rules(given: dict[str, Any]) -> LifeRules:
    """Rules with delays in days."""
    delays = {"grace_period", "export_after", "purge_after"}
    return LifeRules(**{key: value * DAY if key in delays else value for key, value in given.items()})


@pytest.mark.parametrize(
    "case",
    casefiles.cases("life", keys=("lost", "archived", "rules", "done", "due", "next"), only="03-endings"),
)
def test_what_is_due_for_a_course(case: dict[str, Any]) -> None:
    rules = life_rules(case.get("rules", {}))
    if "lost" in case:
        lost = case["lost"]
        due = of_lost(gone=lost["gone"], left_at=NOW + lost["left_at"] * DAY, rules=rules, now=NOW)
    else:
        due = of_archive(NOW + case["archived"] * DAY, rules, NOW)
    assert [str(one.ending) for one in due] == case["due"]
    done = Ending(case["done"]) if "done" in case else None
    following = next_of(due, done)
    wanted = case["next"] if "next" in case else next(iter(case["due"]), None)
    assert (None if following is None else str(following.ending)) == wanted


def dues(number: int, ending: Ending, *, is_loss: bool) -> dict[CourseId, Due]:
    return {CourseId(course): Due(ending, "It is so.", is_loss) for course in range(number)}


@pytest.mark.parametrize("ending", Ending)
@pytest.mark.parametrize("is_loss", [True, False])
@pytest.mark.parametrize("number", [3, 4])
def test_many_losses_and_deletions_at_once_wait_for_a_person(
    ending: Ending, is_loss: bool, number: int
) -> None:
    found = held(dues(number, ending, is_loss=is_loss), values.rules({}))
    waits = number > 3 and (is_loss or ending is Ending.DELETE)
    assert len(found) == (number if waits else 0)
    assert all("courses would be archived or deleted" in reason for reason in found.values())


def test_what_ended_within_the_last_day_counts_too() -> None:
    one = dues(1, Ending.ARCHIVE, is_loss=True)
    assert held(one, values.rules({}), recent=2) == {}
    assert "(3 were within the last day)" in held(one, values.rules({}), recent=3)[CourseId(0)]


def room(version: str, users: dict[UserId, int], *there: UserId, **create: Any) -> ActualRoom:
    return ActualRoom(
        RoomId("!room"),
        version,
        BOT,
        {
            ("m.room.power_levels", ""): {
                "users": users,
                "events": {"m.room.power_levels": 100},
                "invite": 50,
            },
            ("m.room.create", ""): create,
        },
        {user: ActualMember(Membership.JOIN) for user in (BOT, *there)},
    )


@pytest.mark.parametrize("version", ["11", "12"])
def test_level_100_goes_to_those_of_the_named_who_are_there_and_the_rest_stays(version: str) -> None:
    one = room(version, {ANN: 60, BEN: 50}, ANN)
    assert administrators(one, BOT) == frozenset()
    content = handed_over(one, [ANN, BEN], BOT)
    assert content == {
        "users": {ANN: 100, BEN: 50},
        "events": {"m.room.power_levels": 100},
        "invite": 50,
    }


def test_where_somebody_could_administer_the_room_nobody_gets_anything() -> None:
    assert handed_over(room("11", {ANN: 100}, ANN, BEN), [BEN], BOT) is None
    with_dean = room("12", {}, DEAN, BEN, additional_creators=[DEAN])
    assert administrators(with_dean, BOT) == {DEAN}
    assert handed_over(with_dean, [BEN], BOT) is None


def test_who_could_administer_the_room_and_is_not_there_does_not_count() -> None:
    absent = room("12", {ANN: 100}, BEN, additional_creators=[DEAN])
    assert administrators(absent, BOT) == frozenset()
    assert handed_over(absent, [], BOT) is None
    assert handed_over(absent, [BEN], BOT) is not None
