"""Who may do what concerns the whole site: a map from whom to a level, of which the most specific entry wins.

An entry is a Moodle user id, a Matrix id, a homeserver's name, or `*` for everybody; that is also their order, the most
specific first. Rights in a course come from Moodle alone and are not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .model import MoodleUserId, UserId

EVERYBODY = "*"


class Level(StrEnum):
    """What somebody may do beside what Moodle says."""

    NONE = "none"
    """Nothing: the bot does not answer."""
    USER = "user"
    ADMIN = "admin"
    """Looks after the whole site."""


def _default() -> Mapping[str, Level]:
    return {EVERYBODY: Level.USER}


@dataclass(frozen=True, slots=True)
class Permissions:
    """The map. Whom no entry fits is a user."""

    entries: Mapping[str, Level] = field(default_factory=_default)

    def level_of(self, *, person: MoodleUserId | None = None, account: UserId | None = None) -> Level:
        """The level of a Moodle person, an account, or somebody of whom both are known."""
        names = []
        if person is not None:
            names.append(str(person))
        if account is not None:
            names += [account, account.partition(":")[2]]
        found = (self.entries[name] for name in (*names, EVERYBODY) if name in self.entries)
        return next(found, Level.USER)

    def has(self, *, person: MoodleUserId | None = None, account: UserId | None = None) -> bool:
        """Whether this person, or this account, looks after the whole site."""
        return self.level_of(person=person, account=account) is Level.ADMIN

    @property
    def admin_accounts(self) -> frozenset[UserId]:
        """The accounts that are named as administrators' themselves."""
        return frozenset(
            UserId(name)
            for name, level in self.entries.items()
            if level is Level.ADMIN and name.startswith("@")
        )
