"""Roles that are held above a course: in one of its categories, or in the whole site.

Moodle's per-course functions do not show them. They come from a report on role assignments, or from the configuration
(`roles.extra`), and count in every course below. A category is known by its id; where only names lead to it, a name
that could mean two categories means none, and whoever reads it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from .model import Category, CategoryId, MoodleUserId, Role

Above = Mapping[CategoryId | None, Mapping[MoodleUserId, frozenset[Role]]]
"""Category, or None for the whole site → who holds which roles there."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """Somebody holds a role in a category, or, where it is None, in the whole site."""

    user_id: MoodleUserId
    role: Role
    category_id: CategoryId | None


@dataclass(frozen=True, slots=True)
class ExtraRole:
    """One entry of `roles.extra`. `category`: id, ID number, name or path of names; `person`: user name or `id:7`."""

    category: str
    person: str
    role: Role


def by_place(assignments: Iterable[Assignment]) -> Above:
    """Assignments sorted by where they are."""
    found: dict[CategoryId | None, dict[MoodleUserId, frozenset[Role]]] = {}
    for one in assignments:
        there = found.setdefault(one.category_id, {})
        there[one.user_id] = there.get(one.user_id, frozenset()) | {one.role}
    return found


def roles_above(
    above: Above, category_id: CategoryId, categories: Mapping[CategoryId, Category]
) -> dict[MoodleUserId, frozenset[Role]]:
    """Who holds which roles above a course of this category."""
    if not above:
        return {}
    category = categories.get(category_id)
    found: dict[MoodleUserId, frozenset[Role]] = {}
    for place in (None, *(category.path if category else (category_id,))):
        for user_id, roles in above.get(place, {}).items():
            found[user_id] = found.get(user_id, frozenset()) | roles
    return found


def resolve_extra(
    extra: Iterable[ExtraRole],
    categories: Mapping[CategoryId, Category],
    user_of: Callable[[str], MoodleUserId | None],
) -> tuple[tuple[Assignment, ...], tuple[str, ...]]:
    """What `roles.extra` means on this site, and a sentence for each entry that means nothing."""
    found: list[Assignment] = []
    wrong: list[str] = []
    for one in extra:
        places = _places(one.category, categories)
        user_id = _person(one.person, user_of)
        if len(places) != 1:
            number = f"{len(places)} categories are" if places else "no category is"
            wrong.append(
                f"roles.extra: {number} called “{one.category}”, so {one.person} gets no role there. Write its id."
            )
        elif user_id is None:
            wrong.append(f"roles.extra: Moodle shows no account “{one.person}”, so nobody gets its role.")
        else:
            found.append(Assignment(user_id, one.role, places[0]))
    return tuple(found), tuple(dict.fromkeys(wrong))


def _person(said: str, user_of: Callable[[str], MoodleUserId | None]) -> MoodleUserId | None:
    number = said.removeprefix("id:")
    if number != said and number.isascii() and number.isdigit():
        return MoodleUserId(int(number))
    return user_of(said)


def _places(said: str, categories: Mapping[CategoryId, Category]) -> list[CategoryId]:
    """The categories that a text may mean: the first way of naming that finds any."""
    if said.isascii() and said.isdigit() and CategoryId(int(said)) in categories:
        return [CategoryId(int(said))]
    by_number = [one.id for one in categories.values() if one.idnumber and one.idnumber == said]
    wanted = said.casefold()
    return (
        by_number
        or [one.id for one in categories.values() if path_of(one, categories).casefold() == wanted]
        or [one.id for one in categories.values() if one.name.casefold() == wanted]
    )


def path_of(category: Category, categories: Mapping[CategoryId, Category]) -> str:
    """The names from the top down, as Moodle writes a path: “Arts / Music”."""
    return " / ".join(
        categories[number].name if number in categories else f"({number})" for number in category.path
    )
