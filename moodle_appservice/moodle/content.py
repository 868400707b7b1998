"""Moodle as a participant without groups sees it: `ports.Content` with a weaker token of its own.

The account of that token is in no course and no group, holds nothing that shows hidden things, and so is shown exactly
what everybody in a course is shown. Whether that is so is found out (`excess`): by asking for what it must not see.
Posts and dates are asked for in bulk, 50 courses to a request. Texts come as Moodle shows them, cleaned and through the
site's filters, not as they stand in its database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

from ..domain.deadlines import Dated
from ..domain.model import CourseId
from ..domain.relay import ALL_GROUPS, Attachment, ForumId, PostList
from ..errors import AppError, PermanentFailure
from ..ports import File, Forum, Reader
from . import errors
from .answer import Json
from .bulk import BULK, call_many
from .client import FILES, MoodleClient
from .content_shapes import (
    CONFIG,
    CONTENTS,
    DISCUSSIONS,
    FORUMS,
    NEEDED,
    announcements,
    dates,
    forums,
    hidden_but_open,
    reader,
    time_zone,
    with_separate_groups,
)
from .shapes import SITE_INFO

PAGE: Final = 10
"""Posts that are asked for where only the newest are of interest."""
FORUMS_AT_ONCE: Final = 200
"""Courses in one request for forums: some 4 ms each."""
OPTIONAL: Final = frozenset({BULK, CONFIG})
SLACK: Final = 300.0
"""Seconds by which Moodle's clock and ours may differ."""
_NEWEST_FIRST: Final = 3


