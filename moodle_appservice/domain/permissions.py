"""Who looks after the whole site: people by their Moodle id, accounts by their Matrix id, as the configuration says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .model import MoodleUserId, UserId


@dataclass(frozen=True, slots=True)
class Admins:
    """The site's administrators."""

    people: frozenset[MoodleUserId] = frozenset()
    accounts: frozenset[UserId] = frozenset()

    @classmethod
    def of(cls, listed: Iterable[str]) -> Admins:
        """From the entries of `permissions.admins`: numbers are Moodle ids, everything else Matrix ids."""
        entries = list(listed)
        return cls(
            people=frozenset(MoodleUserId(int(one)) for one in entries if one.isdigit()),
            accounts=frozenset(UserId(one) for one in entries if not one.isdigit()),
        )

    def has(self, *, person: MoodleUserId | None = None, account: UserId | None = None) -> bool:
        """Whether this person, or this account, is one."""
        return person in self.people or account in self.accounts
