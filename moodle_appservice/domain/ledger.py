"""What our books say of one room: what we last wrote there and whom we put there.

A plan compares it with the room: what differs from both was changed by people since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .model import UserId


@dataclass(frozen=True, slots=True)
class Ledger:
    """What we last did in one room.

    `places`: everyone whom we invited, or found where they belong, and who has been wanted ever since. `intended`:
    whom we were about to invite, and do not know whether we did. `bans`: whom we have banned ourselves. `departed`: who
    is out by the own choice, as far as the room says so: they left before our books began, or while an invite was
    `intended`. `kept`: `name`, `topic` or `url` (of the picture), chosen by somebody else before our books began.
    `filled`: everybody who was to come had come once.
    """

    name: str | None = None
    topic: str | None = None
    levels: Mapping[UserId, int] = field(default_factory=dict)
    places: frozenset[UserId] = frozenset()
    intended: frozenset[UserId] = frozenset()
    bans: frozenset[UserId] = frozenset()
    avatar: str | None = None
    departed: frozenset[UserId] = frozenset()
    kept: frozenset[str] = frozenset()
    filled: bool = False
