"""The section `relay`: which courses' announcements and dates reach their rooms, when, and how much of them.

The section says what is wanted, and decides nothing. Whether a course relays is weighed in `domain.relay_choice`:
what is off here stays off whatever people say, what is on here people may switch off. `domain.quiet` tells when a
room may be spoken to, and how much; `relaying` carries the values there. Where the section itself lets a course
relay, `Settings` wants `moodle.content_token`, without which nothing can be read.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from ..problems import wrong
from .section import Section, number
from .values import Duration, Ids, Size

_HOURS = re.compile(r"(\d{1,2})\s*[-\u2013]\s*(\d{1,2})")
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


def _hours(value: object) -> object:
    if isinstance(value, tuple):
        return value
    found = _HOURS.fullmatch(str(value).strip())
    if found is None or int(found[1]) > 24 or int(found[2]) > 24:
        raise wrong(
            "is no span of hours", "Write the first and the last hour, such as 07-22; 0-24 is all day."
        )
    return int(found[1]), int(found[2])


def _reminders(value: tuple[float, ...]) -> tuple[float, ...]:
    if any(one < 3600 for one in value):
        raise wrong("reminds less than an hour before", "Write times such as 7 days or 24 h.")
    return tuple(sorted(set(value), reverse=True))


class Upload(Section):
    """Files of announcements in the homeserver's own media; off, they are links into Moodle."""

    enabled: bool = Field(default=False, description="Whether files are put there.")
    types: tuple[Annotated[str, Field(pattern=r"^[a-z0-9.+-]+/[a-z0-9.+-]+$")], ...] = Field(
        default=PICTURES,
        description="The types of files that are put there, such as image/png or application/pdf.",
    )
    max_bytes: Size = Field(
        default=5 * 2**20,
        description="The largest file that is put there, in bytes or such as 5 MiB. The service of "
        "moodle.content_token then needs “Can download files”.",
    )


class Relay(Section):
    """Announcements and dates in rooms. Needs moodle.content_token; off until it is switched on here or by people."""

    site: bool = Field(
        default=False, description="Whether all courses with rooms relay, unless it is said otherwise."
    )
    on_courses: Ids = Field(default=(), description="Ids of courses that relay, unless people switch it off.")
    off_courses: Ids = Field(default=(), description="Ids of courses that never relay, whatever people say.")
    on_categories: Ids = Field(
        default=(),
        description="Ids of categories whose courses, also in categories below, relay unless switched off.",
    )
    off_categories: Ids = Field(
        default=(), description="Ids of categories whose courses, also in categories below, never relay."
    )
    announcements: bool = Field(
        default=True, description="Whether posts of Moodle's forum “Announcements” are told."
    )
    deadlines: bool = Field(
        default=True, description="Whether dates of activities are told before they come."
    )
    wait_for_edit_window: bool = Field(
        default=False,
        description="Tell a post only once Moodle has mailed it, when its author can't change it any more: some 30 "
        "minutes later, and hardly ever edited.",
    )
    hours: Annotated[tuple[int, int], BeforeValidator(_hours)] = Field(
        default=(7, 22),
        description="The hours of the day in which something new is said, such as 07-22, in the site's time zone.",
    )
    reminders: Annotated[tuple[Duration, ...], AfterValidator(_reminders)] = Field(
        default=(7 * 86_400.0, 86_400.0),
        description="How long before a date it is told, such as [7 days, 24 h].",
    )
    dates: tuple[Literal["due", "opens", "closes"], ...] = Field(
        default=("due", "opens", "closes"), description="Which kinds of dates are told."
    )
    notify_reminders: bool = Field(
        default=False, description="Whether lists of dates notify people as messages do."
    )
    most_per_day: int = number(
        10, "New messages to a room on one day, at most; the last one lists what would be too much.", ge=2
    )
    max_length: int = number(
        4000, "Characters of an announcement's text; behind them is a link to the rest.", ge=100, le=4000
    )
    upload: Upload = Field(
        default=Upload(), description="Files of announcements in the homeserver's own media."
    )
    report: str = Field(
        default="",
        description="On Moodle 5.1 and newer: the number or exact name of a custom report of forums, by which changed "
        "announcements are found in one request; see the page on announcements.",
    )
    announcements_interval: int = number(
        180, "Seconds between two looks at announcements.", unit="seconds", ge=5
    )
    dates_interval: int = number(1200, "Seconds between two looks at dates.", unit="seconds", ge=5)
    forums_interval: int = number(
        3600, "Seconds between two looks at which forums there are.", unit="seconds", ge=5
    )

    @field_validator("dates")
    @classmethod
    def _some(cls, dates: tuple[str, ...]) -> tuple[str, ...]:
        if not dates:
            raise wrong(
                "names no kind of date", "Name some of due, opens, closes, or set relay.deadlines to off."
            )
        return dates

    @property
    def is_wanted(self) -> bool:
        """Whether the configuration itself lets a course relay."""
        return self.site or bool(self.on_courses) or bool(self.on_categories)
