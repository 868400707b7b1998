"""From the JSON of the functions for content to our own nouns: forums, announcements, dates, the site's time zone.

As in `shapes`, fields that we do not know are ignored, and a row that breaks the shape makes the whole answer a
`BadAnswer`: a list with holes would look like posts that were deleted.
"""

from __future__ import annotations

from typing import Final

from ..domain.deadlines import KINDS, MODULES, Dated, ModuleId
from ..domain.model import CourseId, MoodleUserId
from ..domain.relay import Announcement, Attachment, DiscussionId, ForumId, PostId
from ..ports import Forum, Reader
from .answer import Json
from .fields import Row, id_of, is_true, moment_of, row_of, rows_of, text_of, whole_of
from .parse import plain_text
from .shapes import SITE_INFO

FORUMS: Final = "mod_forum_get_forums_by_courses"
DISCUSSIONS: Final = "mod_forum_get_forum_discussions"
CONTENTS: Final = "core_course_get_contents"
CONFIG: Final = "tool_mobile_get_config"
"""Optional: it tells the site's time zone."""

NEEDED: Final = (SITE_INFO, FORUMS, DISCUSSIONS, CONTENTS)
NEWS: Final = "news"


def reader(answer: Json) -> Reader:
    """`core_webservice_get_site_info`."""
    row = row_of(SITE_INFO, answer, "the answer")
    functions = rows_of(SITE_INFO, row.get("functions"), "functions")
    return Reader(
        user_id=MoodleUserId(id_of(SITE_INFO, row, "userid")),
        is_admin=is_true(row.get("userissiteadmin") or False),
        functions=frozenset(text_of(SITE_INFO, one, "name") for one in functions),
        url=text_of(SITE_INFO, row, "siteurl", "").rstrip("/"),
        downloads=is_true(row.get("downloadfiles") or False),
    )


def forums(answer: Json) -> list[Forum]:
    """`mod_forum_get_forums_by_courses`, those of type news."""
    return [
        Forum(
            id=ForumId(id_of(FORUMS, row, "id")),
            course_id=CourseId(id_of(FORUMS, row, "course")),
            module_id=ModuleId(whole_of(FORUMS, row, "cmid", 0)),
            posts=whole_of(FORUMS, row, "numdiscussions", 0),
        )
        for row in rows_of(FORUMS, answer, "the answer")
        if text_of(FORUMS, row, "type", "") == NEWS
    ]


def announcements(answer: Json, forum: Forum, language: str) -> tuple[Announcement, ...]:
    """`mod_forum_get_forum_discussions`. Names come formatted: a few tags gone, `&` escaped."""
    row = row_of(DISCUSSIONS, answer, "the answer")
    return tuple(
        _announcement(one, forum, language)
        for one in rows_of(DISCUSSIONS, row.get("discussions"), "discussions")
    )


def _announcement(row: Row, forum: Forum, language: str) -> Announcement:
    return Announcement(
        id=PostId(id_of(DISCUSSIONS, row, "id")),
        discussion_id=DiscussionId(id_of(DISCUSSIONS, row, "discussion")),
        forum_id=forum.id,
        course_id=forum.course_id,
        subject=plain_text(text_of(DISCUSSIONS, row, "subject", ""), language),
        html=text_of(DISCUSSIONS, row, "message", ""),
        author_id=MoodleUserId(whole_of(DISCUSSIONS, row, "userid", 0)),
        author=plain_text(text_of(DISCUSSIONS, row, "userfullname", "")),
        created=float(whole_of(DISCUSSIONS, row, "created")),
        modified=float(whole_of(DISCUSSIONS, row, "modified", 0)),
        # Without it nobody can tell for whom the post is.
        group_id=whole_of(DISCUSSIONS, row, "groupid"),
        starts=moment_of(DISCUSSIONS, row, "timestart"),
        ends=moment_of(DISCUSSIONS, row, "timeend"),
        pinned=is_true(row.get("pinned") or False),
        mailed=whole_of(DISCUSSIONS, row, "mailed", 0) != 0,
        files=tuple(
            _file(one)
            for key in ("messageinlinefiles", "attachments")
            for one in rows_of(DISCUSSIONS, row.get(key) or [], key)
        ),
    )


def _file(row: Row) -> Attachment:
    return Attachment(
        name=text_of(DISCUSSIONS, row, "filename", ""),
        address=text_of(DISCUSSIONS, row, "fileurl", ""),
        content_type=text_of(DISCUSSIONS, row, "mimetype", ""),
        size=whole_of(DISCUSSIONS, row, "filesize", 0),
        modified=float(whole_of(DISCUSSIONS, row, "timemodified", 0)),
    )


def dates(answer: Json, language: str) -> tuple[Dated, ...]:
    """`core_course_get_contents`: the dates of activities that the reader may open, each activity once."""
    found: dict[tuple[ModuleId, str], Dated] = {}
    for section in rows_of(CONTENTS, answer, "the answer"):
        if not is_true(section.get("uservisible", True)):
            continue
        for module in rows_of(CONTENTS, section.get("modules") or [], "modules"):
            for date in _dates(module, language):
                found[date.key] = date
    return tuple(found.values())


def hidden_but_open(answer: Json) -> list[str]:
    """A sentence for each activity that is hidden and that our reader may open all the same."""
    return [
        f"It may open the hidden activity “{plain_text(text_of(CONTENTS, module, 'name', ''))}”: take "
        "moodle/course:viewhiddenactivities from its role."
        for section in rows_of(CONTENTS, answer, "the answer")
        for module in rows_of(CONTENTS, section.get("modules") or [], "modules")
        if not _is_visible(section, module) and is_true(module.get("uservisible", False))
    ]


def with_separate_groups(answer: Json) -> list[ModuleId]:
    """Activities in which groups do not see one another; a Moodle before 4.4 does not tell which those are."""
    return [
        ModuleId(id_of(CONTENTS, module, "id"))
        for section in rows_of(CONTENTS, answer, "the answer")
        for module in rows_of(CONTENTS, section.get("modules") or [], "modules")
        if whole_of(CONTENTS, module, "groupmode", 0) == 1
    ]


def _is_visible(section: Row, module: Row) -> bool:
    return is_true(module.get("visible", 1)) and is_true(section.get("visible", 1))


def _dates(module: Row, language: str) -> list[Dated]:
    kind = text_of(CONTENTS, module, "modname", "")
    # Hidden ones are looked at once more, for a reader that sees more than it should.
    if (
        kind not in MODULES
        or not is_true(module.get("uservisible", False))
        or not is_true(module.get("visible", 1))
    ):
        return []
    found = []
    for row in rows_of(CONTENTS, module.get("dates") or [], "dates"):
        name = text_of(CONTENTS, row, "dataid", "")
        at = whole_of(CONTENTS, row, "timestamp", 0)
        if name in KINDS and at > 0:
            found.append(
                Dated(
                    module_id=ModuleId(id_of(CONTENTS, module, "id")),
                    name_of_date=name,
                    at=at,
                    kind=KINDS[name],
                    name=plain_text(text_of(CONTENTS, module, "name", ""), language),
                    url=text_of(CONTENTS, module, "url", ""),
                )
            )
    return found


def time_zone(answer: Json) -> str:
    """`tool_mobile_get_config`, section `locationsettings`: an IANA name, or `99` for the server's own."""
    row = row_of(CONFIG, answer, "the answer")
    for setting in rows_of(CONFIG, row.get("settings"), "settings"):
        if setting.get("name") == "timezone":
            value = setting.get("value")
            return value if isinstance(value, str) else ""
    return ""
