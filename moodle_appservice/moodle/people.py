"""The accounts behind the ids: whether they are suspended, confirmed, and what they are called.

`core_user_get_users_by_field` costs Moodle some 8 ms a person, eight times as much as a row of a roster, so accounts
are read in slices of their own and kept longer. One odd account must not stop everybody else: where Moodle refuses a
whole slice because of one record in it, the slice is halved until that record stands alone, and that person is left
out. Left out means "state unknown", never "gone".
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from ..domain.model import MoodleUserId, Person
from . import errors
from .answer import Json
from .bulk import together
from .client import MAX_VALUES, MoodleClient
from .rosters import VIEW_ALL_DETAILS
from .shapes import USERS, Account, accounts
from .shapes import pictures as pictures_of

logger = logging.getLogger(__name__)

VIEW_HIDDEN_DETAILS: Final = "moodle/user:viewhiddendetails"

_MOST_SPLITS: Final = 30
"""Three odd accounts in a slice of 499; with more, or with a server that always crashes, the slice fails."""
_ONE_ODD_RECORD = (errors.InvalidResponse, errors.PhpException, errors.ServerCrashed, errors.InvalidParameter)


async def read_people(
    client: MoodleClient,
    user_ids: Iterable[MoodleUserId],
    *,
    profile_fields: Sequence[str] = (),
    pictures: bool = False,
) -> dict[MoodleUserId, Person | None]:
    """Every asked id with its person, or None where Moodle shows us no account or only part of one.

    `pictures`: whether to keep where people's own pictures are. Raises `RightMissing` where Moodle shows us several
    accounts and none of them whole: then it is the right that is missing, and not one odd person.
    """
    asked = sorted(set(user_ids))
    found: dict[MoodleUserId, Account] = {}

    def take(answer: Json) -> None:
        found.update((account.id, account) for account in accounts(answer, profile_fields, pictures=pictures))

    await _in_slices(client, asked, take)
    if len(found) > 1 and not any(account.person for account in found.values()):
        raise _missing_right(next(iter(found.values())))
    odd = [user_id for user_id in asked if user_id not in found or found[user_id].person is None]
    if odd:
        logger.info("Moodle shows no whole account for %d of %d people: %s", len(odd), len(asked), odd[:20])
    return {user_id: found[user_id].person if user_id in found else None for user_id in asked}


async def read_pictures(client: MoodleClient, user_ids: Iterable[MoodleUserId]) -> dict[MoodleUserId, str]:
    """Where people's own pictures are, empty for who has none; who is not shown to us is left out.

    Takes less than `read_people`: whoever we may see at all is shown with the picture. Raises `MoodleError`.
    """
    found: dict[MoodleUserId, str] = {}
    await _in_slices(client, sorted(set(user_ids)), lambda answer: found.update(pictures_of(answer)))
    return found


async def _in_slices(
    client: MoodleClient, asked: Sequence[MoodleUserId], take: Callable[[Json], None]
) -> None:
    await together(
        _slice(client, asked[start : start + MAX_VALUES - 1], take)
        for start in range(0, len(asked), MAX_VALUES - 1)
    )


async def _slice(
    client: MoodleClient, user_ids: Sequence[MoodleUserId], take: Callable[[Json], None]
) -> None:
    waiting = [user_ids]
    splits = 0
    while waiting:
        part = waiting.pop()
        values: list[Json] = list(part)
        try:
            take(await client.call(USERS, {"field": "id", "values": values}))
        except _ONE_ODD_RECORD as error:
            if len(part) == 1:
                logger.warning("The account %d can't be read and is left as it is: %s", part[0], error)
                continue
            splits += 1
            if splits > _MOST_SPLITS:
                raise
            middle = len(part) // 2
            waiting += [part[middle:], part[:middle]]


def _missing_right(account: Account) -> errors.RightMissing:
    hidden = account.missing == {"suspended"}
    return errors.RightMissing(
        USERS,
        VIEW_HIDDEN_DETAILS if hidden else VIEW_ALL_DETAILS,
        about=f"accounts, which came without {', '.join(sorted(account.missing))}",
        remedy="Or take suspended out of the site's hidden user fields." if hidden else "",
    )
