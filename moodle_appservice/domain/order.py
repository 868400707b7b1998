"""Which of two versions of one state event is the newer, when pushes may come twice, late or out of order.

A homeserver tells with each state event which one it replaced; that chain decides. Where the two are not neighbours
in it, the origin's clock does; where even that is silent the answer is UNCLEAR and the room is read again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from .model import EventId


class Order(Enum):
    """How an incoming version relates to the one we have."""

    NEWER = auto()
    SAME = auto()
    OLDER = auto()
    UNCLEAR = auto()


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a state event. `event_id` None: assumed from a request of ours, not pushed yet.

    `timestamp` is `origin_server_ts` in milliseconds, `replaces` is `unsigned.replaces_state`.
    """

    event_id: EventId | None
    replaces: EventId | None
    timestamp: int


def compare(current: Version | None, incoming: Version) -> Order:
    """Relate an incoming version to the current one."""
    if current is None or current.event_id is None:
        return Order.NEWER
    if incoming.event_id == current.event_id:
        return Order.SAME
    if incoming.replaces == current.event_id:
        return Order.NEWER
    if current.replaces is not None and current.replaces == incoming.event_id:
        return Order.OLDER
    return _by_clock(current, incoming)


def _by_clock(current: Version, incoming: Version) -> Order:
    if incoming.timestamp < current.timestamp:
        return Order.OLDER
    if incoming.timestamp > current.timestamp and incoming.replaces is not None:
        return Order.NEWER
    # The same millisecond, or a first version later than one that we have: the room's history was rewritten.
    return Order.UNCLEAR
