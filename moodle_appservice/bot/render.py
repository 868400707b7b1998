"""Answers: plain text and the same as simple HTML (paragraphs, lists, bold, code; no tables)."""

from __future__ import annotations

import html
from dataclasses import dataclass, field


@dataclass(slots=True)
class Answer:
    """An answer in the making. Give it plain text only: it escapes by itself."""

    _text: list[str] = field(default_factory=list)
    _html: list[str] = field(default_factory=list)

    def line(self, text: str, *, strong: str = "") -> Answer:
        """A line; `strong` stands in bold before it."""
        self._text.append(f"{strong}: {text}" if strong else text)
        bold = f"<strong>{html.escape(strong)}:</strong> " if strong else ""
        self._html.append(f"<p>{bold}{html.escape(text)}</p>")
        return self

    def items(self, entries: list[tuple[str, str]]) -> Answer:
        """A list; each entry is a part in bold or code and what follows it."""
        self._text.extend(f"• {head} {rest}".rstrip() for head, rest in entries)
        inner = "".join(
            f"<li><strong>{html.escape(head)}</strong> {html.escape(rest)}</li>" for head, rest in entries
        )
        self._html.append(f"<ul>{inner}</ul>")
        return self

    @property
    def text(self) -> str:
        """As plain text."""
        return "\n".join(self._text)

    @property
    def html(self) -> str:
        """As HTML of Matrix's allow-list."""
        return "".join(self._html)


def ago(seconds: float) -> str:
    """A span of time in plain words."""
    if seconds < 90:
        return "just now"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes ago"
    if seconds < 129_600:
        return f"{round(seconds / 3600)} hours ago"
    return f"{round(seconds / 86_400)} days ago"
