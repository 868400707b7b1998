"""One cell of a report: HTML in the language of the request, turned into an id, a truth, a moment or text.

Ids stand only in links (`/course/view.php?id=2`). A cell with two links is several rows that somebody has made one, and
databases cut such cells off (MySQL after 1,024 bytes): it is refused. Yes, No, visibility and dates are words of the
interface, so we ask for English and UTC. Dates are cut to the minute. Every function raises `ValueError` with a reason
that quotes no more than the form of the cell, since cells hold people's names.
"""

from __future__ import annotations

import calendar
import html
import re
from typing import Final

from .parse import plain_text

_HREF: Final = {
    to: re.compile(
        rf'<a\b[^<>]*?\bhref="[^"<>]*{page}=(\d{{1,18}})(?:[&#][^"<>]*)?"[^<>]*>(.*)</a>', re.DOTALL
    )
    for to, page in (
        ("course", r"/course/view\.php\?id"),
        ("user", r"/user/(?:profile|view)\.php\?id"),
        ("category", r"/course/(?:management|index)\.php\?categoryid"),
    )
}
_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{0,31});")
_ROLE: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_DATE: Final = re.compile(
    r"(?:[A-Z][a-z]+, )?(\d{1,2}) ([A-Z][a-z]+) (\d{4}), (\d{1,2}):(\d{2})(?:[ \u202f\xa0]?([AP]M))?"
)
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
         "December"), 1)
}  # fmt: skip
_LANGUAGE: Final = re.compile(r"\(([a-z]{2,3}(?:_[a-z0-9_]+)?)\)")

MINUTE: Final = 60.0


def link(cell: object, to: str) -> tuple[int, str] | None:
    """The id and the text of the one link in a cell; None for an empty cell. `to`: course, user or category.

    Raises `ValueError` for anything else.
    """
    if cell is None or cell == "":
        return None
    if not isinstance(cell, str):
        raise ValueError(
            "it holds a number, so the column is counted or summed up: set its aggregation to None"
        )
    if cell.count("</a>") > 1:
        raise ValueError("it holds several links in one cell: set the aggregation of the column to None")
    found = _HREF[to].fullmatch(cell.strip())
    if found is None:
        raise ValueError(f"it holds no link to a {to}")
    return int(found[1]), found[2]


def role(cell: object) -> str | None:
    """The short name of one role, None where there is no role. Raises `ValueError` for anything else."""
    if cell is None or cell == "":
        return None
    if not isinstance(cell, str):
        raise ValueError(
            "it holds a number, so the column is counted or summed up: set its aggregation to None"
        )
    name = cell.strip()
    if _ROLE.fullmatch(name) is None:
        several = "several roles in one cell: set the aggregation of the column to None"
        raise ValueError(f"it holds {several if ', ' in name else 'no short name of a role'}")
    return name


def truth(cell: object) -> bool | None:
    """Yes or No; None for an empty cell. Raises `ValueError` for anything else."""
    if cell is None or cell == "":
        return None
    if cell in ("Yes", "No"):
        return cell == "Yes"
    raise ValueError("it holds neither Yes nor No: the answer did not come in English")


def moment(cell: object) -> float | None:
    """The beginning of the minute that a date names, Unix seconds; None for no date.

    Raises `ValueError` for anything else.
    """
    if cell is None or cell == "":
        return None
    found = _DATE.fullmatch(cell.strip()) if isinstance(cell, str) else None
    if found is None or found[2] not in _MONTHS:
        raise ValueError("it holds no date as Moodle writes it in English")
    hour = int(found[4])
    if found[6]:
        hour = hour % 12 + (12 if found[6] == "PM" else 0)
    parts = (int(found[3]), _MONTHS[found[2]], int(found[1]), hour, int(found[5]))
    if not (1 <= parts[2] <= 31 and hour < 24 and parts[4] < 60):
        raise ValueError("it holds no date as Moodle writes it in English")
    return float(calendar.timegm((*parts, 0, 0, 0, 0)))


def text(cell: object) -> str:
    """An identifier such as a user name: unescaped once, nothing else changed but spaces at the ends.

    Raises `ValueError` for what is neither text nor a number.
    """
    if cell is None:
        return ""
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return str(cell)
    if not isinstance(cell, str):
        raise ValueError("it holds no text")
    plain = _ENTITY.sub(lambda entity: html.unescape(entity.group()), cell).strip()
    return plain.encode("utf-8", "replace").decode()


def name(cell: object, language: str) -> str:
    """A name as a person reads it: the language chosen, tags off, unescaped once, spaces collapsed."""
    return plain_text(text_or_nothing(cell), language)


def text_or_nothing(cell: object) -> str:
    """The cell as it came where it is text, else nothing."""
    return cell if isinstance(cell, str) else ""


def language_code(cell: object) -> str:
    """`de` from “Deutsch ‎(de)‎”; nothing where there is no code."""
    found = _LANGUAGE.search(text_or_nothing(cell).replace("\u200e", ""))
    return found[1] if found else ""
