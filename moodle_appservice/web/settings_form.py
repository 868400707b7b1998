"""The form with what people may choose for a course: from what is chosen to its fields, and from what was sent to
changes.

Every field can say “as the site”, which takes a choice back. Only what differs from what is chosen is a change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..languages import N_
from ..ports import Chosen
from .forms import lines, text

AS_SITE = ""
_ON, _OFF, _SOME = "on", "off", "some"


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer of a list."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `choices` empty: a line of text. `help` may be empty."""

    name: str
    label: str
    value: str
    choices: tuple[Choice, ...] = ()
    help: str = ""
    rows: int = 1
    longest: int = 255


_SITE = Choice(AS_SITE, N_("as the site"))
_SWITCH = (_SITE, Choice(_ON, N_("on")), Choice(_OFF, N_("off")))
_FIELDS = (
    Field("on", N_("Chat for this course"), "", _SWITCH),
    Field("name", N_("Name of the room"), "", help=N_("Empty: as the site names rooms.")),
    Field("topic", N_("Topic of the room"), "", help=N_("Empty: as the site writes topics."), longest=1000),
    Field(
        "layout",
        N_("Rooms"),
        "",
        (
            _SITE,
            Choice("room", N_("one room for everybody")),
            Choice("space", N_("a space with several rooms")),
        ),
    ),
    Field("announcements", N_("Room for announcements"), "", _SWITCH, N_("Teachers write, everybody reads.")),
    Field(
        "relay",
        N_("Announcements and dates"),
        "",
        _SWITCH,
        N_("What is posted in Moodle appears in the room."),
    ),
    Field("staff", N_("Room for teachers"), "", _SWITCH, N_("Only teachers are in it.")),
    Field(
        "groups",
        N_("Rooms for groups"),
        "",
        (
            _SITE,
            Choice(_ON, N_("for every group")),
            Choice(_SOME, N_("for some groups")),
            Choice(_OFF, N_("for no group")),
        ),
    ),
    Field(
        "group_names",
        N_("Which groups"),
        "",
        help=N_("For some groups: one name a line; regular expressions work too."),
        rows=3,
        longest=2000,
    ),
    Field(
        "calls",
        N_("Calls"),
        "",
        (
            _SITE,
            Choice("all", N_("everybody may start one")),
            Choice("staff", N_("teachers may start one")),
            Choice("off", N_("nobody may start one")),
        ),
    ),
    Field(
        "moderators",
        N_("Who moderates"),
        "",
        (
            _SITE,
            Choice("staff", N_("teachers and tutors")),
            Choice("teachers", N_("only teachers")),
        ),
        N_("They may take people and messages out of the rooms."),
    ),
)


_WORDS = frozenset({"name", "topic", "layout", "calls", "moderators"})
"""Fields whose values are words, not on and off."""


def shown(
    chosen: Mapping[str, Chosen],
    said: Mapping[str, str] | None = None,
    *,
    fixed: frozenset[str] = frozenset(),
) -> list[Field]:
    """The fields with what is chosen, or with what was sent and could not be taken; without what is `fixed`."""
    values = _values(chosen) if said is None else said
    return [
        Field(one.name, one.label, values.get(one.name, ""), one.choices, one.help, one.rows, one.longest)
        for one in _FIELDS
        if one.name not in fixed
    ]


def changes(
    said: Mapping[str, str], chosen: Mapping[str, Chosen], *, fixed: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Setting → new value, None for as the site; nothing for what is `fixed` and was not asked.

    Raises `Refusal` for what no form of ours sends.
    """
    before = _values(chosen)
    sent = {one.name: _sent(said, one) for one in _FIELDS}
    wanted: dict[str, Any] = {}
    for name, value in sent.items():
        if name == "group_names" or value == before[name] or (name in fixed and not value):
            continue
        wanted[name] = _meant(name, value, sent)
    if sent["groups"] == _SOME and sent["group_names"] != before["group_names"]:
        wanted["groups"] = _names(sent["group_names"])
    return wanted


def _values(chosen: Mapping[str, Chosen]) -> dict[str, str]:
    values = {one.name: "" for one in _FIELDS}
    for name, one in chosen.items():
        value = one.value
        if name == "groups" and isinstance(value, list):
            values["groups"], values["group_names"] = _SOME, "\n".join(map(str, value))
        elif name in values:
            values[name] = _written(value)
    return values


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return _ON if value else _OFF
    if isinstance(value, Mapping):
        return str(value.get("text", ""))
    return str(value)


def _meant(name: str, value: str, sent: Mapping[str, str]) -> Any:
    if value == AS_SITE:
        return None
    if name == "groups" and value == _SOME:
        return _names(sent["group_names"])
    return value if name in _WORDS else value == _ON


def _names(written: str) -> list[str]:
    return written.split("\n") if written else []


def _sent(said: Mapping[str, str], field: Field) -> str:
    if field.rows == 1:
        return " ".join(text(said, field.name, longest=field.longest).split())
    found = lines(said, field.name, longest=field.longest)
    return "\n".join(line.strip() for line in found.split("\n") if line.strip())
