"""From the HTML that Moodle shows to the HTML that Matrix allows, and to plain text, in one walk.

nh3 parses whatever a teacher, a word processor or an attacker has written and gives back well-formed HTML of a few
elements. That is walked, and what Matrix allows (client-server API 1.11, “m.room.message msgtypes”) is written anew:
every tag of the outcome is ours, every text in it is escaped. What a chat can't show becomes a link: images, players,
frames. Links that carry a token lose it, links into Matrix lose their target, and whatever would notify somebody is
broken up, so that a post in Moodle can't ring at anybody. At most so many characters are written; what was open is
closed, and the reader is told that there is more.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Final
from urllib.parse import unquote, urlsplit

import nh3

from ..ports import Converted
from .links import Links
from .mentions import hushed
from .plain import PlainText

_BLOCKS: Final = (
    "p",
    "div",
    "blockquote",
    "pre",
    "ul",
    "ol",
    "li",
    "hr",
    "h3",
    "h4",
    "h5",
    "h6",
    "details",
    "summary",
)
_TABLES: Final = ("table", "caption", "thead", "tbody", "tr", "th", "td")
_INLINE: Final = ("a", "b", "i", "u", "s", "strong", "em", "del", "sup", "sub", "code", "br")
ALLOWED: Final = frozenset({*_BLOCKS, *_TABLES, *_INLINE})
"""What is written: a part of what Matrix allows."""

MOST_BYTES: Final = 16_000
"""Of the HTML. An edit holds it and the plain text twice, and Matrix takes events of 65,536 bytes."""
MOST_SOURCE: Final = 200_000
"""Characters of the source that are looked at; Moodle takes posts of any length."""
MOST_TAGS: Final = 6_000
"""Of the source: elements inside one another cost their square."""
DEEPEST: Final = 40
"""Elements inside one another; Matrix's clients stop at 100."""

_VOID: Final = frozenset({"br", "hr"})
_EMBEDDED: Final = {
    "iframe": "src",
    "video": "src",
    "audio": "src",
    "source": "src",
    "embed": "src",
    "object": "data",
}
_UNSEEN: Final = frozenset({"accesshide", "sr-only", "visually-hidden"})
_RENAMED: Final = {
    "h1": "h3",
    "h2": "h4",
    "h3": "h5",
    "h4": "h6",
    "h5": "h6",
    "strike": "del",
    "tt": "code",
    "kbd": "code",
}
_AS_BLOCK: Final = dict.fromkeys(
    [
        "address",
        "article",
        "aside",
        "dd",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "header",
        "main",
        "nav",
        "section",
    ],
    "div",
)
_READ: Final = ALLOWED | set(_RENAMED) | set(_AS_BLOCK) | set(_EMBEDDED) | {"img", "span", "tfoot"}
_TAG = re.compile(r"(<[^>]*>)")
_CLEANER: Final = nh3.Cleaner(
    tags=set(_READ),
    clean_content_tags={
        "script",
        "style",
        "noscript",
        "template",
        "title",
        "svg",
        "math",
        "textarea",
        "select",
    },
    attributes={
        "a": {"href"},
        "ol": {"start"},
        "img": {"src", "alt", "class"},
        "object": {"data", "title"},
        "span": {"class"},
        **{tag: {"src", "title"} for tag in ("iframe", "video", "audio", "source", "embed")},
    },
    url_schemes={"http", "https", "mailto", "ftp"},
    link_rel=None,
)


class Markup:
    """Implements `ports.Markup`. `site_url`: Moodle's own address, to which links without one are relative."""

    def __init__(self, site_url: str) -> None:
        self._links = Links(site_url)

    def convert(self, source: str, *, most: int, pictures: Mapping[str, str] | None = None) -> Converted:
        """Moodle's HTML, at most `most` characters of its text. Never raises for what stands in it."""
        looked_at = _beginning(source)
        writer = _Writer(self._links, most, pictures or {})
        writer.feed(_CLEANER.clean(looked_at.replace("\0", "")))
        writer.close()
        return writer.outcome(cut=len(looked_at) < len(source))

    def plain(self, text: str) -> str:
        """One line of plain text, such as a name or a title, that notifies nobody."""
        return hushed(text)

    def link(self, address: str) -> str:
        """An address as it may stand in a room: without a token; empty for one that leads into Matrix or is none."""
        return self._links.shown(address) or ""


