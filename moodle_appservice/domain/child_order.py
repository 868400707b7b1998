"""The `order` of what hangs in a space, changed as little as possible.

Clients sort the rooms of a space by a text (specification, `m.space.child`). Numbering them anew for each room that
comes to the front would cost an event for every one of them, so what already stands in the right order keeps its text
and only the others get new ones that fit between. The texts are the digits of a decimal fraction, without zeros at the
end: there is always room between two of them.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise

from .model import RoomId

LONGEST = 50
"""What the specification allows."""
_OURS = re.compile(r"[0-9]*[1-9]")
_DIGITS = 3
_AT_THE_END = 16
"""At an end of the list, where the next room may come too, only so small a part of what is free is used up."""


def orders_of(wanted: Sequence[RoomId], has: Mapping[RoomId, object]) -> dict[RoomId, str]:
    """The text of each room, in the order wanted. `has`: the texts that there are, whoever wrote them."""
    kept = _kept(wanted, has)
    found = dict(kept)
    places = [-1, *(place for place, room_id in enumerate(wanted) if room_id in kept), len(wanted)]
    for before, after in pairwise(places):
        low = kept[wanted[before]] if before >= 0 else ""
        high = kept[wanted[after]] if after < len(wanted) else ""
        missing = wanted[before + 1 : after]
        found.update(zip(missing, _between(low, high, len(missing)), strict=True))
    if any(len(order) > LONGEST for order in found.values()):
        return dict(zip(wanted, _between("", "", len(wanted)), strict=True))
    return found


def _kept(wanted: Sequence[RoomId], has: Mapping[RoomId, object]) -> dict[RoomId, str]:
    """As many rooms as possible whose texts stand in the right order: the longest increasing row."""
    texts = [(room_id, order) for room_id in wanted if isinstance(order := has.get(room_id), str)]
    texts = [(room_id, order) for room_id, order in texts if len(order) <= LONGEST and _OURS.fullmatch(order)]
    ends: list[str] = []
    last: list[int] = []
    before: list[int] = []
    for number, (_, order) in enumerate(texts):
        length = bisect_left(ends, order)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [order]
        last[length : length + 1] = [number]
    found: dict[RoomId, str] = {}
    number = last[-1] if last else -1
    while number >= 0:
        room_id, order = texts[number]
        found[room_id] = order
        number = before[number]
    return found


def _between(low: str, high: str, number: int) -> list[str]:
    """So many texts, in order, above `low` and below `high`; an empty one is an end of the list."""
    if not number:
        return []
    parts = number + 1
    digits = max(_DIGITS, len(low), len(high))
    while True:
        bottom = int(low.ljust(digits, "0") or 0)
        top = int(high.ljust(digits, "0")) if high else 10**digits
        if low and not high:
            top = bottom + (top - bottom) // _AT_THE_END
        elif high and not low:
            bottom = top - (top - bottom) // _AT_THE_END
        if top - bottom >= parts:
            break
        digits += 1
    steps = (bottom + (top - bottom) * step // parts for step in range(1, parts))
    return [str(step).rjust(digits, "0").rstrip("0") for step in steps]
