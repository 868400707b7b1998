"""A term of the sandbox's university: the same history at any speed, and what a Moodle says in the midst of it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from moodle_appservice.demo.sandbox import Change, Kind, SandboxMoodle, Term, University, generate
from moodle_appservice.demo.sandbox.history import WAVE
from moodle_appservice.demo.sandbox.seed import DAY, small_university
from tests.adapters.sandbox_client import ask, participants

NOW = 1_800_000_000


def term(seed: int = 7, *, courses: int = 12, people: int = 15, days: float = 100) -> Term:
    return Term(generate(courses, people, clock=lambda: NOW), days=days, seed=seed)


def everything(university: University) -> dict[str, Any]:
    """All that a term may change."""
    return {
        "courses": university.courses,
        "people": university.people,
        "groups": university.groups,
        "places": {
            course: {
                user: (
                    university.enrolments(course, user),
                    sorted(university.role_holders(course).get(user, ())),
                )
                for user in sorted(university.enrolled(course))
            }
            for course in university.courses
        },
        "now": university.now(),
    }


def in_steps(one: Term) -> None:
    while one.step() is not None:
        pass


def in_days(one: Term) -> None:
    while not one.is_over:
        one.advance(min(DAY, one.ends - one.now()))


def at_once(one: Term) -> None:
    one.advance_to(one.ends)


class RealTime:
    """A clock and a sleep of real seconds, without any; each sleep comes home `late`."""

    def __init__(self, late: float) -> None:
        self.time, self.late = 0.0, late

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds + self.late


@pytest.mark.parametrize("way", [in_steps, in_days, at_once], ids=lambda way: way.__name__)
def test_however_it_is_moved_the_same_comes_out(way: Callable[[Term], None]) -> None:
    one, other = term(), term()
    at_once(one)
    way(other)
    assert other.made == one.made == one.history
    assert everything(other.university) == everything(one.university)


@pytest.mark.parametrize(("speed", "late"), [(1, 0.5), (3600, 0.01), (DAY, 0.2), (1e9, 0.001)])
async def test_at_any_speed_the_same_comes_out(speed: float, late: float) -> None:
    one, other, real = term(), term(), RealTime(late)
    at_once(one)
    await other.replay(speed, sleep=real.sleep, real=real.now)
    assert other.made == one.history
    assert real.time >= (other.ends - other.begins) / speed
    one.advance_to(other.now())
    assert everything(other.university) == everything(one.university)


def test_a_seed_gives_one_history_and_another_seed_another() -> None:
    assert term(1).history == term(1).history
    assert term(1).history != term(2).history


def test_everything_happens_in_a_term_and_within_it() -> None:
    one = term(courses=150, people=20)
    assert {change.kind for change in one.history} == set(Kind)
    moments = [change.at for change in one.history]
    assert moments == sorted(moments)
    assert one.begins <= moments[0] and moments[-1] <= one.ends


def test_a_short_term_holds_as_much_as_a_long_one() -> None:
    short, long = term(days=2), term(days=200)
    assert [change.kind for change in short.history] == [change.kind for change in long.history]
    assert short.ends - short.begins == 2 * DAY


def test_students_come_in_a_wave_and_few_are_lost() -> None:
    one = term(courses=40, people=25)
    places = 40 * 24

    def students() -> int:
        university = one.university
        return sum(
            roles == {"student"}
            for course in university.courses
            for roles in university.role_holders(course).values()
        )

    assert students() == 0
    one.advance(WAVE / 4 * 100 * DAY)
    early = students()
    one.advance(WAVE * 3 / 4 * 100 * DAY)
    assert 0.35 * places < early < 0.65 * places
    assert students() > 0.9 * places
    at_once(one)
    assert 0.85 * places < students() < places
    assert all(any(one.university.enrolled(course)) for course in one.university.courses if course != 1)


def test_nobody_is_in_a_group_of_a_course_that_they_have_left() -> None:
    one = term(courses=30, people=20)
    joined = 0
    while (change := one.step()) is not None:
        if change.kind in (Kind.LEFT, Kind.GROUP_JOINED, Kind.GROUP_RENAMED):
            there = set(one.university.enrolled(change.course))
            members = [group.members for group in one.university.groups_in(change.course)]
            assert all(group <= there for group in members)
            joined += (
                sum(change.user in group for group in members) if change.kind is Kind.GROUP_JOINED else 0
            )
    assert joined > 50


def test_a_renamed_group_is_found_by_its_new_name() -> None:
    one = term(courses=60, people=20)
    made = {change.text for change in one.history if change.kind is Kind.GROUP_MADE}
    after: set[tuple[int, str]] = set()
    for change in one.history:
        names = {group.name for group in one.university.groups_in(change.course)} if change.course else set()
        if change.kind in (Kind.GROUP_JOINED, Kind.GROUP_LEFT, Kind.GROUP_RENAMED):
            assert change.text in names
        if change.kind is Kind.GROUP_JOINED and change.text not in made:
            after.add((change.course, change.text))
        assert one.step() == change
    assert after


def test_courses_end_and_enrolments_with_them() -> None:
    one = term(courses=40, people=20)
    timed = next(change for change in one.history if change.kind is Kind.ENROLLED and change.until)
    one.advance_to(timed.until - 1)
    course = one.university.courses[timed.course]
    assert course.enddate == timed.until
    there = one.university.active(timed.course, timed.user, one.university.now())
    left = {change.user for change in one.made if change.kind is Kind.LEFT and change.course == timed.course}
    assert there == (timed.user not in left)
    at_once(one)
    assert not one.university.active(timed.course, timed.user, one.university.now())
    ended = [course.enddate for course in one.university.courses.values() if course.id != 1]
    assert all(one.begins < end <= one.ends for end in ended)
    assert 0 < sum(not course.visible for course in one.university.courses.values()) < 40


def test_groups_that_there_are_are_filled_anew() -> None:
    one = Term(generate(4, 20, groups=2, clock=lambda: NOW), days=100, seed=3)
    assert not any(group.members for group in one.university.groups.values())
    at_once(one)
    assert len(one.university.groups) == 8
    assert all(group.members for group in one.university.groups.values())


def test_what_somebody_has_made_impossible_does_not_happen() -> None:
    one = term(courses=6, people=12)
    first, second = sorted(one.university.courses)[1:3]
    one.advance(20 * DAY)
    one.university.delete_course(first)
    for user in tuple(one.university.enrolled(second)):
        one.university.delete_person(user)
    for group in one.university.groups_in(second):
        one.university.delete_group(group.id)
    at_once(one)
    assert first not in one.university.courses
    assert one.made == one.history


def test_the_odd_university_keeps_what_is_odd_in_it() -> None:
    university = small_university(lambda: NOW)
    odd = {user: university.enrolments(2, user) for user in university.enrolled(2)}
    kept = {
        user: there for user, there in odd.items() if len(there) > 1 or there[0].suspended or there[0].timeend
    }
    assert kept
    Term(university, days=30)
    assert {user: university.enrolments(2, user) for user in kept} == kept


def test_the_clock_stands_still_unless_somebody_moves_it() -> None:
    one = term()
    assert one.university.now() == one.begins == NOW
    one.advance(90.5)
    assert one.now() == NOW + 90.5
    one.advance_to(NOW)
    assert one.now() == NOW + 90.5
    change = one.step()
    assert isinstance(change, Change) and one.now() >= change.at


async def test_a_replay_that_is_cancelled_stops_the_clock_where_it_is() -> None:
    one, real = term(), RealTime(0.0)

    async def sleep(seconds: float) -> None:
        await real.sleep(seconds)
        if real.time > 20:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await one.replay(DAY, sleep=sleep, real=real.now)
    stopped = one.now()
    real.time += 1000
    assert one.now() == stopped
    assert NOW + 20 * DAY <= stopped < one.ends
    assert not one.is_over


async def test_after_a_replay_time_goes_on_as_fast_as_everybodys() -> None:
    one, real = term(), RealTime(0.0)
    await one.replay(DAY, sleep=real.sleep, real=real.now)
    assert one.is_over
    over = one.now()
    real.time += 60
    assert one.now() == over + 60


@pytest.mark.parametrize("speed", [0, -1])
async def test_a_term_does_not_stand_still_or_go_back(speed: float) -> None:
    with pytest.raises(ValueError, match="more than nothing"):
        await term().replay(speed)
    with pytest.raises(ValueError, match="needs time"):
        term(days=speed)


async def test_the_web_service_tells_what_is_true_at_each_moment() -> None:
    one = term(courses=5, people=12)
    university = one.university
    seen: list[Counter[int]] = []
    async with SandboxMoodle(university) as moodle:
        number = moodle.reports.named("Matrix memberships").id
        while not one.is_over:
            # Lists of participants count with a time that is rounded to 100 s.
            one.advance_to(min(one.now() + 20 * DAY, one.ends) // 100 * 100 + 100)
            true = Counter(
                course
                for course in university.courses
                for user in university.enrolled(course)
                if university.active(course, user, university.now())
            )
            listed = {course: len(await participants(moodle, course, onlyactive=1)) for course in true}
            assert listed == true
            answer = await ask(
                moodle, "core_reportbuilder_retrieve_report", ("reportid", number), ("perpage", 0)
            )
            rows = {tuple(row["columns"][:2]) for row in answer.json["data"]["rows"]}
            suspended = {user for user, person in university.people.items() if person.suspended}
            assert len(rows) == sum(
                university.active(course, user, university.now()) and user not in suspended
                for course in university.courses
                for user in university.enrolled(course)
            )
            seen.append(true)
    assert len({tuple(sorted(one.items())) for one in seen}) > 3


def test_the_program_replays_a_term() -> None:
    arguments = ("--courses", "4", "--people", "6", "--days", "3", "--speed", "1e7", "--seed", "5")
    with subprocess.Popen(
        [sys.executable, "-m", "moodle_appservice.demo.sandbox", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        first, second = program.stdout.readline(), program.stdout.readline()
        program.terminate()
    assert first.startswith("Sandbox Moodle 5.1 at http://127.0.0.1:")
    changes = Term(generate(4, 6), days=3, seed=5).history
    assert second == f"The term is over: {len(changes)} changes\n"
