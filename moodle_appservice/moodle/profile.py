"""Writing a profile field of Moodle accounts, and reading it back: Moodle drops in silence what it does not know.

`core_user_update_users` names in a warning whom it did not change (site administrators, the guest, the deleted, the
missing); a custom field whose short name does not exist is dropped without a word, so what was written is read again.
It takes `moodle/user:update`, with which every account but the administrators' can be changed in every way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..domain.model import MoodleUserId
from ..errors import PermanentFailure
from . import errors
from .answer import Json
from .client import MoodleClient
from .functions import UPDATE_USERS, Functions
from .people import read_people

MOST: Final = 50
"""People in one request."""
NOBODY: Final = 2_147_483_646
"""An id that no account has."""
_REASONS: Final[Mapping[str, str]] = {
    "usernotupdatedadmin": "Moodle lets nobody change a site administrator's profile from outside",
    "usernotupdatedguest": "it is Moodle's guest account",
    "usernotupdateddeleted": "the account is deleted",
    "usernotupdatedremote": "the account belongs to another Moodle",
    "invaliduserid": "there is no such account",
}


class ProfileField:
    """Implements `ports.ProfileWriter` for the profile field with this short name."""

    def __init__(self, client: MoodleClient, functions: Functions, shortname: str) -> None:
        self._client = client
        self._functions = functions
        self._shortname = shortname

    async def is_on(self) -> bool:
        """Whether the service of our token has the function."""
        return await self._functions.has(UPDATE_USERS)

    async def may_write(self) -> bool:
        """Whether our account has the right: found out on an account that does not exist, so nothing is changed."""
        try:
            await self._client.call(UPDATE_USERS, {"users": [{"id": NOBODY}]})
        except errors.MissingCapability:
            return False
        return True

    async def read(self, user_ids: list[MoodleUserId]) -> Mapping[MoodleUserId, str]:
        """What the field holds, empty text for nothing; who is not shown is absent."""
        people = await read_people(self._client, user_ids, profile_fields=(self._shortname,))
        return {
            user_id: person.profile_fields.get(self._shortname, "")
            for user_id, person in people.items()
            if person is not None
        }

    async def write(self, values: Mapping[MoodleUserId, str]) -> Mapping[MoodleUserId, str]:
        """Write, read again, and say who does not have the value, with the reason as a sentence."""
        listed = list(values.items())
        refused: dict[MoodleUserId, str] = {}
        for start in range(0, len(listed), MOST):
            refused.update(await self._write(dict(listed[start : start + MOST])))
        return refused

    async def _write(self, values: Mapping[MoodleUserId, str]) -> dict[MoodleUserId, str]:
        users: list[Json] = [
            {"id": user_id, "customfields": [{"type": self._shortname, "value": value}]}
            for user_id, value in values.items()
        ]
        try:
            refused = not_changed(await self._client.call(UPDATE_USERS, {"users": users}))
        except errors.MissingCapability:
            raise PermanentFailure(
                "Our Moodle account lacks moodle/user:update, so no Matrix id was written into a profile. Give it to "
                "the role of our account, or switch moodle.write_matrix_id off."
            ) from None
        there = await self.read([user_id for user_id in values if user_id not in refused])
        for user_id, value in values.items():
            if user_id not in refused and there.get(user_id) != value:
                refused[user_id] = (
                    f"Moodle took the Matrix id for the profile field {self._shortname} and does not show it. Is there "
                    "a field with this short name, and may our account see it?"
                )
        if len(refused) == len(values) > 1 and not any(there.values()):
            raise PermanentFailure(
                f"Moodle kept none of {len(values)} Matrix ids. Nothing else was changed. "
                f"{next(iter(refused.values()))}"
            )
        return refused


def not_changed(answer: Json) -> dict[MoodleUserId, str]:
    """Whom an answer names as not changed, with the reason. Raises `BadAnswer`."""
    rows = answer.get("warnings") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise errors.BadAnswer(UPDATE_USERS, about="no list of warnings")
    found: dict[MoodleUserId, str] = {}
    for row in rows:
        number = row.get("itemid") if isinstance(row, dict) else None
        if not isinstance(row, dict) or not isinstance(number, int):
            raise errors.BadAnswer(UPDATE_USERS, about="a warning about nobody")
        code = str(row.get("warningcode"))
        why = _REASONS.get(code, f"Moodle says {code}")
        found[MoodleUserId(number)] = f"The Matrix id was not written into the profile: {why}."
    return found
