"""Cells of reports: what real ones hold, what broken ones hold, and any text at all."""

from __future__ import annotations

import html
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.moodle import report_cells as cells

URL = "https://moodle.example.org/moodle"


def anchor(path: str, text: str = "x") -> str:
    return f'<a href="{URL}{path}">{text}</a>'


@pytest.mark.parametrize(
    ("cell", "to", "found"),
    [
        (anchor("/course/view.php?id=2", "ALG&amp;DS"), "course", (2, "ALG&amp;DS")),
        (anchor("/user/profile.php?id=39", "Seán O'Brien "), "user", (39, "Seán O'Brien ")),
        (anchor("/user/view.php?id=7&amp;course=2"), "user", (7, "x")),
        (
            f'<a class="d" href="{URL}/user/profile.php?id=7"><img src="p"/>A</a>',
            "user",
            (7, '<img src="p"/>A'),
        ),
        (anchor("/course/management.php?categoryid=4"), "category", (4, "x")),
        ("", "user", None),
        (None, "user", None),
    ],
)
def test_an_id_comes_from_the_link(cell: object, to: str, found: object) -> None:
    assert cells.link(cell, to) == found


@pytest.mark.parametrize(
    ("cell", "to", "why"),
    [
        (anchor("/user/profile.php?id=1") + ", " + anchor("/user/profile.php?id=2"), "user", "several links"),
        (anchor("/user/profile.php?id=1") + ", <a href=", "user", "no link"),
        (17, "user", "counted"),
        ("Anna Müller", "user", "no link to a user"),
        (anchor("/course/view.php?id=2"), "user", "no link to a user"),
        (anchor("/course/view.php?id=-2"), "course", "no link to a course"),
        (anchor("/course/view.php?id=2x"), "course", "no link to a course"),
        (["x"], "course", "number"),
    ],
)
def test_what_is_no_single_link_is_refused_with_a_reason(cell: object, to: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        cells.link(cell, to)


def test_roles_and_truths() -> None:
    assert [cells.role(cell) for cell in ("student", "tutor_2", None, "")] == [
        "student",
        "tutor_2",
        None,
        None,
    ]
    assert [cells.truth(cell) for cell in ("Yes", "No", "", None)] == [True, False, None, None]
    for cell in ("student, teacher", "Nicht-Editierende/r Lehrer/in", 3):
        with pytest.raises(ValueError, match="it holds"):
            cells.role(cell)
    for cell in ("Ja", 1, True):
        with pytest.raises(ValueError, match="English"):
            cells.truth(cell)


def test_text_is_unescaped_once_and_names_are_plain() -> None:
    assert cells.text("o&#039;brien-x_y.z@tenant") == "o'brien-x_y.z@tenant"
    assert cells.text("&amp;lt;") == "&lt;"
    assert cells.text("R&D") == "R&D"
    assert cells.text(None) == ""
    assert cells.name("Tutorial A &amp; <b>B</b>", "en") == "Tutorial A & B"
    assert cells.language_code("Deutsch ‎(de)‎") == "de"
    assert cells.language_code("English - Pirate ‎(en_ar)‎") == "en_ar"
    assert cells.language_code("Deutsch") == ""


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001
def test_every_date_as_moodle_writes_it_is_its_minute(when: datetime) -> None:
    when = when.replace(second=0, microsecond=0, tzinfo=UTC)
    hour = when.strftime("%I").lstrip("0")
    spelled = f"{when:%A}, {when.day} {when:%B} {when.year}, {hour}:{when:%M} {when:%p}"
    assert cells.moment(spelled) == when.timestamp()


@pytest.mark.parametrize(
    "cell", ["Freitag, 20. November 2026, 18:20", "20/11/26, 18:20", 1795204800, "0 May 2026, 1:00 AM"]
)
def test_a_date_in_another_form_is_refused(cell: object) -> None:
    with pytest.raises(ValueError, match="no date"):
        cells.moment(cell)


@given(
    st.one_of(
        st.none(),
        st.integers(),
        st.booleans(),
        st.text(),
        st.text(alphabet='<a href="/user/profile.php?id=1">,&;'),
    )
)
def test_no_cell_at_all_ends_in_anything_but_a_value_or_a_reason(cell: object) -> None:
    for parse in (
        lambda it: cells.link(it, "course"), lambda it: cells.link(it, "user"), cells.role, cells.truth, cells.moment,
        cells.text, lambda it: cells.name(it, "de"), cells.language_code,
    ):  # fmt: skip
        try:
            parse(cell)
        except ValueError as reason:
            assert str(reason).startswith("it holds")


@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1))
def test_text_survives_moodles_escaping(value: str) -> None:
    assert cells.text(html.escape(value)) == value
