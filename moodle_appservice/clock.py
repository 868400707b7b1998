"""The real time."""

from __future__ import annotations

import time


class SystemClock:
    """The real time."""

    def now(self) -> float:
        """Unix seconds."""
        return time.time()