class MoodleContent:
    """Implements `ports.Content`. `client` has the content token, and asks for formatted texts."""

    def __init__(self, client: MoodleClient) -> None:
        if client.raw:
            raise ValueError("posts are read as Moodle shows them: the client must not ask for raw texts")
        self._client = client
        self._functions: frozenset[str] = frozenset()

    async def reader(self) -> Reader:
        """`core_webservice_get_site_info`. Raises `FunctionMissing` for a function that is needed."""
        found = reader(await self._client.call(SITE_INFO))
        self._functions = found.functions
        for name in NEEDED:
            if name not in found.functions:
                raise errors.FunctionMissing(name, about="the content token (moodle.content_token)")
        return found

    async def time_zone(self) -> str:
        """`tool_mobile_get_config`, where the service has it."""
        if CONFIG not in await self._known():
            return ""
        return time_zone(await self._client.call(CONFIG, {"section": "locationsettings"}))

    async def forums(self, course_ids: Sequence[CourseId]) -> Mapping[CourseId, Sequence[Forum]]:
        """`mod_forum_get_forums_by_courses`; courses that the reader may not enter are left out by Moodle."""
        found: dict[CourseId, list[Forum]] = {course_id: [] for course_id in course_ids}
        for start in range(0, len(course_ids), FORUMS_AT_ONCE):
            part: list[Json] = list(course_ids[start : start + FORUMS_AT_ONCE])
            for forum in forums(await self._client.call(FORUMS, {"courseids": part})):
                if forum.course_id in found:
                    found[forum.course_id].append(forum)
        return found

    async def posts(self, forums: Sequence[Forum], *, whole: bool) -> Mapping[ForumId, PostList | AppError]:
        """`mod_forum_get_forum_discussions`, 50 forums to a request; only what is for all participants is asked for."""
        size: dict[str, Json] = {"page": -1, "perpage": 0} if whole else {"page": 0, "perpage": PAGE}
        calls: list[tuple[str, Mapping[str, Json]]] = [
            (DISCUSSIONS, {"forumid": one.id, "sortorder": _NEWEST_FIRST, "groupid": ALL_GROUPS, **size})
            for one in forums
        ]
        answers = await call_many(self._client, calls, functions=await self._known())
        found: dict[ForumId, PostList | AppError] = {}
        for forum, answer in zip(forums, answers, strict=True):
            if isinstance(answer, errors.MoodleError):
                found[forum.id] = answer
                continue
            try:
                posts = announcements(answer, forum, self._client.language)
            except errors.BadAnswer as error:
                found[forum.id] = error
            else:
                found[forum.id] = PostList(posts, whole or len(posts) < PAGE)
        return found

    async def dates(self, course_ids: Sequence[CourseId]) -> Mapping[CourseId, Sequence[Dated] | AppError]:
        """`core_course_get_contents` without contents, 50 courses to a request."""
        found: dict[CourseId, Sequence[Dated] | AppError] = {}
        for course_id, answer in (await self._contents(course_ids)).items():
            try:
                found[course_id] = (
                    answer if isinstance(answer, AppError) else dates(answer, self._client.language)
                )
            except errors.BadAnswer as error:
                found[course_id] = error
        return found

    async def excess(
        self, reader: Reader, *, hidden: Sequence[CourseId], shown: Sequence[CourseId], now: float
    ) -> Sequence[str]:
        """What our reader is shown beyond what every participant sees. Raises `MoodleError`."""
        found = []
        if reader.is_admin:
            found.append("Its account is an administrator of the site.")
        open_ones = [
            course_id
            for course_id, answer in (await self._contents(hidden)).items()
            if not isinstance(answer, errors.MoodleError)
        ]
        if open_ones:
            found.append(
                f"It may enter the hidden course {open_ones[0]}: take moodle/course:viewhiddencourses from its role."
            )
        contents = {
            course_id: answer
            for course_id, answer in (await self._contents(shown)).items()
            if not isinstance(answer, errors.MoodleError)
        }
        found += [one for answer in contents.values() for one in hidden_but_open(answer)][:1]
        separate = {module for answer in contents.values() for module in with_separate_groups(answer)}
        every = [forum for one in (await self.forums(list(contents))).values() for forum in one]
        calls: list[tuple[str, Mapping[str, Json]]] = [(DISCUSSIONS, {"forumid": one.id}) for one in every]
        answers = await call_many(self._client, calls, functions=await self._known())
        for forum, answer in zip(every, answers, strict=True):
            if not isinstance(answer, errors.MoodleError):
                found += _excess_in_forum(forum, answer, forum.module_id in separate, now)
        return list(dict.fromkeys(found))

    async def file(self, attachment: Attachment, *, most: int) -> File:
        """Download a file behind `webservice/pluginfile.php`, of this site only.

        Raises `PermanentFailure` for any other.
        """
        path = urlsplit(attachment.address).path
        _, found, rest = path.partition(f"/{FILES}/")
        if not found or ".." in unquote(rest):
            raise PermanentFailure(
                f"The file {attachment.name} is not on Moodle's own file server. It was not read."
            )
        got = await self._client.download(rest, max_bytes=most)
        return File(attachment.name, got.content_type, got.data)

    async def _contents(self, course_ids: Sequence[CourseId]) -> dict[CourseId, Json | errors.MoodleError]:
        option: Json = [{"name": "excludecontents", "value": "1"}]
        calls: list[tuple[str, Mapping[str, Json]]] = [
            (CONTENTS, {"courseid": course_id, "options": option}) for course_id in course_ids
        ]
        answers = await call_many(self._client, calls, functions=await self._known())
        return dict(zip(course_ids, answers, strict=True))

    async def _known(self) -> frozenset[str]:
        return self._functions or (await self.reader()).functions


def _excess_in_forum(forum: Forum, answer: Json, separate: bool, now: float) -> list[str]:
    """Judged by posts that no participant without groups would be shown."""
    found = []
    posts = announcements(answer, forum, "en")
    if separate and any(post.group_id != ALL_GROUPS for post in posts):
        found.append("It is shown posts to single groups: take moodle/site:accessallgroups from its role.")
    if any((post.starts or now) > now + SLACK or (post.ends or now) < now - SLACK for post in posts):
        found.append(
            "It is shown posts before or after their time: take mod/forum:viewhiddentimedposts from its role."
        )
    return found
