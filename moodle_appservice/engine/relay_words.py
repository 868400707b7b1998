"""What the relay says: an announcement, a list of dates, a list of what was too much, as plain text and as HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from ..domain.deadlines import Dated, DateKind, Item
from ..domain.relay import Announcement
from ..languages import Language
from ..ports import Converted, Markup

Words = tuple[str, str]
"""Plain text and HTML."""


@dataclass(frozen=True, slots=True)
class Wording:
    """`language`: the site's. `site_url`: Moodle's own address. `most`: characters of a post's text."""

    language: Language
    markup: Markup
    site_url: str
    most: int

    def announcement(self, post: Announcement, body: Converted, *, signed: bool) -> Words:
        """A post. `signed`: with its author's name, where the message does not come from the author."""
        _ = self.language.gettext
        link = self.link(post)
        subject, author = self.markup.plain(post.subject), self.markup.plain(post.author)
        text, rich = [subject], [f"<h4>{_anchor(subject, link)}</h4>"]
        if signed and author:
            text.append(author)
            rich.append(f"<p><em>{html.escape(author, quote=False)}</em></p>")
        text += ["", body.text] if body.text else []
        rich.append(body.html)
        if body.cut:
            more = _("Read on in Moodle")
            rich.append(f"<p>{_anchor(f'… {more}', link)}</p>")
            text.append(f"… {more}")
        named = [(self.markup.plain(one.name), self.markup.link(one.address)) for one in post.files]
        if named:
            title = _("Files:")
            text += ["", title, *(f"• {name} {address}".rstrip() for name, address in named)]
            listed = "".join(f"<li>{_anchor(name, address)}</li>" for name, address in named)
            rich.append(f"<p>{html.escape(title)}</p><ul>{listed}</ul>")
        text += ["", link]
        return "\n".join(text).strip(), "".join(rich)

    def left_over(self, posts: Sequence[Announcement]) -> Words:
        """What was too much for a day."""
        title = self.language.ngettext(
            "{number} more announcement in Moodle:", "{number} more announcements in Moodle:", len(posts)
        )
        lines = [
            (self.markup.plain(post.subject), self.markup.plain(post.author), self.link(post))
            for post in posts
        ]
        text = [title, *(f"• {subject} ({author}) {link}" for subject, author, link in lines)]
        rich = "".join(
            f"<li>{_anchor(subject, link)} ({html.escape(author, quote=False)})</li>"
            for subject, author, link in lines
        )
        return "\n".join(text), f"<p>{html.escape(title)}</p><ul>{rich}</ul>"

    def dates(self, items: Sequence[tuple[Item, Dated]], zone: str) -> Words:
        """Dates that come up, each with what was said before it moved. `zone`: an IANA name."""
        _ = self.language.gettext
        title = _("Coming up (times in {zone}):", zone=zone)
        text, rich = [title], [f"<p>{html.escape(title)}</p><ul>"]
        for item, date in items:
            when = self.language.weekday_moment(item.at, zone)
            said = happens(date, self.language)
            name, link = self.markup.plain(date.name), self.markup.link(date.url)
            moved = ""
            if item.moved_from is not None:
                before = self.language.weekday_moment(item.moved_from, zone)
                moved = " " + _("(moved from {before} to {now})", before=before, now=when)
            text.append(f"• {when}: {said.format(name=name)}{moved}")
            shown = html.escape(said, quote=False).replace("{name}", _anchor(name, link))
            rich.append(f"<li><strong>{html.escape(when)}</strong>: {shown}{html.escape(moved)}</li>")
        return "\n".join(text), "".join([*rich, "</ul>"])

    def link(self, post: Announcement) -> str:
        """The address of a post."""
        return f"{self.site_url}/mod/forum/discuss.php?d={post.discussion_id}"


def _anchor(text: str, address: str) -> str:
    inner = html.escape(text, quote=False)
    return f'<a href="{html.escape(address)}">{inner}</a>' if address else inner


def happens(date: Dated, language: Language) -> str:
    """What happens at a date, with `{name}` for the activity."""
    _ = language.gettext
    match date.name_of_date:
        case "submissionstart":
            return _("{name} opens for submissions")
        case "submissionend":
            return _("{name} closes for submissions")
        case "assessmentstart":
            return _("{name} opens for assessment")
        case "assessmentend":
            return _("{name} closes for assessment")
    match date.kind:
        case DateKind.DUE:
            return _("{name} is due")
        case DateKind.OPENS:
            return _("{name} opens")
        case DateKind.CLOSES:
            return _("{name} closes")
