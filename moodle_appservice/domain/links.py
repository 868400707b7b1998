"""Rooms as people write them: an id, an alias, or the address of a page that shows the room.

Moodle's own Matrix provider links to `https://matrix.to/#/<alias or id>`, web clients to `…/#/room/<alias or id>`; both
may encode the name and add servers behind a question mark.
(Matrix specification, appendix "matrix.to navigation".)
"""

from __future__ import annotations

import re
from urllib.parse import unquote

_ROOM = re.compile(r"[!#][^\s/?]+")
_LONGEST = 255


def room_in(text: str) -> str:
    """The alias (`#…:domain`) or id (`!…`) that a text names; empty where it names none."""
    written = text.strip()
    if "#/" in written and not written.startswith(("#", "!")):
        written = written.partition("#/")[2].removeprefix("room/")
    name = unquote(written.partition("?")[0]).strip("/")
    if not _ROOM.fullmatch(name) or len(name) > _LONGEST:
        return ""
    return name if name.startswith("!") or ":" in name else ""
