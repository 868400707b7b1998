"""Answers: plain text and the same as simple HTML (paragraphs, lists, bold, code, links; no tables).

Texts are plain; what stands between backquotes is code. A value that holds HTML comes out as it was written.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from ..domain.model import RoomId

PER_PAGE = 12
_CODE = re.compile(r"`([^`\n]{1,200})`")
_LINK = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)]")


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a list: a head in bold, what follows it, and where it leads."""

    head: str
    rest: str = ""
    url: str = ""


@dataclass(slots=True)
class Answer:
    """An answer in the making."""

    _text: list[str] = field(default_factory=list)
    _html: list[str] = field(default_factory=list)

    def line(self, text: str, *, strong: str = "") -> Answer:
        """A line; `strong` stands in bold before it."""
        if not text and not strong:
            return self
        joined = f"{strong}: {text}" if strong and text else strong or text
        self._text.append(_plain(joined))
        bold = f"<strong>{_marked(strong)}{':' if text else ''}</strong> " if strong else ""
        self._html.append(f"<p>{bold}{_marked(text)}</p>".replace("</strong> </p>", "</strong></p>"))
        return self

    def items(self, entries: Sequence[Item | tuple[str, str]]) -> Answer:
        """A list."""
        found = [entry if isinstance(entry, Item) else Item(*entry) for entry in entries]
        if not found:
            return self
        self._text.extend(
            _plain(" ".join(part for part in ("•", one.head, one.rest, one.url) if part)) for one in found
        )
        self._html.append(f"<ul>{''.join(map(_entry, found))}</ul>")
        return self

    def add(self, other: Answer) -> Answer:
        """Another answer behind this one."""
        self._text.extend(other._text)
        self._html.extend(other._html)
        return self

    @property
    def text(self) -> str:
        """As plain text."""
        return "\n".join(self._text)

    @property
    def html(self) -> str:
        """As HTML of Matrix's allow-list."""
        return "".join(self._html)


def link_to(room_id: RoomId, server: str) -> str:
    """A link that opens a room in any client. `server`: where it is known; a room's id does not say it."""
    return f"https://matrix.to/#/{quote(room_id)}?via={quote(server)}"


def pages_of(number: int, per_page: int = PER_PAGE) -> int:
    """How many pages a list of so many entries takes."""
    return max(1, -(-number // per_page))


def _entry(item: Item) -> str:
    head = f"<strong>{_marked(item.head)}</strong>" if item.head else ""
    if item.url:
        head = f'<a href="{html.escape(item.url)}">{head or html.escape(item.url)}</a>'
    return f"<li>{head}{' ' if item.head and item.rest else ''}{_marked(item.rest)}</li>"


def _plain(text: str) -> str:
    return _CODE.sub(r"\1", text)


def _marked(text: str) -> str:
    parts = _CODE.split(text)
    parts[::2] = [_linked(part) for part in parts[::2]]
    parts[1::2] = [f"<code>{html.escape(part)}</code>" for part in parts[1::2]]
    return "".join(parts).replace("\n", "<br>")


def _linked(text: str) -> str:
    found, end = [], 0
    for match in _LINK.finditer(text):
        found += [
            html.escape(text[end : match.start()]),
            f'<a href="{html.escape(match[0])}">',
            html.escape(match[0]),
            "</a>",
        ]
        end = match.end()
    return "".join([*found, html.escape(text[end:])])
