"""Snapshots of a site: what counts as a change, whose group is whose, and what is held as an accident."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.domain.model import (
    CategoryId,
    Course,
    CourseId,
    Enrolment,
    MoodleUserId,
    Person,
    Role,
)
from moodle_appservice.domain.shrink import Marks, ShrinkRules, judge_snapshot, mark_of, too_few
from moodle_appservice.domain.snapshot import (
    Moment,
    SiteSnapshot,
    hash_course,
    hash_people,
    only_growing,
)

DAY = 86400.0
NOW = 1_800_000_000.0
RULES = ShrinkRules()


def site(
    places: Mapping[int, Iterable[int]], *, at: float = NOW, teachers: Iterable[int] = (),
    suspended: Iterable[int] = (), over: Iterable[int] = (), ends: Iterable[tuple[int, int]] = (),
) -> SiteSnapshot:  # fmt: skip
    """Courses with their members' ids; `teachers` hold another role, `over` courses have ended."""
    teachers, suspended, over = set(teachers), set(suspended), set(over)
    ids = sorted({user for there in places.values() for user in there} | suspended)
    people = {
        MoodleUserId(user): Person(MoodleUserId(user), f"u{user}", "", user in suspended, True, "manual")
        for user in ids
    }
    courses = {
        CourseId(number): Course(
            CourseId(number), f"C{number}", "", CategoryId(1), True, end=NOW - 1 if number in over else None
        )
        for number in places
    }
    enrolments = {
        CourseId(number): tuple(
            Enrolment(MoodleUserId(user), frozenset({Role("teacher" if user in teachers else "student")}))
            for user in sorted(there)
        )
        for number, there in places.items()
    }
    digests = hash_people(people)
    hashes = {number: hash_course(courses[number], enrolments[number], (), digests, {}) for number in courses}
    moments = tuple(Moment(NOW, CourseId(number), MoodleUserId(user), True) for number, user in ends)
    return SiteSnapshot(courses, {}, enrolments, {}, people, moments, hashes, at)


def held(before: SiteSnapshot, after: SiteSnapshot, **more: object) -> dict[int, str]:
    marks = judge_snapshot(before, None, Marks(), RULES).marks
    return {int(k): v for k, v in judge_snapshot(after, before, marks, RULES, **more).held.items()}  # type: ignore[arg-type]


def test_a_first_snapshot_and_one_that_grows_hold_nothing() -> None:
    assert held(site({2: range(10, 40)}), site({2: range(10, 90), 3: [1]})) == {}


def test_more_than_ten_and_a_fifth_is_held_and_less_is_not() -> None:
    before = site({2: range(100, 200), 3: range(50)})
    assert held(before, site({2: range(120, 200), 3: range(50)})) == {}
    found = held(before, site({2: range(121, 200), 3: range(50)}))
    assert list(found) == [2]
    assert "Moodle shows 79 members where 100 were within the last day." in found[2]
    assert held(site({2: range(100, 112), 3: range(100)}), site({2: [100, 101], 3: range(100)})) == {}


def test_losses_that_explain_themselves_do_not_count() -> None:
    gone = [(2, user) for user in range(100, 150)]
    after = site({2: range(150, 200)})
    assert list(held(site({2: range(100, 200)}), after)) == [2]
    assert held(site({2: range(100, 200)}, ends=gone), after) == {}
    assert held(site({2: range(100, 200)}), site({2: range(150, 200)}, suspended=range(100, 150))) == {}
    assert held(site({2: range(100, 200)}, over=[2]), site({2: range(150, 200)}, over=[2])) == {}


def test_known_ends_are_looked_through_once_however_many_courses_lost_somebody() -> None:
    class Counted(tuple[Moment, ...]):
        looks = 0

        def __iter__(self) -> Iterator[Moment]:
            Counted.looks += 1
            return super().__iter__()

    before = site({number: range(40) for number in range(2, 30)})
    moments = Counted(Moment(NOW, number, MoodleUserId(0), True) for number in before.courses)
    after = site({number: range(1, 40) for number in range(2, 30)}, at=NOW + 1)
    judgement = judge_snapshot(after, replace(before, moments=moments), Marks(), RULES)
    assert judgement.explained == {number: {MoodleUserId(0)} for number in before.courses}
    assert Counted.looks == 1


def test_a_lost_kind_of_role_is_held_where_it_was() -> None:
    before = site({2: range(20), 3: range(20, 40), 4: range(40, 60)}, teachers=[0, 20, 21])
    after = site({2: range(20), 3: range(20, 40), 4: range(40, 60)})
    found = held(before, after)
    assert sorted(found) == [2, 3]
    assert "Nobody in any course has the role teacher any more; 3 had it." in found[2]


def test_courses_that_vanish_together_stay_and_so_do_their_people() -> None:
    before = site({number: [number * 10, number * 10 + 1] for number in range(2, 52)})
    after = site({number: [number * 10, number * 10 + 1] for number in range(2, 32)})
    found = held(before, after)
    assert sorted(found) == list(range(32, 52))
    kept = only_growing(before, after, (CourseId(number) for number in found))
    assert len(kept.courses) == 50
    assert len(kept.course_facts(CourseId(51)).people) == 2


def test_many_small_losses_are_one_large_one() -> None:
    before = site({number: range(number * 10, number * 10 + 8) for number in range(2, 22)})
    after = site({number: range(number * 10, number * 10 + 6) for number in range(2, 22)})
    assert len(held(before, after)) == 20


