"""`roles.extra` for the source that reads course by course: whom the configuration gives a role above the courses.

Reports know every account by its user name; here the few names of the configuration are looked up with the listing of
the site. A name that can't be looked up now keeps the account that it led to before.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from ..domain.above import Above, ExtraRole, by_place, resolve_extra, roles_above
from ..domain.model import Category, CategoryId, MoodleUserId, Role
from . import errors
from .client import MoodleClient
from .shapes import USERS, accounts

logger = logging.getLogger(__name__)


class ExtraRoles:
    """Roles from the configuration alone. `extra`: what it says."""

    def __init__(self, extra: Sequence[ExtraRole] = ()) -> None:
        self.extra = tuple(extra)
        self.left_out: tuple[str, ...] = ()
        """Entries that mean nothing on this site, a sentence each."""
        self.is_read = not self.extra
        self._ids: dict[str, MoodleUserId] = {}
        self._above: Above = {}
        self._categories: Mapping[CategoryId, Category] = {}

    async def read(self, client: MoodleClient, categories: Mapping[CategoryId, Category]) -> None:
        """Look the names up. Raises the `MoodleError` that concerns the whole site."""
        if not self.extra:
            return
        for name in sorted({one.person.lower() for one in self.extra if not one.person.startswith("id:")}):
            try:
                # One at a time: a single name that Moodle finds wrong fails the whole call.
                answer = await client.call(USERS, {"field": "username", "values": [name]})
            except errors.MoodleError as error:
                if error.whole_site:
                    raise
                logger.warning("The account of roles.extra could not be looked up: %s", error)
                continue
            for account in accounts(answer, ()):
                self._ids[name] = account.id
        found, wrong = resolve_extra(self.extra, categories, lambda name: self._ids.get(name.lower()))
        for sentence in wrong:
            if sentence not in self.left_out:
                logger.warning("%s", sentence)
        self.left_out, self._above, self._categories, self.is_read = wrong, by_place(found), categories, True

    def of(self, category_id: CategoryId) -> dict[MoodleUserId, frozenset[Role]]:
        """Who holds which roles above a course of this category."""
        return roles_above(self._above, category_id, self._categories)
