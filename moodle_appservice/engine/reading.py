"""A room as its state says, where it is not (yet) in the mirror, and what our books would begin with there."""

from __future__ import annotations

from collections.abc import Sequence

from ..domain.ledger import Ledger
from ..domain.model import ActualMember, ActualRoom, Membership, RoomId, UserId
from ..ports import Event

CREATE = "m.room.create"
MEMBER = "m.room.member"


def room_of(room_id: RoomId, events: Sequence[Event]) -> ActualRoom:
    """From the events of a room's state."""
    creates = [event for event in events if event.type == CREATE]
    version = creates[0].content.get("room_version") if creates else None
    members = {}
    for event in events:
        word = event.content.get("membership")
        if event.type == MEMBER and event.state_key and isinstance(word, str) and word in set(Membership):
            admitted = bool(event.content.get("join_authorised_via_users_server"))
            members[UserId(event.state_key)] = ActualMember(
                Membership(word), event.sender, admitted, event.is_refusal
            )
    return ActualRoom(
        room_id=room_id,
        version=version if isinstance(version, str) else "1",
        creator=creates[0].sender if creates else UserId(""),
        state={
            (event.type, event.state_key or ""): event.content for event in events if event.type != MEMBER
        },
        members=members,
        senders={
            (event.type, event.state_key or ""): event.sender for event in events if event.type != MEMBER
        },
    )


def books_of(events: Sequence[Event], bot: UserId) -> Ledger:
    """What the books begin with: who had left by choice, and whose names are to be kept (see `store.found`)."""
    names = {"m.room.name": "name", "m.room.topic": "topic"}
    said = {names[event.type]: event for event in events if event.type in names and event.state_key == ""}
    ours = {what: event.content.get(what) for what, event in said.items() if event.sender == bot}
    return Ledger(
        name=ours.get("name"),
        topic=ours.get("topic"),
        departed=frozenset(
            UserId(event.sender)
            for event in events
            if event.type == MEMBER
            and event.sender == event.state_key
            and event.content.get("membership") == "leave"
        ),
        kept=frozenset(
            what for what, event in said.items() if event.sender != bot and event.content.get(what)
        ),
    )
