"""The outside world: Moodle, the homeserver, the clock. Adapters in `moodle/` and `matrix/` provide them.

Every method raises `TemporaryFailure` when the other side is down or busy, `PermanentFailure` when asking again would
end the same way; other exceptions are bugs. Times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..domain.model import (
    CourseFacts,
    CourseId,
    EventId,
    Membership,
    MoodleUserId,
    Person,
    RoomAlias,
    RoomId,
    SiteFacts,
    SiteInfo,
    UserId,
)


class Clock(Protocol):
    """Now, and nothing else: tests move it by hand."""

    def now(self) -> float:
        """Unix seconds."""
        ...


class Facts(Protocol):
    """What Moodle says. Answers are complete or an error; a shortened list is never returned as if it were whole.

    Answers read at or after `not_older_than` may come from memory; concurrent callers share one reading.
    """

    async def site_info(self) -> SiteInfo:
        """Who answers at the configured address, and what our token may call. Always asks Moodle."""
        ...

    def expect(self, url: str) -> None:
        """The address by which the site must call itself: what another one says about courses is an error."""
        ...

    async def site(self, *, not_older_than: float) -> SiteFacts:
        """The complete listing of categories and courses."""
        ...

    async def course_facts(self, course_id: CourseId, *, not_older_than: float) -> CourseFacts:
        """Everything about one course. Raises `CourseGone` when Moodle says that it does not exist."""
        ...

    @property
    def held(self) -> Mapping[CourseId, str]:
        """Courses that the source itself holds: their losses look like an accident. Each with the reason."""
        ...

    async def explained(self, course_id: CourseId) -> frozenset[MoodleUserId]:
        """Who has left this course within the last day for a reason that was known: an end that had come, a
        suspension. As far as it was seen since the start.
        """
        ...

    async def confirm(self, course_ids: Iterable[CourseId]) -> None:
        """A person has confirmed the losses of these courses: the next reading is taken as it is for them."""
        ...

    def remembered(self, course_id: CourseId, *, not_older_than: float) -> CourseFacts | None:
        """What is in memory of a course, without asking Moodle; None where that is nothing, or too old."""
        ...

    async def person(self, user_id: MoodleUserId, *, not_older_than: float) -> Person | None:
        """One account's own state; None where Moodle does not show it."""
        ...

    async def prefetch(
        self, course_ids: Sequence[CourseId], *, not_older_than: float, thorough: bool = False
    ) -> None:
        """Read many courses in as few requests as possible, so that `course_facts` answers from memory.

        What changes rarely (the state of accounts) may be somewhat older, unless it is to be `thorough`.
        A course that can't be read is left to `course_facts`, which raises for it alone.
        """
        ...


@dataclass(frozen=True, slots=True)
class Event:
    """A Matrix event as the homeserver pushed or answered it (client-server API, "Client event")."""

    event_id: EventId
    room_id: RoomId
    type: str
    sender: UserId
    content: Mapping[str, Any]
    timestamp: int
    """`origin_server_ts`, milliseconds."""
    state_key: str | None = None
    replaces: EventId | None = None
    """`unsigned.replaces_state`: the state event that this one took the place of."""
    prev_membership: str | None = None
    """`unsigned.prev_content.membership` of a member event; None where it is not told, as in an answer of `/state`."""

    @property
    def is_refusal(self) -> bool:
        """Whether somebody has declined an invite by this, and was not in the room."""
        is_own_leave = self.content.get("membership") == Membership.LEAVE and self.sender == self.state_key
        return is_own_leave and self.prev_membership == Membership.INVITE


