"""Moments in sentences: written in UTC and to the minute, so that whoever tells a sentence can show its reader's time.

A sentence is made and stored before anybody knows who reads it. So every moment in one has this form and no other, a
day too: in which day it falls is only known where the reader's time zone is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

_FORM = "%Y-%m-%d %H:%M UTC"
_WRITTEN = re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d UTC\b")


def moment(at: float) -> str:
    """Unix seconds as they stand in a sentence: `2026-07-30 22:00 UTC`."""
    return datetime.fromtimestamp(at, UTC).strftime(_FORM)


def retold(sentence: str, show: Callable[[float], str]) -> str:
    """The sentence with its moments as `show` gives them, from Unix seconds. What is no moment stays as it is."""
    return _WRITTEN.sub(lambda found: _shown(found[0], show), sentence)


def _shown(written: str, show: Callable[[float], str]) -> str:
    try:
        at = datetime.strptime(written, _FORM).replace(tzinfo=UTC).timestamp()
    except ValueError:
        # It looks like one, and there is no such day: somebody else's words.
        return written
    return show(at)
