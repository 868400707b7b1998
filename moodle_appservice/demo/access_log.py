"""What the embedded homeserver was asked, read from its own access log.

Synapse writes one line per finished request, in the step in which it sends the answer, so a client that has its answer
finds its request in the log. The line names who asked: `{@user}`, or `{@sender|@user}` where an administrator holds
a token for somebody else, or `{None}` without a valid token. An application service that acts as one of its users is
logged as that user alone; who wants all that it did must know its users. Health checks, CORS preflights and what
Synapse itself sends to application services are not in it.

A mark is a position in the file. It stays valid over a restart, because Synapse appends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_LINE = re.compile(
    r" - \S+ - \{(?P<who>[^}]*)\} Processed request: .*?B (?P<status>\d+)!? "
    r'"(?P<method>\S+) (?P<path>[^\s?]*)\S* [^"]*"'
)


_ASKED_FOR_ITSELF = ("m.room.create", "m.room.encryption")
"""Single state events that the service asks for because it wants to know them."""


class LoggedRequest(NamedTuple):
    """`user` is who acted, `sender` whose token it was if that is known to differ; both None without a valid token."""

    method: str
    path: str
    status: int
    sender: str | None
    user: str | None

    @property
    def is_look_at_newest(self) -> bool:
        """Whether the service has asked for its newest write or its canary, as each pass does once."""
        _, is_state, key = self.path.partition("/state/")
        return self.method == "GET" and bool(is_state) and not key.startswith(_ASKED_FOR_ITSELF)


@dataclass(frozen=True, slots=True)
class AccessLog:
    """The requests that a homeserver finished, oldest first. `path` is as it was sent, without the query."""

    file: Path

    def mark(self) -> int:
        """A point in time for `since`: what is finished by now lies before it."""
        return self.file.stat().st_size if self.file.exists() else 0

    def since(self, mark: int = 0) -> list[LoggedRequest]:
        """The requests that were logged after a mark (bytes, see `mark`), oldest first."""
        if not self.file.exists():
            return []
        with self.file.open("rb") as log:
            log.seek(mark)
            lines = log.read().decode(errors="replace").splitlines()
        return [request for line in lines if (request := read_line(line)) is not None]


def read_line(line: str) -> LoggedRequest | None:
    """One line of Synapse's access log; None where it is not about a finished request."""
    found = _LINE.search(line)
    if found is None:
        return None
    who = found["who"]
    sender, _, user = who.partition("|")
    known = who != "None"
    return LoggedRequest(
        method=found["method"],
        path=found["path"],
        status=int(found["status"]),
        sender=sender if known else None,
        user=(user or sender) if known else None,
    )
