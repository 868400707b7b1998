"""Which functions our token may call, remembered for a while: what is off in Moodle may be switched on there."""

from __future__ import annotations

from ..ports import Clock, Facts

REMEMBERED = 600.0
SEND_MESSAGES = "core_message_send_instant_messages"
UPDATE_USERS = "core_user_update_users"


class Functions:
    """The functions of the token's service."""

    def __init__(self, facts: Facts, clock: Clock) -> None:
        self._facts = facts
        self._clock = clock
        self._known: frozenset[str] = frozenset()
        self._asked_at = float("-inf")

    async def has(self, name: str) -> bool:
        """Whether our token may call this one. Raises `MoodleError`."""
        now = self._clock.now()
        if now >= self._asked_at + REMEMBERED:
            self._known = (await self._facts.site_info()).functions
            self._asked_at = now
        return name in self._known
