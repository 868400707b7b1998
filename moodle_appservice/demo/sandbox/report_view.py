"""What the cells of a report depend on beside the records: the site, its language, the time and the time zone.

Moodle formats a cell for people: a name may be a link, yes and no are words, a date is a sentence with the precision
of a minute in the time zone of the request (`moodlewssettingtimezone`) or the site. Names of courses, groups and
categories lose their tags and are escaped; the full name of a person is written as it is, even inside a link.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from html import escape
from typing import TypeAlias
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .session import Session
from .text import format_string

Cell: TypeAlias = str | int | None

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


class View:
    """Formats values for one request."""

    def __init__(self, session: Session) -> None:
        """Format as this caller's request wants it."""
        self.session = session
        self.university = session.university
        self.now = session.now
        self._zone = _zone(session.timezone) or _zone(session.site.timezone) or UTC
        self._dates: dict[int, str] = {0: ""}

    def date(self, when: int) -> str:
        """`Friday, 20 November 2026, 6:20 PM`, or nothing for 0 (Moodle: `userdate`)."""
        if when not in self._dates:
            at = datetime.fromtimestamp(when, self._zone)
            hour, half = (at.hour + 11) % 12 + 1, "AM" if at.hour < 12 else "PM"
            self._dates[when] = (
                f"{_DAYS[at.weekday()]}, {at.day} {_MONTHS[at.month - 1]} {at.year}, {hour}:{at.minute:02} {half}"
            )
        return self._dates[when]

    def link(self, page: str, shown: str, **query: int) -> str:
        """A link into the site around text that is HTML already."""
        return f'<a href="{self.address(page, **query)}">{shown}</a>'

    def address(self, page: str, **query: int) -> str:
        """The address of a page of the site."""
        return f"{self.session.site.url}{page}" + (f"?{urlencode(query)}" if query else "")


def name(text: str) -> str:
    """A name without tags, escaped (Moodle: `format_string`; a request for raw texts does not reach it here)."""
    return format_string(text)


def plain_name(text: str) -> str:
    """A name without tags and without escaping (Moodle: `format_string` with `escape` off)."""
    return format_string(text).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def escaped(text: str) -> str:
    """Any text, escaped with its quotes (Moodle: `s`)."""
    return escape(text, quote=True).replace("&#x27;", "&#039;")


def yes_no(value: object) -> str:
    """Moodle: `format::boolean_as_text`."""
    return "Yes" if value else "No"


def _zone(named: str) -> tzinfo | None:
    """A time zone by its name, None for one that does not exist (Moodle then takes the site's)."""
    if named in ("", "99"):
        return None
    try:
        return ZoneInfo(named)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        return None
