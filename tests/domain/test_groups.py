"""Which group is which, from look to look and from source to source, and which may have a room."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.domain.groups import (
    KnownGroup,
    SeenGroup,
    group_id,
    identify,
    may_have_room,
    why_no_room,
)
from moodle_appservice.domain.model import CourseId, Group, GroupId, GroupVisibility, MoodleUserId

COURSE = CourseId(42)


def seen(name: str, *members: int, number: int | None = None, **more: Any) -> SeenGroup:
    """A group as a list of participants shows it (with Moodle's `number`) or as a report does."""
    group = Group(GroupId(number or 0), name, moodle_id=number, **more)
    if number is None:
        group = replace(group, id=group_id(COURSE, group.key))
    return SeenGroup(group, frozenset(map(MoodleUserId, members)))


class Looks:
    """One look after the other at the same course, with what is remembered between them."""

    def __init__(self) -> None:
        self.known: tuple[KnownGroup, ...] = ()
        self.last: tuple[SeenGroup, ...] = ()

    def report(self, *groups: SeenGroup) -> list[int]:
        """A look that sees all groups; the numbers, in order."""
        return self._look(groups, whole=True)

    def roster(self, *groups: SeenGroup) -> list[int]:
        """A look that sees the groups that somebody is in."""
        return self._look(groups, whole=False)

    def _look(self, groups: tuple[SeenGroup, ...], *, whole: bool) -> list[int]:
        found = identify(COURSE, groups, self.known, whole=whole)
        self.known, self.last = found.known, found.seen
        return [one.group.id for one in found.seen]


@pytest.mark.parametrize(
    ("visibility", "participation", "allowed"),
    [
        (GroupVisibility.ALL, True, True),
        (GroupVisibility.MEMBERS, True, True),
        (GroupVisibility.OWN, True, False),
        (GroupVisibility.NONE, True, False),
        (GroupVisibility.UNKNOWN, True, False),
        (GroupVisibility.ALL, False, False),
        (GroupVisibility.ALL, None, False),
        (GroupVisibility.MEMBERS, False, False),
        (GroupVisibility.UNKNOWN, None, False),
    ],
)
def test_only_a_visible_group_that_takes_part_may_have_a_room(
    visibility: GroupVisibility, participation: bool | None, allowed: bool
) -> None:
    group = Group(GroupId(1), "A", visibility=visibility, participation=participation)
    assert may_have_room(group) is allowed
    assert (why_no_room(group) == "") is allowed
    assert not may_have_room(replace(group, ambiguous=True))
    assert "two groups" in why_no_room(replace(group, ambiguous=True)).lower()


def test_a_group_of_a_report_has_the_same_number_in_every_run() -> None:
    assert Looks().report(seen("A", 1)) == Looks().report(seen("A", 2)) == [group_id(COURSE, "name:A")]
    assert Looks().report(seen("A", 1))[0] < 0
    assert Looks().roster(seen("A", 1, number=7)) == [7]


def test_a_renamed_group_keeps_its_number_and_a_new_one_of_the_old_name_gets_another() -> None:
    looks = Looks()
    first, other = looks.report(seen("A", 1, 2, 3, 4, 5), seen("B", 6, 7))
    assert looks.report(seen("A+", 1, 2, 3, 4, 5), seen("B", 6, 7)) == [first, other]
    assert looks.report(seen("A+", 1, 2, 3, 4, 5, 8), seen("B", 6, 7)) == [first, other]
    again = looks.report(seen("A", 9), seen("A+", 1, 2, 3, 4, 5), seen("B", 6, 7))
    assert again[1:] == [first, other]
    assert again[0] not in (first, other)


def test_too_few_members_in_common_are_another_group() -> None:
    looks = Looks()
    (first,) = looks.report(seen("A", 1, 2, 3, 4))
    assert looks.report(seen("C", 1, 2, 3, 9)) != [first]


def test_where_two_could_be_the_renamed_one_neither_is() -> None:
    looks = Looks()
    (first,) = looks.report(seen("A", 1, 2, 3))
    assert first not in looks.report(seen("B", 1, 2, 3), seen("C", 1, 2, 3))


def test_the_id_number_outlives_the_name_and_all_members() -> None:
    looks = Looks()
    (first,) = looks.report(seen("A", 1, 2, idnumber="X"))
    assert looks.report(seen("B", 8, 9, idnumber="X")) == [first]
    assert looks.report(seen("B", 8, 9, idnumber="X"), seen("A", 1, 2))[0] == first


def test_names_that_are_swapped_follow_the_id_numbers_where_there_are_any() -> None:
    looks = Looks()
    first, other = looks.report(seen("A", 1, 2, idnumber="X"), seen("B", 3, 4))
    assert looks.report(seen("A", 3, 4), seen("B", 1, 2, idnumber="X")) == [other, first]


def test_names_that_are_swapped_without_id_numbers_take_the_members_with_them() -> None:
    looks = Looks()
    first, other = looks.report(seen("A", 1, 2), seen("B", 3, 4))
    assert looks.report(seen("A", 3, 4), seen("B", 1, 2)) == [first, other]
    with_ids = Looks()
    assert with_ids.roster(seen("A", 1, 2, number=7), seen("B", 3, number=8)) == [7, 8]
    assert with_ids.roster(seen("A", 3, number=8), seen("B", 1, 2, number=7)) == [8, 7]


def test_an_empty_group_is_known_by_its_key_alone() -> None:
    looks = Looks()
    (first,) = looks.report(seen("A"))
    assert looks.report(seen("A")) == [first]
    assert looks.report(seen("B")) != [first]


def test_a_change_of_the_source_keeps_every_number() -> None:
    looks = Looks()
    first, other, empty = looks.report(seen("A", 1, 2), seen("B", 3, idnumber="X"), seen("C"))
    assert looks.roster(seen("A", 1, 2, number=7), seen("B", 3, number=8)) == [first, other]
    assert [one.group.idnumber for one in looks.last] == ["", "X"]
    assert [one.group.key for one in looks.last] == ["id:7", "id:8"]
    assert looks.roster(seen("A2", 9, number=7), seen("B", 3, number=8)) == [first, other]
    assert looks.report(seen("A2", 9), seen("B2", 5, idnumber="X"), seen("C")) == [first, other, empty]
    back = Looks()
    assert back.roster(seen("A", 1, number=7)) == [7]
    assert back.report(seen("A", 1), seen("B", 2))[0] == 7


def test_a_group_that_was_made_again_under_its_name_is_another_one_where_moodles_ids_tell() -> None:
    looks = Looks()
    assert looks.roster(seen("A", 1, 2, number=7)) == [7]
    assert looks.roster(seen("A", 1, 2, number=9)) == [9]
    assert looks.report(seen("A", 1, 2)) == [9]
    assert {one.id: one.gone for one in looks.known} == {7: True, 9: False}


def test_two_groups_of_one_name_are_never_taken_for_one() -> None:
    looks = Looks()
    assert looks.roster(seen("A", 1, number=7), seen("A", 2, number=8)) == [7, 8]
    (merged,) = looks.report(seen("A", 1, 2, visibility=GroupVisibility.ALL, participation=True))
    assert merged not in (7, 8)
    assert not may_have_room(looks.last[0].group)
    looks.report(seen("A", 1, 2, visibility=GroupVisibility.ALL, participation=True))
    assert not may_have_room(looks.last[0].group)
    assert looks.roster(seen("A", 1, number=7), seen("A", 2, number=8)) == [7, 8]


def test_a_group_that_comes_back_is_the_one_that_it_was() -> None:
    looks = Looks()
    looks.roster(seen("A", 1, number=7))
    looks.report(seen("B", 5))
    assert [one.gone for one in looks.known if one.id == 7] == [True]
    assert 7 in looks.report(seen("A", 2), seen("B", 5))


@dataclass
class Real:
    """A group as Moodle has it."""

    number: int
    name: str
    idnumber: str
    members: set[int] = field(default_factory=set)


STEP = st.tuples(
    st.sampled_from(["rename", "members", "make", "delete", "nothing"]),
    st.integers(0, 5),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(STEP, min_size=1, max_size=25))
def test_whatever_happens_step_by_step_no_group_changes_its_number_and_no_two_share_one(
    steps: list[tuple[str, int, bool, bool]],
) -> None:
    looks, groups, numbers = Looks(), dict[int, Real](), dict[int, int]()
    for made, (what, which, has_idnumber, by_report) in enumerate(steps):
        if what == "make" or not groups:
            idnumber = f"I{made}" if has_idnumber else ""
            groups[made] = Real(made, f"N{made}", idnumber, {made * 10 + one for one in range(1, 6)})
        chosen = groups[sorted(groups)[which % len(groups)]]
        if what == "rename":
            chosen.name = f"N{made}"
        elif what == "members":
            chosen.members = {made * 10 + one for one in range(6, 9)}
        elif what == "delete":
            del groups[chosen.number]
        there = list(groups.values())
        if by_report:
            found = looks.report(*(seen(one.name, *one.members, idnumber=one.idnumber) for one in there))
        else:
            found = looks.roster(*(seen(one.name, *one.members, number=one.number) for one in there))
        assert len(set(found)) == len(found)
        for one, number in zip(there, found, strict=True):
            assert numbers.setdefault(one.number, number) == number
        assert len(set(numbers.values())) == len(numbers)


@st.composite
def anything(draw: st.DrawFn) -> tuple[tuple[SeenGroup, ...], bool]:
    """A look of one source with few names, id numbers and members, so that all clashes; and whether it sees all."""
    with_numbers = draw(st.booleans())
    idnumbers = st.just("") if with_numbers else st.sampled_from(["", "X", "Y"])
    keys = draw(
        st.lists(
            st.tuples(st.sampled_from("ABC"), idnumbers, st.integers(1, 3)),
            max_size=4,
            unique_by=(lambda key: key[2]) if with_numbers else (lambda key: key[1] or f"name {key[0]}"),
        )
    )
    groups = tuple(
        seen(
            name,
            *draw(st.frozensets(st.integers(1, 4))),
            number=number if with_numbers else None,
            idnumber=idnumber,
        )
        for name, idnumber, number in keys
    )
    return groups, not with_numbers


def clear(one: SeenGroup) -> SeenGroup | None:
    return None if one.group.ambiguous else one


@given(st.lists(anything(), max_size=6))
def test_in_no_look_do_two_groups_have_one_number_and_a_second_look_changes_nothing(
    looks: list[tuple[tuple[SeenGroup, ...], bool]],
) -> None:
    known: tuple[KnownGroup, ...] = ()
    for groups, whole in looks:
        found = identify(COURSE, groups, known, whole=whole)
        assert len({one.group.id for one in found.seen}) == len(groups)
        assert [one.members for one in found.seen] == [one.members for one in groups]
        assert {one.id for one in known} <= {one.id for one in found.known}
        again = identify(COURSE, groups, found.known, whole=whole)
        assert [clear(one) for one in again.seen] == [clear(one) for one in found.seen]
        assert again.known == found.known
        known = found.known
