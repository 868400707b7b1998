"""How often something may happen: a bucket that fills slowly and is emptied one by one."""

from __future__ import annotations

from ..ports import Clock


class Bucket:
    """`size` at once, `per_second` in the long run."""

    def __init__(self, clock: Clock, *, size: float, per_second: float) -> None:
        self._clock = clock
        self._size = size
        self._per_second = per_second
        self._left = size
        self._at = clock.now()

    def take(self) -> bool:
        """Take one; False where none is left."""
        now = self._clock.now()
        self._left = min(self._size, self._left + max(0.0, now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
