"""A homeserver's accounts in memory, behind `ports.Accounts`: what is there, what was asked, what goes wrong.

Rights are switched by `may_look` and `may_create`. `trouble` holds what a request raises, by its kind or by kind and
user id; `appears` names an account that somebody else makes just before our request to make one arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from moodle_appservice.domain.model import MoodleUserId, RoomId, UserId
from moodle_appservice.errors import AppError, NoAdminRights
from moodle_appservice.ports import Account, AccountRights, Attributes, Picture
from tests.fakes import FakeClock

WRITES = frozenset(
    {"create", "fill", "set_name", "set_avatar", "set_email", "deactivate", "register_virtual"}
)


class FakeAccounts:
    """Implements `ports.Accounts`."""

    def __init__(self, clock: FakeClock, *, domain: str = "uni.test") -> None:
        self.clock = clock
        self.domain = domain
        self.accounts: dict[UserId, Account] = {}
        self.filled: dict[UserId, Attributes] = {}
        self.may_look = False
        self.may_create = False
        self.requests: list[tuple[str, ...]] = []
        self.trouble: dict[str | tuple[str, str], Exception] = {}
        self.appears = ""

    # What tests do

    def admin(self) -> None:
        """We have admin rights."""
        self.may_look = self.may_create = True

    def add(self, localpart: str, **given: Any) -> UserId:
        """An account that somebody else has made."""
        user_id = UserId(localpart if localpart.startswith("@") else f"@{localpart}:{self.domain}")
        self.accounts[user_id] = Account(user_id, **{"made_at": self.clock.now(), **given})
        return user_id

    @property
    def writes(self) -> list[tuple[str, ...]]:
        """The requests that change something."""
        return [request for request in self.requests if request[0] in WRITES]

    # What the engine asks for

    async def rights(self) -> AccountRights:
        return AccountRights(self.may_look, self.may_create, force_join=self.may_look)

    async def look(self, user_id: UserId) -> Account | None:
        self._arrives("look", user_id)
        account = self.accounts.get(user_id)
        if self.may_look and user_id.endswith(f":{self.domain}"):
            return account
        return None if account is None else Account(user_id, seen_as_admin=False)

    async def by_external_id(self, provider: str, external_id: str) -> UserId | None:
        self._arrives("by_external_id", provider, external_id)
        self._needs(self.may_look)
        return self._first(lambda account: (provider, external_id) in account.external_ids)

    async def by_email(self, address: str) -> UserId | None:
        self._arrives("by_email", address)
        self._needs(self.may_look)
        return self._first(lambda account: address in account.emails)

    async def newest(self, *, limit: int = 100) -> Sequence[UserId] | None:
        self._arrives("newest", str(limit))
        return list(reversed(self.accounts))[:limit] if self.may_look else None

    async def create(self, user_id: UserId, *, display_name: str = "") -> bool:
        del display_name
        if self.appears:
            self.add(self.appears)
        self._arrives("create", user_id)
        self._needs(self.may_create)
        if user_id in self.accounts:
            return False
        self.accounts[user_id] = Account(user_id, made_at=self.clock.now())
        return True

    async def fill(self, user_id: UserId, attributes: Attributes) -> None:
        self._arrives("fill", user_id)
        self._needs(self.may_create)
        self.filled[user_id] = attributes
        self.accounts[user_id] = replace(
            self.accounts[user_id],
            display_name=attributes.display_name,
            external_ids=frozenset(attributes.external_ids),
            emails=frozenset({attributes.email} - {""}),
        )

    async def set_name(self, user_id: UserId, name: str) -> None:
        self._arrives("set_name", user_id, name)
        self.accounts[user_id] = replace(self.accounts[user_id], display_name=name)

    async def set_avatar(self, user_id: UserId, picture: Picture | None) -> None:
        self._arrives("set_avatar", user_id, picture.source if picture else "")

    async def set_email(self, user_id: UserId, address: str, *, before: str = "") -> None:
        self._arrives("set_email", user_id, address)
        emails = self.accounts[user_id].emails - {before} | {address}
        self.accounts[user_id] = replace(self.accounts[user_id], emails=emails)

    async def deactivate(self, user_id: UserId, *, erase: bool) -> None:
        self._arrives("deactivate", user_id, str(erase))
        self.accounts[user_id] = replace(self.accounts[user_id], deactivated=True)

    async def register_virtual(self, user_id: UserId) -> None:
        self._arrives("register_virtual", user_id)
        self.accounts.setdefault(user_id, Account(user_id))

    async def join_as(self, room_id: RoomId, user_id: UserId) -> None:
        self._arrives("join_as", room_id, user_id)

    async def force_join(self, room_id: RoomId, user_id: UserId) -> None:
        self._arrives("force_join", room_id, user_id)
        self._needs(self.may_look)

    def _arrives(self, *request: str) -> None:
        self.requests.append(request)
        for key in (request[0], request[:2]):
            if key in self.trouble:
                raise self.trouble[key]

    def _needs(self, right: bool) -> None:
        if not right:
            raise NoAdminRights("We are no administrator. Nothing was changed.")

    def _first(self, fits: Callable[[Account], bool]) -> UserId | None:
        return next((user_id for user_id, account in self.accounts.items() if fits(account)), None)


class FakePictures:
    """Implements `ports.Pictures`. `trouble`: what a download raises, by the picture."""

    def __init__(self) -> None:
        self.downloads: list[str] = []
        self.trouble: dict[str, Exception] = {}

    async def read(self, source: str) -> Picture:
        self.downloads.append(source)
        if source in self.trouble:
            raise self.trouble[source]
        return Picture(source, "image/png", b"png")


class FakePictureList:
    """Implements `ports.PictureList`. `trouble`: what it raises; `asked`: the people of each request."""

    def __init__(self, at_once: int = 200) -> None:
        self.at_once = at_once
        self.pictures: dict[MoodleUserId, str] = {}
        self.asked: list[list[int]] = []
        self.missing = ""
        self.trouble: AppError | None = None

    async def lacks(self) -> str:
        return self.missing

    async def read(self, user_ids: Sequence[MoodleUserId]) -> Mapping[MoodleUserId, str]:
        if self.trouble is not None:
            raise self.trouble
        self.asked.append([int(user_id) for user_id in user_ids])
        return {user_id: self.pictures[user_id] for user_id in user_ids if user_id in self.pictures}