class _Writer(HTMLParser):
    """Walks well-formed HTML. Stops writing where there is enough."""

    def __init__(self, links: Links, most: int, pictures: Mapping[str, str]) -> None:
        super().__init__(convert_charrefs=True)
        self._pictures = pictures
        self._links = links
        self._left = most
        self._html: list[str] = []
        self._bytes = 0
        self._open: list[tuple[str, str]] = []
        """What the source opened, and what we wrote for it; empty for nothing."""
        self._unseen = 0
        self._plain = PlainText()
        self._is_full = False

    def outcome(self, *, cut: bool) -> Converted:
        """Close what is open."""
        for _, written in reversed(self._open):
            if written:
                self._html.append(f"</{written}>")
        # Once more as a whole: what stood apart in the source may stand side by side now.
        pieces = _TAG.split("".join(self._html).strip())
        rich = "".join(piece if piece.startswith("<") else hushed(piece) for piece in pieces)
        return Converted(hushed(self._plain.text), rich, cut or self._is_full)

    # What the parser finds

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        given = {name: value or "" for name, value in attrs}
        if tag == "img":
            self._picture(given)
        elif tag in _EMBEDDED:
            self._embed(tag, given)
            if tag not in ("source", "embed"):
                self._open.append((tag, ""))
        elif tag in _VOID:
            self._void(tag)
        else:
            self._begin(tag, given)

    def handle_endtag(self, tag: str) -> None:
        """An element ends: what is open is a stack, because nh3 writes nothing that is not nested."""
        if self._open and self._open[-1][0] == tag:
            _, written = self._open.pop()
            if tag == "span" and self._unseen:
                self._unseen -= 1
            if written:
                self._html.append(f"</{written}>")
                if not self._is_full:
                    self._plain.end(written)

    def handle_data(self, data: str) -> None:
        """Text."""
        if self._is_full or self._unseen:
            return
        text = hushed(data)
        if len(text) > self._left:
            text = _cut(text, self._left)
            self._is_full = True
        self._left -= len(text)
        self._write(html.escape(text, quote=False), text)

    # What is written

    def _begin(self, tag: str, given: dict[str, str]) -> None:
        if tag == "span" and (self._unseen or _UNSEEN.intersection(given.get("class", "").split())):
            self._unseen += 1
        name = _RENAMED.get(tag) or _AS_BLOCK.get(tag) or ("tbody" if tag == "tfoot" else tag)
        if name not in ALLOWED or self._unseen or self._is_full or len(self._open) >= DEEPEST:
            self._open.append((tag, ""))
            return
        attributes = ""
        if name == "a":
            target = self._links.shown(given.get("href", ""))
            if target is None or any(written == "a" for _, written in self._open):
                self._open.append((tag, ""))
                return
            attributes = f' href="{html.escape(target)}"'
        elif name == "ol" and given.get("start", "").isascii() and given.get("start", "").isdigit():
            attributes = f' start="{int(given["start"][:6])}"'
        if not self._write(f"<{name}{attributes}>", ""):
            self._open.append((tag, ""))
            return
        self._open.append((tag, name))
        if name == "a":
            self._plain.link(html.unescape(attributes[7:-1]))
        self._plain.begin(name, start=given.get("start", ""))

    def _void(self, tag: str) -> None:
        if not self._is_full and not self._unseen:
            self._write(f"<{tag}>", "")
            self._plain.begin(tag)

    def _picture(self, given: dict[str, str]) -> None:
        alt = " ".join(given.get("alt", "").split())
        if {"emoticon", "icon", "emoji"}.intersection(given.get("class", "").split()):
            self.handle_data(alt)
            return
        shown = self._pictures.get(given.get("src", ""))
        if shown is None:
            self._reference(alt or "image", given.get("src", ""))
        elif not self._is_full and not self._unseen:
            named = html.escape(hushed(alt))
            self._write(
                f'<img src="{html.escape(shown)}" alt="{named}" title="{named}">',
                hushed(f"[{alt or 'image'}]"),
            )

    def _embed(self, tag: str, given: dict[str, str]) -> None:
        address = given.get(_EMBEDDED[tag], "")
        if address:
            self._reference(" ".join(given.get("title", "").split()) or _file_name(address) or tag, address)

    def _reference(self, name: str, address: str) -> None:
        """Something to look at becomes a link to it, or its name where it has no address that may be shown."""
        if self._is_full or self._unseen:
            return
        target = self._links.shown(address)
        name = hushed(f"[{name[:200]}]")
        if len(name) > self._left:
            self._is_full = True
            return
        self._left -= len(name)
        inside = any(written == "a" for _, written in self._open)
        if target is None or inside:
            self._write(html.escape(name, quote=False), name)
            return
        self._write(
            f'<a href="{html.escape(target)}">{html.escape(name, quote=False)}</a>', f"{name} ({target})"
        )

    def _write(self, piece: str, text: str) -> bool:
        """Whether there was room for it."""
        size = len(piece.encode("utf-8", "replace"))
        if not text:
            # An element is closed whatever comes.
            size += len("</blockquote>")
        if self._bytes + size > MOST_BYTES:
            self._is_full = True
            return False
        self._bytes += size
        self._html.append(piece)
        if text:
            self._plain.add(text)
        return True


def _beginning(source: str) -> str:
    """As much of a source as is looked at."""
    source = source[:MOST_SOURCE]
    parts = source.split("<", MOST_TAGS)
    return source if len(parts) <= MOST_TAGS else "<".join(parts[:-1])


def _file_name(address: str) -> str:
    """The last part of an address, as a person reads it."""
    return " ".join(unquote(urlsplit(address).path.rpartition("/")[2]).split())


def _cut(text: str, most: int) -> str:
    """The beginning of a text, at a word where there is one."""
    head = text[: max(0, most)]
    at_word = head.rsplit(None, 1)[0] if " " in head[-60:] else head
    return f"{at_word.rstrip()}…"
