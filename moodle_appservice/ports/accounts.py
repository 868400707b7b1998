"""Matrix accounts beyond the bot's own: virtual users of ours always, real ones where we have admin rights.

What can be done with the rights at hand, `rights` says; a method whose right is missing raises `NoAdminRights` and has
sent nothing that changes anything. Every method raises `TemporaryFailure` when the homeserver is down or busy,
`PermanentFailure` when asking again would end the same way. An account that we did not make is never written to: that
is the caller's to see to, and `create` tells whether one was there before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ..domain.accounts import Account as Account
from ..domain.model import MoodleUserId, RoomId, UserId


@dataclass(frozen=True, slots=True)
class AccountRights:
    """What we may do. `sentences`: what is missing, what that costs and how to get it, one sentence each."""

    look: bool
    """See accounts with their external ids and state (admin API)."""
    create: bool
    """Make and change accounts."""
    sentences: tuple[str, ...] = ()
    force_join: bool = False
    """Put people into rooms without asking them: only as the bot, which is in the rooms."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a new account of ours gets. `password` None: none is set."""

    display_name: str
    external_ids: tuple[tuple[str, str], ...] = ()
    email: str = ""
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """An avatar as Moodle serves it. `source` is `Person.picture`: the same source is the same picture."""

    source: str
    content_type: str
    data: bytes


class Pictures(Protocol):
    """People's pictures in Moodle."""

    async def read(self, source: str) -> Picture:
        """Download one. Raises `TemporaryFailure` when Moodle is down, `PermanentFailure` for what is no picture.

        What is no PNG, JPEG, GIF or WebP, is too large, or is not given to us, is no picture.
        """
        ...


class PictureList(Protocol):
    """Which pictures people have, asked for by itself where the facts do not tell it."""

    async def lacks(self) -> str:
        """A sentence about what is missing for it in Moodle, empty where nothing is."""
        ...

    async def read(self, user_ids: Sequence[MoodleUserId]) -> Mapping[MoodleUserId, str]:
        """Each person's `Person.picture`, empty for none; whom Moodle does not show to us is left out.

        One request for up to 499 people. Raises `TemporaryFailure` when Moodle is down, `PermanentFailure` where it
        refuses.
        """
        ...


class Accounts(Protocol):
    """One method, one request; more where the docstring says so, or the Matrix Authentication Service is asked."""

    async def rights(self) -> AccountRights:
        """What we may do, asked once and remembered for a while."""
        ...

    async def look(self, user_id: UserId) -> Account | None:
        """An account, None where there is none (or was none two minutes ago). Without admin rights by its profile.

        For an id at another homeserver: None only where that homeserver says so; raises `TemporaryFailure` where it
        can't be reached.
        """
        ...

    async def by_external_id(self, provider: str, external_id: str) -> UserId | None:
        """The account that signs in with this id of an identity provider. Raises `NoAdminRights`."""
        ...

    async def by_email(self, address: str) -> UserId | None:
        """The account that has proven this e-mail address to the homeserver. Raises `NoAdminRights`."""
        ...

    async def newest(self, *, limit: int = 100) -> Sequence[UserId] | None:
        """The accounts made last, newest first; None without admin rights."""
        ...

    async def create(self, user_id: UserId, *, display_name: str = "") -> bool:
        """Make an empty account: True where it is new, False where it was there before (and is untouched).

        `display_name` is given to the new account only where that can't change one that is there; `fill` gives it
        in any case. It is never sent twice: after an `Unreachable` nobody knows whether there is an account now.
        Raises `NoAdminRights`.
        """
        ...

    async def fill(self, user_id: UserId, attributes: Attributes) -> None:
        """Give a new account of ours its name, ways to sign in and e-mail address (with one: a look who has it before).

        Raises `NoAdminRights`; `PermanentFailure` where another account has the address (nothing was changed) or
        signs in with the external id (then name and address are set).
        """
        ...

    async def set_name(self, user_id: UserId, name: str) -> None:
        """Change the display name of an account of ours (virtual ones by masquerading). Raises `NoAdminRights`."""
        ...

    async def set_avatar(self, user_id: UserId, picture: Picture | None) -> None:
        """Change or take away the avatar of an account of ours: an upload, then the profile. Raises `NoAdminRights`."""
        ...

    async def set_email(self, user_id: UserId, address: str, *, before: str = "") -> None:
        """Put an e-mail address of an account that we made in the place of the one that we gave it before.

        Others, which the person has added, stay. Raises `NoAdminRights`.
        """
        ...

    async def deactivate(self, user_id: UserId, *, erase: bool) -> None:
        """Deactivate an account that we made; `erase` also takes its messages from new readers."""
        ...

    async def register_virtual(self, user_id: UserId) -> None:
        """Make a virtual user in our namespace; fine where it is there already."""
        ...

    async def join_as(self, room_id: RoomId, user_id: UserId) -> None:
        """A virtual user joins a room that it may join."""
        ...

    async def force_join(self, room_id: RoomId, user_id: UserId) -> None:
        """Put an account of our homeserver into a room that the bot is in, without asking its person.

        Two events in a room that needs an invite. Raises `NoAdminRights`.
        """
        ...


class AccountKind(StrEnum):
    """Whose hands an account of ours is in."""

    REAL = "real"
    VIRTUAL = "virtual"


class AccountState(StrEnum):
    """How far the making of an account has come."""

    INTENDED = "intended"
    """The request that makes it may have been sent."""
    EMPTY = "empty"
    """The homeserver said that it is new: it is ours and has nothing but its id."""
    MADE = "made"


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account that we made, or are about to make. What is `*_written` we wrote last; None: nothing."""

    matrix_id: UserId
    user_id: MoodleUserId
    kind: AccountKind
    state: AccountState
    intended_at: float
    made_at: float | None = None
    name_written: str | None = None
    avatar_written: str | None = None
    email_written: str | None = None


class AccountBook(Protocol):
    """The accounts of our making: only these are ever written to."""

    async def get(self, matrix_id: UserId) -> AccountRow | None:
        """One account, None where it is not of our making."""
        ...

    async def of(self, user_id: MoodleUserId) -> Sequence[AccountRow]:
        """All that we made for one person."""
        ...

    async def made(self) -> Mapping[MoodleUserId, Sequence[AccountRow]]:
        """All accounts that are whole and ours, by person."""
        ...

    async def put(self, row: AccountRow) -> None:
        """Write down the state of an account."""
        ...

    async def forget(self, matrix_id: UserId) -> None:
        """It is not of our making after all, or does not exist any more."""
        ...
