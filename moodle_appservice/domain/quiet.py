"""When a room may be spoken to, and how much: the hours of the day, and so many messages a day.

Times of day are those of the site's time zone, which is handed in: nothing here knows a clock. What comes outside the
hours waits for the next ones. The last message of a full day is a list of all that would have been too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Hours:
    """From the beginning of hour `first` to the beginning of hour `last`, 0 to 24; the same twice: all day."""

    first: int = 7
    last: int = 22

    def are_open(self, now: float, zone: tzinfo) -> bool:
        """Whether a room may be spoken to now (Unix seconds)."""
        hour = datetime.fromtimestamp(now, zone).hour
        if self.first % 24 == self.last % 24:
            return True
        if self.first < self.last:
            return self.first <= hour < self.last
        return hour >= self.first or hour < self.last

    def next_opening(self, now: float, zone: tzinfo) -> float:
        """When the hours of the next day begin (Unix seconds): what is due before should be told today."""
        local = datetime.fromtimestamp(now, zone)
        tomorrow = (local + timedelta(days=1)).replace(
            hour=self.first % 24, minute=0, second=0, microsecond=0
        )
        return tomorrow.timestamp()


def day_of(now: float, zone: tzinfo) -> str:
    """The local day, `2026-11-28`."""
    return datetime.fromtimestamp(now, zone).date().isoformat()


def share_out(
    waiting: Sequence[Item], *, sent: int, most: int, has_list: bool
) -> tuple[Sequence[Item], Sequence[Item]]:
    """What is sent by itself, and what goes into the list of the day.

    `sent`: messages to the room today, the list not counted; `most`: of a day, the list counted.
    """
    if has_list:
        return (), waiting
    left = most - sent
    if len(waiting) < left:
        return waiting, ()
    alone = max(0, left - 1)
    return waiting[:alone], waiting[alone:]
