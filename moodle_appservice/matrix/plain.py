"""The plain text of a message, written beside its HTML: paragraphs, lists, quotes and tables as one types them.

`markup` writes the HTML and tells each element and text that it keeps, in order: so the tags are those that
Matrix allows, well nested. Nothing is escaped, because this is no HTML; what would notify somebody `markup`
breaks up. The target of a link stands in brackets behind its words, unless those say it. The text has a limit of
its own, since targets that HTML hides are written out.
"""

from __future__ import annotations

import re
from typing import Final

_BLOCKS: Final = frozenset(
    (
        "p",
        "div",
        "blockquote",
        "pre",
        "ul",
        "ol",
        "table",
        "caption",
        "h3",
        "h4",
        "h5",
        "h6",
        "details",
        "summary",
    )
)
_QUOTE_ENDS = re.compile(r"\n>[> ]*\n+(?!>)|\n>[> ]*\Z")
MOST_BYTES: Final = 12_500
"""Long addresses behind short words can make a text longer than its HTML."""
_SPACE = re.compile(r"[ \t\r\n\f]+")


class PlainText:
    """Takes what is written piece by piece."""

    def __init__(self) -> None:
        self._lines: list[str] = [""]
        self._lists: list[int | None] = []
        """Each open list: the number of its next item, None for dots."""
        self._quotes = self._verbatim = 0
        self._targets: list[tuple[str, str]] = []
        """Each open link: its target, and what of the line was there before it."""

    @property
    def text(self) -> str:
        """What was written, without blank lines in a row."""
        text = "\n".join(line.rstrip() for line in self._lines)
        text = re.sub(r"\n{3,}", "\n\n", _QUOTE_ENDS.sub("\n\n", text)).strip("\n")
        if len(text.encode("utf-8", "replace")) <= MOST_BYTES:
            return text
        return text.encode("utf-8", "replace")[:MOST_BYTES].decode("utf-8", "ignore").rstrip() + "…"

    def link(self, target: str) -> None:
        """A link to this target begins next."""
        self._targets.append((target, self._lines[-1]))

    def begin(self, tag: str, *, start: str = "") -> None:
        """An element begins."""
        if tag == "br":
            self._break()
        elif tag == "hr":
            self._paragraph()
            self._lines[-1] += "———"
            self._paragraph()
        elif tag in ("ul", "ol"):
            self._paragraph() if not self._lists else None
            first = int(start[:6]) if start.isascii() and start.isdigit() else 1
            self._lists.append(first if tag == "ol" else None)
        elif tag == "li":
            self._item()
        elif tag in ("td", "th") and self._lines[-1].strip("> "):
            self._lines[-1] += " | "
        elif tag == "tr":
            self._break()
        elif tag in _BLOCKS and not self._is_at_item():
            self._quotes += tag == "blockquote"
            self._verbatim += tag == "pre"
            self._paragraph()
        elif tag in ("blockquote", "pre"):
            self._quotes += tag == "blockquote"
            self._verbatim += tag == "pre"

    def end(self, tag: str) -> None:
        """An element ends."""
        if tag == "a" and self._targets:
            target, before = self._targets.pop()
            said = self._lines[-1].removeprefix(before).strip()
            if said and said.rstrip("/") not in _as_typed(target):
                self._lines[-1] = f"{self._lines[-1].rstrip()} ({target})"
        elif tag in ("ul", "ol"):
            if self._lists:
                self._lists.pop()
            if not self._lists:
                self._paragraph()
        elif tag in _BLOCKS:
            self._quotes -= tag == "blockquote" and self._quotes > 0
            self._verbatim -= tag == "pre" and self._verbatim > 0
            self._paragraph() if not self._lists else None

    def add(self, text: str) -> None:
        """Text."""
        if self._verbatim:
            first, *more = text.split("\n")
            self._lines[-1] += first
            self._lines += [self._margin() + line for line in more]
            return
        said = _SPACE.sub(" ", text)
        if (not self._lines[-1].strip("> ") and not self._is_at_item()) or self._lines[-1].endswith(" "):
            said = said.lstrip(" ")
        self._lines[-1] += said

    def _margin(self) -> str:
        return "> " * self._quotes

    def _break(self) -> None:
        if self._lines[-1].strip("> "):
            self._lines.append(self._margin() + "  " * len(self._lists))
        else:
            self._lines[-1] = self._margin()

    def _paragraph(self) -> None:
        if self._lines[-1].strip("> "):
            self._lines += ["> ".rstrip() * bool(self._quotes), ""]
        self._lines[-1] = self._margin()

    def _item(self) -> None:
        self._break()
        number = self._lists[-1] if self._lists else None
        if number is not None:
            self._lists[-1] = number + 1
        sign = "•" if number is None else f"{number}."
        self._lines[-1] = f"{self._margin()}{'  ' * max(0, len(self._lists) - 1)}{sign} "

    def _is_at_item(self) -> bool:
        """Whether the sign of a list's item is all there is on the line."""
        return re.fullmatch(r"[> ]*(?:•|\d+\.) ", self._lines[-1]) is not None


def _as_typed(target: str) -> tuple[str, ...]:
    """How people write an address."""
    rest = target.partition("://")[2] or target.removeprefix("mailto:")
    return target.rstrip("/"), rest.rstrip("/"), rest.removeprefix("www.").rstrip("/")
