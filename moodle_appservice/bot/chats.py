"""Direct chats: opened where there is none, begun with a welcome once per person, left for a readable one where they
are encrypted.
"""

from __future__ import annotations

from ..domain.model import RoomId, UserId
from ..domain.rules import Rules
from ..engine.readers import Reader, Readers
from ..engine.staff import is_moderator
from ..ports import Clock, Messenger, Store, Way
from .render import Answer, Item, link_to


class Chats:
    """The bot's direct chats."""

    def __init__(
        self, messenger: Messenger, store: Store, readers: Readers, rules: Rules, clock: Clock
    ) -> None:
        self._messenger = messenger
        self._store = store
        self._readers = readers
        self._rules = rules
        self._clock = clock

    async def open(self, user_id: UserId) -> RoomId:
        """The direct chat with an account, in which it has been welcomed if it is somebody's whom we know."""
        room_id = await self._messenger.open(user_id)
        await self.welcome(user_id, room_id)
        return room_id

    async def meet(self, user_id: UserId, room_id: RoomId) -> None:
        """Somebody has opened a direct chat with the bot."""
        if await self._messenger.is_encrypted(room_id):
            await self.unreadable(user_id, room_id)
        else:
            await self.welcome(user_id, room_id)

    async def unreadable(self, user_id: UserId, room_id: RoomId) -> None:
        """Say, once in each room, that it can't be read there, and where it can."""
        key = f"{room_id}:unreadable"
        if await self._store.journal.message(key) is not None:
            return
        reader = await self._readers.of_account(user_id)
        _ = reader.language.gettext
        other = await self._messenger.open(user_id, but_not=room_id)
        await self._store.mirror.set_direct(user_id, other)
        answer = Answer().line(
            _(
                "This chat is encrypted, and I can't read it. I opened another one for us: please write to me there."
            )
        )
        answer.line(link_to(other, self._rules.domain))
        await self._messenger.notice(room_id, answer.text, answer.html, key=key)
        if not await self.welcome(user_id, other):
            here = Answer().line(_("Here I can read you. Write `help` to see what I know."))
            await self._messenger.notice(other, here.text, here.html, key=f"{other}:readable")

    async def welcome(self, user_id: UserId, room_id: RoomId) -> bool:
        """Once for each person: who the bot is, what it stores, what to ask first. Whether it was said now."""
        person = (await self._store.people.by_matrix_id([user_id])).get(user_id)
        if person is None or not await self._store.told.claim(person, Way.WELCOME, at=self._clock.now()):
            return False
        staff = await is_moderator(self._store, person, self._rules)
        name = (await self._store.people.names([person])).get(person, "")
        answer = welcome(await self._readers.of(person), name, staff=staff)
        await self._messenger.notice(room_id, answer.text, answer.html, key=f"{room_id}:welcome")
        return True


def welcome(reader: Reader, name: str, *, staff: bool) -> Answer:
    """The first message to somebody."""
    _ = reader.language.gettext
    hello = _("Hello {name}!", name=name) if name else _("Hello!")
    answer = Answer().line(
        f"{hello} "
        + _(
            "I am the bot that keeps the chat rooms of your Moodle courses: who is in a course is invited to its room."
        )
    )
    answer.line(
        _(
            "I store your name, your Matrix account and your courses, and nothing of what people write to each other. "
            "`privacy` shows all of it."
        )
    )
    answer.line(_("Write to me:"))
    first = {
        "status": _("how the room of your course stands"),
        "missing": _("who is not in the room yet, and why"),
    }
    if not staff:
        first = {"courses": _("your courses and their rooms"), "invite": _("if you miss a room")}
    first["help"] = _("everything I can do for you")
    return answer.items([Item(command, f"– {what}") for command, what in first.items()])