def test_a_hold_does_not_grow_old_and_a_person_lets_go_of_it() -> None:
    before, after = site({2: range(100), 3: range(5)}), site({2: range(30), 3: range(5)})
    marks = judge_snapshot(before, None, Marks(), RULES).marks
    for days in (1, 2, 9):
        later = replace(after, read_at=NOW + days * DAY)
        judgement = judge_snapshot(later, before, marks, RULES)
        assert list(judgement.held) == [2]
        marks = judgement.marks
    judgement = judge_snapshot(after, before, marks, RULES, confirmed=frozenset({CourseId(2)}))
    assert judgement.held == {}
    assert judge_snapshot(after, after, judgement.marks, RULES).held == {}


def test_what_explains_itself_leaves_a_held_course_and_does_not_melt_the_hold() -> None:
    last, marks = site({2: range(100)}), Marks()
    marks = judge_snapshot(last, None, marks, RULES).marks
    fresh = site({2: range(40, 100)}, suspended=range(10))
    for _ in range(20):
        judgement = judge_snapshot(fresh, last, marks, RULES)
        marks, last = judgement.marks, only_growing(last, fresh, judgement.held, judgement.explained)
        assert "Moodle shows 60 members where 90 were" in judgement.held[CourseId(2)]
        assert {int(enrolment.user_id) for enrolment in last.enrolments[CourseId(2)]} == set(range(10, 100))


def test_a_slow_leak_within_a_day_is_held_and_over_weeks_is_not() -> None:
    for step, stopped in ((DAY * 1.1, False), (DAY / 30, True)):
        last, marks, seen = site({2: range(100), 3: range(100, 400)}), Marks(), False
        for number in range(30):
            fresh = site({2: range(number, 100), 3: range(100, 400)}, at=NOW + number * step)
            judgement = judge_snapshot(fresh, last, marks, RULES)
            marks, last = judgement.marks, only_growing(last, fresh, judgement.held, judgement.explained)
            seen |= bool(judgement.held)
        assert seen is stopped


@given(
    st.lists(st.tuples(st.floats(60, DAY / 3), st.integers(0, 300)), min_size=1, max_size=60),
    st.integers(0, 300),
)
def test_a_mark_is_the_most_of_the_last_day_and_never_less(
    steps: list[tuple[float, int]], first: int
) -> None:
    """An hour more or less: what was there within the same hour is one."""
    mark, seen, at = mark_of(None, first, 0, NOW, RULES), [(first, NOW)], NOW
    for pause, number in steps:
        at += pause
        mark = mark_of(mark, number, 0, at, RULES)
        seen.append((number, at))
        within = [there for there, when in seen if at - when <= DAY]
        assert mark.most >= max(within)
        if not too_few("", mark, number, RULES):
            assert mark.most <= max(there for there, when in seen if at - when <= DAY + 3600)
        assert len(mark.later) < 30


def test_a_loss_at_the_end_of_a_day_and_one_after_it_are_one_loss() -> None:
    mark = mark_of(None, 100, 0, NOW, RULES)
    for hours, number in (*((hour + 0.1, 99) for hour in range(24)), (23.9, 81), (24.2, 81)):
        mark = mark_of(mark, number, 0, NOW + hours * 3600, RULES)
        assert not too_few("members", mark, number, RULES)
    mark = mark_of(mark, 65, 0, NOW + 24.3 * 3600, RULES)
    assert "65 members where 99 were" in too_few("members", mark, 65, RULES)


def test_after_a_restart_the_marks_alone_hold() -> None:
    marks = judge_snapshot(site({2: range(100)}), None, Marks(), RULES).marks
    assert list(judge_snapshot(site({2: range(20)}), None, marks, RULES).held) == [2]


def test_marks_survive_being_stored() -> None:
    marks = judge_snapshot(site({2: range(100)}, teachers=[3]), None, Marks(), RULES).marks
    assert Marks.from_data(json.loads(json.dumps(marks.to_data()))) == marks
    assert Marks.from_data(Marks().to_data()) == Marks()


def test_a_held_course_still_grows() -> None:
    before, after = site({2: range(100)}, teachers=[1]), site({2: [*range(20), 500]})
    kept = only_growing(before, after, [CourseId(2)])
    facts = kept.course_facts(CourseId(2))
    assert {int(e.user_id) for e in facts.enrolments} == {*range(100), 500}
    assert len(facts.people) == 101
    both = next(e for e in facts.enrolments if e.user_id == 1)
    assert both.roles == {Role("teacher"), Role("student")}


@given(st.dictionaries(st.integers(2, 6), st.sets(st.integers(1, 60)), min_size=1), st.data())
def test_whoever_is_held_loses_nobody_and_changes_are_seen(
    before: dict[int, set[int]], data: st.DataObject
) -> None:
    after = {number: data.draw(st.sets(st.integers(1, 60))) for number in before}
    old, new = site(before), site(after)
    changed = {int(number) for number in new.changed_courses(old.hashes)}
    assert changed == {number for number in before if before[number] != after[number]}
    marks = judge_snapshot(old, None, Marks(), RULES).marks
    judgement = judge_snapshot(new, old, marks, RULES)
    kept = only_growing(old, new, judgement.held, judgement.explained)
    for number in before:
        there = {int(e.user_id) for e in kept.enrolments[CourseId(number)]}
        assert there >= after[number]
        assert there == (before[number] | after[number] if number in judgement.held else after[number])
