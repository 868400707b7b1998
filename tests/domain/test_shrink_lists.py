"""Lists that shrink where courses are read one by one: what is held, what it keeps, and how it gets free."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.domain.model import (
    CategoryId,
    Course,
    CourseFacts,
    CourseId,
    Enrolment,
    MoodleUserId,
    Person,
    Role,
)
from moodle_appservice.domain.shrink import Marks, ShrinkRules
from moodle_appservice.domain.shrink_lists import FRESH, ListJudge

NOW = 1_800_000_000.0
DAY = 86400.0
STUDENT, TEACHER = Role("student"), Role("teacher")


def facts(
    number: int, there: Iterable[int], *, teachers: Iterable[int] = (), suspended: Iterable[int] = (),
    over: bool = False,
) -> CourseFacts:  # fmt: skip
    """A course with these people, of whom some hold another role."""
    teachers, suspended, there = set(teachers), set(suspended), sorted(there)
    course = Course(CourseId(number), f"C{number}", "", CategoryId(1), True, end=NOW - 1 if over else None)
    enrolments = tuple(
        Enrolment(MoodleUserId(user), frozenset({TEACHER if user in teachers else STUDENT})) for user in there
    )
    people = {
        MoodleUserId(user): Person(MoodleUserId(user), f"u{user}", "", user in suspended, True, "manual")
        for user in there
    }
    return CourseFacts(course, enrolments, people, (), NOW)


class Site:
    """A judge that has seen some courses; each reading is a minute after the one before."""

    def __init__(self, *courses: CourseFacts, marks: Marks | None = None) -> None:
        self.judge = ListJudge(ShrinkRules())
        if marks is not None:
            self.judge.recall(marks)
        self.now = NOW - 1000
        self.read(*courses)
        self.now = NOW

    def read(
        self, *courses: CourseFacts, after: float = 200.0, inactive: Iterable[int] = ()
    ) -> dict[int, set[int] | str]:
        """Who is in each course by a reading of these courses, or why that is not known."""
        self.now += after
        asleep = {one.course.id: frozenset(map(MoodleUserId, inactive)) for one in courses}
        found = self.judge.judge({one.course.id: one for one in courses}, self.now, inactive=asleep)
        return {
            int(course_id): one if isinstance(one, str) else {int(each.user_id) for each in one.enrolments}
            for course_id, one in found.items()
        }

    @property
    def held(self) -> dict[int, str]:
        return {int(course_id): reason for course_id, reason in self.judge.held.items()}


def test_a_course_that_lost_more_than_ten_and_a_fifth_keeps_them_and_still_grows() -> None:
    site = Site(facts(2, range(100, 200)), facts(3, range(50)))
    assert site.read(facts(2, range(120, 200))) == {2: set(range(120, 200))}
    assert site.held == {}
    assert site.read(facts(2, range(121, 210))) == {2: set(range(121, 210))}
    assert site.read(facts(2, range(150, 211))) == {2: set(range(121, 211))}
    assert "Moodle shows 61 members where 100 were within the last day." in site.held[2]
    assert "with `doctor` whether our account has every right; then confirm." in site.held[2]
    assert site.read(facts(3, range(51))) == {3: set(range(51))}
    assert list(site.held) == [2]


def test_a_loss_that_goes_away_frees_the_course_and_so_does_a_person() -> None:
    site = Site(facts(2, range(100)))
    site.read(facts(2, range(50)))
    assert site.read(facts(2, range(95))) == {2: set(range(95))}
    assert site.held == {}
    site.read(facts(2, range(50)))
    assert list(site.held) == [2]
    site.judge.confirm([CourseId(2), CourseId(3)])
    assert site.read(facts(2, range(50))) == {2: set(range(50))}
    assert site.held == {}
    assert site.read(facts(2, range(49))) == {2: set(range(49))}


def test_a_confirmation_of_what_is_not_held_covers_nothing_later() -> None:
    site = Site(facts(2, range(100)))
    site.judge.confirm([CourseId(2)])
    site.read(facts(2, range(10)))
    assert list(site.held) == [2]


@pytest.mark.parametrize("more", [{"suspended": range(50)}, {"over": True}])
def test_a_loss_that_explains_itself_is_none(more: dict[str, object]) -> None:
    site = Site(facts(2, range(100), **more))  # type: ignore[arg-type]
    over = bool(more.get("over"))
    assert site.read(facts(2, range(50, 100), over=over)) == {2: set(range(50, 100))}
    assert site.held == {}


def test_who_left_for_a_known_reason_leaves_a_held_course_too() -> None:
    site = Site(facts(2, range(100), suspended=range(5)))
    assert site.read(facts(2, range(60, 100))) == {2: set(range(5, 100))}


def test_many_small_courses_can_t_lose_everybody_one_after_the_other() -> None:
    numbers = range(2, 52)
    site = Site(*(facts(number, range(number * 10, number * 10 + 6)) for number in numbers))
    left = {number: len(site.read(facts(number, []), after=30)[number]) for number in numbers}
    assert sum(left.values()) >= 300 * 0.8
    assert all("places in courses" in reason for reason in site.held.values())
    assert len(site.held) == sum(1 for there in left.values() if there)
    for number in numbers:
        site.read(facts(number, []))
    assert len(site.held) == sum(1 for there in left.values() if there), "read again, they are held again"
    site.judge.confirm(map(CourseId, numbers))
    assert site.read(*(facts(number, []) for number in numbers)) == {number: set() for number in numbers}
    assert site.held == {}


def test_a_kind_of_role_that_is_lost_everywhere_is_held_where_it_was() -> None:
    courses = [
        facts(number, range(number * 10, number * 10 + 5), teachers=[number * 10]) for number in (2, 3, 4)
    ]
    without = [facts(number, range(number * 10, number * 10 + 5)) for number in (2, 3, 4)]
    site = Site(*courses)
    site.read(*without)
    assert sorted(site.held) == [2, 3, 4]
    assert "nobody with the role teacher any more" in site.held[2]
    kept = site.judge.last(CourseId(2))
    assert kept is not None and kept.enrolments[0].roles == {STUDENT, TEACHER}
    site.read(without[0])
    assert sorted(site.held) == [2, 3, 4], "one that is read again by itself stays held"
    site.read(courses[0])
    assert sorted(site.held) == [3, 4]
    site.judge.confirm([CourseId(3), CourseId(4)])
    site.read(*without[1:])
    assert site.held == {}


def test_one_course_may_lose_its_teachers_while_others_have_them() -> None:
    site = Site(facts(2, range(20, 26), teachers=[20, 21, 22]), facts(3, range(30, 36), teachers=[30]))
    site.read(facts(2, range(20, 26)))
    assert site.held == {}


def test_after_a_restart_the_marks_hold_what_has_shrunk_and_nobody_else() -> None:
    before = Site(facts(2, range(100)), facts(3, range(200, 300)), facts(4, [7]))
    marks = Marks.from_data(json.loads(json.dumps(before.judge.marks.to_data())))
    site = Site(marks=marks)
    found = site.read(facts(2, range(20)))
    assert isinstance(found[2], str) and "Moodle shows 20 members where 100 were" in found[2]
    assert site.read(facts(3, range(200, 300))) == {3: set(range(200, 300))}
    assert site.read(facts(4, [])) == {4: set()}
    assert isinstance(site.read(facts(2, range(20)))[2], str)
    site.judge.confirm([CourseId(2)])
    assert site.read(facts(2, range(20))) == {2: set(range(20))}


def listed(*numbers: int, over: Iterable[int] = ()) -> dict[CourseId, Course]:
    over = set(over)
    return {CourseId(number): facts(number, [], over=number in over).course for number in numbers}


def test_courses_that_vanish_together_are_kept_until_a_person_confirms() -> None:
    site = Site(*(facts(number, [number]) for number in range(2, 52)))
    site.judge.judge_listing(listed(*range(2, 52)), (), NOW)
    for _ in range(2):
        site.judge.judge_listing(listed(*range(2, 32)), (), NOW + 1)
        assert sorted(site.judge.vanished) == list(range(32, 52)) == sorted(site.held)
        assert "Moodle shows 30 courses where 50 were" in site.held[40]
        assert site.judge.last(CourseId(40)) is not None
    site.judge.judge_listing(listed(*range(2, 52)), (), NOW + 2)
    assert (site.judge.vanished, site.held) == ({}, {})
    site.judge.judge_listing(listed(*range(2, 32)), (), NOW + 3)
    site.judge.confirm(list(site.judge.held))
    site.judge.judge_listing(listed(*range(2, 32)), (), NOW + 4)
    assert (site.judge.vanished, site.held) == ({}, {})
    assert site.judge.last(CourseId(40)) is None


@pytest.mark.parametrize(
    ("gone", "unreadable", "over"),
    [
        (range(42, 52), (), ()),
        (range(32, 52), range(32, 52), ()),
        (range(32, 52), (), range(32, 52)),
    ],
)
def test_a_few_courses_ended_ones_and_those_that_can_t_be_read_are_not_held(
    gone: range, unreadable: Iterable[int], over: Iterable[int]
) -> None:
    site = Site(*(facts(number, [number]) for number in range(2, 52)))
    site.judge.judge_listing(listed(*range(2, 52), over=over), (), NOW)
    there = sorted(set(range(2, 52)) - set(gone))
    site.judge.judge_listing(listed(*there), map(CourseId, unreadable), NOW + 1)
    assert (site.judge.vanished, site.held) == ({}, {})


def test_people_of_courses_that_are_gone_are_no_loss() -> None:
    site = Site(facts(2, range(100)), facts(3, range(100, 120)))
    site.judge.judge_listing(listed(2, 3), (), NOW)
    site.judge.judge_listing(listed(3), (), NOW + 1)
    assert site.read(facts(3, range(100, 112))) == {3: set(range(100, 112))}
    assert site.held == {}


def test_who_only_seems_to_be_inactive_is_kept_for_a_moment() -> None:
    site = Site(facts(2, [1, 2, 3]))
    assert site.read(facts(2, [1, 2]), inactive=[3, 9]) == {2: {1, 2, 3}}
    missed = site.now
    assert site.judge.again == {CourseId(2): missed + FRESH}
    assert site.read(facts(2, [1, 2]), inactive=[3], after=99) == {2: {1, 2, 3}}
    assert site.judge.again == {CourseId(2): missed + FRESH}
    assert site.read(facts(2, [1, 2]), inactive=[3], after=1) == {2: {1, 2}}
    assert site.judge.again == {}


def test_who_is_seen_again_was_never_missed() -> None:
    site = Site(facts(2, [1, 2, 3]))
    site.read(facts(2, [1, 2]), inactive=[3], after=10)
    assert site.read(facts(2, [1, 2, 3]), after=50) == {2: {1, 2, 3}}
    assert site.read(facts(2, [1, 2]), inactive=[3], after=50) == {2: {1, 2, 3}}, "this is another absence"


def test_who_has_no_place_any_more_goes_at_once() -> None:
    site = Site(facts(2, [1, 2, 3]))
    assert site.read(facts(2, [1, 3]), inactive=[2], after=5) == {2: {1, 2, 3}}
    assert site.read(facts(2, [1]), inactive=[2], after=5) == {2: {1, 2}}
    assert site.read(facts(2, [1]), after=5) == {2: {1}}


@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(2, 8), st.sets(st.integers(1, 60), max_size=50)), min_size=1, max_size=7
        ),
        min_size=1,
        max_size=12,
    ),
    st.floats(10, DAY),
)
def test_what_is_accepted_has_everybody_of_now_and_loses_at_most_the_limit(
    readings: list[list[tuple[int, set[int]]]], pause: float
) -> None:
    site = Site()
    before: dict[int, set[int]] = {}
    shown: dict[int, list[tuple[float, int]]] = {}
    for reading in readings:
        fresh = dict(reading)
        found = site.read(*(facts(number, there) for number, there in fresh.items()), after=pause)
        for number, there in found.items():
            assert not isinstance(there, str), "what was there is known"
            assert there >= fresh[number]
            assert there <= fresh[number] | before.get(number, set())
            shown.setdefault(number, []).append((site.now, len(fresh[number])))
            most = max(size for when, size in shown[number] if site.now - when <= DAY)
            assert most - len(there) <= max(10, 0.2 * most)
            before[number] = there
        sums = site.judge._sums
        assert sums.places == sum(map(len, before.values()))
        assert set(sums.people) == set().union(*before.values())
