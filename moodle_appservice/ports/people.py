"""Moodle people and their Matrix ids, as we have found them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..domain.identity import UNSEEN, FieldSeen
from ..domain.model import MoodleUserId, Person, Resolution, Standing, UserId
from .profile import ToWrite


@dataclass(frozen=True, slots=True)
class PersonRow:
    """What we found out about a Moodle person; `fingerprint` is of the account, and of the rules, as they were then."""

    resolution: Resolution
    fingerprint: str
    username: str = ""
    unusable_since: float | None = None
    """When we first saw that the account is suspended, deleted or can't sign in; None while it is usable."""
    field: FieldSeen = UNSEEN
    looked_at: float | None = None
    """When Moodle last showed us the account; None: never."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What was stored, and the people to look at again because of it: displaced ones, and those who want a free id."""

    resolution: Resolution
    look_again: frozenset[MoodleUserId] = frozenset()


class PeopleBook(Protocol):
    """Moodle people and their Matrix ids. Two people never have the same id: the database refuses it."""

    async def look_up(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, PersonRow]:
        """What is known about these people; who was never looked at is absent."""
        ...

    async def by_matrix_id(self, ids: Collection[UserId]) -> Mapping[UserId, MoodleUserId]:
        """The Moodle people behind Matrix ids; strangers are absent."""
        ...

    async def save(
        self,
        person: Person | None,
        resolution: Resolution,
        *,
        at: float,
        fingerprint: str = "",
        field: FieldSeen | None = None,
    ) -> Saved:
        """Store what was found; `person` None where Moodle shows no account. `field` None: as it was.

        Where another person holds that id with less trust, that one loses it. Where with as much or more, the newcomer
        is quarantined: what stood before stays, with the reason.
        """
        ...

    async def unusable(self, since: Mapping[MoodleUserId, float | None]) -> None:
        """Book since when (Unix seconds) these people's Moodle accounts can't be used; None: they can again.

        Who is not known here stays unknown.
        """
        ...

    async def waiting(self) -> Mapping[UserId, MoodleUserId]:
        """Who waits for an account: the id that it will have → the person."""
        ...

    async def blocked(self) -> frozenset[MoodleUserId]:
        """Whose account can't be invited, or may not be taken, by what the homeserver last said of it."""
        ...

    async def standings(self) -> Mapping[Standing | None, int]:
        """How many people there are, by whether their account may be invited; None: who has none."""
        ...

    async def names(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, str]:
        """Full names, for answers to people who may see them."""
        ...

    async def exclude(self, user_id: MoodleUserId, *, at: float) -> None:
        """Never make anything for this person again: what stays of somebody who was erased, as a salted hash."""
        ...

    async def readmit(self, user_id: MoodleUserId) -> bool:
        """Undo `exclude`; whether there was anything to undo."""
        ...

    async def excluded(self, user_ids: Collection[MoodleUserId]) -> frozenset[MoodleUserId]:
        """Who of these was erased: not to be resolved, stored, invited or given an account."""
        ...

    async def wrote_field(self, user_id: MoodleUserId, value: str) -> None:
        """Remember what we wrote into the person's profile field, before it is written: it is no source any more."""
        ...

    async def to_write(self, *, everybody: bool) -> Sequence[ToWrite]:
        """Whose id is not what we wrote last; `everybody`: whoever has an id that counts, or had one written."""
        ...

    async def written_fields(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, str]:
        """What we last wrote into the profile fields of these people; where we never did, nothing."""
        ...
