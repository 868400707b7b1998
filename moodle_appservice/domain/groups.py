"""Whose group is whose: one number for one group, whatever it is called and whichever source tells of it.

Moodle's per-course functions give a group's id, reports only its id number and name. So we give each group a number of
our own and remember by what it was known (`KnownGroup`, kept in the store). A group that is seen is looked for among
the known ones: by Moodle's id, else by id number, else by name; a key that stands twice on one side finds nobody. What
is left over is compared by members: one that vanished and one that appeared with (nearly) the same members in one look
are the same group under a new name, unless Moodle's ids tell them apart. Where two groups without id numbers swap
names, each number stays with its name, and the members move.

A room for a group that is hidden in Moodle would show who is in it, for example who needs extra time. So a group that
is not known to be visible never gets one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

from .model import CourseId, Group, GroupId, GroupVisibility, MoodleUserId

SAME_GROUP: Final = 0.8
"""Share of members that two groups have in common when one is the other under a new name."""
VISIBILITY_SINCE: Final = (4, 2)
"""The release of Moodle from which on groups can be hidden; before it everybody sees them all."""


def why_no_room(group: Group) -> str:
    """A sentence that says why a group gets no room; empty where it may have one."""
    if group.ambiguous:
        return "Two groups of the course have this name and no ID number, so it is not known who is in which."
    match group.visibility:
        case GroupVisibility.UNKNOWN:
            return "It is not known who may see this group in Moodle, and a room would show who is in it."
        case GroupVisibility.NONE:
            return "The group is hidden in Moodle, and a room would show who is in it."
        case GroupVisibility.OWN:
            return "Members of the group see only their own membership in Moodle, and a room would show the others."
        case GroupVisibility.ALL | GroupVisibility.MEMBERS:
            pass
    if group.participation is None:
        return "It is not known whether the group takes part in activities."
    return "" if group.participation else "The group does not take part in activities (Participation is off)."


def may_have_room(group: Group) -> bool:
    """Whether a room for this group shows nobody more than Moodle does."""
    return not why_no_room(group)


@dataclass(frozen=True, slots=True)
class SeenGroup:
    """A group as a source shows it, with everybody in it. Before `identify` its id is a proposal."""

    group: Group
    members: frozenset[MoodleUserId]


@dataclass(frozen=True, slots=True)
class KnownGroup:
    """By what we know a group of a course again.

    `gone`: not there at the last look that saw all groups; then its members are forgotten.
    """

    id: GroupId
    moodle_id: int | None
    idnumber: str
    name: str
    members: frozenset[MoodleUserId]
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Identified:
    """The groups of one course under their own numbers, and what is to be remembered of them."""

    seen: tuple[SeenGroup, ...]
    known: tuple[KnownGroup, ...]


def group_id(course_id: CourseId, key: str, taken: Iterable[GroupId] = ()) -> GroupId:
    """A number for a group without one: below zero, always the same for the same course, key and numbers taken.

    Raises `ValueError` where every number that was tried is taken.
    """
    used = set(taken)
    for attempt in range(len(used) + 1):
        text = f"{course_id}:{key}" + (f":{attempt}" if attempt else "")
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).digest()
        number = GroupId(-1 - int.from_bytes(digest))
        if number not in used:
            return number
    raise ValueError("no number is left")


def identify(
    course_id: CourseId, seen: Sequence[SeenGroup], known: Sequence[KnownGroup], *, whole: bool
) -> Identified:
    """Find the known group of each one that is seen. `whole`: what is not seen is gone, not only out of sight."""
    pairs = _pair(seen, known)
    taken = {one.id for one in known}
    found: list[SeenGroup] = []
    records = {one.id: one for one in known}
    doubled = _doubled(seen, known, pairs)
    for index, one in enumerate(seen):
        before = pairs.get(index)
        number = before.id if before else _new_number(course_id, one.group, taken)
        taken.add(number)
        group = _under(number, one.group, before, ambiguous=one.group.ambiguous or index in doubled)
        found.append(one if group == one.group else SeenGroup(group, one.members))
        if index not in doubled:
            records[number] = KnownGroup(number, group.moodle_id, group.idnumber, group.name, one.members)
    there = {one.group.id for one in found}
    unclear = {seen[index].group.name for index in doubled}
    for number, record in records.items():
        if number in there or record.gone or record.name in unclear:
            continue
        if whole or _is_replaced(record, found):
            records[number] = replace(record, gone=True, members=frozenset())
    return Identified(tuple(found), tuple(records[number] for number in sorted(records)))


def _new_number(course_id: CourseId, group: Group, taken: set[GroupId]) -> GroupId:
    if group.moodle_id is not None and group.moodle_id not in taken:
        return GroupId(group.moodle_id)
    return group_id(course_id, group.key, taken)


def _under(number: GroupId, group: Group, before: KnownGroup | None, *, ambiguous: bool) -> Group:
    """A group with its own number, and with what another source has told about it."""
    moodle_id, idnumber = group.moodle_id, group.idnumber
    if before is not None:
        # A list of participants has no id numbers; a report that has none says that there is none.
        idnumber = idnumber or (before.idnumber if moodle_id is not None else "")
        moodle_id = moodle_id if moodle_id is not None else before.moodle_id
    return replace(group, id=number, moodle_id=moodle_id, idnumber=idnumber, ambiguous=ambiguous)


def _is_replaced(record: KnownGroup, found: Sequence[SeenGroup]) -> bool:
    """Whether a group of this name with another of Moodle's ids is there: made again, or the name was passed on."""
    return record.moodle_id is not None and any(
        one.group.name == record.name and one.group.moodle_id not in (None, record.moodle_id) for one in found
    )


