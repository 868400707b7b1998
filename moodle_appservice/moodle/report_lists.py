"""People, courses and categories: from the rows of two kinds of report to the nouns of the domain.

What a report has no column for stays empty. An account whose state a row does not tell is left out: unknown is not
suspended. Custom fields come under the header of their column, so the short names that we look for are either the
header itself or are configured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from ..domain.model import Category, CategoryId, Course, CourseId, MoodleUserId, Person
from . import report_cells
from .report_columns import Parsed, column, reading
from .report_fetch import Page
from .report_layout import Layout
from .shapes import FRONT_PAGE

_GROUP_MODES: Final = {"no groups": 0, "separate groups": 1, "visible groups": 2}
_AUTH: Final = {
    "manual accounts": "manual", "no login": "nologin", "email-based self-registration": "email",
    "ldap server": "ldap", "cas server (sso)": "cas", "oauth 2": "oauth2", "shibboleth": "shibboleth", "lti": "lti",
    "web services authentication": "webservice", "external database": "db", "mnet authentication": "mnet",
    "no authentication": "none",
}  # fmt: skip


def people(
    page: Page,
    layout: Layout,
    *,
    fields: Mapping[str, str],
    language: str,
    before: Mapping[MoodleUserId, Person] | None = None,
) -> dict[MoodleUserId, Person]:
    """Every account. `fields`: short name of a profile field → header of its column. Raises `ReportUnreadable`.

    Whoever is as `before` is the object from there, so that a large site is not in memory twice.
    """
    read = _reader_of_people(layout, fields, language)
    found: dict[MoodleUserId, Person] = {}
    with reading(page):
        for row in page.rows:
            person = read(row)
            if person is not None:
                known = before.get(person.id) if before else None
                found[person.id] = known if known is not None and known == person else person
    return found


def _reader_of_people(
    layout: Layout, fields: Mapping[str, str], language: str
) -> Callable[[Sequence[object]], Person | None]:
    at = layout.columns
    users = column(layout, "user", lambda cell: report_cells.link(cell, "user"))
    suspended = column(layout, "suspended", report_cells.truth)
    confirmed = column(layout, "confirmed", report_cells.truth)
    languages, auths = Parsed(report_cells.language_code), Parsed(_auth)
    profile = {name: layout.extras[header] for name, header in fields.items() if header in layout.extras}

    def person(row: Sequence[object]) -> Person | None:
        link, username = users[row[at["user"]]], report_cells.text(row[at["username"]])
        is_suspended, is_confirmed = suspended[row[at["suspended"]]], confirmed[row[at["confirmed"]]]
        if link is None or is_suspended is None or is_confirmed is None or not username:
            return None  # The state of this account is unknown, which removes nobody.
        return Person(
            id=MoodleUserId(link[0]),
            username=username,
            full_name=report_cells.name(link[1], language),
            suspended=is_suspended,
            confirmed=is_confirmed,
            auth=auths[row[at["auth"]]] if "auth" in at else "",
            email=report_cells.text(row[at["email"]]) if "email" in at else "",
            idnumber=report_cells.text(row[at["idnumber"]]) if "idnumber" in at else "",
            language=languages[row[at["language"]]] if "language" in at else "",
            profile_fields={
                name: value
                for name, index in profile.items()
                if (value := report_cells.name(row[index], language))
            },
        )

    return person


def _auth(cell: object) -> str:
    """The plugin's short name where it is one of Moodle's own, else the name that Moodle shows."""
    shown = report_cells.text(cell)
    return _AUTH.get(shown.casefold(), shown)


def courses(
    page: Page, layout: Layout, *, fields: Mapping[str, str], language: str
) -> dict[CourseId, Course]:
    """The list of courses. `fields`: short name of a custom field → header of its column. Raises `ReportUnreadable`.

    A row without a category or without a visibility makes the report unreadable.
    """
    at = layout.columns
    links = column(layout, "course", lambda cell: report_cells.link(cell, "course"))
    visible = column(layout, "visible", report_cells.truth)
    category = column(layout, "category", lambda cell: report_cells.link(cell, "category"))
    starts, ends = (column(layout, key, report_cells.moment) for key in ("start", "end"))
    own = {name: layout.extras[header] for name, header in fields.items() if header in layout.extras}
    types = {name: _field_type({row[index] for row in page.rows}) for name, index in own.items()}
    found: dict[CourseId, Course] = {}
    with reading(page):
        for row in page.rows:
            cells = {key: row[index] for key, index in at.items()}
            link, inside = links[cells["course"]], category[cells["category"]]
            shown = visible[cells["visible"]]
            if link is None or link[0] == FRONT_PAGE:
                continue
            if shown is None or inside is None:
                raise ValueError(f"course {link[0]} has no visibility or no category")
            short, full = _names(layout, row, link[1], language)
            found[CourseId(link[0])] = Course(
                id=CourseId(link[0]),
                shortname=short,
                fullname=full,
                category_id=CategoryId(inside[0]),
                visible=shown,
                start=starts[cells.get("start")],
                end=ends[cells.get("end")],
                idnumber=report_cells.text(cells.get("idnumber")),
                group_mode=_GROUP_MODES.get(report_cells.text(cells.get("group_mode")).casefold(), 0),
                custom_fields={name: _field(row[at_], types[name], language) for name, at_ in own.items()},
                custom_field_types=types,
            )
    return found


def _names(layout: Layout, row: Sequence[object], linked: str, language: str) -> tuple[str, str]:
    """Short and full name, from their columns or from links; what the report lacks is the other one."""
    cells = {key: row[index] for key, index in layout.columns.items()}
    links = {header.casefold(): row[index] for header, index in layout.extras.items()}
    short = report_cells.name(cells.get("shortname") or links.get("course short name with link"), language)
    full = report_cells.name(cells.get("fullname") or links.get("course full name with link"), language)
    other = report_cells.name(linked, language)
    return short or other, full or other


def _field_type(cells: set[object]) -> str:
    """A checkbox shows Yes or No in every row, an unset one its default."""
    return "checkbox" if cells and cells <= {"Yes", "No"} else ""


def _field(cell: object, kind: str, language: str) -> str:
    if kind == "checkbox":
        return "1" if cell == "Yes" else "0"
    return report_cells.name(cell, language)


def categories(page: Page, layout: Layout, language: str) -> dict[CategoryId, Category]:
    """The categories that hold courses. Above them only those are known that hold courses themselves."""
    at = layout.columns
    names: dict[CategoryId, str] = {}
    with reading(page):
        for row in page.rows:
            link = report_cells.link(row[at["category"]], "category")
            if link is not None:
                names[CategoryId(link[0])] = report_cells.name(link[1], language)
    paths = category_paths(page, layout, language)
    numbers: dict[str, CategoryId | None] = {}
    for number, path in paths.items():
        # Two categories of one path can't be told apart.
        numbers[path] = None if path in numbers else number
    return {
        number: Category(number, name, above[-1] if above else None, (*above, number), 0)
        for number, name in names.items()
        for above in [_above(paths[number], numbers)]
    }


def category_paths(page: Page, layout: Layout, language: str) -> dict[CategoryId, str]:
    """The path of names of each category that holds courses, empty where the report has no column for it."""
    at = layout.columns
    paths: dict[CategoryId, str] = {}
    with reading(page):
        for row in page.rows:
            link = report_cells.link(row[at["category"]], "category")
            if link is not None:
                paths[CategoryId(link[0])] = (
                    report_cells.name(row[at["path"]], language) if "path" in at else ""
                )
    return paths


def _above(path: str, numbers: Mapping[str, CategoryId | None]) -> tuple[CategoryId, ...]:
    names = path.split(" / ")
    found = (numbers.get(" / ".join(names[:length])) for length in range(1, len(names)))
    return tuple(number for number in found if number is not None)


def headers_of(wanted: Iterable[str], named: Mapping[str, str], layout: Layout) -> dict[str, str]:
    """Short name of a field → header of its column: as configured, else the column that is headed by the short name."""
    there = {header.strip().casefold(): header for header in layout.extras}
    found = {name: named.get(name, there.get(name.casefold(), "")) for name in wanted}
    return {name: header for name, header in found.items() if header in layout.extras}
