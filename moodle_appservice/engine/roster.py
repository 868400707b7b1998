"""The people of a course as its teachers see them: who stands how in the main room, and why.

Made from the same plan that a sync would carry out, so that it never tells another story.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..domain.actions import ForceJoin, Invite, Note
from ..domain.model import CourseId, MoodleUserId, Role, UserId
from ..ports import Store
from .planning import CoursePlanner, Prepared
from .troubles import Troubles
from .visits import Place, place_in

ABSENT = frozenset({"banned", "left", "declined"})
"""Who is out of the room by choice, or kept out by a moderator."""


@dataclass(frozen=True, slots=True)
class Attendee:
    """One person of a course. `why`: a sentence where something is missing, or was left alone on purpose."""

    person: MoodleUserId
    name: str
    roles: frozenset[Role]
    account: UserId | None
    state: str
    """`joined`, `invited`, `declined`, `left`, `banned`, `failed`, `missing`, or the name of a `Place`."""
    why: str = ""

    def fits(self, words: str) -> bool:
        """Whether a search finds the person: by name, account or Moodle id."""
        wanted = words.casefold()
        return wanted in self.name.casefold() or wanted in (self.account or "") or wanted == str(self.person)


class Roster:
    """Lists the people of courses. Reads facts as old as they are in memory."""

    def __init__(self, planner: CoursePlanner, store: Store, troubles: Troubles) -> None:
        self._planner = planner
        self._store = store
        self._troubles = troubles

    async def of(self, course_id: CourseId) -> tuple[Attendee, ...]:
        """Everybody who counts in the course, by name. Raises what the reading raises."""
        prepared = await self._planner.prepare(course_id, not_older_than=0.0)
        people = list(prepared.roles)
        names = await self._store.people.names(people)
        rows = await self._store.people.look_up(people)
        failed = self._failed(prepared)
        absent = {note.person: note for note in prepared.main.plan.notes if note.kind in ABSENT}
        found = []
        for person in people:
            row = rows.get(person)
            account = row.resolution.matrix_id if row is not None else None
            state, why = _state(prepared, person, failed, absent.get(person))
            name = names.get(person) or _name(prepared, person)
            found.append(Attendee(person, name, prepared.roles[person], account, state, why))
        return tuple(sorted(found, key=lambda one: (one.name.casefold(), one.person)))

    def _failed(self, prepared: Prepared) -> Mapping[MoodleUserId, str]:
        """Whose invite to the main room has failed, and why."""
        return {
            trouble.action.person: f"The invite failed and is tried again: {trouble.failure}"
            for trouble in self._troubles.of(prepared.facts.course.id).values()
            if isinstance(trouble.action, Invite | ForceJoin) and trouble.step.room == prepared.main.key
        }


def _state(
    prepared: Prepared, person: MoodleUserId, failed: Mapping[MoodleUserId, str], absent: Note | None
) -> tuple[str, str]:
    place, why = place_in(prepared.main, person)
    if place in (Place.JOINED, Place.INVITED):
        return place.value, why
    if person in failed:
        return "failed", failed[person]
    if absent is not None:
        return absent.kind, absent.text
    return ("missing" if place is Place.NONE else place.value), why


def _name(prepared: Prepared, person: MoodleUserId) -> str:
    found = prepared.facts.people.get(person)
    return found.full_name if found else f"Moodle user {person}"