class Matrix(Protocol):
    """One method, one request as the bot. Retries inside a call are for lost connections, 5xx and 429 only."""

    async def create_room(self, content: Mapping[str, Any]) -> RoomId:
        """`POST /createRoom`. Raises `AliasTaken` when the alias exists already."""
        ...

    async def resolve_alias(self, alias: RoomAlias) -> RoomId | None:
        """`GET /directory/room/{alias}`; None where there is none."""
        ...

    async def delete_alias(self, alias: RoomAlias) -> None:
        """`DELETE /directory/room/{alias}`; fine where there is none."""
        ...

    async def put_alias(self, alias: RoomAlias, room_id: RoomId) -> None:
        """`PUT /directory/room/{alias}`; fine where it leads there. Raises `AliasTaken` where it leads elsewhere."""
        ...

    async def joined_rooms(self) -> frozenset[RoomId]:
        """`GET /joined_rooms`: every room in which the bot is."""
        ...

    async def upgrade(self, room_id: RoomId, version: str) -> RoomId:
        """`POST /rooms/{id}/upgrade`: the room that takes its place, with its aliases and a tombstone in the old."""
        ...

    async def read_state(self, room_id: RoomId) -> Sequence[Event]:
        """`GET /rooms/{id}/state`: every current state event, members too."""
        ...

    async def get_state(
        self, room_id: RoomId, event_type: str, state_key: str = ""
    ) -> Mapping[str, Any] | None:
        """`GET /rooms/{id}/state/{type}/{key}`; None where the room has no such event or we are not in it."""
        ...

    async def get_state_event(self, room_id: RoomId, event_type: str, state_key: str) -> Event | None:
        """`GET /rooms/{id}/state/{type}/{key}?format=event`; None where there is none, or the room is closed to us."""
        ...

    async def set_state(
        self, room_id: RoomId, event_type: str, state_key: str, content: Mapping[str, Any]
    ) -> EventId:
        """`PUT /rooms/{id}/state/{type}/{key}`."""
        ...

    async def invite(self, room_id: RoomId, user_id: UserId, reason: str = "") -> None:
        """`POST /rooms/{id}/invite`. Raises `AlreadyThere` when the person is in the room already.

        Who is invited already is told again only where the `reason` is a new one.
        """
        ...

    async def kick(self, room_id: RoomId, user_id: UserId, reason: str) -> None:
        """`POST /rooms/{id}/kick`: also withdraws an invite. Raises `NotThere` when there is nobody to remove."""
        ...

    async def ban(self, room_id: RoomId, user_id: UserId, reason: str) -> None:
        """`POST /rooms/{id}/ban`."""
        ...

    async def unban(self, room_id: RoomId, user_id: UserId) -> None:
        """`POST /rooms/{id}/unban`. Raises `NotThere` when the person is not banned."""
        ...

    async def join(self, room_id: RoomId) -> None:
        """`POST /join/{id}`. Raises `RoomGone` where nobody there could let the bot in, as no such room exists."""
        ...

    async def leave(self, room_id: RoomId) -> None:
        """`POST /rooms/{id}/leave`."""
        ...

    async def send(
        self, room_id: RoomId, content: Mapping[str, Any], txn_id: str, *, as_user: UserId | None = None
    ) -> EventId:
        """`PUT /rooms/{id}/send/m.room.message/{txn_id}`: the same `txn_id` sends once. `as_user`: a virtual user."""
        ...

    async def redact(
        self, room_id: RoomId, event_id: EventId, txn_id: str, *, as_user: UserId | None = None
    ) -> None:
        """`PUT /rooms/{id}/redact/{event}/{txn_id}`."""
        ...

    async def messages(
        self, room_id: RoomId, *, senders: Collection[UserId], since: float, most: int = 1000
    ) -> Sequence[Event]:
        """`GET /rooms/{id}/messages`: what these have said since a time (Unix seconds), the newest first."""
        ...

    async def react(self, room_id: RoomId, event_id: EventId, key: str, txn_id: str) -> EventId:
        """Send an `m.reaction` to an event."""
        ...

    async def direct_room(self, user_id: UserId) -> RoomId:
        """Make a new unencrypted direct chat with this person, who is invited to it."""
        ...

    async def upload(self, data: bytes, content_type: str) -> str:
        """`POST /_matrix/media/v3/upload`; returns the address at the homeserver, `mxc://…`."""
        ...

    async def ping(self) -> None:
        """`POST /appservice/{id}/ping`: the homeserver calls us back, and pushes what it kept for us at once."""
        ...


class Messenger(Protocol):
    """How the bot and the relay speak. `key` makes a message idempotent: the same key is sent once, ever."""

    async def notice(
        self, room_id: RoomId, text: str, html: str, *, key: str, thread: EventId | None = None
    ) -> EventId:
        """Send an `m.notice`; `thread` is the root event of the thread to answer in."""
        ...

    async def direct(self, user_id: UserId, text: str, html: str, *, key: str) -> EventId:
        """Send to the person's direct chat with the bot, which is opened where there is none."""
        ...

    async def open(self, user_id: UserId, *, but_not: RoomId | None = None) -> RoomId:
        """The direct chat with this person, made where there is none; `but_not`: one that is of no use."""
        ...

    async def edit(self, room_id: RoomId, event_id: EventId, text: str, html: str, *, key: str) -> None:
        """Put another text in the place of a notice of ours."""
        ...

    async def file(self, room_id: RoomId, name: str, data: bytes, content_type: str, *, key: str) -> EventId:
        """Send a file; who can read the room can read it."""
        ...

    async def is_encrypted(self, room_id: RoomId) -> bool:
        """Whether messages in the room are encrypted, so that we can't read them. Asks the homeserver."""
        ...

    async def react(self, room_id: RoomId, event_id: EventId, emoji: str, *, key: str) -> None:
        """Put a reaction on an event."""
        ...
