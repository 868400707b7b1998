"""Messages inside Moodle, to a person's own inbox there."""

from __future__ import annotations

from typing import Protocol

from ..domain.model import MoodleUserId


class MoodleInbox(Protocol):
    """How people are told in Moodle what concerns their account. Off where the web service lacks the function."""

    async def is_on(self) -> bool:
        """Whether Moodle lets us send messages at all. Raises `TemporaryFailure` where Moodle does not answer."""
        ...

    async def send(self, user_id: MoodleUserId, text: str, *, key: str) -> None:
        """Send plain text to one person; the same `key` is sent once, ever. `key` holds no name and no id of anybody.

        Raises `Refused` where it is off, `PermanentFailure` where Moodle does not take a message for this person, and
        `TemporaryFailure` when it is down; then nothing was sent.
        """
        ...
