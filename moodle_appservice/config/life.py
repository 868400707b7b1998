"""The section `life`: what the dates of a course mean for its rooms, and what follows when the course is gone."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from ..problems import wrong
from .section import Section
from .values import BesideFile, Delay, Duration

DAY = 86400.0
Ending = Literal["keep", "archive", "release", "delete"]


def _archived_name(value: str) -> str:
    try:
        named = [name for _, name, _, _ in Formatter().parse(value) if name is not None]
    except ValueError:
        named = []
    if named != ["name"]:
        raise wrong("does not hold {name} once", 'Write a text such as "{name} (archived)", in quotes.')
    return value


def _matrix_id(value: str) -> str:
    if not re.fullmatch(r"@[^:\s]+:\S+", value):
        raise wrong("is not a Matrix id", "Write it as @name:example.org, in quotes.")
    return value


class Life(Section):
    """What happens to the rooms of a course before it begins, when it is hidden, after its end, and when it is gone."""

    before_start: Literal["staff", "muted", "open"] = Field(
        default="staff",
        description="Before the course begins: staff (only staff are invited and write), muted (everybody is invited, "
        "only staff write) or open (as afterwards).",
    )
    hidden: Literal["keep", "read-only", "hide"] = Field(
        default="keep",
        description="While the course is hidden in Moodle: keep (as otherwise), read-only (only staff write) or hide "
        "(only staff write and are invited, and it hangs in no space). Whoever is there stays.",
    )
    read_only_after: Delay = Field(
        default=30 * DAY,
        description="How long after the end of a course its rooms become read-only: such as 30 days, or never.",
    )
    archive_after: Delay = Field(
        default=180 * DAY,
        description="How long after the end of a course its rooms are archived: read-only, marked, out of the space "
        "tree, and nobody comes or goes any more. Such as 180 days, or never.",
    )
    archived_name: Annotated[str, AfterValidator(_archived_name)] = Field(
        default="{name} (archived)",
        description="The name of an archived room; {name} is the one that it had.",
    )
    export_after: Delay = Field(
        default=None,
        description="How long after it was archived the messages of a course are written to export_folder; never: "
        "not at all. Messages are personal data.",
    )
    export_folder: BesideFile | None = Field(
        default=None,
        description="The folder for exports, one file of JSON lines for each room; empty: no exports.",
    )
    purge_after: Delay = Field(
        default=None,
        description="How long after it was archived a course's rooms are deleted from the homeserver, with all "
        "messages, for good; never: not at all. Needs admin rights.",
    )
    when_deleted: Ending = Field(
        default="archive",
        description="What happens to the rooms of a course that Moodle does not list any more: keep (left as they "
        "are), archive, release (not managed any more) or delete (from the homeserver, for good; needs admin rights).",
    )
    when_unselected: Ending = Field(
        default="keep",
        description="The same for a course that is switched off, or not selected any more.",
    )
    grace_period: Duration = Field(
        default=30 * DAY,
        description="How long after the course was gone or switched off that happens. A course with the same short "
        "name that appears within this time is held, so that a person can give it the old rooms.",
    )
    release_to: tuple[Annotated[str, AfterValidator(_matrix_id)], ...] = Field(
        default=(),
        description="Who gets level 100 in rooms that are released, as far as they are members of them; without "
        "anybody a release waits for a person to name somebody.",
    )

    @field_validator("purge_after")
    @classmethod
    def _exported_first(cls, purge: float | None, info: ValidationInfo) -> float | None:
        export = info.data.get("export_after")
        if purge is not None and export is not None and purge <= export:
            raise wrong(
                "comes before life.export_after",
                "Let the messages be exported first: make it longer than life.export_after.",
            )
        return purge

    @field_validator("export_folder")
    @classmethod
    def _has_folder(cls, folder: Path | None, info: ValidationInfo) -> Path | None:
        if folder is None and info.data.get("export_after") is not None:
            raise wrong(
                "is empty, and life.export_after is set", "Name a folder, or set export_after to never."
            )
        return folder
