"""How much Python a call runs, as lines: a measure of work that no other load on the machine changes.

A loop counts its line again for each turn, so work that grows with the square of its input shows; what one call into C
does (`max(rows)`) counts as one line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def lines_run(call: Callable[[], Any]) -> int:
    """The number of lines that this thread runs in `call`."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count
