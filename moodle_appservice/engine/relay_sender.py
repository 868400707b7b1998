"""Who speaks for a person of Moodle: their virtual user, where it is in the room and may write there, else the bot."""

from __future__ import annotations

from ..domain.model import ActualRoom, Membership, MoodleUserId, RoomId, UserId
from ..ports import AccountKind, AccountState, Store


class Senders:
    """`bot`: who speaks for everybody else."""

    def __init__(self, store: Store, *, bot: UserId) -> None:
        self._store = store
        self.bot = bot

    async def of(self, author: MoodleUserId, room_id: RoomId) -> UserId:
        """Who speaks for this author in this room, by what the mirror knows."""
        for row in await self._store.accounts.of(author):
            if row.kind is AccountKind.VIRTUAL and row.state is AccountState.MADE:
                room = await self._store.mirror.room(room_id)
                member = room.members.get(row.matrix_id) if room else None
                is_there = member is not None and member.membership is Membership.JOIN
                if is_there and room is not None and _may_write(room, row.matrix_id):
                    return row.matrix_id
        return self.bot


def _may_write(room: ActualRoom, user_id: UserId) -> bool:
    levels = room.content("m.room.power_levels")
    users, events = levels.get("users", {}), levels.get("events", {})
    needed = events.get("m.room.message", levels.get("events_default", 0))
    has = users.get(user_id, levels.get("users_default", 0))
    return bool(has >= needed)
