"""The section `rooms`: which courses have rooms, what the rooms are like, and how teachers decide in Moodle.

Keys that say which rooms a course has, and which keys may differ in a category or a course, are in `structure`,
which `Rooms` extends. `rulebook` copies the section into `Rules`; whether a course has rooms is decided in
`domain.selection`, what they are like in `domain.mapping`. A choice of the drop-down that is neither in `on` nor
in `off` means: as the site.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from ..problems import wrong
from .section import Section
from .structure import Calls, History, JoinRule, Moderators, Structure
from .values import DEFAULT_LEVELS, FieldName, Ids, Levels, RoomTemplate, RoomVersion, Words


class CustomFields(Section):
    """The course custom fields that teachers set in Moodle's course settings, by short name."""

    enabled: FieldName = Field(
        default="matrix_enabled", description='The drop-down "as the site | on | off"; empty: not used.'
    )
    name: FieldName = Field(
        default="matrix_room_name", description="A text that replaces the room name; empty: not used."
    )
    topic: FieldName = Field(
        default="matrix_room_topic", description="A text that replaces the room topic; empty: not used."
    )

    @field_validator("name", "topic")
    @classmethod
    def _own(cls, value: str, info: ValidationInfo) -> str:
        if value and value in info.data.values():
            raise wrong("is named for two purposes", "Give each its own field in Moodle.")
        return value


class FieldWords(Section):
    """The choices of the drop-down in the site's languages. Upper and lower case are the same."""

    on: Words = Field(
        default=(
            "on",
            "yes",
            "an",
            "ein",
            "ja",
            "activé",
            "oui",
            "activado",
            "sí",
            "attivo",
            "aan",
            "på",
            "ligado",
        ),
        description="The choices that mean on.",
    )
    off: Words = Field(
        default=(
            "off",
            "no",
            "aus",
            "nein",
            "désactivé",
            "non",
            "desactivado",
            "disattivato",
            "uit",
            "nee",
            "desligado",
        ),
        description="The choices that mean off.",
    )
    site: Words = Field(
        default=(
            "as the site",
            "site",
            "default",
            "wie die site",
            "wie die website",
            "comme le site",
            "como el sitio",
        ),
        description="The choices that mean: as the site does.",
    )

    @field_validator("off", "site")
    @classmethod
    def _distinct(cls, words: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        taken = {word for others in info.data.values() for word in others}
        if taken.intersection(words):
            raise wrong(
                "has a word that another list has too", "Let each word stand in one of on, off and site."
            )
        return words


class Rooms(Structure):
    """Which courses have rooms, and what the rooms are like."""

    version: RoomVersion = Field(default="12", description="The version of new rooms: 10, 11 or 12.")
    new_courses: bool = Field(
        default=True, description="Whether courses get rooms that are made in Moodle from now on."
    )
    existing_courses: bool = Field(
        default=False, description="Whether courses get rooms that were there before this service."
    )
    allow_courses: Ids = Field(
        default=(),
        description="Ids of courses with rooms. As soon as this or allow_categories lists anything, "
        "no other course gets a room by default.",
    )
    deny_courses: Ids = Field(
        default=(), description="Ids of courses that never get rooms, whatever else is set anywhere."
    )
    allow_categories: Ids = Field(
        default=(), description="Ids of categories whose courses, also in categories below, get rooms."
    )
    deny_categories: Ids = Field(
        default=(), description="Ids of categories whose courses, also in categories below, never get rooms."
    )
    name: RoomTemplate = Field(
        default="{shortname}: {fullname}",
        description="The room name; placeholders: {shortname}, {fullname}, {idnumber}, {category}, {site}, {url}.",
    )
    topic: RoomTemplate = Field(
        default="{fullname} ({shortname}) · {url}",
        description="The room topic; placeholders as in name. {url} is the address of the course.",
    )
    join_rule: JoinRule = Field(
        default="restricted",
        description="Who may join without an invite: restricted (whoever is in the space of the course; nobody where "
        "there is none), knock_restricted (others may ask, and are invited if they are enrolled) or invite (nobody).",
    )
    history_visibility: History = Field(
        default="shared",
        description="Who reads older messages: shared (all of them, by every member), invited (from the invite on) "
        "or joined (from joining on).",
    )
    guest_access: Literal["forbidden", "can_join"] = Field(
        default="forbidden", description="Whether guests of the homeserver may enter: forbidden or can_join."
    )
    federate: bool = Field(
        default=True,
        description="Whether accounts of other homeservers can be members. Fixed once a room exists.",
    )
    calls: Calls = Field(
        default="all", description="Who may start calls: all, staff (level 50 and above) or off."
    )
    moderators: Moderators = Field(
        default="staff",
        description="Who may remove people and messages: staff (level 50 and above, so tutors too) or teachers (level "
        "60 and above). With staff, the teachers of a course may choose teachers for it; with teachers nobody may "
        "choose otherwise.",
    )
    levels: Levels = Field(
        default=DEFAULT_LEVELS,
        description="The power level of each Moodle role by short name, 0 to 99; the highest of a person's roles "
        "counts. Roles that you don't name keep their default, unknown ones have 0.",
    )
    fields: CustomFields = Field(
        default=CustomFields(), description="The course custom fields by which teachers decide."
    )
    field_words: FieldWords = Field(
        default=FieldWords(), description="What the choices of the drop-down mean, in the site's languages."
    )
