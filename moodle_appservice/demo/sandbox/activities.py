"""What stands in the sandbox's courses: forums with their discussions, and activities with dates.

`Activities` is the university's shelf for them. Every course has its forum of announcements, made when it is first
asked for. Ids follow Moodle: a course module (`cmid`), an instance of its kind, a discussion, and the first post of a
discussion are four different numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .records import GroupMode
from .university import University

FIRST_CONTEXT = 1_000_000
"""What is added to the id of an activity for the id of its context, where none is given."""
FROM_ALL = -1
"""`groupid` of a discussion for all participants."""


@dataclass(slots=True)
class Enclosure:
    """A file of a post; `inline` where the text shows it."""

    name: str
    content_type: str
    data: bytes
    icon: str
    timemodified: int = 0
    inline: bool = False


@dataclass(slots=True)
class Activity:
    """A course module with its instance. `dates`: `dataid` → Unix seconds, in Moodle's order.

    `groups`: only for members of these, empty for all; `from_date`: not before. `shown`: listed with the reason all the
    same. `more`: columns of forums, and keys of `core_course_get_contents` that only some kinds have.
    """

    id: int
    course: int
    kind: str
    instance: int
    name: str
    visible: bool = True
    dates: dict[str, int] = field(default_factory=dict)
    groupmode: GroupMode = GroupMode.NONE
    groups: frozenset[int] = frozenset()
    from_date: int = 0
    shown: bool = True
    reason: str = ""
    context: int = 0
    customdata: str = ""
    type: str = ""
    timemodified: int = 0
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Discussion:
    """A discussion with its first post (`post`); `replies` are the ids of people who answered, in order."""

    id: int
    post: int
    forum: int
    user: int
    subject: str
    message: str
    created: int
    modified: int
    group: int = FROM_ALL
    timestart: int = 0
    timeend: int = 0
    pinned: bool = False
    mailed: int = 0
    timemodified: int = 0
    usermodified: int = 0
    numreplies: int = 0
    files: list[Enclosure] = field(default_factory=list)


class Activities:
    """Forums, discussions and dates of one university."""

    def __init__(self, university: University) -> None:
        """Start with nothing."""
        self._university = university
        self.activities: dict[int, Activity] = {}
        self.discussions: dict[int, Discussion] = {}
        self._inside: dict[int, dict[int, Activity]] = {}
        self._forums: dict[int, Activity] = {}
        self._in_forum: dict[int, dict[int, Discussion]] = {}
        self._forum_of: dict[int, Activity] = {}
        self._last: dict[str, int] = {}

    def _number(self, table: str, wanted: int | None = None) -> int:
        number = wanted or self._last.get(table, 0) + 1
        self._last[table] = max(self._last.get(table, 0), number)
        return number

    def add(
        self,
        course: int,
        kind: str,
        name: str,
        *,
        id: int | None = None,
        instance: int | None = None,
        **columns: Any,
    ) -> Activity:
        """Put an activity into a course: `add(2, "assign", "Sheet 1", dates={"duedate": 1795803637})`."""
        number = self._number("course_modules", id)
        activity = Activity(number, course, kind, self._number(kind, instance), name, **columns)
        activity.context = activity.context or FIRST_CONTEXT + number
        activity.timemodified = activity.timemodified or self._university.now()
        self.activities[number] = activity
        self._inside.setdefault(course, {})[number] = activity
        if kind == "forum":
            self._forums[activity.instance] = activity
        if kind == "forum" and activity.type == "news":
            self._forum_of[course] = activity
        return activity

    def remove(self, activity: int) -> None:
        """Delete an activity."""
        gone = self.activities.pop(activity)
        del self._inside[gone.course][activity]
        if gone.kind == "forum":
            del self._forums[gone.instance]
        if self._forum_of.get(gone.course) is gone:
            del self._forum_of[gone.course]

    def announcements(self, course: int) -> Activity:
        """The forum of announcements of a course."""
        if course not in self._forum_of:
            self.add(course, "forum", "Announcements", type="news")
        return self._forum_of[course]

    def forum(self, instance: int) -> Activity | None:
        """A forum by its instance."""
        return self._forums.get(instance)

    def inside(self, course: int) -> Iterator[Activity]:
        """The activities of a course, in the order of their making."""
        return iter(list(self._inside.get(course, {}).values()))

    def in_forum(self, instance: int) -> Iterator[Discussion]:
        """The discussions of a forum, in the order of their making."""
        return iter(list(self._in_forum.get(instance, {}).values()))

    def announce(self, course: int, user: int, subject: str, message: str, **columns: Any) -> Discussion:
        """A new discussion in the forum of announcements; columns as in `Discussion`."""
        return self.discuss(self.announcements(course), user, subject, message, **columns)

    def discuss(
        self, forum: Activity, user: int, subject: str, message: str, *, id: int | None = None, **columns: Any
    ) -> Discussion:
        """A new discussion in a forum."""
        now = self._university.now()
        post = self._number("forum_posts", columns.pop("post", None))
        columns.setdefault("created", now)
        columns.setdefault("modified", columns["created"])
        number = self._number("forum_discussions", id)
        discussion = Discussion(number, post, forum.instance, user, subject, message, **columns)
        discussion.timemodified = discussion.timemodified or discussion.created
        discussion.usermodified = discussion.usermodified or user
        self.discussions[number] = discussion
        self._in_forum.setdefault(forum.instance, {})[number] = discussion
        return discussion

    def edit(self, discussion: int, *, subject: str | None = None, message: str | None = None) -> None:
        """Change a first post; the time of the discussion itself stays, as in Moodle."""
        changed = self.discussions[discussion]
        changed.subject = changed.subject if subject is None else subject
        changed.message = changed.message if message is None else message
        changed.modified = self._university.now()

    def delete(self, discussion: int) -> None:
        """Delete a discussion with its posts."""
        gone = self.discussions.pop(discussion)
        del self._in_forum[gone.forum][discussion]

    def mail(self) -> None:
        """Moodle's cron sends what was posted so far."""
        for discussion in self.discussions.values():
            discussion.mailed = 1

    def file(self, context: int, area: str, post: int, name: str) -> Enclosure | None:
        """A file of a post by the path of its address."""
        for discussion in self.discussions.values():
            forum = self.forum(discussion.forum)
            if discussion.post != post or forum is None or forum.context != context:
                continue
            for one in discussion.files:
                if one.name == name and one.inline == (area == "post"):
                    return one
        return None