def _doubled(
    seen: Sequence[SeenGroup], known: Sequence[KnownGroup], pairs: Mapping[int, KnownGroup]
) -> set[int]:
    """Groups without Moodle's id and id number under whose name several are known, so that they are several in one."""
    found: set[int] = set()
    for index, one in enumerate(seen):
        if one.group.moodle_id is None and not one.group.idnumber:
            others = {pair.id for other, pair in pairs.items() if other != index}
            there = [
                record
                for record in known
                if record.name == one.group.name and record.moodle_id is not None and not record.gone
            ]
            if len([record for record in there if record.id not in others]) > 1:
                found.add(index)
    return found


def _pair(seen: Sequence[SeenGroup], known: Sequence[KnownGroup]) -> dict[int, KnownGroup]:
    """Index of a group that is seen → the known group that it is."""
    pairs: dict[int, KnownGroup] = {}
    live = [one for one in known if not one.gone]
    _join(pairs, seen, known, lambda one: one.moodle_id)
    for among in (live, known):
        _join(pairs, seen, among, lambda one: one.idnumber or None)
        _join(pairs, seen, among, _whole_key)
        _join(pairs, seen, among, lambda one: one.name)
        if among is live:
            _join_by_members(pairs, seen, live)
    return pairs


def _whole_key(one: Group | KnownGroup) -> Hashable:
    # A list of participants does not tell whether there is an id number.
    return None if isinstance(one, Group) and one.moodle_id is not None else (one.idnumber, one.name)


def _join(
    pairs: dict[int, KnownGroup],
    seen: Sequence[SeenGroup],
    known: Sequence[KnownGroup],
    key: Callable[[Group | KnownGroup], Hashable],
) -> None:
    """Pair what has the same key, where the key stands once on each side and nothing speaks against it."""
    used = {one.id for one in pairs.values()}
    there: dict[Hashable, list[int]] = {}
    for index, one in enumerate(seen):
        if index not in pairs and key(one.group) is not None:
            there.setdefault(key(one.group), []).append(index)
    free: dict[Hashable, list[KnownGroup]] = {}
    for record in known:
        if record.id not in used and key(record) is not None:
            free.setdefault(key(record), []).append(record)
    for value, indices in there.items():
        records = free.get(value, [])
        if len(indices) == len(records) == 1 and _may_be(seen[indices[0]].group, records[0]):
            pairs[indices[0]] = records[0]


def _join_by_members(
    pairs: dict[int, KnownGroup], seen: Sequence[SeenGroup], live: Sequence[KnownGroup]
) -> None:
    """Pair one that vanished and one that appeared with nearly the same members, if that is so of these two alone."""
    used = {one.id for one in pairs.values()}
    vanished = [one for one in live if one.id not in used]
    appeared = [index for index in range(len(seen)) if index not in pairs]
    alike = [
        (index, old)
        for index in appeared
        for old in vanished
        if not _differ(seen[index].group.moodle_id, old.moodle_id)
        and _same_members(old.members, seen[index].members)
    ]
    indices = Counter(index for index, _ in alike)
    numbers = Counter(old.id for _, old in alike)
    pairs.update({index: old for index, old in alike if indices[index] == numbers[old.id] == 1})


def _may_be(group: Group, record: KnownGroup) -> bool:
    if _differ(group.moodle_id, record.moodle_id):
        return False
    return (group.moodle_id is not None and group.moodle_id == record.moodle_id) or not (
        group.idnumber and record.idnumber and group.idnumber != record.idnumber
    )


def _differ(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and one != other


def _same_members(one: frozenset[MoodleUserId], other: frozenset[MoodleUserId]) -> bool:
    most = max(len(one), len(other))
    return most > 0 and len(one & other) >= SAME_GROUP * most
